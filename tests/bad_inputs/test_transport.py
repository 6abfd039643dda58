"""Bytes that are no PDUs, PDUs out of turn, connections that end half way: "Transport and PDU"."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path
from typing import Any

import pytest
from twisted.protocols.tls import TLSMemoryBIOFactory

from relay.config import ClientTLS
from relay.transport.association import CLOSING_TIMEOUT
from relay.transport.in_memory import InMemory
from relay.transport.tls import client_security
from relay.wire.pdu import Abort, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ
from tests import vectors
from tests.bad_inputs.case import (
    ECHOED,
    INVALID_PARAMETER,
    NO_ASSOCIATION,
    STORED,
    TLS_PORT,
    TRY_AGAIN,
    UNEXPECTED,
    UNRECOGNIZED,
    BadInputs,
    allocating_at_most,
)
from tests.network import Sole
from tests.peers import ECHO, STORE, Caller, associate_rq, echo, last, said, store, store_command
from tests.transport.tls_bed import Pki
from tests.vectors import HTTP_REQUEST, TLS_CLIENT_HELLO, p_data, pdu, pdv


class Strangers(BadInputs):
    @pytest.mark.row(1)
    def test_an_http_request(self):
        self.assertAnswered(self.stranger(HTTP_REQUEST), NO_ASSOCIATION)
        self.assertEqual(len(self.lines()), 1)

    @pytest.mark.row(1)
    def test_a_tls_client_hello_on_the_plain_port(self):
        self.assertAnswered(self.stranger(TLS_CLIENT_HELLO), NO_ASSOCIATION)
        self.assertEqual(len(self.lines()), 1)

    @pytest.mark.row(1)
    def test_random_bytes(self):
        chance = random.Random(20260101)
        for first in set(range(256)) - {7}:
            caller = self.stranger(bytes((first,)) + b"\xff" + chance.randbytes(200))
            self.assertAnswered(caller, NO_ASSOCIATION)

    @pytest.mark.row(1)
    def test_a_stranger_that_goes_on_and_on_fills_no_memory(self):
        caller = self.bed.call(HTTP_REQUEST, polite=False)
        block = bytes(65536)
        with allocating_at_most(65536):
            for _ in range(200):
                self.bed.say(caller, block)
        self.network.wait(2 * CLOSING_TIMEOUT)
        self.assertAnswered(caller, NO_ASSOCIATION)

    @pytest.mark.row(2)
    def test_an_unknown_pdu_type_in_an_association(self):
        for kind in (0, 8, 0x47, 0xFF):
            self.assertAnswered(self.hurt(pdu(kind, b"")), UNRECOGNIZED)

    @pytest.mark.row(3)
    def test_connect_and_close(self):
        for end in ("loseConnection", "abortConnection"):
            getattr(self.stranger().transport, end)()
            self.network.settle()
        self.assertEqual({each["log_level"].name for each in self.events}, {"debug"})
        self.assertEqual(len(self.bed.service.doors[0].listener.connections), 0)

    @pytest.mark.row(4)
    def test_three_bytes_and_then_silence(self):
        caller = self.stranger(b"\x01\x00\x00")
        self.network.wait(30)
        self.assertAnswered(caller)
        self.assertEqual({each["log_level"].name for each in self.events}, {"debug"})

    @pytest.mark.row(6)
    def test_a_request_that_declares_4_gib(self):
        with allocating_at_most(100_000):
            caller = self.stranger(bytes.fromhex("01 00 FFFFFFFF"))
        self.assertAnswered(caller, NO_ASSOCIATION)

    @pytest.mark.row(15)
    def test_p_data_before_the_association(self):
        self.assertAnswered(self.stranger(echo()), NO_ASSOCIATION)


class Fragments(BadInputs):
    @pytest.mark.row(7)
    def test_p_data_longer_than_announced(self):
        caller = self.bed.call(associate_rq())
        (answer,) = caller.since()
        announced = answer.user_information.maximum_length
        whole = pdv(STORE, 0, bytes(announced - 6))
        self.bed.say(caller, p_data(pdv(STORE, 3, store_command())), p_data(whole))
        self.assertEqual(caller.since(), [])
        self.bed.say(caller, bytes.fromhex("04 00") + (announced + 1).to_bytes(4, "big"))
        self.assertAnswered(caller, INVALID_PARAMETER)

    @pytest.mark.row(8)
    def test_p_data_without_a_pdv(self):
        for length in range(6):
            self.assertAnswered(self.hurt(pdu(4, bytes(length))), INVALID_PARAMETER)

    @pytest.mark.row(9)
    def test_a_pdv_that_is_too_short_for_its_own_header(self):
        for length in (0, 1):
            broken = length.to_bytes(4, "big") + bytes((ECHO, 3))
            self.assertAnswered(self.hurt(pdu(4, broken)), INVALID_PARAMETER)

    @pytest.mark.row(10)
    def test_a_pdv_that_reaches_beyond_its_pdu(self):
        beyond = pdv(STORE, 3, store_command())
        for more in (1, 1000, 2**31):
            broken = (len(beyond) - 4 + more).to_bytes(4, "big") + beyond[4:]
            self.assertAnswered(self.hurt(pdu(4, broken)), INVALID_PARAMETER)

    @pytest.mark.row(10)
    def test_the_second_pdv_of_a_pdu_that_reaches_beyond_it(self):
        good, beyond = pdv(STORE, 1, b"half a co"), pdv(STORE, 3, b"mmand")
        broken = good + (len(beyond) + 100).to_bytes(4, "big") + beyond[4:]
        self.assertAnswered(self.hurt(pdu(4, broken)), INVALID_PARAMETER)

    @pytest.mark.row(11)
    def test_a_release_or_rejection_whose_length_is_not_4(self):
        for kind in (3, 5, 6):
            for length in (0, 3, 5, 2**20):
                caller = self.hurt(bytes((kind, 0)) + length.to_bytes(4, "big") + bytes(3))
                self.assertAnswered(caller, INVALID_PARAMETER)

    @pytest.mark.row(11)
    def test_a_rejection_of_an_archive_whose_length_is_not_4(self):
        self.archive.script.associate = lambda request: pdu(3, bytes(5))
        self.assertEqual(self.asked(), TRY_AGAIN)
        self.assertEqual(self.archive.heard[-1], INVALID_PARAMETER)

    @pytest.mark.row(11)
    def test_a_malformed_abort(self):
        for length in (0, 3, 5, 2**31):
            caller = self.hurt(bytes((7, 0)) + length.to_bytes(4, "big") + bytes(3))
            self.assertAnswered(caller)


class Cuts(BadInputs):
    def assertAbandoned(self, caller: Caller) -> None:
        """The caller is gone, and the archive was not left with half an object."""
        self.assertTrue(caller.is_closed)
        self.assertEqual(self.archive.messages, [])
        self.assertEqual(self.archive.open, [])
        self.assertIn("0 leased", repr(self.bed.service.keepers["pacs"]))

    @pytest.mark.row(12, 55)
    def test_the_end_of_a_connection_in_the_middle_of_a_pdu(self):
        for end in ("loseConnection", "abortConnection"):
            caller = self.hurt(said(STORE, store_command(), bytes(3000))[:-1000])
            self.assertEqual(len(self.archive.open), 1)
            getattr(caller.transport, end)()
            self.network.settle()
            self.assertAbandoned(caller)

    @pytest.mark.row(12, 55)
    def test_the_end_of_a_connection_in_the_middle_of_a_dataset(self):
        for end in ("loseConnection", "abortConnection"):
            caller = self.hurt(p_data(pdv(STORE, 3, store_command())), p_data(pdv(STORE, 0, b"ab")))
            getattr(caller.transport, end)()
            self.network.settle()
            self.assertAbandoned(caller)
            self.assertEqual(self.archive.heard[-1], Abort(0, 0))

    @pytest.mark.row(55)
    def test_an_abort_in_the_middle_of_a_dataset(self):
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())), p_data(pdv(STORE, 0, b"ab")))
        self.bed.say(caller, Abort().encode())
        self.assertAbandoned(caller)
        self.assertEqual(self.archive.heard[-1], Abort(0, 0))

    @pytest.mark.row(12)
    def test_the_end_of_a_connection_in_the_middle_of_a_command_set(self):
        caller = self.hurt(p_data(pdv(STORE, 1, store_command()[:20])))
        caller.transport.loseConnection()
        self.network.settle()
        self.assertTrue(caller.is_closed)

    @pytest.mark.row(13)
    def test_a_dataset_at_a_byte_a_second(self):
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())))
        for _ in range(15):
            if not caller.is_closed:
                self.bed.say(caller, p_data(pdv(STORE, 0, b"x")))
                self.network.wait(1)
        self.assertAnswered(caller, Abort(0, 0))
        self.assertAbandoned(caller)

    @pytest.mark.row(13)
    def test_whom_the_relay_does_not_read_is_not_slow(self):
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())))
        self.archive.associations[0].transport.pauseProducing()
        for _ in range(40):
            caller.say(p_data(pdv(STORE, 0, bytes(4000))))
        self.network.wait(45)
        self.assertEqual(caller.since(), [])
        self.archive.associations[0].transport.resumeProducing()
        self.bed.say(caller, last(STORE, b"the end."))
        self.assertTold(caller, STORED)
        self.bed.release(caller)


class OutOfTurn(BadInputs):
    @pytest.mark.row(14)
    def test_a_second_request_for_an_association(self):
        self.assertAnswered(self.hurt(associate_rq()), UNEXPECTED)

    @pytest.mark.row(14)
    def test_an_answer_to_no_request(self):
        rejection, agreement = AssociateRJ(1, 1, 1).encode(), ReleaseRP().encode()
        for stray in (vectors.ASSOCIATE_AC, rejection, agreement):
            self.assertAnswered(self.hurt(stray), UNEXPECTED)

    @pytest.mark.row(14)
    def test_a_second_request_while_the_first_waits_for_its_answer(self):
        self.archive.script.associate = lambda request: None
        caller = self.stranger(associate_rq(), associate_rq())
        self.assertAnswered(caller, UNEXPECTED)
        self.assertEqual(self.archive.open, [])

    @pytest.mark.row(14)
    def test_an_acceptance_that_an_archive_says_twice(self):
        caller = self.bed.associate()
        (request,) = (each for each in self.archive.heard if isinstance(each, AssociateRQ))
        answer = self.archive.script.associate(request)
        assert answer is not None
        self.archive.associations[0].say(answer)
        self.network.settle()
        self.assertEqual(self.archive.heard[-1], UNEXPECTED)
        self.bed.say(caller, echo())
        self.assertTold(caller, ECHOED)
        self.bed.release(caller)

    @pytest.mark.row(16)
    def test_a_release_collision(self):
        self.archive.script.release = None
        self.bed.release(self.bed.associate())
        self.network.wait(30)
        archive = self.archive.associations[0]
        self.assertEqual(archive.heard[-1], ReleaseRQ())
        archive.say(ReleaseRQ().encode())
        self.network.settle()
        self.assertEqual(archive.heard[-1], ReleaseRP())
        archive.transport.resumeProducing()
        archive.say(ReleaseRP().encode())
        self.network.settle()
        self.assertTrue(archive.is_closed)

    @pytest.mark.row(17)
    def test_p_data_behind_the_peers_own_release(self):
        caller = self.hurt(ReleaseRQ().encode() + store(b"pixels"))
        self.assertAnswered(caller, UNEXPECTED)
        self.assertEqual(self.archive.messages, [])
        self.assertIn("aborted by the relay: protocol error: P_DATA_RECEIVED", self.lines()[-1])

    @pytest.mark.row(17)
    def test_p_data_behind_the_peers_own_release_that_was_agreed_to(self):
        caller = self.bed.associate(polite=False)
        self.bed.say(caller, ReleaseRQ().encode())
        self.assertEqual(caller.since(), [ReleaseRP()])
        self.bed.say(caller, store(b"pixels"), store(b"others"))
        self.assertEqual(caller.since(), [UNEXPECTED])
        self.network.wait(2 * CLOSING_TIMEOUT)
        self.assertTrue(caller.is_closed)
        self.assertEqual(self.archive.messages, [])

    @pytest.mark.row(17)
    def test_p_data_of_an_archive_behind_its_own_release(self):
        self.bed.release(self.bed.associate())
        (archive,) = self.archive.open
        archive.say(ReleaseRQ().encode() + echo())
        self.network.settle()
        self.assertEqual(archive.heard[-1], UNEXPECTED)

    @pytest.mark.row(17)
    def test_p_data_on_its_way_to_the_relay_that_asks_for_release(self):
        # It is lawful (AR-6), and comes to nothing.
        self.archive.script.release = None
        self.bed.release(self.bed.associate())
        self.network.wait(30)
        archive = self.archive.associations[0]
        self.assertEqual(archive.heard[-1], ReleaseRQ())
        archive.say(echo() + ReleaseRP().encode())
        self.network.settle()
        self.assertEqual(archive.heard[-1], ReleaseRQ())
        self.assertTrue(archive.is_closed)


class WithTLS(BadInputs):
    """A relay with a TLS port beside the plain one."""

    relay = "handshakes_per_second = 30"

    def configuration(self) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pki = Pki(Path(folder.name))
        server = self.pki.server("relay")
        return super().configuration() + (
            f'[[listener]]\nendpoint = "tcp:port={TLS_PORT}"\n'
            f'tls = {{ certificate = "{server.certificate}", key = "{server.key}", '
            "handshake_timeout = 5 }\n"
        )

    def call_with_tls(self) -> tuple[Caller, Any]:
        """A caller behind TLS, and its connection underneath."""
        caller = Caller()
        factory = TLSMemoryBIOFactory(
            InMemory(client_security(ClientTLS(self.pki.ca), "relay")),
            True,
            Sole(caller),
            clock=self.network,
        )
        wrapper: Any = factory.buildProtocol(None)
        self.network.join(wrapper, TLS_PORT)
        self.network.settle()
        return caller, wrapper.transport

    @pytest.mark.row(5)
    def test_a_handshake_that_stalls(self):
        stalled = [
            self.bed.call(*data, port=TLS_PORT)
            for data in ((), (TLS_CLIENT_HELLO[:1],), (TLS_CLIENT_HELLO[:20],))
        ]
        caller, _ = self.call_with_tls()
        self.bed.say(caller, associate_rq(), echo())
        self.assertEqual(caller.messages(), [ECHOED])
        self.assertFalse(any(each.is_closed for each in stalled))
        self.network.wait(5)
        self.assertTrue(all(each.is_closed for each in stalled))
        self.assertFalse(caller.is_closed)
        self.assertEqual(self.lines().count("192.0.2.7: no TLS handshake in time"), 3)
        self.bed.release(caller)

    @pytest.mark.row(5)
    def test_more_handshakes_than_may_begin_in_a_second(self):
        flood = [self.bed.call(port=TLS_PORT) for _ in range(40)]
        self.assertEqual([each.is_closed for each in flood], [False] * 30 + [True] * 10)
        why = "192.0.2.7: closed: too many TLS handshakes a second from there"
        self.assertEqual(self.lines(), [why] * 10)
        self.network.wait(1)
        caller, _ = self.call_with_tls()
        self.bed.say(caller, associate_rq(), echo())
        self.assertEqual(caller.messages(), [ECHOED])
        self.bed.release(caller)

    @pytest.mark.row(3)
    def test_connect_and_close_on_the_tls_port(self):
        for data in ((), (TLS_CLIENT_HELLO[:20],)):
            for end in ("loseConnection", "abortConnection"):
                getattr(self.bed.call(*data, port=TLS_PORT).transport, end)()
                self.network.settle()
        self.assertEqual({each["log_level"].name for each in self.events}, {"debug"})

    @pytest.mark.row(1)
    def test_plain_dicom_and_nonsense_on_the_tls_port(self):
        for data in (associate_rq(), HTTP_REQUEST):
            caller = self.bed.call(polite=False, port=TLS_PORT)
            caller.dataReceived = lambda data: None  # type: ignore[method-assign]
            self.bed.say(caller, data)
            self.assertTrue(caller.is_closed)
        self.assertEqual(len(self.lines()), 2)
        self.assertTrue(all("192.0.2.7: TLS: " in line for line in self.lines()))

    @pytest.mark.row(12)
    def test_a_tls_stream_that_is_cut_in_the_middle_of_a_pdu(self):
        for end in ("loseConnection", "abortConnection"):
            caller, underneath = self.call_with_tls()
            self.bed.say(caller, associate_rq(), said(STORE, store_command(), bytes(3000))[:-1000])
            # No close_notify: the bytes just end.
            underneath.unregisterProducer()
            getattr(underneath, end)()
            self.network.settle()
            self.assertTrue(caller.is_closed)
            self.assertEqual(self.archive.messages, [])
            self.assertEqual(self.archive.open, [])

"""Archives that die, stall or talk nonsense: "Peers and the system"."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from twisted.protocols.tls import TLSMemoryBIOFactory

from relay.transport.tls import server_options
from relay.wire.pdu import Abort
from tests.bad_inputs.case import TRY_AGAIN, BadInputs
from tests.bed import ARCHIVE_PORT
from tests.peers import (
    GET,
    STORE,
    Message,
    associate_rq,
    command_of,
    echo,
    last,
    response_of,
    said,
    store,
    store_command,
    succeed,
)
from tests.transport.tls_bed import DAY, HOST, Pki
from tests.vectors import HTTP_REQUEST, p_data, pdu, pdv


class Archives(BadInputs):
    @pytest.mark.row(54)
    def test_an_archive_that_dies_in_the_middle_of_a_dataset(self):
        for end in ("loseConnection", "abortConnection"):
            caller = self.hurt(p_data(pdv(STORE, 3, store_command())), p_data(pdv(STORE, 0, b"ab")))
            getattr(self.archive.open[0].transport, end)()
            self.network.settle()
            self.assertEqual(caller.since(), [])
            self.bed.say(caller, last(STORE, b"cd"), echo(2))
            self.assertTold(caller, ("C_STORE_RSP", 1, 0), ("C_ECHO_RSP", 2, 0))
            self.bed.release(caller)

    @pytest.mark.row(54)
    def test_an_archive_that_dies_in_the_middle_of_a_dataset_for_good(self):
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())), p_data(pdv(STORE, 0, b"ab")))
        del self.network.listening[ARCHIVE_PORT]
        self.archive.open[0].transport.abortConnection()
        self.network.wait(1)
        self.bed.say(caller, p_data(pdv(STORE, 0, b"cd")))
        self.assertEqual(caller.since(), [])
        self.bed.say(caller, last(STORE, b"ef"))
        self.assertTold(caller, ("C_STORE_RSP", 1, 0xA700))
        self.bed.release(caller)

    @pytest.mark.row(56)
    def test_an_archive_that_is_lost_before_it_answers(self):
        self.archive.script.answer = lambda message: None
        caller = self.hurt(store(b"pixels"))
        self.archive.script.answer = succeed
        self.archive.open[0].transport.abortConnection()
        self.network.settle()
        self.assertTold(caller, ("C_STORE_RSP", 1, 0))
        first, second = self.archive.messages
        self.assertEqual(first, second)
        self.bed.release(caller)

    @pytest.mark.row(57)
    def test_a_pooled_association_that_the_archive_closed_while_it_was_idle(self):
        # tests/test_service.py has the one that nobody has noticed yet
        caller = self.bed.associate()
        for message_id, end in enumerate(("loseConnection", "abortConnection"), 1):
            getattr(self.archive.open[0].transport, end)()
            self.network.settle()
            self.bed.say(caller, echo(message_id))
            self.assertTold(caller, ("C_ECHO_RSP", message_id, 0))
        self.bed.release(caller)
        self.assertEqual(self.lines("warn"), [])

    @pytest.mark.row(58)
    def test_an_archive_that_never_reads(self):
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())))
        self.archive.open[0].transport.pauseProducing()
        for _ in range(500):
            caller.say(p_data(pdv(STORE, 0, bytes(4000))))
        self.network.settle()
        taken = 500 * 4012 - sum(map(len, caller.transport.unsent))
        self.assertLess(taken, 65536 + 2 * 4012)
        self.network.wait(59)
        self.assertEqual(caller.since(), [])
        self.network.wait(2)
        self.bed.say(caller, last(STORE, b"the end."))
        self.assertTold(caller, ("C_STORE_RSP", 1, 0))
        stored = [each.dataset for each in self.archive.messages if each.dataset]
        self.assertEqual([len(each) for each in stored], [500 * 4000 + 8])
        self.bed.release(caller)
        (line,) = self.lines("warn")
        self.assertEqual(line, "upstream pacs: association aborted: took nothing for 60 s")

    @pytest.mark.row(58)
    def test_an_archive_that_never_answers(self):
        self.archive.script.answer = lambda message: None
        caller = self.hurt(store(b"pixels"))
        self.network.wait(119)
        self.assertEqual(caller.since(), [])
        self.network.wait(1)
        self.assertTold(caller, ("C_STORE_RSP", 1, 0xA700))
        self.assertEqual(self.archive.open, [])
        self.bed.release(caller)

    def test_an_archive_that_answers_twice_in_one_breath(self):
        # The second answer is nobody's: not even of who leases the association next.
        held: list[Message] = []
        self.archive.script.answer = held.append
        first, second = self.bed.associate(), self.bed.associate()
        self.bed.say(first, echo(1))
        self.bed.say(second, echo(1))
        del held[1:]
        self.archive.open[0].say((succeed(held[0]) or b"") * 2)
        self.network.settle()
        self.assertTold(first, ("C_ECHO_RSP", 1, 0))
        self.assertTold(second)
        self.archive.script.answer = succeed
        second.transport.loseConnection()
        self.bed.release(first)

    def test_an_archive_that_reports_at_rest_and_takes_no_answers(self):
        caller = self.bed.associate()
        archive = self.archive.open[0]
        archive.transport.pauseProducing()
        report = said(1, command_of(0x0100, 1, e0002="1.2.840.10008.1.20.1"))
        for _ in range(2000):
            archive.say(report)
        self.network.settle()
        self.assertLess(sum(map(len, archive.transport.other.unsent)), 3 * 65536)
        self.bed.release(caller)

    def nonsense(self) -> dict[str, Callable[[Message], bytes]]:
        """What an archive may answer that is no answer, by why."""
        return {
            "no pdu": lambda message: HTTP_REQUEST,
            "an unknown pdu": lambda message: pdu(0x44, b""),
            "a broken pdv": lambda message: pdu(4, bytes(6)),
            "an unknown context": lambda message: said(99, response_of(message.command, 0)),
            "another context": lambda message: said(GET, response_of(message.command, 0)),
            "no command set": lambda message: said(message.context_id, b"nonsense"),
            "another message": lambda message: said(
                message.context_id, response_of(message.command, 0, e0120=99)
            ),
            "another operation": lambda message: said(
                message.context_id, response_of(message.command, 0, e0100=0x8020)
            ),
            "a dataset of nothing": lambda message: p_data(pdv(message.context_id, 2, b"x")),
            "a request for an association": lambda message: associate_rq(),
        }

    @pytest.mark.row(59)
    def test_an_archive_that_answers_a_store_with_nonsense(self):
        for why, answer in self.nonsense().items():
            self.archive.script.answer = answer
            caller = self.hurt(store(b"pixels"))
            self.assertEqual(caller.messages(), [("C_STORE_RSP", 1, 0xA700)], why)
            self.assertIsInstance(self.archive.heard[-1], Abort, why)
            if self.archive.heard[-1] != Abort(0, 0):
                self.assertFalse(self.bed.service.keepers["pacs"].is_reachable, why)
            self.bed.release(caller)

    @pytest.mark.row(59)
    def test_an_archive_that_answers_what_has_no_failure_with_nonsense(self):
        for why, answer in self.nonsense().items():
            self.archive.script.answer = answer
            caller = self.hurt(echo())
            self.assertEqual(caller.since(), [Abort(2, 0)], why)
            self.assertTrue(caller.is_closed)
            self.assertIsInstance(self.archive.heard[-1], Abort, why)

    def test_an_archive_that_is_not_there(self):
        del self.network.listening[ARCHIVE_PORT]
        caller = self.bed.call(associate_rq())
        self.network.wait(1)
        self.assertAnswered(caller, TRY_AGAIN)

    def test_an_archive_at_whose_address_nobody_answers(self):
        self.network.silent.add(ARCHIVE_PORT)
        caller = self.bed.call(associate_rq())
        self.network.wait(9.9)
        self.assertEqual(caller.since(), [])
        self.network.wait(0.1)
        self.assertAnswered(caller, TRY_AGAIN)


class TLSUpstream(BadInputs):
    """A relay whose archive is behind TLS, with a certificate that is good or bad."""

    upstream = 'tls = {{ ca = "{ca}" }}'

    def configuration(self) -> str:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pki = Pki(Path(folder.name))
        self.upstream = f'tls = {{ ca = "{self.pki.ca}" }}'
        return super().configuration()

    def tearDown(self) -> None:
        # TLS towards upstreams writes by the reactor's clock, so nothing crosses in memory, and an
        # archive is not seen to be well again.
        self.successResultOf(self.bed.service.stopService())
        self.assertEqual((self.network.getDelayedCalls(), self.network.ends), ([], {}))

    def rejected(self, **how: Any) -> str:
        """The one line that is said of an archive with such a certificate."""
        server = server_options(self.pki.server(**how))
        self.network.listening[ARCHIVE_PORT] = TLSMemoryBIOFactory(
            server, False, self.archive, clock=self.network
        )
        caller = self.bed.call(associate_rq())
        self.network.wait(1)
        self.assertAnswered(caller, TRY_AGAIN)
        self.assertEqual(self.archive.heard, [])
        (line,) = self.lines("warn")
        return line

    @pytest.mark.row(62)
    def test_an_expired_certificate(self):
        line = self.rejected(starts=-2 * DAY, ends=-DAY)
        self.assertEqual(line, "upstream pacs is out: TLS: the certificate has expired")

    @pytest.mark.row(62)
    def test_a_certificate_of_tomorrow_or_a_clock_of_yesterday(self):
        line = self.rejected(starts=DAY, ends=2 * DAY)
        self.assertEqual(
            line,
            "upstream pacs is out: TLS: the certificate is not valid yet, or a clock is wrong",
        )

    @pytest.mark.row(62)
    def test_the_certificate_of_somebody_else(self):
        self.assertNotEqual(HOST, "other.example.org")
        line = self.rejected(name="other.example.org")
        self.assertEqual(
            line, "upstream pacs is out: TLS: the certificate is for another host name"
        )

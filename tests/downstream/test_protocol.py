"""The relay's end of a caller's association: its timers, and what is said of strangers."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from relay.bridge.outcome import End
from relay.downstream.protocol import RATE_PERIOD, Limits
from relay.policy.entry import Gate
from relay.transport.association import CLOSING_TIMEOUT
from relay.wire.pdu import Abort, AssociateAC, ReleaseRP, ReleaseRQ
from tests.bed import LogCase
from tests.downstream.front import PATIENCE, Front
from tests.network import HIGH_WATER
from tests.peers import ECHO, STORE, Caller, associate_rq, echo, response_of, store_command
from tests.vectors import HTTP_REQUEST, p_data, pdv

USER_ABORT = Abort(0, 0)


class FrontCase(LogCase):
    limits: Limits = PATIENCE
    most_per_address = 0

    def setUp(self) -> None:
        super().setUp()
        self.front = Front(self.limits, gate=Gate(self.most_per_address))
        self.network = self.front.network

    def tearDown(self) -> None:
        stopped = self.front.listener.stop()
        self.network.wait(60)
        self.successResultOf(stopped)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.assertEqual(self.front.listener.connections, set())
        self.assertEqual(self.front.census.count, 0)

    def say(self, caller: Caller, *said: bytes) -> None:
        self.front.say(caller, *said)


class Release(FrontCase):
    def test_the_response_leaves_before_the_crossing_is_wound_up(self):
        caller = self.front.associate()
        association = self.front.association
        transport: Any = association.transport
        unsent_at_the_end = []
        association.session.ended = lambda outcome: unsent_at_the_end.append(
            (outcome.end, b"".join(transport.unsent))
        )
        self.say(caller, ReleaseRQ().encode())
        self.front.census.leave("MODALITY")  # what the listener would have done
        self.assertEqual(unsent_at_the_end, [(End.RELEASED, ReleaseRP().encode())])
        self.assertEqual(caller.since(), [ReleaseRP()])


class Artim(FrontCase):
    def test_three_bytes_and_then_silence_end_with_artim(self):
        caller = self.front.call(b"\x01\x00\x00")
        self.network.wait(29)
        self.assertFalse(caller.is_closed)
        self.network.wait(1)
        self.assertTrue(caller.is_closed)
        self.assertEqual(caller.since(), [])
        self.assertEqual(self.lines(), [])

    def test_a_request_that_never_ends_ends_with_artim(self):
        caller = self.front.call()
        for byte in associate_rq()[:40]:
            self.say(caller, bytes((byte,)))
            self.network.wait(1)
        self.assertTrue(caller.is_closed)

    def test_with_a_request_there_is_no_more_artim(self):
        caller = self.front.associate()
        self.network.wait(3600)
        self.assertFalse(caller.is_closed)

    def refused(self) -> Caller:
        """A caller that has been told A-ABORT, and stays."""
        caller = self.front.call()
        caller.is_polite = False
        self.say(caller, HTTP_REQUEST)
        self.assertEqual(caller.since(), [Abort(0, 0)])
        return caller

    def test_who_says_no_more_behind_the_last_word_and_stays_is_dropped_soon(self):
        caller = self.refused()
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.say(caller, b"more")
        self.network.wait(CLOSING_TIMEOUT)
        self.assertFalse(caller.is_closed)
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.assertTrue(caller.is_closed)

    def test_who_goes_on_sending_behind_the_last_word_is_heard_out_until_artim_ends(self):
        caller = self.refused()
        for _ in range(29):
            self.say(caller, b"more")
            self.network.wait(1)
        self.assertFalse(caller.is_closed)
        self.say(caller, b"more")
        self.network.wait(1)
        self.assertTrue(caller.is_closed)


class Handshake(FrontCase):
    limits = attrs.evolve(PATIENCE, handshake=5.0)

    def test_a_handshake_has_its_own_time(self):
        caller = self.front.call()
        self.network.wait(4)
        self.assertFalse(caller.is_closed)
        self.network.wait(1)
        self.assertTrue(caller.is_closed)
        self.assertEqual(self.lines(), ["192.0.2.7: no TLS handshake in time"])

    def test_artim_begins_with_the_end_of_the_handshake(self):
        caller = self.front.call()
        self.network.wait(4)
        self.front.association.handshakeCompleted()
        self.network.wait(29)
        self.assertFalse(caller.is_closed)
        self.network.wait(1)
        self.assertTrue(caller.is_closed)

    def test_behind_the_handshake_an_association_can_be_asked_for(self):
        caller = self.front.call()
        self.front.association.handshakeCompleted()
        self.say(caller, associate_rq())
        self.front.answer()
        self.assertIsInstance(caller.since()[0], AssociateAC)

    def test_who_leaves_in_the_handshake_is_not_worth_a_line(self):
        self.front.call().transport.loseConnection()
        self.network.settle()
        self.assertEqual(self.lines(), [])

    def test_a_handshake_that_fails_is_worth_one(self):
        self.front.call()
        association = self.front.association
        association.connectionLost(Failure(ValueError("CANARY")))
        self.assertEqual(self.lines(), ["192.0.2.7: ValueError"])


class Rate(FrontCase):
    def begin(self) -> Caller:
        """A caller in the middle of a dataset."""
        caller = self.front.associate()
        self.say(caller, p_data(pdv(STORE, 3, store_command())))
        self.front.lend()
        return caller

    def drip(self, caller: Caller, seconds: int, size: int = 1) -> None:
        for _ in range(seconds):
            if not caller.is_closed:
                self.say(caller, p_data(pdv(STORE, 0, bytes(size))))
            self.network.wait(1)

    def test_a_dataset_at_a_byte_a_second_is_aborted(self):
        caller = self.begin()
        self.drip(caller, int(RATE_PERIOD) + 1)
        self.assertEqual(caller.since(), [USER_ABORT])
        self.assertTrue(caller.is_closed)
        (line,) = self.lines()
        self.assertIn("aborted by the relay: slower than 100 bytes a second", line)

    def test_silence_in_the_middle_of_a_dataset_is_aborted(self):
        caller = self.begin()
        self.network.wait(RATE_PERIOD)
        self.assertEqual(caller.since(), [USER_ABORT])

    def test_silence_in_the_middle_of_a_command_set_is_aborted(self):
        caller = self.front.associate()
        self.say(caller, p_data(pdv(STORE, 1, store_command()[:20])))
        self.network.wait(RATE_PERIOD)
        self.assertEqual(caller.since(), [USER_ABORT])

    def test_a_dataset_that_is_fast_enough_may_take_as_long_as_it_needs(self):
        caller = self.begin()
        self.drip(caller, 100, size=100)
        self.assertEqual(caller.since(), [])

    def test_one_that_becomes_slow_is_aborted_then(self):
        caller = self.begin()
        self.drip(caller, 20, size=100)
        self.assertEqual(caller.since(), [])
        self.drip(caller, 20)
        self.assertEqual(caller.since(), [USER_ABORT])

    def test_whom_the_relay_does_not_read_from_is_not_slow(self):
        caller = self.begin()
        self.front.association.pause()
        self.network.wait(100)
        self.assertEqual(caller.since(), [])
        self.front.association.resume()
        self.network.wait(RATE_PERIOD)
        self.assertEqual(caller.since(), [])
        self.network.wait(RATE_PERIOD)
        self.assertEqual(caller.since(), [USER_ABORT])

    def test_who_was_not_read_from_for_a_moment_has_a_period_more(self):
        caller = self.begin()
        self.front.association.pause()
        self.front.association.resume()
        self.network.wait(RATE_PERIOD)
        self.assertEqual(caller.since(), [])

    def test_between_messages_nobody_is_slow(self):
        caller = self.begin()
        self.say(caller, p_data(pdv(STORE, 2, b"the end.")))
        self.network.wait(5 * RATE_PERIOD)
        self.assertEqual(caller.since(), [])

    def test_a_message_that_has_just_begun_is_not_measured_by_the_silence_before_it(self):
        caller = self.begin()
        self.network.wait(1)
        self.say(caller, p_data(pdv(STORE, 2, b"the end.")))
        self.network.wait(RATE_PERIOD - 1.5)
        self.say(caller, p_data(pdv(STORE, 3, store_command(2))))
        self.network.wait(1)
        self.assertEqual(caller.since(), [])
        self.network.wait(RATE_PERIOD)
        self.assertEqual(caller.since(), [USER_ABORT])


class NoRate(FrontCase):
    limits = attrs.evolve(PATIENCE, minimum_rate=0)

    def test_without_a_minimum_anything_goes(self):
        caller = self.front.associate()
        self.say(caller, p_data(pdv(STORE, 3, store_command())))
        self.network.wait(3600)
        self.assertEqual(caller.since(), [])


class Stall(FrontCase):
    def fill(self, caller: Caller) -> None:
        """Write more than the caller takes."""
        caller.transport.pauseProducing()
        for _ in range(3):
            # Its transport says that it is full with each of these.
            self.front.association.write([p_data(pdv(ECHO, 0, bytes(HIGH_WATER)))])
        self.network.settle()

    def test_a_caller_that_does_not_read_is_aborted_when_its_time_is_up(self):
        caller = self.front.associate()
        self.fill(caller)
        self.network.wait(60)
        self.assertFalse(caller.is_closed)
        self.network.wait(CLOSING_TIMEOUT)
        self.assertTrue(caller.is_closed)
        (line,) = self.lines()
        self.assertIn("aborted by the relay: took nothing for 60 s", line)

    def test_one_that_reads_again_in_time_is_not(self):
        caller = self.front.associate()
        for _ in range(3):
            self.fill(caller)
            self.network.wait(59)
            caller.transport.resumeProducing()
            self.network.settle()
        self.network.wait(100)
        self.assertFalse(caller.is_closed)

    def test_a_transport_that_was_never_full_may_say_that_it_is_not(self):
        caller = self.front.associate()
        self.front.association.resumeProducing()
        self.network.wait(100)
        self.assertFalse(caller.is_closed)

    def test_being_told_twice_does_not_start_the_time_anew(self):
        caller = self.front.associate()
        self.fill(caller)
        self.network.wait(30)
        self.front.association.pauseProducing()
        self.network.wait(30)
        self.network.wait(CLOSING_TIMEOUT)
        self.assertTrue(caller.is_closed)


class Idle(FrontCase):
    limits = attrs.evolve(PATIENCE, idle=20.0)

    def test_an_association_without_an_operation_is_aborted_in_the_end(self):
        caller = self.front.associate()
        self.network.wait(40)
        self.assertEqual(caller.since(), [USER_ABORT])
        (line,) = self.lines()
        self.assertIn("aborted by the relay: idle for 20 s", line)

    def test_one_that_says_something_now_and_then_is_not(self):
        caller = self.front.associate()
        self.say(caller, echo(1))
        lent = self.front.lend()
        for message_id in range(2, 10):
            lent.says(response_of(lent.got[-1].command, 0), on=ECHO)
            self.network.wait(19)
            self.say(caller, echo(message_id))
            lent = self.front.lend()
        self.assertNotIn(USER_ABORT, caller.since())

    def test_an_operation_may_take_as_long_as_it_needs(self):
        caller = self.front.associate()
        self.say(caller, echo(1))
        self.network.wait(1000)
        self.assertEqual(caller.since(), [])

    def test_the_idle_time_begins_with_the_end_of_an_operation(self):
        caller = self.front.associate()
        self.say(caller, echo(1))
        lent = self.front.lend()
        self.network.wait(59)
        lent.says(response_of(lent.got[-1].command, 0), on=ECHO)
        self.network.wait(20)
        self.assertEqual(caller.messages(), [("C_ECHO_RSP", 1, 0)])
        self.network.wait(20)
        self.assertEqual(caller.since(), [USER_ABORT])

    def test_who_waits_for_an_answer_of_the_upstream_is_not_idle(self):
        caller = self.front.call(associate_rq())
        self.network.wait(1000)
        self.assertEqual(caller.since(), [])
        self.front.answer()
        self.assertIsInstance(caller.since()[0], AssociateAC)

    def test_who_asks_for_nothing_is_no_association_that_is_idle(self):
        caller = self.front.call()
        self.network.wait(30)
        self.assertTrue(caller.is_closed)
        self.assertEqual(self.lines(), [])


class Strangers(FrontCase):
    def test_who_connects_and_leaves_is_noted_for_debugging_alone(self):
        caller = self.front.call()
        caller.transport.loseConnection()
        self.network.settle()
        self.assertEqual(self.lines(), [])
        self.assertEqual(self.lines("debug"), ["192.0.2.7: connected and left"])

    def test_who_connects_and_resets_is_noted_for_debugging_alone(self):
        self.front.call().transport.abortConnection()
        self.network.settle()
        self.assertEqual(self.lines(), [])
        self.assertEqual(self.lines("debug"), ["192.0.2.7: connected and left"])

    def test_who_speaks_another_protocol_has_one_line(self):
        self.front.call(HTTP_REQUEST)
        self.network.wait(CLOSING_TIMEOUT)
        self.assertEqual(self.lines(), ["192.0.2.7: not an association: PDU type 47H"])
        self.assertEqual(self.lines("debug"), [])

    def test_who_had_an_association_is_no_stranger(self):
        caller = self.front.associate()
        self.say(caller, ReleaseRQ().encode())
        self.assertEqual(len(self.lines()), 1)
        self.assertEqual(self.lines("debug"), [])

    def test_a_peer_whose_address_is_none_is_called_local(self):
        # A caller by a unix: endpoint has no host.
        association = self.front.listener.buildProtocol(None)
        assert association is not None
        association.makeConnection(self.front.call().transport)
        association.connectionLost(Failure(ConnectionDone()))
        self.assertEqual(self.lines("debug"), ["local: connected and left"])

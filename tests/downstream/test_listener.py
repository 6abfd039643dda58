"""A port with its rules: how many may come, what is said of them, and how all of it ends."""

from __future__ import annotations

from twisted.internet.address import IPv4Address

from relay.bridge.outcome import End, Outcome
from relay.policy.entry import MOST_TOLD, Entry, Gate
from relay.policy.lines import PERIOD, Rate
from relay.transport.association import CLOSING_TIMEOUT
from relay.wire.command import CommandField
from relay.wire.pdu import Abort, AssociateAC, AssociateRJ, ReleaseRQ
from tests.downstream.test_protocol import FrontCase
from tests.network import CALLER_HOST
from tests.peers import associate_rq, echo, response_of
from tests.vectors import HTTP_REQUEST

AT_ONCE = Rate().at_once
TOO_MANY = AssociateRJ(2, 3, 2)


class Room(FrontCase):
    def test_one_more_than_there_may_be_is_rejected_for_now(self):
        callers = [self.front.associate() for _ in range(3)]
        late = self.front.call(associate_rq())
        self.assertEqual(late.since(), [TOO_MANY])
        self.front.say(callers[0], ReleaseRQ().encode())
        self.assertFalse(self.front.associate().is_closed)

    def test_connections_that_ask_for_nothing_do_not_count(self):
        for _ in range(10):
            self.front.call()
        self.assertEqual(self.front.census.count, 0)
        self.front.associate()

    def test_strangers_do_not_make_room_by_leaving(self):
        for _ in range(5):
            self.front.call(HTTP_REQUEST)
        self.network.wait(CLOSING_TIMEOUT)
        self.assertEqual(self.front.census.count, 0)

    def test_a_rejected_one_is_counted_off_again(self):
        for _ in range(10):
            caller = self.front.call(associate_rq(called=b"\x01"))
            self.assertEqual(caller.since(), [AssociateRJ(1, 1, 7)])
        self.assertEqual(self.front.census.count, 0)


class AtTheGate(FrontCase):
    most_per_address = 2

    def test_those_too_many_of_an_address_are_told_so_when_they_ask(self):
        silent = [self.front.call() for _ in range(2)]
        self.assertEqual(self.front.call(associate_rq()).since(), [TOO_MANY])
        self.assertEqual(self.front.census.count, 0)
        silent[0].transport.loseConnection()
        self.network.settle()
        self.assertFalse(self.front.associate().is_closed)

    def test_a_flood_of_an_address_is_closed_before_it_says_a_word(self):
        let_in = [self.front.call() for _ in range(2 + MOST_TOLD)]
        late = self.front.call()
        self.assertTrue(late.is_closed)
        self.assertFalse(any(each.is_closed for each in let_in))
        self.assertEqual(len(self.front.listener.connections), len(let_in))
        self.assertEqual(self.lines(), [f"{CALLER_HOST}: closed: too many connections from there"])

    def test_all_who_came_have_left_when_they_are_gone(self):
        for _ in range(2 + MOST_TOLD + 5):
            self.front.call(HTTP_REQUEST)
        self.network.wait(CLOSING_TIMEOUT)
        self.assertEqual(self.front.listener.connections, set())
        self.assertIs(self.front.gate.enter(CALLER_HOST, 0.0, False), Entry.SERVED)
        self.front.gate.leave(CALLER_HOST)


class Lines(FrontCase):
    def test_a_crossing_has_one_line_that_says_what_became_of_it(self):
        caller = self.front.associate()
        self.front.say(caller, echo(1))
        lent = self.front.lend()
        self.network.wait(2)
        lent.says(response_of(lent.got[-1].command, 0), on=1)
        self.front.say(caller, ReleaseRQ().encode())
        self.assertEqual(
            self.lines(),
            [
                f"'MODALITY' at {CALLER_HOST} called 'RELAY': released; 1 C-ECHO; "
                "0 bytes up, 0 down; by a; 2.0 s"
            ],
        )

    def test_what_a_peer_chose_for_its_name_breaks_no_line(self):
        self.front.call(associate_rq(calling=b"A\r\nfake: line"))
        (line,) = self.lines()
        self.assertIn(r"'A\r\nfake: line' at", line)
        self.assertNotIn("\n", line)

    def test_a_crossing_that_was_cut_says_so(self):
        caller = self.front.associate()
        caller.transport.abortConnection()
        self.network.settle()
        (line,) = self.lines()
        self.assertIn(": connection lost: connection closed; nothing; ", line)
        self.assertIn("; no upstream; ", line)

    def test_an_abort_of_the_caller_is_told_with_its_numbers(self):
        self.front.say(self.front.associate(), Abort(2, 6).encode())
        (line,) = self.lines()
        self.assertIn("aborted by the caller: aborted by the peer (2,6)", line)

    def test_the_outcome_goes_along_for_who_counts(self):
        self.front.say(self.front.associate(), ReleaseRQ().encode())
        outcomes = [each["outcome"] for each in self.events if "outcome" in each]
        self.assertEqual([each.end for each in outcomes], [End.RELEASED])

    def test_what_became_of_it_is_told_in_fields_too(self):
        self.front.listener.wall_clock = lambda: 1_800_000_000.0
        caller = self.front.associate()
        self.front.say(caller, echo(1))
        lent = self.front.lend()
        self.network.wait(2)
        lent.says(response_of(lent.got[-1].command, 0x0110), on=1)
        self.front.say(caller, ReleaseRQ().encode())
        (event,) = (each for each in self.events if each.get("event") == "crossing")
        self.assertEqual((event["peer"], event["calling"]), (CALLER_HOST, "MODALITY"))
        self.assertEqual((event["operations"], event["statuses"]), ({"C-ECHO": 1}, {"0110": 1}))
        self.assertEqual((event["begun"], event["seconds"]), ("2027-01-15T07:59:58.000Z", 2.0))

    def test_each_kind_of_operation_is_named_as_the_standard_does(self):
        outcome = Outcome("A", "B", ["x", "y"], failed=2, bytes_up=5, bytes_down=6)
        outcome.operations.update({CommandField.C_STORE_RQ: 3, CommandField.N_EVENT_REPORT_RQ: 1})
        outcome.finish(End.RELEASED)
        self.front.census.enter("A")
        self.front.listener._ended("there", 0.0, outcome)
        (line,) = self.lines()
        self.assertIn("3 C-STORE, 1 N-EVENT-REPORT, 2 failed; 5 bytes up, 6 down; by x, y", line)


class Budget(FrontCase):
    def test_a_crossing_on_which_nothing_was_performed_has_its_line_as_long_as_there_are_few(self):
        for _ in range(100):
            self.front.call(associate_rq(called=b"\x01"))
        self.assertEqual(len(self.lines()), AT_ONCE)
        self.network.wait(PERIOD)
        text = f"{100 - AT_ONCE} more lines about {CALLER_HOST} were left out"
        self.assertEqual(self.lines("warn"), [text])

    def test_one_on_which_something_was_has_it_in_any_case(self):
        for _ in range(AT_ONCE):
            self.front.call(associate_rq(called=b"\x01"))
        caller = self.front.say(self.front.associate(), echo(1))
        lent = self.front.lend()
        lent.says(response_of(lent.got[-1].command, 0), on=1)
        self.front.say(caller, ReleaseRQ().encode())
        self.assertIn("released; 1 C-ECHO", self.lines()[-1])

    def test_those_who_are_closed_at_once_are_counted_like_all_others(self):
        self.front.listener.gate = gate = Gate(1)
        for _ in range(1 + MOST_TOLD):
            gate.enter(CALLER_HOST, 0.0, is_secure=False)
        for port in range(100):
            address = IPv4Address("TCP", CALLER_HOST, port)
            self.assertIsNone(self.front.listener.buildProtocol(address))
        self.assertEqual(len(self.lines()), AT_ONCE)
        self.network.wait(PERIOD)
        text = f"{100 - AT_ONCE} more lines about {CALLER_HOST} were left out"
        self.assertEqual(self.lines("warn"), [text])

    def test_a_network_of_ipv6_is_one_source(self):
        for host in range(100):
            self.front.listener._ended(f"2001:db8::{host:x}", 0.0, self.rejected())
        self.assertEqual(len(self.lines()), AT_ONCE)
        self.front.listener._ended("2001:db8:0:1::1", 0.0, self.rejected())
        self.assertEqual(len(self.lines()), AT_ONCE + 1)
        self.network.wait(PERIOD)

    def rejected(self) -> Outcome:
        """The outcome of an association that is rejected."""
        self.front.census.enter("MODALITY")
        outcome = Outcome("MODALITY", "NOBODY")
        outcome.finish(End.REJECTED)
        return outcome


class Stopping(FrontCase):
    def test_it_is_idle_while_no_operation_is_outstanding(self):
        self.assertTrue(self.front.listener.is_idle)
        caller = self.front.associate()
        self.assertTrue(self.front.listener.is_idle)
        self.front.say(caller, echo(1))
        self.assertFalse(self.front.listener.is_idle)

    def test_a_stop_aborts_associations_and_closes_everything(self):
        caller, silent, asking = self.front.associate(), self.front.call(), self.front.call()
        self.front.say(asking, associate_rq())
        stopped = self.front.listener.stop()
        self.assertNoResult(stopped)
        self.network.settle()
        self.successResultOf(stopped)
        self.assertEqual(caller.since(), [Abort(2, 0)])
        self.assertEqual(asking.since(), [Abort(2, 0)])
        self.assertEqual(silent.since(), [])
        self.assertTrue(caller.is_closed and silent.is_closed and asking.is_closed)
        self.assertEqual(self.front.listener.connections, set())
        self.assertEqual(len(self.lines()), 2)
        self.assertTrue(all("ended by the relay's stop" in line for line in self.lines()))

    def test_a_stop_does_not_wait_long_for_a_caller_that_reads_nothing(self):
        caller = self.front.associate()
        caller.transport.pauseProducing()
        stopped = self.front.listener.stop()
        self.network.wait(CLOSING_TIMEOUT)
        self.successResultOf(stopped)

    def test_a_stop_of_nothing_is_done_at_once(self):
        self.successResultOf(self.front.listener.stop())

    def test_each_connection_is_known_until_it_is_gone(self):
        caller = self.front.call()
        self.assertEqual(len(self.front.listener.connections), 1)
        caller.transport.loseConnection()
        self.network.settle()
        self.assertEqual(self.front.listener.connections, set())

    def test_an_acceptance_announces_no_more_than_the_listener_may(self):
        caller = self.front.call(associate_rq())
        self.front.answer()
        (answer,) = caller.since()
        self.assertIsInstance(answer, AssociateAC)
        self.assertEqual(answer.user_information.maximum_length, 32768)

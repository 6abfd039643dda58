"""What happens to associations says how their upstream is, and the log says it once."""

from __future__ import annotations

from twisted.internet.task import Clock

from relay.policy.health import Judgement
from relay.upstream.condition import Condition
from relay.upstream.ends import NotAccepted, Unreachable
from relay.wire.pdu import AssociateRJ
from tests.logs import LogCase
from tests.upstream.rig import CONGESTED, UNKNOWN_AE

REFUSED = Unreachable("connection refused")
OUT_OF_RESOURCES = 0xA700


class ConditionCase(LogCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        judgement = Judgement(failures=3, least=1000, shortest=1.0)
        self.condition = Condition("pacs", self.clock, judgement, 4)

    def fails(self, times: int = 3) -> None:
        for _ in range(times):
            self.condition.failed("connection lost")

    def assertOut(self) -> None:
        self.assertTrue(self.condition.is_out)

    def assertWell(self) -> None:
        self.assertFalse(self.condition.is_out)
        self.assertTrue(self.condition.may_be_tried)


class GoingOut(ConditionCase):
    def test_at_first_it_is_well(self):
        self.assertWell()
        self.assertTrue(self.condition.is_reachable)

    def test_where_nobody_can_be_reached_it_is_out_at_once(self):
        self.condition.not_opened(REFUSED, is_probe=False)
        self.assertOut()
        self.assertTrue(self.condition.health.is_down)
        self.assertFalse(self.condition.may_be_tried)
        self.assertEqual(self.lines("warn"), ["upstream pacs is out: connection refused"])

    def test_some_failures_in_a_row_put_it_out(self):
        self.fails(2)
        self.assertWell()
        self.fails(1)
        self.assertOut()
        self.assertFalse(self.condition.health.is_down)
        lost = "upstream pacs: connection lost"
        self.assertEqual(self.lines("warn"), [lost, lost, "upstream pacs is out: connection lost"])

    def test_every_refusal_for_want_of_resources_is_a_failure(self):
        for status in (0xA700, 0xA701, 0xA7FF):
            self.assertWell()
            self.condition.answered(status, 0.1)
        self.assertOut()
        self.assertEqual(self.lines("warn"), ["upstream pacs is out: status A7FFH"])

    def test_another_status_is_a_success_whatever_it_says(self):
        for status in (0x0000, 0xA900, 0xC000, 0xB000, 0x0110, 0xFE00):
            self.fails(2)
            self.condition.answered(status, 0.1)
        self.assertWell()
        self.assertAlmostEqual(self.condition.health.latency(0.0), 0.1)

    def test_a_rejection_is_no_failure(self):
        for rejection in (UNKNOWN_AE, CONGESTED, AssociateRJ(2, 1, 1)):
            for _ in range(10):
                self.condition.not_opened(NotAccepted(rejection), is_probe=False)
        self.assertWell()
        self.assertTrue(self.condition.is_reachable)

    def test_what_fails_while_it_is_out_is_not_said_again(self):
        self.condition.not_opened(REFUSED, is_probe=False)
        for _ in range(10):
            self.condition.not_opened(REFUSED, is_probe=False)
            self.fails()
            self.condition.unreachable("C-ECHO was not answered")
        self.assertEqual(len(self.lines("warn")), 1)
        self.assertEqual(self.lines("info"), [])


class Returning(ConditionCase):
    def unreachable(self) -> None:
        self.condition.not_opened(REFUSED, is_probe=False)
        self.assertOut()

    def ejected(self) -> None:
        self.fails()
        self.assertOut()

    def test_one_that_could_not_be_reached_is_back_when_one_is_opened(self):
        self.unreachable()
        self.condition.opened()
        self.assertWell()
        self.assertTrue(self.condition.is_reachable)
        self.assertEqual(self.lines("info"), ["upstream pacs is back"])

    def test_or_rejected_but_not_for_congestion(self):
        self.unreachable()
        self.condition.not_opened(NotAccepted(CONGESTED), is_probe=False)
        self.assertOut()
        self.condition.not_opened(NotAccepted(UNKNOWN_AE), is_probe=False)
        self.assertWell()

    def test_what_still_works_of_what_was_open_before_does_not_bring_it_back(self):
        self.unreachable()
        self.clock.advance(100)
        self.condition.answered(0, 0.1)
        self.assertOut()

    def test_one_that_was_ejected_is_not_back_before_its_time(self):
        self.ejected()
        self.condition.answered(0, 0.1)
        self.condition.opened()
        self.assertOut()
        self.clock.advance(1.0)
        self.assertTrue(self.condition.may_be_tried)
        self.assertOut()

    def test_then_an_operation_that_it_performs_brings_it_back(self):
        self.ejected()
        self.clock.advance(1.0)
        self.condition.answered(OUT_OF_RESOURCES, 0.1)
        self.assertOut()
        self.assertTrue(self.condition.answered(0, 0.1))
        self.assertWell()

    def test_or_an_association_that_it_accepts(self):
        self.ejected()
        self.clock.advance(1.0)
        self.condition.opened()
        self.assertWell()

    def test_an_answer_to_a_probe_brings_it_back_at_any_time(self):
        for goes_out in (self.ejected, self.unreachable):
            goes_out()
            self.condition.proved()
            self.assertWell()

    def test_a_probe_that_is_rejected_for_congestion_puts_it_off_further(self):
        self.unreachable()
        self.clock.advance(1.0)
        self.condition.not_opened(NotAccepted(CONGESTED), is_probe=True)
        self.assertOut()
        self.assertEqual(self.condition.health.retry_at, 1.0 + 2.0)

    def test_of_one_that_is_well_it_says_nothing(self):
        self.condition.not_opened(NotAccepted(CONGESTED), is_probe=True)
        self.assertWell()

    def test_to_be_well_and_to_stay_so_is_not_worth_a_line(self):
        self.condition.opened()
        self.condition.proved()
        self.condition.answered(0, 0.1)
        self.assertEqual(self.lines("info") + self.lines("warn"), [])

    def test_going_out_and_returning_is_a_line_each(self):
        for _ in range(3):
            self.unreachable()
            self.condition.opened()
        self.assertEqual(len(self.lines("warn")), 3)
        self.assertEqual(len(self.lines("info")), 3)


class Room(ConditionCase):
    def test_one_that_rejects_for_congestion_is_there_beyond_doubt(self):
        self.fails(1)
        self.assertTrue(self.condition.is_in_doubt)
        self.condition.congested(Unreachable("no answer in 5 s", is_slow=True), living=2)
        self.assertTrue(self.condition.is_in_doubt)
        self.condition.congested(NotAccepted(CONGESTED), living=2)
        self.assertFalse(self.condition.is_in_doubt)

    def test_congestion_leaves_it_well_and_takes_room(self):
        self.condition.congested(NotAccepted(CONGESTED), living=2)
        self.assertWell()
        self.assertEqual(self.condition.room.maximum, 2)

    def test_that_it_bears_less_is_said_when_it_is_news(self):
        for living in (3, 3, 2, 3):
            self.condition.congested(NotAccepted(CONGESTED), living)
            self.clock.advance(60)
            for _ in range(4):
                self.condition.answered(0, 0.1)
                self.clock.advance(10)
        said = "upstream pacs bears {} associations for now: rejected (2,3,1)"
        self.assertEqual(self.lines("info"), [said.format(3), said.format(2)])

    def test_success_that_gives_room_is_news(self):
        self.condition.congested(NotAccepted(CONGESTED), living=2)
        self.assertFalse(self.condition.answered(0, 0.1))
        self.clock.advance(10)
        self.assertTrue(self.condition.answered(0, 0.1))
        self.assertFalse(self.condition.answered(0, 0.1))

    def test_that_too_many_wait_is_said_once_until_none_does(self):
        for _ in range(3):
            self.condition.crowded(Unreachable("64 wait already"))
        self.condition.not_crowded()
        self.condition.crowded(Unreachable("64 wait already"))
        self.assertEqual(self.lines("warn"), ["upstream pacs: 64 wait already"] * 2)


class Lines(ConditionCase):
    def test_what_was_nobodys_fault_is_said_and_counts_for_nothing(self):
        self.condition.aborted("association aborted: the caller has gone")
        self.condition.stale("connection lost")
        self.assertWell()
        self.assertTrue(self.condition.is_reachable)
        text = "upstream pacs: association aborted: the caller has gone"
        self.assertEqual(self.lines("warn"), [text])
        self.assertEqual(self.lines("debug"), ["upstream pacs: connection lost while it rested"])

    def test_what_happens_again_and_again_is_said_a_few_times_and_counted(self):
        for _ in range(100):
            self.condition.aborted("the caller has gone")
            self.condition.stale("connection lost")
        self.assertEqual((len(self.lines("warn")), len(self.lines("debug"))), (60, 60))
        self.clock.advance(60)
        text = "40 more lines about upstream pacs were left out"
        self.assertEqual((self.lines("warn")[60:], self.lines("debug")[60:]), ([text], [text]))

    def test_that_it_goes_out_and_comes_back_is_said_whatever_else_there_was_to_say(self):
        for _ in range(100):
            self.condition.aborted("the caller has gone")
        self.condition.not_opened(REFUSED, is_probe=False)
        self.condition.opened()
        self.assertEqual(self.lines("warn")[60:], ["upstream pacs is out: connection refused"])
        self.assertEqual(self.lines(), ["upstream pacs is back"])

    def test_one_that_goes_to_and_fro_without_end_is_said_to_do_so(self):
        for _ in range(100):
            self.condition.not_opened(REFUSED, is_probe=False)
            self.condition.opened()
        self.assertEqual((len(self.lines("warn")), len(self.lines())), (30, 30))
        self.clock.advance(60)
        text = "140 more lines about upstream pacs going out and coming back were left out"
        self.assertEqual(self.lines("warn")[30:], [text])

"""Lines that peers cause: as many as there may be, and how many were left out."""

from __future__ import annotations

from twisted.internet.task import Clock

from relay.policy.lines import PERIOD, Rate
from relay.sparing import Sparing
from tests.logs import LogCase


class Spare(LogCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.sparing = Sparing(self.clock, Rate(at_once=3, per_second=1.0))

    def allowed(self, times: int, whom: str = "192.0.2.7", **how: bool) -> int:
        return sum(self.sparing.allows(whom, **how) for _ in range(times))

    def test_as_long_as_nothing_is_left_out_nothing_is_told_or_awaited(self):
        self.assertEqual(self.allowed(3), 3)
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.sparing.stop()
        self.assertEqual(self.events, [])

    def test_a_minute_after_the_first_that_is_left_out_it_is_told_how_many_were(self):
        self.assertEqual(self.allowed(10), 3)
        self.clock.advance(PERIOD - 1)
        self.assertEqual(self.events, [])
        self.clock.advance(1)
        self.assertEqual(self.lines("warn"), ["7 more lines about 192.0.2.7 were left out"])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_flood_without_end_costs_its_rate_and_a_line_a_minute(self):
        told = 0
        for _ in range(600):
            told += self.allowed(100)
            self.clock.advance(1)
        self.assertEqual(told, 3 + 599)
        self.assertEqual(len(self.events), 600 // PERIOD)
        self.sparing.stop()
        self.assertEqual(sum(event["count"] for event in self.events), 600 * 100 - told)

    def test_each_has_its_own_time(self):
        self.allowed(4, "a")
        self.clock.advance(10)
        self.allowed(5, "b")
        self.clock.advance(PERIOD - 10)
        self.assertEqual(self.lines("warn"), ["1 more lines about a were left out"])
        self.clock.advance(10)
        self.assertEqual(self.lines("warn")[1:], ["2 more lines about b were left out"])

    def test_what_is_for_debugging_takes_no_other_lines_place(self):
        self.assertEqual(self.allowed(10, is_debugging=True), 3)
        self.assertEqual(self.allowed(10), 3)
        self.clock.advance(PERIOD)
        text = "7 more lines about 192.0.2.7 were left out"
        self.assertEqual((self.lines("warn"), self.lines("debug")), ([text], [text]))

    def test_at_a_stop_what_is_counted_is_told_and_nothing_awaited(self):
        self.allowed(5)
        self.allowed(4, is_debugging=True)
        self.sparing.stop()
        self.assertEqual((len(self.lines("warn")), len(self.lines("debug"))), (1, 1))
        self.assertEqual(self.clock.getDelayedCalls(), [])

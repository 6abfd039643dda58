"""Accepting pauses while descriptors run out, and goes on when there are enough."""

from __future__ import annotations

import attrs
from twisted.internet.task import Clock

from relay.downstream.reserve import CALM, PAUSE, PERIOD, Reserve
from relay.transport.sockets import MOST_AT_ONCE
from tests.logs import LogCase

LIMIT, SPARE = 1000, 64
SHORT = "descriptors are running out: callers wait until connections are closed"
OVER = "there are descriptors enough again: callers do not wait for them"


@attrs.define
class Door:
    """Where connections come from."""

    is_open: bool = True

    def startReading(self) -> None:
        self.is_open = True

    def stopReading(self) -> None:
        self.is_open = False


class Descriptors(LogCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.taken: int | None = 20
        self.limit: int | None = LIMIT
        self.looks = 0
        self.door = Door()
        self.reserve = Reserve(self.clock, SPARE, self.look, lambda: self.limit)
        self.reserve.sources.append(self.door)

    def look(self) -> int | None:
        self.looks += 1
        return self.taken

    def accept(self, times: int = 1) -> None:
        """So many are accepted, as long as anybody is."""
        for _ in range(times):
            if self.door.is_open:
                assert self.taken is not None
                self.taken += 1
                self.reserve.accepted()

    def test_however_many_come_the_reserve_is_left_and_a_turn_s_worth_of_connections(self):
        self.accept(LIMIT)
        self.assertEqual(self.taken, LIMIT - SPARE - MOST_AT_ONCE)
        self.assertFalse(self.door.is_open)
        self.assertTrue(self.reserve.is_short)
        self.assertEqual(self.lines("warn"), [SHORT])
        self.reserve.stop()

    def test_a_look_is_taken_seldom_while_there_are_many_left(self):
        self.accept(200)
        self.assertEqual(self.looks, 1)
        self.accept(LIMIT)
        self.assertLess(self.looks, 40)
        self.reserve.stop()

    def test_what_others_take_is_seen_after_a_while(self):
        self.accept()
        self.taken = LIMIT
        self.accept()
        self.assertTrue(self.door.is_open)
        self.clock.advance(PERIOD)
        self.accept()
        self.assertFalse(self.door.is_open)
        self.reserve.stop()

    def test_it_goes_on_when_connections_are_closed(self):
        self.accept(LIMIT)
        self.clock.advance(PAUSE)
        self.assertFalse(self.door.is_open)
        assert self.taken is not None
        self.taken -= MOST_AT_ONCE - 1
        self.clock.advance(PAUSE)
        self.assertFalse(self.door.is_open)
        self.taken -= 1
        self.clock.advance(PAUSE)
        self.assertTrue(self.door.is_open)
        self.assertFalse(self.reserve.is_short)
        self.clock.advance(CALM)
        self.assertEqual(self.lines(), [OVER])
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_a_flood_makes_one_line_however_often_accepting_pauses(self):
        for _ in range(20):
            self.accept(LIMIT)
            self.taken = 800
            self.clock.advance(PAUSE)
        self.assertEqual((self.lines("warn"), self.lines()), ([SHORT], []))
        self.clock.advance(CALM)
        self.assertEqual((self.lines("warn"), self.lines()), ([SHORT], [OVER]))

    def test_a_process_that_may_have_few_keeps_a_quarter_of_them(self):
        self.limit = 100
        self.accept(100)
        self.assertEqual(self.taken, 75)
        self.reserve.stop()

    def test_where_there_is_no_limit_nobody_waits(self):
        self.limit = None
        self.accept(10 * LIMIT)
        self.assertTrue(self.door.is_open)

    def test_where_there_is_no_reserve_nobody_looks(self):
        self.reserve = Reserve(self.clock, 0, self.look, lambda: self.limit)
        self.accept(LIMIT)
        self.assertEqual(self.looks, 0)

    def test_where_the_system_does_not_tell_that_is_said_once(self):
        self.taken = None
        for _ in range(10):
            self.reserve.accepted()
        self.assertEqual(self.looks, 1)
        self.assertEqual(
            self.lines("warn"),
            ["spare_descriptors is not heeded: the system tells of no descriptors"],
        )

    def test_a_clock_that_is_set_back_is_no_reason_not_to_look(self):
        self.clock.rightNow = 1e9
        self.accept()
        self.taken = LIMIT
        self.clock.rightNow = 1e6
        self.accept()
        self.assertFalse(self.door.is_open)
        self.reserve.stop()

    def test_a_stop_leaves_no_timer_behind(self):
        self.accept(LIMIT)
        self.reserve.stop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.reserve.stop()

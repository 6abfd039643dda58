"""Past its limit of memory the relay lets nobody in, says so once, and looks seldom."""

from __future__ import annotations

from twisted.internet.task import Clock

from relay.downstream.scarcity import PERIOD, MemoryLimit
from tests.logs import LogCase

MIB = 2**20


class Scarcity(LogCase):
    def setUp(self) -> None:
        super().setUp()
        self.clock = Clock()
        self.size: int | None = 100 * MIB
        self.kept = 0
        self.looks = 0
        self.memory = MemoryLimit(self.clock, 160 * MIB, self.resident, self.give_back)

    def resident(self) -> int | None:
        self.looks += 1
        return self.size

    def give_back(self) -> None:
        assert self.size is not None
        self.size, self.kept = self.size - self.kept, 0

    def is_short_later(self) -> bool:
        self.clock.advance(PERIOD)
        return self.memory.is_short()

    def test_past_the_limit_it_is_short_until_it_is_well_below(self):
        self.assertFalse(self.memory.is_short())
        self.size = 161 * MIB
        self.assertTrue(self.is_short_later())
        self.size = 159 * MIB
        self.assertTrue(self.is_short_later())
        self.size = 150 * MIB
        self.assertFalse(self.is_short_later())
        more = "memory: 161 MiB, more than max_memory (160 MiB): new associations are rejected"
        self.assertEqual(self.lines("warn"), [more])
        self.assertEqual(self.lines(), ["memory: 150 MiB: associations are accepted again"])

    def test_it_looks_once_in_a_while_however_many_ask(self):
        for _ in range(1000):
            self.memory.is_short()
        self.assertEqual(self.looks, 1)
        self.is_short_later()
        self.assertEqual(self.looks, 2)

    def test_what_nobody_uses_is_given_back_before_anybody_is_turned_away(self):
        self.size, self.kept = 500 * MIB, 400 * MIB
        self.assertFalse(self.memory.is_short())
        self.assertEqual(self.lines("warn"), [])

    def test_a_clock_that_is_set_back_is_no_reason_not_to_look(self):
        self.clock.rightNow = 1e9
        self.memory.is_short()
        self.clock.rightNow = 1e6
        self.memory.is_short()
        self.assertEqual(self.looks, 2)

    def test_where_the_system_does_not_tell_that_is_said_once_and_everybody_let_in(self):
        self.size = None
        self.assertFalse(self.memory.is_short())
        self.assertFalse(self.is_short_later())
        self.assertEqual(self.looks, 1)
        self.assertEqual(
            self.lines("warn"), ["max_memory is not heeded: the system does not tell of its memory"]
        )

    def test_without_a_limit_nobody_looks(self):
        self.memory = MemoryLimit(self.clock, 0, self.resident, self.give_back)
        self.assertFalse(self.memory.is_short())
        self.assertEqual(self.looks, 0)

"""Allowances under any order of events: words that are late, workers that die, wishes everywhere.

Both ends are the real ones: sharing.py in the first process and allowance.py in each worker, with
a keeper that does the least that a keeper does. Between them are lines of words, each delivered
when the machine says so.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from twisted.internet.task import Clock

from relay.workers.allowance import PATIENCE, Share
from relay.workers.sharing import Sharing, What

WORKERS = st.integers(1, 4)


@attrs.define(eq=False)
class Worker:
    """A worker's share of one upstream, and its associations by what is done with them."""

    clock: Clock
    share: Share = attrs.field(init=False)
    said: deque[Any] = attrs.field(factory=deque)
    told: deque[What] = attrs.field(factory=deque)
    waiting: int = 0
    leased: int = 0
    resting: int = 0
    ending: int = 0
    borne: int = 100

    def start(self, granted: int) -> None:
        self.share = Share(self.clock, self, granted)
        self.share.hold(self)

    # the broker that the share talks to

    def wish(self, total: int) -> None:
        self.said.append(("wishes", total))

    def give_back(self) -> None:
        self.said.append(("gives_back",))

    def busy(self) -> None:
        self.said.append(("is_busy",))

    # the holder of the share

    @property
    def held(self) -> int:
        return self.leased + self.resting + self.ending

    @property
    def wanted(self) -> int:
        return min(self.borne, self.leased + self.waiting)

    def let_go(self) -> bool:
        if not self.ending and self.resting:
            self.resting -= 1
            self.ending += 1
        return self.ending > 0

    def look_again(self) -> None:
        while self.waiting and (self.resting or self.held < self.share.most):
            self.resting -= self.resting > 0
            self.waiting -= 1
            self.leased += 1
        self.share.tend()

    # what happens

    def asks(self) -> None:
        self.waiting += 1
        self.look_again()

    def gives_up(self) -> None:
        self.waiting -= self.waiting > 0
        self.look_again()

    def is_done(self) -> None:
        """A user has done with its association."""
        if not self.leased:
            return
        self.leased -= 1
        if self.share.is_due and not self.ending:
            self.ending += 1
        else:
            self.resting += 1
        self.look_again()

    def has_closed(self) -> None:
        self.ending -= self.ending > 0
        self.look_again()


class Sharers(RuleBasedStateMachine):
    """Workers that share an upstream."""

    @initialize(maximum=st.integers(1, 6), of=WORKERS)
    def start(self, maximum: int, of: int) -> None:
        self.clock = Clock()
        self.sharing = Sharing(maximum, of)
        self.workers: dict[int, Worker] = {}
        self.of = of
        for number in range(1, of + 1):
            self.starts(number)

    def starts(self, number: int) -> None:
        self.workers[number] = worker = Worker(self.clock, borne=self.sharing.maximum)
        worker.start(self.sharing.join(number))

    def worker(self, number: int) -> Worker:
        return self.workers[(number - 1) % self.of + 1]

    def take(self, steps: list[Any]) -> None:
        for step in steps:
            self.workers[step.worker].told.append(step.what)

    @rule(number=WORKERS)
    def somebody_waits(self, number: int) -> None:
        self.worker(number).asks()

    @rule(number=WORKERS)
    def somebody_gives_up(self, number: int) -> None:
        self.worker(number).gives_up()

    @rule(number=WORKERS)
    def somebody_is_done(self, number: int) -> None:
        self.worker(number).is_done()

    @rule(number=WORKERS)
    def a_connection_closes(self, number: int) -> None:
        self.worker(number).has_closed()

    @rule(number=WORKERS)
    def the_first_process_hears(self, number: int) -> None:
        number = (number - 1) % self.of + 1
        if self.workers[number].said:
            what, *values = self.workers[number].said.popleft()
            self.take(getattr(self.sharing, what)(number, *values))

    @rule(number=WORKERS)
    def a_worker_hears(self, number: int) -> None:
        worker = self.worker(number)
        if worker.told:
            told = {What.GRANTED: "grant", What.ASKED: "ask", What.UNASKED: "unask"}
            getattr(worker.share, told[worker.told.popleft()])()

    @rule(seconds=st.sampled_from([0.1, PATIENCE]))
    def time_passes(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule(number=WORKERS)
    def a_worker_dies_and_another_one_starts(self, number: int) -> None:
        number = (number - 1) % self.of + 1
        self.workers[number].share.unask()
        self.take(self.sharing.gone(number))
        self.starts(number)

    @invariant()
    def there_are_never_more_than_the_upstream_bears(self) -> None:
        assert sum(each.held for each in self.workers.values()) <= self.sharing.maximum

    @invariant()
    def nobody_has_more_than_it_was_granted(self) -> None:
        for number, worker in self.workers.items():
            assert worker.held <= worker.share.granted <= self.sharing.granted(number)
        assert self.sharing.free >= 0

    def settle(self) -> None:
        """All words arrive, and what ends has ended."""
        for _ in range(1000):
            before = [
                (*each.said, *each.told, each.ending, each.share.is_due)
                for each in self.workers.values()
            ]
            for number in self.workers:
                self.the_first_process_hears(number)
                self.a_worker_hears(number)
                self.a_connection_closes(number)
            if not any(each.said or each.told or each.ending for each in self.workers.values()):
                return
        raise AssertionError(f"it never comes to rest: {before}")

    def starving_in_spite_of_plenty(self) -> list[int]:
        """Workers that lack, while something is free or not in use with who lacks nothing."""
        unused = self.sharing.free
        for worker in self.workers.values():
            if not worker.waiting:
                unused += worker.share.granted - worker.leased
        return [each for each, its in self.workers.items() if its.waiting and unused > 0]

    def teardown(self) -> None:
        if not hasattr(self, "sharing"):
            return
        self.settle()
        assert self.starving_in_spite_of_plenty() == []
        for _ in range(100):
            if not any(each.waiting for each in self.workers.values()):
                return
            self.clock.advance(PATIENCE)
            for worker in self.workers.values():
                worker.is_done()
            self.settle()
        raise AssertionError("somebody waits for ever")


TestSharers = Sharers.TestCase
TestSharers.settings = settings(max_examples=300, stateful_step_count=50, deadline=None)

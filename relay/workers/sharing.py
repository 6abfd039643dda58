"""Who has how much of what an upstream bears: the decision, apart from the talk. Pure.

Of the associations that an upstream bears each worker is granted some. Whoever needs more wishes
for it; a wish stands until it is met or withdrawn, and the one that has waited longest is met
first. Where nothing is left, others are asked to give one back: first those that wish for nothing
themselves, and the one with most of all first. One that says that it is busy still owes it, and
gives it back when it can; meanwhile another one is asked. Who wishes itself is asked only where it
has more than the other one would have then, or where the other one has nothing at all: so workers
take turns at an upstream that bears fewer associations than there are workers.

What is granted counts from the moment it is decided until it has been given back, or its worker is
gone. So however long words are on the way, all together is never more than the upstream bears.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

import attrs


class What(Enum):
    """What a worker is told."""

    GRANTED = auto()
    """It may have one more."""
    ASKED = auto()
    """It is to give one back."""
    UNASKED = auto()
    """It need not any more."""


@attrs.frozen
class Step:
    """Tell a worker something."""

    worker: int
    what: What


@attrs.define(eq=False)
class Sharing:
    """The shares of one upstream, which bears `maximum` associations, for workers 1 to `of`."""

    maximum: int
    of: int
    _granted: dict[int, int] = attrs.field(factory=dict)
    _wanted: dict[int, int] = attrs.field(factory=dict)
    """How many each would like to have in all; in the order of their waiting."""
    _asked: dict[int, bool] = attrs.field(factory=dict)
    """Those that owe one; whether they have said that they are busy."""

    @property
    def free(self) -> int:
        """How many nobody has."""
        return self.maximum - sum(self._granted.values())

    def granted(self, worker: int) -> int:
        """How many a worker has been granted, and not given back."""
        return self._granted.get(worker, 0)

    def join(self, worker: int) -> int:
        """A worker starts; what it is granted: its equal share, as far as that is left."""
        equal = share(self.maximum, worker, self.of)
        self._granted[worker] = min(self.free, equal)
        return self._granted[worker]

    def gone(self, worker: int) -> list[Step]:
        """A worker is no more, and neither are its associations."""
        self._granted.pop(worker, None)
        self._wanted.pop(worker, None)
        self._asked.pop(worker, None)
        return self._steps()

    def wishes(self, worker: int, total: int) -> list[Step]:
        """A worker would like to have so many in all; 0: it wishes for nothing any more."""
        if not self._lacks(worker) or total == 0:
            # A new wish stands at the end, one that is changed keeps its place.
            self._wanted.pop(worker, None)
        if total:
            self._wanted[worker] = total
        return self._steps()

    def gives_back(self, worker: int) -> list[Step]:
        """A worker has one less."""
        self._asked.pop(worker, None)
        self._granted[worker] -= 1
        if worker in self._wanted:
            # It was somebody else's turn, so it is not its own now.
            self._wanted[worker] = self._wanted.pop(worker)
        return self._steps()

    def is_busy(self, worker: int) -> list[Step]:
        """A worker that was asked has nothing to spare now."""
        if worker in self._asked:
            self._asked[worker] = True
        return self._steps()

    # within

    def _lacks(self, worker: int) -> int:
        """How many a worker wishes for."""
        return max(0, self._wanted.get(worker, 0) - self.granted(worker))

    @property
    def _wishing(self) -> list[int]:
        """The workers whose wishes are not met; the one that has waited longest first."""
        return [each for each in self._wanted if self._lacks(each)]

    def _steps(self) -> list[Step]:
        steps = [*self._grant()]
        return [*steps, *self._unask(), *self._ask()]

    def _grant(self) -> Iterator[Step]:
        while self.free > 0 and (wishing := self._wishing):
            worker = wishing[0]
            self._granted[worker] += 1
            # What it still wishes for it waits for from now on.
            self._wanted[worker] = self._wanted.pop(worker)
            yield Step(worker, What.GRANTED)

    def _unask(self) -> Iterator[Step]:
        for worker in [each for each in self._asked if not self._may_be_asked(each)]:
            del self._asked[worker]
            yield Step(worker, What.UNASKED)

    def _ask(self) -> Iterator[Step]:
        hoped = sum(not is_busy for is_busy in self._asked.values())
        lacking = sum(self._lacks(each) for each in self._wishing if self._may_take_any(each))
        able = [each for each in self._granted if each not in self._asked]
        able = [each for each in able if self._may_be_asked(each)]
        able.sort(key=lambda each: (self._lacks(each) > 0, -self.granted(each), each))
        for worker in able[: max(0, lacking - hoped)]:
            self._asked[worker] = False
            yield Step(worker, What.ASKED)

    def _may_be_asked(self, worker: int) -> bool:
        """Whether it has something that somebody else should rather have."""
        return any(self._may_take(each, worker) for each in self._wishing)

    def _may_take_any(self, worker: int) -> bool:
        """Whether somebody else has something that it should rather have."""
        return any(self._may_take(worker, each) for each in self._granted)

    def _may_take(self, taker: int, giver: int) -> bool:
        has, would_have = self.granted(giver), self.granted(taker) + 1
        if giver == taker or has == 0:
            return False
        return not self._lacks(giver) or would_have == 1 or has > would_have


def share(whole: int, number: int, of: int) -> int:
    """The share of number 1 to `of` in a whole that is divided; all shares together are the
    whole."""
    return whole // of + (number <= whole % of)

"""How often each may do something: token buckets by name. Pure.

A bucket holds what its name may do in one second, and fills up within one. One that is full says
nothing, and is forgotten. Whoever is refused takes nothing, and has not to wait the longer for
having tried.
"""

from __future__ import annotations

import attrs

_ENOUGH = 1 - 1e-3
"""What counts as one: a clock that counts seconds since 1970 is not more exact."""


@attrs.define(eq=False)
class Buckets:
    """`rate` a second of each name, which may be at once; 0: any number, and nothing is kept.

    There are no more entries than names that have taken something within a second.
    """

    rate: int = 0
    _left: dict[str, tuple[float, float]] = attrs.field(factory=dict)
    """What was left in each, and when: in the order in which they have last been taken from."""

    def __len__(self) -> int:
        return len(self._left)

    def take(self, name: str, now: float) -> bool:
        """Take one of that name's, at `now`, in seconds; whether there was one."""
        if not self.rate:
            return True
        self._forget(now)
        left = self._there_is(name, now)
        if left < _ENOUGH:
            return False
        self._left.pop(name, None)
        self._left[name] = left - 1, now
        return True

    def _there_is(self, name: str, now: float) -> float:
        left, since = self._left.get(name, (self.rate, now))
        # Where the clock was set back all are full.
        return self.rate if now < since else min(self.rate, left + self.rate * (now - since))

    def _forget(self, now: float) -> None:
        """Those that were taken from first are full first, or within a second of that."""
        while self._left:
            name = next(iter(self._left))
            if self._there_is(name, now) < self.rate:
                return
            del self._left[name]

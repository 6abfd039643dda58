"""Memory in all: past its limit new associations are rejected, and established ones go on.

It is looked at when somebody asks for an association, and not more often than that makes sense.
What nobody uses any more counts while the C library keeps it, so that is given back to the system
before anybody is turned away.
"""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from relay.policy.highwater import HighWater

PERIOD = 1.0
"""Seconds between looks, at least."""

_MIB = 2**20


class MemoryLimit:
    """Says whether memory is short. `resident` tells how many bytes there are, or None; `give_back`
    has those given back that nobody uses; `limit` 0: it never is."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        limit: int,
        resident: Callable[[], int | None],
        give_back: Callable[[], object],
    ) -> None:
        self.clock = clock
        self.mark = HighWater(limit)
        self.resident = resident
        self.give_back = give_back
        self._next_look: float | None = None

    def is_short(self) -> bool:
        """Whether there is too much to let anybody in."""
        if not self.mark.limit:
            return False
        now = self.clock.seconds()
        # One that is far ahead is of a clock that was set back since.
        if self._next_look is None or not now < self._next_look <= now + PERIOD:
            self._next_look = now + PERIOD
            self._look()
        return self.mark.is_over

    def _look(self) -> None:
        size = self.resident()
        if size is not None and size > self.mark.limit:
            self.give_back()
            size = self.resident()
        if size is None:
            self.mark = HighWater(0)
            text = "max_memory is not heeded: the system does not tell of its memory"
            self.log.warn(text, event="memory_unknown")
        elif self.mark.look(size):
            self._tell(size)

    def _tell(self, size: int) -> None:
        sizes = {"size": size // _MIB, "limit": self.mark.limit // _MIB}
        if self.mark.is_over:
            self.log.warn(
                "memory: {size} MiB, more than max_memory ({limit} MiB):"
                " new associations are rejected",
                event="memory_short",
                **sizes,
            )
        else:
            text = "memory: {size} MiB: associations are accepted again"
            self.log.info(text, event="memory_enough", **sizes)

"""Descriptors in reserve: accepting pauses before there are too few left for what has begun.

Those who are connected need more of them, for upstream associations and for files; a process that
has none left for these fails them, and cannot even accept somebody to say so. So while there are no
more than the reserve, nobody is accepted: callers wait in the port's own line, as they do at a
relay that is busy. There are more when connections are closed.

How many are open is looked at when connections are accepted; the more there are left, the more of
them may come in between.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from relay.transport.sockets import MOST_AT_ONCE

PERIOD = 1.0
"""Seconds for which a look is good, whatever was left: others take descriptors, too."""

PAUSE = 0.25
"""Seconds between looks while nobody is accepted."""

CALM = 10.0
"""Seconds without a pause, until it counts as over: a flood makes very many of them."""


class Source(Protocol):
    """Where connections come from."""

    def startReading(self) -> None: ...
    def stopReading(self) -> None: ...


class Reserve:
    """Has `sources` pause while no more than `spare` descriptors are left, or a quarter of all,
    where that is less; 0: never.

    `taken` and `limit` tell how many are open, and may be; None where that is not known, or there
    is no such thing.
    """

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        spare: int,
        taken: Callable[[], int | None],
        limit: Callable[[], int | None],
    ) -> None:
        self.clock = clock
        self.spare = spare
        self.taken, self.limit = taken, limit
        self.sources: list[Source] = []
        self.is_short = False
        self._is_over = True
        """Whether the time when descriptors were short is."""
        self._good_for = 0
        """Connections that may come before the next look."""
        self._next_look = 0.0
        self._timer: IDelayedCall | None = None

    def accepted(self) -> None:
        """Somebody was."""
        if not self.spare or self.is_short:
            return
        self._good_for -= 1
        now = self.clock.seconds()
        # One that is far ahead is of a clock that was set back since.
        if self._good_for < 0 or not now < self._next_look <= now + PERIOD:
            self._look(now)

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.spare = 0

    def _room(self) -> int | None:
        """How many more there may be before the reserve is touched; None: any number."""
        taken, limit = self.taken(), self.limit()
        if limit is None:
            return None
        if taken is None:
            self.spare = 0
            text = "spare_descriptors is not heeded: the system tells of no descriptors"
            self.log.warn(text, event="descriptors_unknown")
            return None
        # So many may be accepted before anybody is asked.
        return limit - taken - min(self.spare + MOST_AT_ONCE, limit // 4)

    def _look(self, now: float) -> None:
        room = self._room()
        if room is not None and room <= 0:
            self._pause()
        else:
            self._good_for = 0 if room is None else room // 4
            self._next_look = now + PERIOD

    def _pause(self) -> None:
        self.is_short = True
        for source in self.sources:
            source.stopReading()
        if self._is_over:
            self._is_over = False
            text = "descriptors are running out: callers wait until connections are closed"
            self.log.warn(text, event="descriptors_short")
        self._look_in(PAUSE, self._look_again)

    def _look_again(self) -> None:
        room = self._room()
        if room is not None and room < MOST_AT_ONCE:
            self._look_in(PAUSE, self._look_again)
            return
        self.is_short = False
        self._look_in(CALM, self._calm)
        self._good_for = 0
        for source in self.sources:
            source.startReading()

    def _calm(self) -> None:
        self._is_over = True
        text = "there are descriptors enough again: callers do not wait for them"
        self.log.info(text, event="descriptors_enough")

    def _look_in(self, seconds: float, look: Callable[[], None]) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = self.clock.callLater(seconds, look)

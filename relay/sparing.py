"""Lines of the log that peers cause, and no more of them than there may be.

Whoever is about to log what a peer did asks here first, and logs nothing if it may not. How many
lines were left out is a line itself, a minute after the first of them, and when the relay stops.
Lines for debugging have a budget of their own, so that they take no other line's place.
"""

from __future__ import annotations

from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger, LogLevel

from relay.policy.lines import Lines, Rate


class Sparing:
    """Allows lines about peers as `rate` says, those about each for itself."""

    log = Logger()

    def __init__(self, clock: IReactorTime, rate: Rate | None = None) -> None:
        self.clock = clock
        rate = rate or Rate()
        self._said, self._debugging = Lines(rate), Lines(rate)
        self._timer: IDelayedCall | None = None

    def allows(self, whom: str, is_debugging: bool = False) -> bool:
        """Whether there may be one more line about `whom`; one that may not is counted."""
        lines = self._debugging if is_debugging else self._said
        if lines.may(whom, self.clock.seconds()):
            return True
        self._await()
        return False

    def stop(self) -> None:
        """Tell what there is to tell."""
        self._tell(self._said.left_out(), LogLevel.warn)
        self._tell(self._debugging.left_out(), LogLevel.debug)
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _await(self) -> None:
        times = [each.due for each in (self._said, self._debugging)]
        due = min((each for each in times if each is not None), default=None)
        if due is not None and (self._timer is None or not self._timer.active()):
            self._timer = self.clock.callLater(max(0.0, due - self.clock.seconds()), self._is_due)

    def _is_due(self) -> None:
        now = self.clock.seconds()
        self._tell(self._said.left_out(now), LogLevel.warn)
        self._tell(self._debugging.left_out(now), LogLevel.debug)
        self._await()

    def _tell(self, left_out: list[tuple[str, int]], level: LogLevel) -> None:
        for whom, count in left_out:
            text = "{count} more lines about {whom} were left out"
            self.log.emit(level, text, event="left_out", count=count, whom=whom)

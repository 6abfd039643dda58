"""A line a day for each file of TLS that is about to expire, or has.

What counts is what is in use: the dates are those of the files as they were when contexts were made
of them, at the start and at each SIGHUP. A file that was renewed while nobody told the relay is as
old as ever.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from twisted.application.service import Service
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from relay.config import Configuration
from relay.config.expiry import Lifetime, Urgency, lifetimes

DAY = 86_400
"""Seconds."""


def _now() -> datetime:
    return datetime.now(UTC)


class Expiring(Service):
    """Looks at the dates when it starts, after each renewal, and every day on `clock`."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        configuration: Configuration,
        now: Callable[[], datetime] = _now,
    ) -> None:
        self.configuration = configuration
        self.now = now
        self._lifetimes: Sequence[Lifetime] = ()
        self._daily = LoopingCall(self._tell)
        self._daily.clock = clock

    def startService(self) -> None:
        """Look for the first time."""
        super().startService()  # type: ignore[no-untyped-call]
        self._read()
        self._daily.start(DAY)

    def stopService(self) -> Any:
        """Look no more."""
        if self._daily.running:
            self._daily.stop()
        return super().stopService()  # type: ignore[no-untyped-call]

    def renewed(self) -> None:
        """The files were read again: look at once."""
        self._read()
        self._daily.reset()
        self._tell()

    def _read(self) -> None:
        try:
            self._lifetimes = lifetimes(self.configuration)
        except (OSError, ValueError) as error:
            # Changed since it was used, a moment ago. What was known before stays.
            why = getattr(error, "filename", None) or "a file does not hold what it should"
            text = "TLS: nobody looks at when files expire: {why}"
            self.log.warn(text, event="expiry_unknown", why=why)

    def _tell(self) -> None:
        for each in self._lifetimes:
            doubt = each.doubt(self.now())
            if doubt is not None:
                urgency, line = doubt
                (self.log.warn if urgency is Urgency.SOON else self.log.error)(
                    "TLS: {why}", event="expiring", why=line
                )

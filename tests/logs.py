"""Tests that read the log."""

from __future__ import annotations

from typing import cast

from twisted.logger import ILogObserver, LogEvent, eventAsText, globalLogPublisher
from twisted.trial.unittest import SynchronousTestCase


class LogCase(SynchronousTestCase):
    """A test that reads the log; `events` has all of it, at every level."""

    def setUp(self) -> None:
        self.events: list[LogEvent] = []
        observer = cast(ILogObserver, self.events.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)

    def lines(self, level: str = "info") -> list[str]:
        """What was logged at `level`, formatted."""
        return [
            eventAsText(each, includeTimestamp=False, includeSystem=False)
            for each in self.events
            if each["log_level"].name == level
        ]

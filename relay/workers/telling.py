"""A worker's log, told by the first process in its own: an event is a line of JSON on the way.

What is not for a log does not come into an event's text, and of all else in an event only what
JSON knows arrives.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TextIO

import attrs
from twisted.logger import (
    ILogObserver,
    Logger,
    eventAsJSON,
    eventFromJSON,
    globalLogPublisher,
)
from zope.interface import implementer

LONGEST_LINE = 1024 * 1024
"""Bytes of a line; more are told as several."""


@implementer(ILogObserver)
@attrs.frozen(eq=False)
class Writer:
    """Writes a worker's events to `out`, whose other end the first process reads."""

    out: TextIO

    def __call__(self, event: Any) -> None:
        """Write an event."""
        self.out.write(eventAsJSON(event) + "\n")
        self.out.flush()


@attrs.define(eq=False)
class Teller:
    """Tells what comes from the worker of that number: events, and what else it says."""

    log = Logger()

    worker: int
    publish: Callable[[Any], None] = globalLogPublisher
    _unfinished: dict[int, bytes] = attrs.field(factory=dict)

    def came(self, descriptor: int, data: bytes) -> None:
        """Some bytes of what it writes to a descriptor."""
        *lines, rest = (self._unfinished.pop(descriptor, b"") + data).split(b"\n")
        for line in lines:
            self._tell(line)
        if len(rest) > LONGEST_LINE:
            self._tell(rest)
        elif rest:
            self._unfinished[descriptor] = rest

    def ended(self) -> None:
        """No more comes."""
        for rest in self._unfinished.values():
            self._tell(rest)
        self._unfinished.clear()

    def _tell(self, line: bytes) -> None:
        text = line.decode("utf-8", "backslashreplace").rstrip()
        event = _event(text)
        if event is not None:
            event["worker"] = self.worker
            event["log_format"] = f"worker {self.worker}: {event.get('log_format') or ''}"
            self.publish(event)
        elif text:
            its = {"event": "worker_said", "worker": self.worker}
            self.log.warn("worker {worker} said: {text}", **its, text=text)


def _event(text: str) -> dict[str, Any] | None:
    try:
        event = eventFromJSON(text)
    except (ValueError, TypeError, KeyError):
        return None
    return event if isinstance(event, dict) else None

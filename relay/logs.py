"""The log as lines of text or JSON, wherever twistd would have written its own.

twistd asks the application for an observer before it makes one of its own, and the application gets
it when the service is put into it (`Logged`). `--logger` comes first, as always. What is written is
for relay.journal to say; here is where it goes, by the same rules as twistd's text: `--syslog`,
`--logfile`, standard output with `--nodaemon`, else twistd.log, turned over by SIGUSR1.

An event is one line, whatever it holds, and of an exception nothing is told but its kind and where
it came from: its words may quote a peer.
"""

from __future__ import annotations

import signal
import sys
import syslog
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import PurePath
from typing import Any, TypeAlias

import attrs
from twisted.application.service import MultiService
from twisted.logger import (
    FileLogObserver,
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    formatTime,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from zope.interface import implementer

from relay.journal.lines import Broken, line, sentence

Form: TypeAlias = Callable[[LogEvent], str | None]
"""Makes a line of an event, without its end, or None where it says nothing."""

OWN = "relay"
"""Whose events' fields are told; what others put into theirs is for them to know."""

_LOST_ON_THE_WAY = {"unpersistable": True}
"""What has become of an object in an event of a worker's (twisted.logger.eventAsJSON)."""

_PRIORITIES = {
    LogLevel.debug: syslog.LOG_DEBUG,
    LogLevel.info: syslog.LOG_INFO,
    LogLevel.warn: syslog.LOG_WARNING,
    LogLevel.error: syslog.LOG_ERR,
    LogLevel.critical: syslog.LOG_CRIT,
}


def as_json(event: LogEvent) -> str | None:
    """The event in one line, without its end; None where it says nothing."""
    failure = event.get("log_failure")
    namespace = str(event.get("log_namespace", "-"))
    message = _message(event, failure)
    if not message and failure is None:
        return None
    return line(
        event["log_time"],
        _level(event),
        namespace,
        message,
        _fields(event) if namespace.partition(".")[0] == OWN else {},
        _broken(failure) if isinstance(failure, Failure) else None,
    )


def as_text(event: LogEvent) -> str | None:
    """The event in one line: time, who says it, its words, and what broke, if anything did."""
    failure = event.get("log_failure")
    message = _message(event, failure)
    if not message and failure is None:
        return None
    broken = _broken(failure) if isinstance(failure, Failure) else None
    said = sentence(f"{event.get('log_namespace', '-')}#{_level(event)}", message, broken)
    return f"{formatTime(event['log_time'])} {said}"


def _level(event: LogEvent) -> str:
    return getattr(event.get("log_level"), "name", "info")


def _message(event: LogEvent, failure: object) -> str:
    if failure is not None and "isError" in event:
        # twisted.python.log.err: its text is the whole traceback.
        return str(event.get("why") or "unhandled error")
    return formatEvent(event)


def _fields(event: LogEvent) -> dict[str, object]:
    return {
        key: value
        for key, value in event.items()
        if not key.startswith("log_") and value != _LOST_ON_THE_WAY
    }


def _broken(failure: Failure) -> Broken:
    kind = failure.type
    frames = [
        f"{PurePath(file).name}:{number} {function}"
        for function, file, number, *_ in reversed(failure.frames)
    ]
    return Broken(getattr(kind, "__name__", str(kind)), frames)


@implementer(ILogObserver)
@attrs.frozen(eq=False)
class ToSyslog:
    """Says a line, made by `form`, to syslog by `say`, with the priority of the event's level."""

    form: Form
    say: Callable[[int, str], object] = syslog.syslog

    def __call__(self, event: LogEvent) -> None:
        """Say an event."""
        text = self.form(event)
        if text is not None:
            level = event.get("log_level", LogLevel.info)
            self.say(_PRIORITIES.get(level, syslog.LOG_INFO), text)


def observer(form: Form, twistd: Mapping[str, Any]) -> ILogObserver:
    """Whoever writes the lines that `form` makes to where these options of twistd want its log.

    SystemExit where a daemon is to write to standard output, which it has not.
    """
    if twistd.get("syslog"):
        syslog.openlog(twistd.get("prefix") or "twisted", syslog.LOG_PID, syslog.LOG_DAEMON)
        return ToSyslog(form)
    return FileLogObserver(_file(twistd), partial(_ended, form))


def _ended(form: Form, event: LogEvent) -> str | None:
    text = form(event)
    return None if text is None else f"{text}\n"


def _file(twistd: Mapping[str, Any]) -> Any:
    name, stays = twistd.get("logfile"), twistd.get("nodaemon")
    if name == "-" and not stays:
        raise SystemExit("relay: a daemon cannot log to standard output")
    if name == "-" or (stays and not name):
        return sys.stdout
    file = LogFile.fromFullPath(name or "twistd.log")
    if not signal.getsignal(signal.SIGUSR1):
        signal.signal(signal.SIGUSR1, lambda *_: _turn_over(file))
    return file


def _turn_over(file: LogFile) -> None:
    # A signal may come in the middle of a line.
    from twisted.internet import reactor

    reactor.callFromThread(file.rotate)  # type: ignore[attr-defined]


FORMS: Mapping[str, Form] = {"text": as_text, "json": as_json}
"""By their names in the configuration."""


class Logged(MultiService):
    """Services whose application's log is that of the observer that `make` makes."""

    def __init__(self, make: Callable[[], ILogObserver]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.make = make

    def setServiceParent(self, parent: Any) -> None:
        """Be part of an application."""
        super().setServiceParent(parent)  # type: ignore[no-untyped-call]
        parent.setComponent(ILogObserver, self.make())

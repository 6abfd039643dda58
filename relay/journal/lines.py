"""An event as a line of text, or of JSON: what every line has first, then the event's own fields.

    time        when, ISO 8601, UTC, with milliseconds
    level       debug, info, warn, error, critical
    namespace   who says it, a module of Python's
    event       what happened, a name that does not change; only of the relay's own
    message     the same in words, as in a log of text
    error       where something broke that should not: the kind of exception
    traceback   and where in the program, innermost last; its words are left out, for they may quote

docs/logs.md has the events and their fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import attrs

from relay.journal.plain import Plain, plain, printable

LONGEST_MESSAGE = 4000
"""Characters."""

MOST_FRAMES = 50
"""Of a traceback, the innermost."""

_RESERVED = frozenset({"line", "time", "level", "namespace", "message", "error", "traceback"})


@attrs.frozen
class Broken:
    """What a failure says of itself: the kind of exception, and frames as "file:line function"."""

    error: str
    frames: Sequence[str]


def moment(when: float) -> str:
    """Seconds since 1970, as ISO 8601 in UTC."""
    text = datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def line(
    when: float,
    level: str,
    namespace: str,
    message: str,
    fields: Mapping[str, object],
    broken: Broken | None = None,
) -> str:
    """An event in one line, without its end. `when` is in seconds since 1970; `fields` are the
    event's own, of which those are left out that are nothing, or that JSON does not know."""
    found: dict[str, Plain] = {
        "time": moment(when),
        "level": level,
        "namespace": printable(namespace),
    }
    own = {printable(key): plain(value) for key, value in fields.items() if key not in _RESERVED}
    if "event" in own:
        found["event"] = own.pop("event")
    found["message"] = printable(message, LONGEST_MESSAGE)
    found |= {key: value for key, value in own.items() if value is not None}
    if broken is not None:
        found["error"] = printable(broken.error)
        found["traceback"] = [printable(each) for each in broken.frames[-MOST_FRAMES:]]
    # Nothing but ASCII comes out, whatever the encoding of what it is written to.
    return json.dumps(found, separators=(",", ":"), allow_nan=False)


def sentence(who: str, message: str, broken: Broken | None = None) -> str:
    """An event in one line of text, without its time and its end."""
    said = f"[{printable(who)}] {printable(message, LONGEST_MESSAGE)}"
    if broken is None:
        return said
    frames = ", ".join(broken.frames[-MOST_FRAMES:])
    return f"{said} {printable(broken.error)} Traceback (most recent call last): " + printable(
        frames, LONGEST_MESSAGE
    )

"""The line of a crossing: who called whom, how it ended and why, what crossed, and by whom."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import attrs

from relay.bridge.outcome import Outcome
from relay.journal.lines import moment
from relay.wire.command import CommandField

_NAMES = {each.value: each.name.removesuffix("_RQ").replace("_", "-") for each in CommandField}
"""Of operations, by the command field of their requests."""

SUCCESS = 0x0000


@attrs.frozen
class Crossing:
    """A crossing that is over: of the caller at `peer`, by the listener of that name.

    It began `begun` seconds after 1970, and took `seconds`.
    """

    peer: str
    listener: str | None
    begun: float
    seconds: float
    outcome: Outcome

    def words(self) -> str:
        """In words, in one line: what the peers have chosen is quoted, and escaped."""
        its = self.outcome
        who = f"{its.calling!r} at {self.peer} called {its.called!r}"
        return f"{who}: {_how(its)}; {_what(its)}; {self.seconds:.1f} s"

    def fields(self) -> dict[str, object]:
        """By name, for the event (docs/logs.md)."""
        its = self.outcome
        assert its.end is not None
        return {
            "event": "crossing",
            "peer": self.peer,
            "listener": self.listener,
            "calling": its.calling,
            "called": its.called,
            "user": its.user,
            "end": its.end.name.lower(),
            "why": its.why,
            "operations": {_NAMES[field]: count for field, count in its.operations.items()},
            "statuses": {_hex(status): count for status, count in its.statuses.items()},
            "failed": its.failed,
            "reasons": list(its.notes),
            "objects": list(its.objects),
            "resent": its.resent,
            "ambiguous": its.ambiguous,
            "odd": its.odd,
            "bytes_up": its.bytes_up,
            "bytes_down": its.bytes_down,
            "upstreams": list(its.upstreams),
            "begun": moment(self.begun),
            "seconds": round(self.seconds, 3),
        }


def _how(outcome: Outcome) -> str:
    """How it ended, and why where that is more than the end itself."""
    assert outcome.end is not None
    return f"{outcome.end.value}: {outcome.why}" if outcome.why else outcome.end.value


def _what(outcome: Outcome) -> str:
    """What crossed, and by which upstreams."""
    size = f"{outcome.bytes_up} bytes up, {outcome.bytes_down} down"
    by = f"by {', '.join(outcome.upstreams)}" if outcome.upstreams else "no upstream"
    user = "" if outcome.user is None else f" for user {outcome.user}"
    return f"{', '.join(_counts(outcome)) or 'nothing'}; {size}; {by}{user}"


def _counts(outcome: Outcome) -> Iterator[str]:
    for field, number in sorted(outcome.operations.items()):
        yield f"{number} {_NAMES[field]}"
    yield from _statuses(outcome.statuses)
    if outcome.resent:
        ambiguous = f" ({outcome.ambiguous} perhaps performed)" if outcome.ambiguous else ""
        yield f"{outcome.resent} sent again{ambiguous}"
    if outcome.failed:
        why = f" ({'; '.join(outcome.notes)})" if outcome.notes else ""
        yield f"{outcome.failed} failed{why}"
    if outcome.objects:
        yield f"with {', '.join(outcome.objects)}"
    if outcome.odd:
        yield f"{outcome.odd} of odd length"


def _statuses(statuses: Mapping[int, int]) -> Iterator[str]:
    """All but success, which goes without saying."""
    for status, number in sorted(statuses.items()):
        if status != SUCCESS:
            yield f"{number} answered {_hex(status)}"


def _hex(status: int) -> str:
    return f"{status:04X}"

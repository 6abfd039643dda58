"""How a crossing went and ended, for log, metrics and audit. Nothing in it names a patient."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from enum import Enum
from typing import TypeAlias

import attrs

MOST_NOTES = 4
"""Reasons that one crossing may have in the log."""

MOST_STATUSES = 16
"""Different ones that one crossing may have in the log; an archive chooses them."""

OTHER_STATUSES = 0xFFFF
"""Where those are counted that were too many: no service has this one (PS3.7 Annex C)."""


MOST_OBJECTS = 4
"""Objects that one crossing may name in the log."""

Identify: TypeAlias = Callable[[bytes], str | None]
"""What stands in the log for a UID or a user's name, as it came; None: nothing."""


def unnamed(identity: bytes) -> str | None:
    """Names nobody."""
    return None


class End(Enum):
    """How a downstream association ended."""

    RELEASED = "released"
    REJECTED = "rejected"
    ABORTED = "aborted by the caller"
    LOST = "connection lost"
    ABORTED_BY_RELAY = "aborted by the relay"
    STOPPED = "ended by the relay's stop"


@attrs.define
class Outcome:
    """Counts of one crossing.

    `operations` counts by command field, as it completed; `failed` those that the relay itself had
    to answer or abort; `statuses` counts by DIMSE status, as they were told, the relay's own
    included, save for those that say that more follows. Bytes are of datasets, in the direction
    from (`up`) and to (`down`) the caller. `resent` counts how often an operation was sent again
    after an upstream had failed, `ambiguous` how often that one may have performed it all the same.
    `odd` counts datasets of odd length, which no DICOM encoding has. `notes` say why operations
    failed for which there was nobody. `user` and `objects`, those whose operations failed, are as
    `identify` shows them.
    """

    calling: str = ""
    called: str = ""
    upstreams: list[str] = attrs.field(factory=list)
    operations: Counter[int] = attrs.field(factory=Counter)
    statuses: dict[int, int] = attrs.field(factory=dict)
    failed: int = 0
    resent: int = 0
    ambiguous: int = 0
    bytes_up: int = 0
    bytes_down: int = 0
    odd: int = 0
    end: End | None = None
    why: str = ""
    notes: dict[str, None] = attrs.field(factory=dict)
    user: str | None = None
    objects: dict[str, None] = attrs.field(factory=dict)
    identify: Identify = attrs.field(default=unnamed, repr=False)

    def note(self, why: str) -> None:
        """Note why an operation failed; so many reasons, and each once."""
        if len(self.notes) < MOST_NOTES:
            self.notes[why] = None

    def shown(self, user: bytes) -> None:
        """Note whose name was shown."""
        self.user = self.identify(user)

    def failed_on(self, instance: bytes) -> None:
        """Note which object's operation failed, by its SOP Instance UID; so many, and each once."""
        if instance and len(self.objects) < MOST_OBJECTS:
            name = self.identify(instance)
            if name is not None:
                self.objects[name] = None

    def told(self, status: int) -> None:
        """Count a status that somebody was told."""
        if status not in self.statuses and len(self.statuses) >= MOST_STATUSES:
            status = OTHER_STATUSES
        self.statuses[status] = self.statuses.get(status, 0) + 1

    def went_by(self, upstream: str) -> None:
        """Note that `upstream` served."""
        if upstream not in self.upstreams:
            self.upstreams.append(upstream)

    def finish(self, end: End, why: str = "") -> None:
        """Note how it ended; the first cause counts."""
        if self.end is None:
            self.end, self.why = end, why

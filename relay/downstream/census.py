"""How many associations there are, and may be: in all, on a listener, of an AE title."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from relay.policy.admission import TOO_MANY, UNAVAILABLE
from relay.policy.tally import Tally
from relay.wire.pdu import AssociateRJ


@attrs.define(eq=False)
class Census:
    """Counts associations up to `limit`, and up to that of `titles` those of one calling AE title;
    inside another one where they count there, too. While something `is_short` there is room for
    nobody."""

    limit: int
    within: Census | None = None
    titles: Tally = attrs.field(factory=Tally)
    is_short: Callable[[], bool] = lambda: False
    count: int = 0

    def enter(self, title: str) -> AssociateRJ | None:
        """Count one more of that AE title; the rejection that it deserves, if it is too many."""
        self.count += 1
        is_among = self.titles.enter(title)
        refusal = self.within.enter(title) if self.within is not None else None
        if not is_among or self.count > self.limit:
            return TOO_MANY
        return UNAVAILABLE if refusal is None and self.is_short() else refusal

    def leave(self, title: str) -> None:
        """Count one less of that AE title."""
        self.count -= 1
        self.titles.leave(title)
        if self.within is not None:
            self.within.leave(title)

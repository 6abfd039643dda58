"""How many associations an upstream bears: what it was said to bear, or less while it says so.

An upstream that rejects one for congestion, or leaves a request for one unanswered, while others of
it live, has not failed: it is asked for too many. So its maximum is lowered to the number that
live, and raised again, one at a time, while all goes well.
"""

from __future__ import annotations

import attrs

RAISE_AFTER = 10.0
"""Seconds without congestion after which one more association is tried."""


@attrs.define
class Room:
    """The working maximum of one upstream: `maximum`, never above `most` and never below 1."""

    most: int
    maximum: int = attrs.field(init=False)
    _since: float = attrs.field(default=0.0, init=False)

    @maximum.default
    def _as_many_as_it_was_said_to_bear(self) -> int:
        return self.most

    def congested(self, now: float, living: int) -> None:
        """One more than these `living` was too many."""
        self.maximum = max(1, min(self.maximum, living))
        self._since = now

    def answered(self, now: float) -> bool:
        """It has performed an operation; True where one more association may be tried now."""
        if self.maximum >= self.most or now - self._since < RAISE_AFTER:
            return False
        self.maximum += 1
        self._since = now
        return True

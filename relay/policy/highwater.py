"""Whether there is too much of something: from a limit on, until it is well below it. Pure."""

from __future__ import annotations

import attrs

WELL_BELOW = 15 / 16
"""The share of the limit below which it is over."""


@attrs.define
class HighWater:
    """What is above `limit` is too much; 0: nothing is."""

    limit: int
    is_over: bool = False

    def look(self, size: int) -> bool:
        """There is so much now; whether that has changed what `is_over` says."""
        before, self.is_over = self.is_over, self._is_too_much(size)
        return before is not self.is_over

    def _is_too_much(self, size: int) -> bool:
        if not self.limit:
            return False
        return size > (self.limit * WELL_BELOW if self.is_over else self.limit)

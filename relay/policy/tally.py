"""How many there are of each: counted by name, up to a limit. Pure."""

from __future__ import annotations

import attrs


@attrs.define(eq=False)
class Tally:
    """Counts by name, up to `limit` of each; 0: no limit, and nothing is counted.

    There is an entry for each name of which there is one, so it is no larger than what it counts.
    """

    limit: int = 0
    _counts: dict[str, int] = attrs.field(factory=dict)

    def __len__(self) -> int:
        return len(self._counts)

    def of(self, name: str) -> int:
        """How many there are of that name."""
        return self._counts.get(name, 0)

    def enter(self, name: str) -> bool:
        """Count one more of that name; whether there was room for it."""
        if not self.limit:
            return True
        self._counts[name] = count = self.of(name) + 1
        return count <= self.limit

    def leave(self, name: str) -> None:
        """Count one less of that name, of which one has entered."""
        if not self.limit:
            return
        if self._counts[name] == 1:
            del self._counts[name]
        else:
            self._counts[name] -= 1

"""How much connections read at a time: less once much lies with those that may go no further.

A large read costs less than many small ones, and while what it brings is passed on at once it costs
no memory to speak of. But where an upstream takes nothing, or there is none to be had yet, its
caller is not read from any more, and the last read stays: a few hundred of them are more than
everything else. So what lies is counted, and beyond LYING_MAXIMUM everybody reads a little at a
time, until it has gone.
"""

from __future__ import annotations

import attrs

READ_LIMIT = 544 * 1024
"""Bytes that are read in a turn, at most. Each turn costs, and the more, the more it brings: what
it brings drives the program out of the processor's caches. A CT image, 512 KiB, is to fit."""

LITTLE = 64 * 1024
"""Bytes that are read in a turn when much lies."""

LYING_MAXIMUM = 32 * 1024 * 1024
"""Bytes that may lie before that: of some sixty connections."""


@attrs.define(eq=False)
class Appetite:
    """Of all connections of a process that have it in common. `most`: bytes in a turn, at most."""

    most: int = READ_LIMIT
    size: int = attrs.field(init=False)
    """Bytes that are to be read in a turn now."""
    lying: int = 0
    """Bytes that lie."""

    @size.default
    def _good(self) -> int:
        return self.most

    def lay_down(self, size: int) -> None:
        """A connection may go no further, and `size` bytes lie with it."""
        self.lying += size
        if self.lying > LYING_MAXIMUM:
            self.size = min(self.most, LITTLE)

    def take_up(self, size: int) -> None:
        """It may go on, or is over: these lie no more."""
        self.lying -= size
        if self.lying <= LYING_MAXIMUM:
            self.size = self.most

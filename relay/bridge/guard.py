"""What a caller sends is looked at as it comes, where its listener asks for that.

A dataset may be longer than is taken (`max_object`), or end at an odd length, which no DICOM
encoding has (`strict`). Both are seen before the bytes in question leave, so that no upstream ever
holds all of what was refused. Where nothing is asked for there is no guard, and nothing is looked
at.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from relay.wire.bounds import Bounds
from relay.wire.errors import ProtocolError


@attrs.define(eq=False)
class Guard:
    """Looks after one message; `too_large` is called once, when its dataset is."""

    bounds: Bounds
    too_large: Callable[[], None]

    @classmethod
    def of(cls, bounds: Bounds, command_set: bytes, too_large: Callable[[], None]) -> Guard | None:
        """The guard of the message with this command set, if `bounds` want one. ProtocolError
        (2,6) where its length is odd, and that is refused."""
        if not bounds.max_object and not bounds.strict:
            return None
        guard = cls(bounds, too_large)
        guard._refuse_odd("command set", len(command_set))
        return guard

    def passes(self, size: int, ended: bool) -> bool:
        """Whether the dataset, of which `size` bytes have come, may go on to where it goes.

        ProtocolError (2,6) where it has ended, at an odd length, and that is refused.
        """
        if 0 < self.bounds.max_object < size:
            self.too_large()
            return False
        if ended:
            self._refuse_odd("dataset", size)
        return True

    def _refuse_odd(self, what: str, size: int) -> None:
        if self.bounds.strict and size & 1:
            raise ProtocolError(f"a {what} of odd length")

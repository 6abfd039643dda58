"""Where in an association a stream of bytes is: PDU and PDV headers are read, by struct alone.

What of relay/ could read them may not judge relay/.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto

import attrs

from benchmarks import pdus


class Place(Enum):
    """What bytes belong to."""

    ASSOCIATION = auto()
    """A PDU that holds no message: A-ASSOCIATE, A-RELEASE, A-ABORT."""
    COMMAND = auto()
    DATASET = auto()
    ANYTHING = auto()
    """Nobody has looked: they may be TLS's."""


@attrs.frozen
class Piece:
    """Neighbouring bytes of one part (a PDU, a command set, a dataset), headers included.

    `is_first` and `is_last`: the part begins, or ends, with them.
    """

    place: Place
    data: bytes
    is_first: bool
    is_last: bool


class Opaque:
    """Looks at nothing."""

    def pieces(self, data: bytes) -> Iterator[Piece]:
        """All of it, as one piece of something endless."""
        yield Piece(Place.ANYTHING, data, is_first=False, is_last=False)


class Walker:
    """Takes one direction of an association apart. A header waits until it is whole."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._pdu_left = 0
        self._left = 0
        self._place = Place.ASSOCIATION
        self._is_first = True
        self._is_last_fragment = True

    def pieces(self, data: bytes) -> Iterator[Piece]:
        """What these bytes, with those held before, come to."""
        self._held += data
        while (header := self._header()) is not None:
            length = min(self._left, len(self._held) - header)
            self._left -= length
            taken = bytes(self._held[: header + length])
            del self._held[: header + length]
            is_last = self._is_last_fragment and not self._left
            yield Piece(self._place, taken, self._is_first, is_last)
            self._is_first = is_last

    def _header(self) -> int | None:
        """The length of the header that comes next, 0 within a body; None: more has to come."""
        if self._left:
            return 0 if self._held else None
        if self._pdu_left:
            return self._fragment(0, self._pdu_left)
        if len(self._held) < pdus.PDU_HEADER.size:
            return None
        kind, length = pdus.PDU_HEADER.unpack_from(self._held)
        if kind == pdus.P_DATA:
            return self._fragment(pdus.PDU_HEADER.size, length)
        self._place, self._left, self._is_last_fragment = Place.ASSOCIATION, length, True
        return pdus.PDU_HEADER.size

    def _fragment(self, start: int, pdu_left: int) -> int | None:
        """Read the header of a PDV that is `start` bytes away; the length up to its body."""
        stop = start + pdus.PDV_HEADER.size
        if len(self._held) < stop:
            return None
        length, _, control = pdus.PDV_HEADER.unpack_from(self._held, start)
        self._pdu_left, self._left = pdu_left - length - 4, length - 2
        self._place = Place.COMMAND if control & pdus.COMMAND else Place.DATASET
        self._is_last_fragment = bool(control & pdus.LAST)
        return stop

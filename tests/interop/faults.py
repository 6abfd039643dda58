"""What can go wrong between relay and archive, and where: for the proxy that lets it."""

from __future__ import annotations

from enum import Enum, auto

import attrs

from tests.interop.places import Piece, Place


class Kind(Enum):
    """What happens."""

    RESET = auto()
    """RST to both ends."""
    CLOSE = auto()
    """FIN to both ends."""
    STALL = auto()
    """Nothing passes any more, and nobody says so."""
    DELAY = auto()
    """What comes next comes late."""
    TRICKLE = auto()
    """What comes next comes by a few bytes at a time."""
    REFUSE = auto()
    """The port is closed, and what was connected is reset; wherever it was."""


FATAL = (Kind.RESET, Kind.CLOSE, Kind.STALL)
"""After these the connection is of no use."""


class Position(Enum):
    """Where it happens; some count bytes from there on."""

    CONNECTING = auto()
    """Nothing has passed."""
    ASSOCIATING = auto()
    """In the A-ASSOCIATE-AC."""
    BEFORE_COMMAND = auto()
    """At the first byte of a request, of which nothing passes."""
    IN_COMMAND = auto()
    IN_DATASET = auto()
    AFTER_DATASET = auto()
    """At its last byte, which passes."""
    IN_RESPONSE = auto()
    ANYWHERE = auto()
    """At whatever comes next, from either end."""
    BYTES = auto()
    """After so many bytes towards the archive, whatever they mean."""


COUNTED = {
    Position.ASSOCIATING: (False, Place.ASSOCIATION),
    Position.IN_COMMAND: (True, Place.COMMAND),
    Position.IN_DATASET: (True, Place.DATASET),
    Position.IN_RESPONSE: (False, Place.COMMAND),
}
"""Whether towards the archive, and in what."""


@attrs.frozen
class Fault:
    """What happens where. Where a part has no byte `at`, it strikes before its last one."""

    kind: Kind
    position: Position
    at: int = 0

    def __str__(self) -> str:
        return f"{self.kind.name} {self.position.name}+{self.at}"

    def passes(self, piece: Piece, before: int, to_archive: bool) -> int | None:
        """How many bytes of a piece still pass, `before` of its part have; None: no strike."""
        position, length = self.position, len(piece.data)
        if position is Position.ANYWHERE:
            return 0
        if position is Position.BYTES:
            return max(0, self.at - before) if to_archive and before + length > self.at else None
        if position is Position.BEFORE_COMMAND:
            begins = to_archive and piece.place is Place.COMMAND and piece.is_first
            return 0 if begins else None
        if position is Position.AFTER_DATASET:
            return length if piece.place is Place.DATASET and piece.is_last else None
        if COUNTED.get(position) != (to_archive, piece.place) or before > self.at:
            return None
        return min(self.at - before, length - 1) if self._is_due(piece, before) else None

    def _is_due(self, piece: Piece, before: int) -> bool:
        return self.at < before + len(piece.data) or piece.is_last

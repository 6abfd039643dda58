"""A turn: what one read brings about. All that is written in it to a connection leaves at once.

A message crosses in several writes: its command set, then what there is of its dataset. Each of
them as a TLS record and a send of its own would cost more than the bytes. Waiting for the next turn
of the reactor, as its transports do, costs a turn for each message. So writes are gathered while a
read is being worked off, and behind it each connection sends what is its own, in one piece.
"""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

import attrs


class Flushed(Protocol):
    """Whoever gathers writes."""

    def flush(self) -> None:
        """Send them."""


@attrs.define(eq=False)
class Turn:
    """The turn that is being taken, if any; they do not overlap, save that one may hold another."""

    _depth: int = 0
    _dirty: list[Flushed] = attrs.field(factory=list)

    @property
    def is_on(self) -> bool:
        """Whether a read is being worked off."""
        return self._depth > 0

    def flush_later(self, whose: Flushed) -> None:
        """Behind the turn, have it send what it gathered."""
        self._dirty.append(whose)

    def __enter__(self) -> None:
        self._depth += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            # What is sent may make room, and who had waited for that writes again.
            while self._depth == 1 and self._dirty:
                self._dirty.pop(0).flush()
        finally:
            self._depth -= 1


TURN = Turn()
"""That of the process: reactors take one at a time, and a process has one."""

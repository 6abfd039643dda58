"""Who serves whom: which worker gets the next caller, and whether there is room for it. Pure.

A caller's connection counts from the moment at which it is accepted until it is closed. One that
was too many is served all the same, by a rejection, but does not count among those for whom there
is room.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import attrs

from relay.policy.entry import Gate


@attrs.frozen
class Guest:
    """A caller's connection: who serves it, by which door it came, whether it counts, and the
    address that it came from."""

    worker: int
    door: int
    has_room: bool
    host: str | None = None


@attrs.define(eq=False)
class Guests:
    """All callers. `most` of them there may be, and by each door as many as `by_door` says; `gate`
    is the one that they came by."""

    most: int
    by_door: Sequence[int]
    gate: Gate = attrs.field(factory=Gate)
    _ready: set[int] = attrs.field(factory=set)
    _guests: dict[int, Guest] = attrs.field(factory=dict)
    _served: Counter[int] = attrs.field(factory=Counter)
    """Connections of each worker."""
    _counted: Counter[int] = attrs.field(factory=Counter)
    """Of each door those that count."""
    _last: int = 0
    """The worker that was last chosen."""

    def __len__(self) -> int:
        return len(self._guests)

    @property
    def ready(self) -> Collection[int]:
        """The workers that may be handed somebody."""
        return frozenset(self._ready)

    def served_by(self, worker: int) -> int:
        """How many a worker serves."""
        return self._served[worker]

    def opens(self, worker: int) -> None:
        """A worker is ready."""
        self._ready.add(worker)

    def closes(self, worker: int) -> None:
        """A worker takes nobody any more; whom it has it serves."""
        self._ready.discard(worker)

    def gone(self, worker: int) -> None:
        """A worker is no more, and so are the connections that it had."""
        self.closes(worker)
        for number, guest in list(self._guests.items()):
            if guest.worker == worker:
                self.leave(number)

    def order(self) -> list[int]:
        """The workers that are ready, the one with the fewest callers first; among equals it is
        each one's turn."""
        return sorted(self._ready, key=lambda each: (self._served[each], each <= self._last, each))

    def has_room(self, door: int) -> bool:
        """Whether there is room for one more by this door."""
        return self._counted[door] < self.by_door[door] and self._counted.total() < self.most

    def enter(self, number: int, guest: Guest) -> None:
        """A worker serves a connection."""
        self._guests[number] = guest
        self._last = guest.worker
        self._served[guest.worker] += 1
        self._counted[guest.door] += guest.has_room

    def leave(self, number: int) -> None:
        """A connection is closed, if it was still there."""
        guest = self._guests.pop(number, None)
        if guest is not None:
            self._served[guest.worker] -= 1
            self._counted[guest.door] -= guest.has_room
            self.gate.leave(guest.host)

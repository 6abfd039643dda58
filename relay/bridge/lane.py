"""Messages leave one after another, never interleaved (PS3.8 Annex E.1).

A `Delivery` is one message on its way to one sink. A `Lane` is the way into that sink: the first
delivery in line passes what it has and whatever comes; the others wait, and hold (pressure.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from relay.bridge.ports import Sink
from relay.bridge.pressure import HELD_MAXIMUM, Valve
from relay.wire.reader import Fragments


@attrs.define(eq=False)
class Delivery:
    """One message: its command set is complete, its dataset (if any) comes by and by.

    `done` is called once: when all of it has been written or, if it was dropped, when all of it has
    come. A delivery that was dropped takes what still comes and forgets it.
    """

    command_set: bytes = attrs.field(repr=False)
    ended: bool
    valve: Valve | None = None
    """Of the source that it comes from; None for the relay's own messages, which are whole."""
    done: Callable[[], None] | None = None
    size: int = 0
    """Bytes of dataset that came."""
    _lane: Lane | None = None
    _context_id: int = 0
    _held: list[Fragments] = attrs.field(factory=list, repr=False)
    _dropped: bool = False

    @property
    def is_leaving(self) -> bool:
        """Whether its command set has been written, and so it must be finished or aborted."""
        return self._lane is not None

    def add(self, fragments: Fragments) -> None:
        """More of the dataset."""
        self.size += fragments.size
        self.ended = fragments.ended
        if self._lane is not None:
            self._lane.sink.fragments(self._context_id, fragments)
        elif not self._dropped:
            self._hold(fragments)
        if self.ended:
            self._finish()

    def leave(self, lane: Lane, context_id: int) -> None:
        """It is this delivery's turn: write what there is; the rest follows as it comes."""
        self._lane, self._context_id = lane, context_id
        lane.sink.command(context_id, self.command_set)
        for fragments in self._held:
            lane.sink.fragments(context_id, fragments)
        self._held.clear()
        if self.valve is not None:
            self.valve.open(self)
        if self.ended:
            self._finish()

    def drop(self) -> None:
        """Nobody wants it: forget what is held, and what still comes."""
        self._lane, self._dropped = None, True
        self._held.clear()
        if self.valve is not None:
            self.valve.open(self)
        if self.ended:
            self._finish()

    def _hold(self, fragments: Fragments) -> None:
        self._held.append(fragments)
        if self.size > HELD_MAXIMUM and self.valve is not None:
            self.valve.close(self)

    def _finish(self) -> None:
        if self._lane is not None:
            self._lane.finished()
        elif not self._dropped:
            return
        done, self.done = self.done, None
        if done is not None:
            done()


@attrs.define(eq=False)
class Lane:
    """The way into one sink."""

    sink: Sink
    is_full: bool = False
    _line: deque[tuple[Delivery, int]] = attrs.field(factory=deque)
    _stopped: list[Valve] = attrs.field(factory=list)

    @property
    def is_idle(self) -> bool:
        """Whether no message is leaving or waits to."""
        return not self._line

    @property
    def current(self) -> Delivery | None:
        """The message that is leaving."""
        return self._line[0][0] if self._line else None

    def enter(self, delivery: Delivery, context_id: int) -> None:
        """Get in line, to leave on `context_id`; the first in line leaves at once."""
        self._line.append((delivery, context_id))
        if len(self._line) == 1:
            self._next()

    def finished(self) -> None:
        """The first in line has been written: the next one leaves."""
        self._line.popleft()
        if self._line:
            self._next()

    def full(self) -> None:
        """The sink takes no more: stop whoever is filling it."""
        self.is_full = True
        if self.current is not None:
            self._stop(self.current)

    def drained(self) -> None:
        """The sink takes more."""
        self.is_full = False
        stopped, self._stopped = self._stopped, []
        for valve in stopped:
            valve.open(self)

    def forget(self, valve: Valve) -> bool:
        """The source behind `valve` is gone. False where a message of its own is half written."""
        current = self.current
        self._line = deque(each for each in self._line if each[0].valve is not valve)
        return current is None or current.valve is not valve

    def _next(self) -> None:
        delivery, context_id = self._line[0]
        if self.is_full:
            self._stop(delivery)
        delivery.leave(self, context_id)

    def _stop(self, delivery: Delivery) -> None:
        # Opened by `drained` alone: a source of many small messages must not fill a full sink
        # with one after another.
        if delivery.valve is not None and delivery.valve not in self._stopped:
            self._stopped.append(delivery.valve)
            delivery.valve.close(self)

"""Messages leave one after another, never interleaved (PS3.8 Annex E.1).

A `Delivery` is one message on its way to one sink. A `Lane` is the way into that sink: the first
delivery in line passes what it has and whatever comes; the others wait, and hold (pressure.py).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from relay.bridge.ports import Sink
from relay.bridge.pressure import Valve
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
    """Of the source to stop when this fills its sink: where it comes from, or where what it answers
    came from."""
    done: Callable[[], None] | None = None
    size: int = 0
    """Bytes of dataset that came."""
    is_sent: bool = False
    """Whether its command set has been written, and so it must be finished or aborted."""
    _lane: Lane | None = None
    _context_id: int = 0
    _waiting: list[Fragments] = attrs.field(factory=list, repr=False)
    _held: int = 0
    _dropped: bool = False

    @property
    def is_waiting(self) -> bool:
        """Whether it may not leave yet."""
        return self._lane is None and not self._dropped

    def add(self, fragments: Fragments) -> None:
        """More of the dataset."""
        self.size += fragments.size
        self.ended = fragments.ended
        if self._lane is not None:
            self._lane.sink.fragments(self._context_id, fragments)
        elif not self._dropped:
            # A copy, or a few bytes would keep all of the read that they came in.
            fragments.raw = bytes(fragments.raw)
            self._waiting.append(fragments)
            self.hold(len(fragments.raw))
        if self.ended:
            self._finish()

    def hold(self, size: int) -> None:
        """Note that `size` bytes of it are in memory until it leaves, or is dropped."""
        self._held += size
        if self.valve is not None:
            self.valve.hold(size)

    def leave(self, lane: Lane, context_id: int) -> None:
        """It is this delivery's turn: write what there is; the rest follows as it comes."""
        self._lane, self._context_id, self.is_sent = lane, context_id, True
        lane.sink.command(context_id, self.command_set)
        for fragments in self._waiting:
            lane.sink.fragments(context_id, fragments)
        self._let_out()
        if self.ended:
            self._finish()

    def drop(self) -> None:
        """Nobody wants it: forget what is held, and what still comes."""
        self._lane, self._dropped = None, True
        self._let_out()
        if self.ended:
            self._finish()

    def _let_out(self) -> None:
        self._waiting.clear()
        if self._held and self.valve is not None:
            self.valve.let_out(self._held)
        self._held = 0

    def _finish(self) -> None:
        if self.is_waiting:
            return
        if self._lane is not None:
            self._lane.finished()
        done, self.done = self.done, None
        if done is not None:
            done()


@attrs.define(eq=False)
class Lane:
    """The way into one sink."""

    sink: Sink
    is_full: bool = False
    is_closed: bool = False
    _line: deque[tuple[Delivery, int]] = attrs.field(factory=deque)
    _stopped: list[Valve] = attrs.field(factory=list)
    _is_moving: bool = False

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
        if self.is_closed:
            delivery.drop()
            return
        self._line.append((delivery, context_id))
        self._move()

    def finished(self) -> None:
        """The first in line has been written: the next one leaves."""
        self._line.popleft()
        self._move()

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
        self._stopped = [each for each in self._stopped if each is not valve]
        return current is None or current.valve is not valve

    def close(self) -> None:
        """The sink is gone: what is in line is dropped, and so is what still comes."""
        self.is_closed = True
        line, self._line = self._line, deque()
        self.drained()
        for delivery, _ in line:
            delivery.drop()

    def _move(self) -> None:
        # A loop: what waits may be a thousand messages, and each one that is whole lets the next
        # one leave before `leave` returns.
        if self._is_moving:
            return
        self._is_moving = True
        while self._line and self._line[0][0].is_waiting:
            delivery, context_id = self._line[0]
            if self.is_full:
                self._stop(delivery)
            delivery.leave(self, context_id)
        self._is_moving = False

    def _stop(self, delivery: Delivery) -> None:
        # Opened by `drained` alone: a source of many small messages must not fill a full sink
        # with one after another.
        if delivery.valve is not None and delivery.valve not in self._stopped:
            self._stopped.append(delivery.valve)
            delivery.valve.close(self)

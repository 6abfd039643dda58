"""Messages leave one after another, never interleaved (PS3.8 Annex E.1).

A `Lane` is the way into one sink: the first delivery in line passes what it has and whatever comes;
the others wait, and hold (pressure.py).
"""

from __future__ import annotations

from collections import deque

import attrs

from relay.bridge.delivery import Delivery
from relay.bridge.ports import Sink
from relay.bridge.pressure import Valve


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

    def remove(self, delivery: Delivery) -> None:
        """`delivery` will leave by another lane, if at all; nothing more leaves by this one."""
        self._line = deque(each for each in self._line if each[0] is not delivery)

    def full(self) -> None:
        """The sink takes no more: stop whoever is filling it."""
        self.is_full = True
        if self.current is not None:
            self.pace(self.current)

    def drained(self) -> None:
        """The sink takes more."""
        self.let_sources_go_on()
        if self.current is not None and self.current.is_replaying:
            self.current.play()

    def let_sources_go_on(self) -> None:
        """Nobody is stopped on this sink's account any more."""
        self.is_full = False
        stopped, self._stopped = self._stopped, []
        for valve in stopped:
            valve.open(self)

    def pace(self, delivery: Delivery) -> None:
        """Stop the source of `delivery` where it is what fills the sink."""
        if self.is_full and not delivery.is_replaying:
            self._stop(delivery)

    def forget(self, valve: Valve) -> bool:
        """The source behind `valve` is gone. False where a message of its own is half written."""
        current = self.current
        self._line = deque(
            each for each in self._line if each[0].valve is not valve or each[0].is_worth_passing_on
        )
        self._stopped = [each for each in self._stopped if each is not valve]
        return current is None or current.valve is not valve

    def close(self) -> None:
        """The sink is gone: what is in line is dropped, and so is what still comes."""
        self.is_closed = True
        line, self._line = self._line, deque()
        self.let_sources_go_on()
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
            if self.is_full and not delivery.is_sent:
                self._stop(delivery)
            delivery.leave(self, context_id)
        self._is_moving = False

    def _stop(self, delivery: Delivery) -> None:
        # Opened by `drained` alone: a source of many small messages must not fill a full sink
        # with one after another.
        if delivery.valve is not None and delivery.valve not in self._stopped:
            self._stopped.append(delivery.valve)
            delivery.valve.close(self)

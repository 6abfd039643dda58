"""A DIMSE operation on its way, and the window that orders operations (PS3.7 7, D.3.3.3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import attrs

from relay.bridge.lane import Delivery
from relay.bridge.party import Party
from relay.bridge.ports import Timer
from relay.wire.command import CommandSet
from relay.wire.negotiation import Context


@attrs.define(eq=False)
class Operation:
    """A request with all its responses.

    `context_id` is the invoker's, `performed_on` the performer's. `is_final`: the last response
    has come, or begun to; `is_answered`: all of it has left for the invoker.
    """

    invoker: Party
    context_id: int
    context: Context
    command: CommandSet
    request: Delivery
    performer: Party | None = None
    performed_on: int = 0
    is_final: bool = False
    is_answered: bool = False
    cancel: Delivery | None = None
    """A C-CANCEL that came before there was a performer."""
    timer: Timer | None = None

    @property
    def message_id(self) -> int | None:
        """Message ID of the request."""
        return self.command.message_id

    @property
    def field(self) -> int:
        """Command field of the request."""
        return self.command.field

    def perform(self, performer: Party, context_id: int) -> None:
        """Let the request leave for `performer`."""
        self.performer, self.performed_on = performer, context_id
        performer.lane.enter(self.request, context_id)
        if self.cancel is not None:
            performer.lane.enter(self.cancel, context_id)

    def stop_timer(self) -> None:
        """No response is awaited any more."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self.timer = None


@attrs.define(eq=False)
class Window:
    """Operations in one direction: one is outstanding, the others wait in line.

    `start` is called with each operation when its turn has come.
    """

    start: Callable[[Operation], None]
    _line: deque[Operation] = attrs.field(factory=deque)

    @property
    def current(self) -> Operation | None:
        """The outstanding operation."""
        return self._line[0] if self._line else None

    def enter(self, operation: Operation) -> None:
        """Get in line."""
        self._line.append(operation)
        if len(self._line) == 1:
            self.start(operation)

    def leave(self, operation: Operation) -> None:
        """`operation` is complete; the next one starts."""
        if self.current is operation:
            self._line.popleft()
            if self._line:
                self.start(self._line[0])

    def find(self, message_id: int | None) -> Operation | None:
        """The operation with `message_id`, outstanding or in line."""
        return next((each for each in self._line if each.message_id == message_id), None)

    def forget(self, invoker: Party) -> None:
        """`invoker` is gone, and nobody waits for its operations."""
        was = self.current
        self._line = deque(each for each in self._line if each.invoker is not invoker)
        if self._line and self._line[0] is not was:
            self.start(self._line[0])

"""A DIMSE operation on its way, and the window that orders operations (PS3.7 7, D.3.3.3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

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

    `start` is called with each operation when its turn has come and `is_open` says so.
    """

    start: Callable[[Operation], None]
    is_open: Callable[[], bool] = lambda: True
    _line: deque[Operation] = attrs.field(factory=deque)
    _started: Operation | None = None
    _is_proceeding: bool = False

    def __iter__(self) -> Iterator[Operation]:
        """The outstanding operation, and those in line."""
        return iter(self._line)

    @property
    def current(self) -> Operation | None:
        """The outstanding operation."""
        return self._line[0] if self._line else None

    def enter(self, operation: Operation) -> None:
        """Get in line."""
        self._line.append(operation)
        self.proceed()

    def remove(self, operation: Operation) -> None:
        """`operation` is complete, or was refused before it came here."""
        if operation in self._line:
            self._line.remove(operation)

    def leave(self, operation: Operation) -> None:
        """`operation` is complete; the next one starts."""
        self.remove(operation)
        self.proceed()

    def proceed(self) -> None:
        """Start the first in line."""
        # A loop: what waits may be a thousand operations, each of which is refused at once.
        if self._is_proceeding:
            return
        self._is_proceeding = True
        while self._line and self._line[0] is not self._started and self.is_open():
            self._started = self._line[0]
            self.start(self._started)
        self._is_proceeding = False

    def find(self, invoker: Party, message_id: int | None) -> Operation | None:
        """The operation of `invoker` with `message_id`, outstanding or in line."""
        its = (each for each in self._line if each.invoker is invoker)
        return next((each for each in its if each.message_id == message_id), None)

    def forget(self, invoker: Party) -> None:
        """`invoker` is gone: what it asked for does not start any more.

        What has been sent is still outstanding: its performer will answer, if only to nobody.
        """
        self._line = deque(
            each for each in self._line if each.invoker is not invoker or each.request.is_sent
        )
        self.proceed()

"""A DIMSE operation on its way, and the window that orders operations (PS3.7 7, D.3.3.3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import chain

import attrs

from relay.bridge.berth import Berth
from relay.bridge.delivery import Delivery
from relay.bridge.party import Party
from relay.bridge.ports import Timer
from relay.policy.failover import Choice, Failure
from relay.policy.leasing import CONCURRENT
from relay.wire.command import CommandSet
from relay.wire.negotiation import Context


@attrs.define(eq=False)
class Operation:
    """A request with all its responses.

    `context_id` is the invoker's, `performed_on` the performer's; `berth` is where that is, unless
    the caller performs. `response` is the last one, which has come, or
    begun to; `is_answered`: all of it has left for the invoker. `failures` on upstreams so far, and
    the `choice` that follows from them.
    """

    invoker: Party
    context_id: int
    context: Context
    command: CommandSet
    request: Delivery
    berth: Berth | None = None
    performer: Party | None = None
    performed_on: int = 0
    response: Delivery | None = None
    has_pending: bool = False
    """Whether a response that is not the last has come."""
    is_refused: bool = False
    """Whether the relay answers it itself."""
    is_answered: bool = False
    has_left: bool = False
    """Whether all of the request has left, once at least."""
    requested_at: float | None = None
    """When it had left for the performer, in seconds."""
    failures: list[Failure] = attrs.field(factory=list)
    choice: Choice = attrs.field(factory=Choice)
    cancel: Delivery | None = None
    """A C-CANCEL of it. One that came before there was a performer leaves behind the request."""
    timer: Timer | None = None

    @property
    def message_id(self) -> int | None:
        """Message ID of the request."""
        return self.command.message_id

    @property
    def field(self) -> int:
        """Command field of the request."""
        return self.command.field

    @property
    def is_final(self) -> bool:
        """Whether the last response has come, or begun to, or is the relay's own."""
        return self.response is not None or self.is_refused

    def perform(self, performer: Party, context_id: int) -> None:
        """Let the request leave for `performer`."""
        self.performer, self.performed_on = performer, context_id
        performer.lane.enter(self.request, context_id)
        if self.cancel is not None:
            performer.lane.enter(self.cancel, context_id)

    def rewind(self, choice: Choice) -> None:
        """Its performer failed: let it be performed again, elsewhere as `choice` says."""
        self.request.rewind()
        self.choice = choice
        self.berth = self.performer = self.requested_at = None

    def stop_timer(self) -> None:
        """No response is awaited any more."""
        if self.timer is not None and self.timer.active():
            self.timer.cancel()
        self.timer = None


@attrs.define(eq=False)
class Window:
    """Operations in one direction: as many as negotiated are outstanding, the others wait in line.

    `start` is called with each operation when its turn has come and `is_open` says so. Only some
    services take others beside them (policy/leasing.py); the rest wait until they are alone.
    """

    start: Callable[[Operation], None]
    is_open: Callable[[], bool] = lambda: True
    size: int = 1
    _line: deque[Operation] = attrs.field(factory=deque)
    _outstanding: list[Operation] = attrs.field(factory=list)
    _is_proceeding: bool = False

    def __iter__(self) -> Iterator[Operation]:
        """The outstanding operations, and those in line."""
        return chain(self._outstanding, self._line)

    @property
    def outstanding(self) -> Sequence[Operation]:
        """Operations that have started and are not complete, oldest first."""
        return tuple(self._outstanding)

    def performed_by(self, performer: Party) -> Operation | None:
        """The outstanding operation that `performer` performs; it has one at most."""
        return next((each for each in self._outstanding if each.performer is performer), None)

    def enter(self, operation: Operation) -> None:
        """Get in line."""
        self._line.append(operation)
        self.proceed()

    def remove(self, operation: Operation) -> None:
        """`operation` is complete, or was refused before it came here."""
        if operation in self._outstanding:
            self._outstanding.remove(operation)
        elif operation in self._line:
            self._line.remove(operation)

    def leave(self, operation: Operation) -> None:
        """`operation` is complete; the next one starts."""
        self.remove(operation)
        self.proceed()

    def proceed(self) -> None:
        """Start those whose turn has come."""
        # A loop: what waits may be a thousand operations, each of which is refused at once.
        if self._is_proceeding:
            return
        self._is_proceeding = True
        while self._line and self._has_room(self._line[0]) and self.is_open():
            operation = self._line.popleft()
            self._outstanding.append(operation)
            self.start(operation)
        self._is_proceeding = False

    def _has_room(self, operation: Operation) -> bool:
        if not self._outstanding:
            return True
        return len(self._outstanding) < self.size and all(
            each.field in CONCURRENT for each in (operation, *self._outstanding)
        )

    def find(self, invoker: Party, message_id: int | None) -> Operation | None:
        """The operation of `invoker` with `message_id`, outstanding or in line."""
        its = (each for each in self if each.invoker is invoker)
        return next((each for each in its if each.message_id == message_id), None)

    def forget(self, invoker: Party) -> None:
        """`invoker` is gone: what it asked for does not start any more.

        What has been sent is still outstanding: its performer will answer, if only to nobody.
        """
        self._line = deque(each for each in self._line if each.invoker is not invoker)
        self._outstanding = [
            each
            for each in self._outstanding
            if each.invoker is not invoker or each.request.is_sent
        ]
        self.proceed()

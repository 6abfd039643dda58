"""A DIMSE operation on its way, and the window that orders operations (PS3.7 7, D.3.3.3)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING

import attrs

from relay.bridge.berth import Berth
from relay.bridge.delivery import Delivery
from relay.bridge.party import Party
from relay.bridge.ports import Timer
from relay.policy.failover import Choice, Failure
from relay.policy.leasing import CONCURRENT
from relay.wire.command import CommandSet
from relay.wire.elements import (
    AFFECTED_SOP_INSTANCE,
    MESSAGE_ID_BEING_RESPONDED_TO,
    REQUESTED_SOP_INSTANCE,
    replaced,
    value,
)
from relay.wire.negotiation import Context

if TYPE_CHECKING:
    from relay.bridge.leg import Leg


@attrs.define(eq=False)
class Operation:
    """A request with all its responses.

    `context_id` is the invoker's, `performed_on` the performer's; `berth` is where that is, unless
    the caller performs. `response` is the last one, which has come, or
    begun to; `is_answered`: all of it has left for the invoker. `failures` on upstreams so far, and
    the `choice` that follows from them. `leg` is the way to the upstreams that may perform it, if
    it is they who do. `ended` is called once, when it is over, whatever became of it.
    """

    invoker: Party
    context_id: int
    context: Context
    command: CommandSet
    request: Delivery
    leg: Leg | None = attrs.field(default=None, repr=False)
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
    sent_id: int | None = None
    """Message ID of the request as the performer sees it, where that is another one."""
    ended: Callable[[], None] | None = attrs.field(default=None, repr=False)
    command_set: bytes = attrs.field(init=False, repr=False)
    """The request's, as its invoker sent it."""

    def __attrs_post_init__(self) -> None:
        self.command_set = self.request.command_set

    @property
    def message_id(self) -> int | None:
        """Message ID of the request."""
        return self.command.message_id

    @property
    def field(self) -> int:
        """Command field of the request."""
        return self.command.field

    @property
    def instance(self) -> bytes:
        """SOP Instance UID of the request, as it came; empty where it has none."""
        affected = value(self.command_set, AFFECTED_SOP_INSTANCE)
        return affected or value(self.command_set, REQUESTED_SOP_INSTANCE) or b""

    @property
    def performed_id(self) -> int | None:
        """Message ID of the request as the performer sees it."""
        return self.message_id if self.sent_id is None else self.sent_id

    @property
    def is_final(self) -> bool:
        """Whether the last response has come, or begun to, or is the relay's own."""
        return self.response is not None or self.is_refused

    def perform(self, performer: Party, context_id: int) -> None:
        """Let the request leave for `performer`."""
        self.performer, self.performed_on = performer, context_id
        performer.lane.enter(self.request, context_id)
        if self.cancel is not None:
            self.send_cancel()

    def readdress(self, values: Mapping[int, int | str | bytes]) -> None:
        """Let the request leave with these elements of its command set replaced."""
        self.request.command_set = replaced(self.request.command_set, values)

    def send_cancel(self) -> None:
        """Let its C-CANCEL leave for the performer."""
        assert self.cancel is not None and self.performer is not None
        if self.sent_id is not None:
            its = {MESSAGE_ID_BEING_RESPONDED_TO: self.sent_id}
            self.cancel.command_set = replaced(self.cancel.command_set, its)
        self.performer.lane.enter(self.cancel, self.performed_on)

    def answer_by(self, response: Delivery) -> None:
        """Have a response of the performer say to which request of the invoker it belongs."""
        if self.sent_id is not None and self.message_id is not None:
            its = {MESSAGE_ID_BEING_RESPONDED_TO: self.message_id}
            response.command_set = replaced(response.command_set, its)

    def end(self) -> None:
        """It is over."""
        self.stop_timer()
        ended, self.ended = self.ended, None
        if ended is not None:
            ended()

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

    def withdraw(self, operation: Operation) -> None:
        """`operation` was refused: it does not start any more, if it has not yet."""
        if operation in self._line:
            self._line.remove(operation)

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

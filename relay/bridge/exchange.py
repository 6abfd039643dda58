"""The messages of an established crossing: who they are for, and which belong together.

The caller and the upstreams of its legs are `Party`s alike: either may invoke operations and must
perform those of the other. In each direction there is a window: the caller's has the size that was
negotiated, one in most cases; towards the caller one operation at a time is invoked.

    request of the caller    -> window -> performed by an upstream (attempts.py)
    response of an upstream  -> belongs to the operation that it performs -> the caller's lane
    request of an upstream   -> window -> leaves by the caller's lane
    response of the caller   -> leaves by that upstream's lane

Whatever an upstream says goes back unchanged. What the relay says itself, when there is no upstream
to say it, is never a success (policy/failing.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from relay.bridge.addressing import Addressing
from relay.bridge.attempts import Attempts
from relay.bridge.berth import Berth
from relay.bridge.delivery import Delivery
from relay.bridge.forwarding import Next
from relay.bridge.guard import Guard
from relay.bridge.messages import Expect
from relay.bridge.operation import Operation, Window
from relay.bridge.outcome import Outcome
from relay.bridge.party import Party
from relay.bridge.ports import Clock, Upstreams
from relay.bridge.record import Budget
from relay.policy.failover import REPEATABLE
from relay.policy.refusing import refusal
from relay.wire.command import (
    CommandSet,
    MalformedCommand,
    Status,
    decode,
    response,
)
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.reader import Fragments

RESPONSE = 0x8000
"""What a command field of a response adds to that of its request (PS3.7 E.1)."""


@attrs.frozen
class Retention:
    """What is kept of datasets: `budget` of what may be sent again; of one whose sending failed,
    `discard` bytes more are taken, and thrown away, before the caller is aborted."""

    budget: Budget
    discard: int


@attrs.define(eq=False)
class Exchange:
    """Moves messages between the caller and the legs of its crossing.

    `window` is how many operations the caller may have outstanding. `abort` ends the crossing with
    an A-ABORT to the caller.
    """

    caller: Party
    addressing: Addressing
    upstreams: Upstreams
    clock: Clock
    outcome: Outcome
    retention: Retention
    abort: Callable[[AbortReason, str], None]
    window: int = 1
    _attempts: Attempts = attrs.field(init=False)
    _of_caller: Window = attrs.field(init=False)
    _of_upstreams: Window = attrs.field(init=False)
    _closed: bool = attrs.field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        self._attempts = Attempts(self.upstreams, self.clock, self.outcome, self)
        then = Next(self._attempts.obtain, self.refuse, self._attempts.fail)
        start = partial(self.addressing.start, then=then)
        self._of_caller = Window(start, self._caller_may_go_on, self.window)
        back = Next(self._call_back, self.refuse, self.give_up)
        self._of_upstreams = Window(partial(self.addressing.call_back, then=back))

    @property
    def is_idle(self) -> bool:
        """Whether every message and operation, both ways, is complete."""
        return not any(self._operations()) and self.caller.is_idle

    def go_on(self) -> None:
        """The caller takes answers again."""
        self._of_caller.proceed()

    def close(self) -> None:
        """The crossing is over."""
        self._closed = True
        self.addressing.close()
        for operation in self._operations():
            operation.end()
            operation.request.forget()
        for leg in self.addressing.legs:
            leg.close()
        self.caller.retire()
        self.caller.lane.close()

    def is_busy(self, party: Party) -> bool:
        """Whether an operation that `party` invoked or performs is incomplete."""
        for window in (self._of_caller, self._of_upstreams):
            for each in window:
                if each.invoker is party or each.performer is party:
                    return True
        return False

    def received(self, party: Party, fragments: Fragments) -> None:
        """Fragments from `party`. ProtocolError when it breaks the order of messages."""
        if not fragments.is_command:
            party.dataset(fragments)
            return
        command_set = party.command(fragments)
        if command_set is not None:
            self._begin(party, fragments.context_id, command_set)

    def lost(self, berth: Berth, is_overdue: bool) -> None:
        """An upstream association is gone, and what was under way on it."""
        party = berth.party
        if not self.caller.lane.forget(party.valve):
            self.abort(AbortReason.NOT_SPECIFIED, "an upstream was lost in the middle of a message")
        operation = self._of_caller.performed_by(party)
        if operation is not None and not self._closed:
            self._attempts.lost(operation, berth, is_overdue)
        if not self._closed:
            party.lane.close()
            self._of_upstreams.forget(party)

    # messages

    def _begin(self, party: Party, context_id: int, command_set: bytes) -> None:
        try:
            command = decode(command_set)
        except MalformedCommand as malformed:
            self._answer_malformed(party, context_id, command_set, malformed)
            return
        party.assembler.expect = Expect.DATASET if command.has_dataset else Expect.COMMAND
        delivery = Delivery(
            command_set,
            ended=not command.has_dataset,
            valve=party.valve,
            outlives_source=command.is_response,
        )
        party.incoming = delivery
        delivery.guard = Guard.of(party.assembler.bounds, command_set, self._too_large)
        if command.is_response:
            self._response(party, context_id, command, delivery)
        elif command.is_cancel:
            self._cancel(party, command, delivery)
        else:
            self._request(party, context_id, command, delivery)
        if delivery.is_waiting and not self._closed:
            delivery.hold(len(command_set))

    def _answer_malformed(
        self, party: Party, context_id: int, command_set: bytes, malformed: MalformedCommand
    ) -> None:
        try:
            answer = response(command_set, Status.MISTYPED_ARGUMENT)
        except MalformedCommand:
            raise ProtocolError(
                f"malformed command set: {malformed}",
                AbortReason.NOT_SPECIFIED,
                AbortSource.SERVICE_USER,
            ) from None
        party.assembler.expect = Expect.EITHER
        party.incoming = None
        self.outcome.failed += 1
        self.outcome.told(Status.MISTYPED_ARGUMENT)
        party.lane.enter(Delivery(answer, ended=True, valve=party.valve), context_id)

    def _window_of(self, invoker: Party) -> Window:
        return self._of_caller if invoker is self.caller else self._of_upstreams

    def _window_for(self, performer: Party) -> Window:
        return self._of_upstreams if performer is self.caller else self._of_caller

    def _request(
        self, party: Party, context_id: int, command: CommandSet, delivery: Delivery
    ) -> None:
        context = party.contexts[context_id]
        operation = Operation(party, context_id, context, command, delivery)
        window = self._window_of(party)
        is_in_flight = window.find(party, command.message_id) is not None
        status = refusal(command, context.abstract_syntax, is_in_flight)
        if status is not None:
            self.refuse(operation, status)
        else:
            if delivery.guard is not None:
                delivery.guard.too_large = partial(self._attempts.too_large, operation)
            if command.has_dataset and party is self.caller and command.field in REPEATABLE:
                delivery.record = self.retention.budget.record()
            window.enter(operation)

    def _response(
        self, party: Party, context_id: int, command: CommandSet, delivery: Delivery
    ) -> None:
        operation = self._window_for(party).performed_by(party)
        if operation is None or operation.is_final:
            raise ProtocolError("a response to no request", AbortReason.UNEXPECTED_PARAMETER)
        if (command.responding_to, command.field, context_id) != (
            operation.performed_id,
            operation.field | RESPONSE,
            operation.performed_on,
        ):
            raise ProtocolError("a response to another request", AbortReason.UNEXPECTED_PARAMETER)
        self._pass_response(operation, command, delivery)

    def _pass_response(self, operation: Operation, command: CommandSet, delivery: Delivery) -> None:
        is_final = not command.pending
        operation.answer_by(delivery)
        if is_final:
            assert command.status is not None
            operation.response = delivery
            self.outcome.told(command.status)
            if command.failed:
                self.outcome.failed_on(operation.instance)
        else:
            operation.has_pending = True
        if operation.invoker is self.caller:
            if not operation.request.is_replaying:
                operation.request.forget()
            if is_final:
                assert command.status is not None
                self._attempts.answered(operation, command.status)
        delivery.done = partial(self._responded, operation, delivery, is_final)
        operation.invoker.lane.enter(delivery, operation.context_id)

    def _responded(self, operation: Operation, delivery: Delivery, is_final: bool) -> None:
        if self._closed or operation.is_refused:
            # It was in line when its upstream, or the crossing, came to an end.
            return
        self._count(operation.performer, delivery)
        if is_final:
            operation.is_answered = True
            self.finish(operation)
        else:
            self._await_response(operation)

    def _cancel(self, party: Party, command: CommandSet, delivery: Delivery) -> None:
        operation = self._window_of(party).find(party, command.responding_to)
        if operation is None or operation.is_final:
            delivery.drop()
        elif operation.performer is not None:
            operation.cancel = delivery
            operation.send_cancel()
        elif operation.cancel is None:
            operation.cancel = delivery
        else:
            delivery.drop()

    # operations of upstreams

    def _call_back(self, operation: Operation) -> None:
        """An upstream invokes: the caller performs, on its own id of the same context."""
        performed_on = self.caller.id_of(operation.context, operation.context_id)
        if performed_on is None:
            self.refuse(operation, Status.SOP_CLASS_NOT_SUPPORTED)
            return
        operation.request.done = partial(self.requested, operation)
        operation.perform(self.caller, performed_on)

    def _await_caller(self, operation: Operation) -> None:
        """Give the caller what the upstream's own timer allows, for as long as it can be heard."""
        berths = (each.berth_of(operation.invoker) for each in self.addressing.legs)
        berth = next((each for each in berths if each is not None), None)
        if berth is not None:
            timeout = berth.lease.manners.response_timeout
            operation.timer = self.clock.callLater(timeout, self._look_at_caller, operation)

    def _look_at_caller(self, operation: Operation) -> None:
        waits = self._of_caller.performed_by(operation.invoker) is not None
        if waits and self.caller.valve.is_overfull:
            # Its answer, and its end, are behind what it sent ahead, which waits for that answer.
            self.abort(AbortReason.NOT_SPECIFIED, "it sent too much ahead of a response it owes")
        else:
            self._await_response(operation)

    # operations, from either side

    def requested(self, operation: Operation) -> None:
        """All of the request has left."""
        if self._closed:
            # It was in line when the crossing came to an end: nobody will answer it.
            return
        if not operation.has_left:
            self._count(operation.invoker, operation.request)
        operation.has_left, operation.requested_at = True, self.clock.seconds()
        if operation.is_answered:
            self.finish(operation)
        elif operation.timer is None:
            self._await_response(operation)

    def _await_response(self, operation: Operation) -> None:
        operation.stop_timer()
        if operation.performer is self.caller:
            self._await_caller(operation)
        else:
            self._attempts.await_response(operation)

    def is_waiting_for_the_caller(self, performer: Party) -> bool:
        """Whether it is the caller, or another's message to it, that keeps `performer` unheard."""
        lane = self.caller.lane
        leaving = lane.current
        return lane.is_full or (leaving is not None and leaving.valve is not performer.valve)

    def finish(self, operation: Operation) -> None:
        """The last response has left; the operation is over once the request has, too."""
        operation.stop_timer()
        if not operation.is_answered or not operation.request.is_complete:
            return
        self.outcome.operations[operation.field] += 1
        operation.end()
        operation.request.forget()
        window = self._window_of(operation.invoker)
        window.remove(operation)
        if operation.berth is not None:
            operation.berth.done(operation.field)
        window.proceed()

    def give_up(self, operation: Operation) -> None:
        """No upstream performs the operation, and no status is true, or wanted."""
        self.outcome.failed += 1
        self.outcome.failed_on(operation.instance)
        self.abort(AbortReason.NOT_SPECIFIED, "an upstream failed")

    def refuse(self, operation: Operation, status: Status) -> None:
        """Answer `operation` with `status`, once the whole request has come in; once."""
        if operation.is_refused:
            return
        self.outcome.failed += 1
        self.outcome.told(status)
        self.outcome.failed_on(operation.instance)
        operation.is_refused = True
        operation.end()
        invoker = operation.invoker
        self._window_of(invoker).withdraw(operation)
        command_set = response(operation.command_set, status)
        answer = Delivery(command_set, ended=True, valve=invoker.valve)
        answer.done = partial(self._window_of(invoker).leave, operation)
        operation.request.done = partial(invoker.lane.enter, answer, operation.context_id)
        self.discard(operation)
        if operation.cancel is not None:
            operation.cancel.drop()

    def discard(self, operation: Operation) -> None:
        """Take the rest of the request, up to a bound, and forget it."""
        operation.request.drop(self.retention.discard, self._too_much)

    def _too_large(self) -> None:
        self.abort(AbortReason.NOT_SPECIFIED, "the dataset of a response is larger than max_object")

    def _too_much(self) -> None:
        self.abort(AbortReason.NOT_SPECIFIED, "it sent too much of an object that failed")

    def _count(self, sender: Party | None, delivery: Delivery) -> None:
        if sender is self.caller:
            self.outcome.bytes_up += delivery.size
        else:
            self.outcome.bytes_down += delivery.size
        self.outcome.odd += delivery.size & 1

    def _caller_may_go_on(self) -> bool:
        """Whether the caller takes answers: one that does not is not served further ones."""
        return not self._closed and not self.caller.lane.is_full

    def _operations(self) -> tuple[Operation, ...]:
        """All that are outstanding or in line."""
        return (*self._of_caller, *self._of_upstreams)

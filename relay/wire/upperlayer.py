"""The upper-layer service provider of one association, without a socket (PS3.8 7, 9.2).

Reader, writer and state table in one. Below it is a `Carrier`, the transport connection with its
ARTIM timer; above it a `ServiceUser`, who gets indications and confirmations. Both are called at
once, never later, and may call back from within.

    carrier                          provider                              user
    connected, received,    ->   reader -> table -> effects   ->   *_indication, *_confirmation
    closed, artim_expired
    write, close, drop      <-   writer <- table <- effects   <-   associate, accept, command, ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import attrs

from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.pdu import (
    DEFAULT_MAXIMUM_LENGTH,
    LARGEST_MAXIMUM_LENGTH,
    SMALLEST_MAXIMUM_LENGTH,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    ReleaseRP,
    ReleaseRQ,
)
from relay.wire.reader import Buffer, Fragments, Reader
from relay.wire.reader import Event as Received
from relay.wire.state import EFFECTS, TABLE, Action, Effect, Event, Machine, State
from relay.wire.user_information import UserInformation
from relay.wire.writer import Writer

EVENTS: dict[type[Received], Event] = {
    AssociateRQ: Event.ASSOCIATE_RQ_RECEIVED,
    AssociateAC: Event.ASSOCIATE_AC_RECEIVED,
    AssociateRJ: Event.ASSOCIATE_RJ_RECEIVED,
    Fragments: Event.P_DATA_RECEIVED,
    ReleaseRQ: Event.RELEASE_RQ_RECEIVED,
    ReleaseRP: Event.RELEASE_RP_RECEIVED,
    Abort: Event.ABORT_RECEIVED,
}


class Carrier(Protocol):
    """The transport connection underneath, and the ARTIM timer."""

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Send; never blocks."""

    def close(self) -> None:
        """Close once everything written has left."""

    def drop(self) -> None:
        """Close at once, with what has not left discarded."""

    def start_artim(self) -> None:
        """Start or restart the timer (PS3.8 9.1.5)."""

    def stop_artim(self) -> None:
        """Stop the timer where it runs."""


class ServiceUser(Protocol):
    """Whoever uses the association."""

    def associate_indication(self, request: AssociateRQ) -> None:
        """The peer asks for an association: answer with `accept` or `reject`."""

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        """The peer's answer."""

    def data_indication(self, fragments: Fragments) -> None:
        """Fragments of a message."""

    def release_indication(self) -> None:
        """The peer asks for release: answer with `release_response`."""

    def release_confirmation(self) -> None:
        """The peer agreed to the release; the transport is being closed.

        After a collision an acceptor that has not answered the peer's own request still has to.
        """

    def abort_indication(self, loss: Loss) -> None:
        """The association is gone, or never came to be."""


@attrs.frozen
class Loss:
    """How an association was lost: the peer's `abort`, its `error`, or neither: it closed."""

    abort: Abort | None = None
    error: ProtocolError | None = None

    def __str__(self) -> str:
        if self.error is not None:
            return f"protocol error: {self.error}"
        if self.abort is not None:
            return f"aborted by the peer ({self.abort.source},{self.abort.reason})"
        return "connection closed"


def peer_maximum(information: UserInformation) -> int:
    """The peer's maximum length in bytes; absent means the customary 16 KiB, 0 means no limit."""
    announced = information.maximum_length
    if announced is None:
        return DEFAULT_MAXIMUM_LENGTH
    return announced or LARGEST_MAXIMUM_LENGTH


@attrs.define(eq=False)
class UpperLayer:
    """One association's provider.

    `maximum` is the maximum length that this side announces, in bytes; `bounds` are the peer's.
    """

    user: ServiceUser
    carrier: Carrier
    maximum: int
    is_requestor: bool = False
    bounds: Bounds = BOUNDS
    machine: Machine = attrs.field(init=False)
    reader: Reader = attrs.field(init=False)
    writer: Writer = attrs.field(init=False)
    error: ProtocolError | None = attrs.field(init=False, default=None)
    """The peer's breach of the protocol, if there was one."""
    _agreed: bool = attrs.field(init=False, default=False)
    """In a release collision: the user's response waits for the peer's."""
    _has_released: bool = attrs.field(init=False, default=False)
    """Whether the peer's request for release was answered: it has no more to say."""

    def __attrs_post_init__(self) -> None:
        self.machine = Machine(self.is_requestor)
        self.reader = Reader(self.maximum, bounds=self.bounds)
        self.writer = Writer(DEFAULT_MAXIMUM_LENGTH)

    @property
    def state(self) -> State:
        """Where the association is."""
        return self.machine.state

    @property
    def has_read_all(self) -> bool:
        """Whether nothing that was received is left to be read, not half a PDU."""
        return self.reader.is_empty

    @property
    def established(self) -> bool:
        """Whether data can be sent and received."""
        return self.machine.state is State.ESTABLISHED

    # from the carrier

    def connected(self, request: AssociateRQ | None = None) -> None:
        """The transport is open; a requestor gives its A-ASSOCIATE-RQ."""
        if request is None:
            self._take(Event.TRANSPORT_INDICATION)
        else:
            self._take(Event.ASSOCIATE_REQUEST)
            self._take(Event.TRANSPORT_CONNECTED, request)

    def received(self, data: bytes) -> None:
        """Bytes from the peer. After a broken PDU the rest is thrown away."""
        try:
            self.reader.feed(data)
            while (received := self.reader.next_event()) is not None:
                self._receive(received)
        except ProtocolError as error:
            self._breach(error)
            self._take(Event.INVALID_PDU)

    def closed(self) -> None:
        """The transport is closed, by whomever."""
        self.reader.discard()
        if self.machine.state is not State.IDLE:
            self._take(Event.TRANSPORT_CLOSED)

    def artim_expired(self) -> None:
        """The ARTIM timer ran out: a peer that has not closed by now will read nothing either."""
        self._take(Event.ARTIM_EXPIRED)
        self.carrier.drop()

    # from the user

    def accept(self, answer: AssociateAC, request: AssociateRQ) -> None:
        """Accept; `answer` announces the maximum that holds from now on."""
        self.reader.maximum = peer_maximum(answer.user_information)
        self.reader.is_established = True
        self.writer = Writer(peer_maximum(request.user_information))
        self._take(Event.ASSOCIATE_RESPONSE_ACCEPT, answer)

    def reject(self, answer: AssociateRJ) -> None:
        """Refuse the association."""
        self._take(Event.ASSOCIATE_RESPONSE_REJECT, answer)

    def command(self, context_id: int, command_set: bytes) -> None:
        """Send a whole command set."""
        self._data(self.writer.command(context_id, command_set))

    def fragments(self, context_id: int, fragments: Fragments) -> None:
        """Send fragments on `context_id`."""
        self._data(self.writer.fragments(context_id, fragments))

    def release(self) -> None:
        """Ask for release."""
        self._take(Event.RELEASE_REQUEST, ReleaseRQ())

    def release_response(self) -> None:
        """Agree to the release that the peer asked for.

        In a collision the acceptor of the association answers second (PS3.8 7.2.2): its response
        is kept until the requestor's has come. Where a P-DATA-TF is half written, the response
        would be read as the rest of it: then the transport is dropped.
        """
        if self.writer.inside_pdu:
            self.carrier.drop()
        elif self.machine.state is State.COLLISION_ACCEPTOR_AWAITING_RELEASE_RP:
            self._agreed = True
        else:
            self._has_released = True
            self._take(Event.RELEASE_RESPONSE, ReleaseRP())

    def abort(
        self,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """Abort whatever there is; without an association the transport is closed."""
        if self.machine.state in TABLE[Event.ABORT_REQUEST]:
            self._take(Event.ABORT_REQUEST, Abort(source, reason))
        else:
            self._close()

    # within

    def _data(self, buffers: list[Buffer]) -> None:
        if self.machine.state is not State.ESTABLISHED:
            self.machine.on(Event.P_DATA_REQUEST)
        self.carrier.write(buffers)

    def _receive(self, received: Received) -> None:
        if isinstance(received, Fragments) and self.machine.state is State.ESTABLISHED:
            # DT-2 without the look-up: this runs for every read.
            self.user.data_indication(received)
            return
        event = EVENTS[type(received)]
        state = self.machine.state
        effects = self._effects(event, state)
        if Effect.SEND_PROVIDER_ABORT in effects or Effect.SEND_USER_ABORT in effects:
            what = f"{event.name} while {state.name}"
            self._breach(ProtocolError(what, AbortReason.UNEXPECTED_PDU))
        if state is State.ESTABLISHED and event is Event.RELEASE_RQ_RECEIVED:
            self._hear_out()
            if self.machine.state is not State.AWAITING_LOCAL_RELEASE_RESPONSE:
                return
        self._carry_out(effects, received)

    def _effects(self, event: Event, state: State) -> tuple[Effect, ...]:
        """Those of the table, but for data behind the release that the peer itself asked for.

        It is as wrong once the release was agreed to (Sta13, where the table has AA-6) as it is
        before (Sta8), and which of the two it meets is a matter of how the bytes were cut.
        """
        effects = self.machine.on(event)
        if event is Event.P_DATA_RECEIVED and state is State.AWAITING_TRANSPORT_CLOSE:
            return EFFECTS[Action.AA_7] if self._has_released else effects
        return effects

    def _hear_out(self) -> None:
        """What came behind a request for release is looked at before anybody agrees to that."""
        while (received := self.reader.next_event()) is not None:
            self._receive(received)

    def _breach(self, error: ProtocolError) -> None:
        self.error = error
        self.reader.discard()

    def _take(self, event: Event, subject: Received | None = None) -> None:
        self._carry_out(self.machine.on(event), subject)

    def _carry_out(self, effects: tuple[Effect, ...], subject: Received | None) -> None:
        for effect in effects:
            _DO[effect](self, subject)

    def _close(self) -> None:
        self.reader.discard()
        self.carrier.close()

    def _send(self, subject: Received | None) -> None:
        assert subject is not None and not isinstance(subject, Fragments)
        self.carrier.write([subject.encode()])

    def _send_user_abort(self, subject: Received | None) -> None:
        self._send_abort(subject if isinstance(subject, Abort) else Abort())

    def _send_provider_abort(self, subject: Received | None) -> None:
        assert self.error is not None
        self._send_abort(Abort(self.error.source, self.error.reason))

    def _send_abort(self, abort: Abort) -> None:
        if self.writer.inside_pdu:
            # Half of a P-DATA-TF has left: what follows would be read as the rest of it.
            self.carrier.drop()
        else:
            self.carrier.write([abort.encode()])

    def _indicate(self, subject: Received | None) -> None:
        assert subject is not None
        _INDICATIONS[type(subject)](self, subject)

    def _confirm_acceptance(self, answer: AssociateAC) -> None:
        maximum = peer_maximum(answer.user_information)
        if maximum < SMALLEST_MAXIMUM_LENGTH:
            raise ProtocolError(f"a maximum length of {maximum} bytes")
        self.writer = Writer(maximum)
        self.reader.is_established = True
        self.user.associate_confirmation(answer)

    def _confirm_release(self) -> None:
        if self._agreed:
            self.release_response()
        self.user.release_confirmation()

    def _indicate_abort(self, subject: Received | None) -> None:
        abort = subject if isinstance(subject, Abort) else None
        self.user.abort_indication(Loss(abort, self.error))


_INDICATIONS: dict[type[Received], Callable[[UpperLayer, Any], None]] = {
    AssociateRQ: lambda layer, request: layer.user.associate_indication(request),
    AssociateAC: UpperLayer._confirm_acceptance,
    AssociateRJ: lambda layer, answer: layer.user.associate_confirmation(answer),
    Fragments: lambda layer, fragments: layer.user.data_indication(fragments),
    ReleaseRQ: lambda layer, _: layer.user.release_indication(),
    ReleaseRP: lambda layer, _: layer._confirm_release(),
}

_DO: dict[Effect, Callable[[UpperLayer, Received | None], None]] = {
    Effect.OPEN_TRANSPORT: lambda layer, _: None,  # whoever asks has opened it: see `connected`
    Effect.CLOSE_TRANSPORT: lambda layer, _: layer._close(),
    Effect.START_ARTIM: lambda layer, _: layer.carrier.start_artim(),
    Effect.STOP_ARTIM: lambda layer, _: layer.carrier.stop_artim(),
    Effect.SEND_PDU: UpperLayer._send,
    Effect.SEND_USER_ABORT: UpperLayer._send_user_abort,
    Effect.SEND_PROVIDER_ABORT: UpperLayer._send_provider_abort,
    Effect.INDICATE: UpperLayer._indicate,
    Effect.INDICATE_ABORT: UpperLayer._indicate_abort,
}

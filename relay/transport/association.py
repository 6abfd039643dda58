"""An association over a Twisted transport: the carrier of wire/upperlayer.py.

Both banks build on this. It writes what the upper layer gives it, runs the ARTIM timer, and turns
the transport's back-pressure (IPushProducer) into `full` and `drained`.

What is written in one turn leaves in one piece (turn.py), and at once (outlet.py): the socket
nearly always takes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as Interface
from typing import cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from relay.transport.outlet import Outlet, outlet
from relay.transport.turn import TURN
from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.reader import Buffer, Fragments
from relay.wire.state import State
from relay.wire.upperlayer import ServiceUser, UpperLayer

CLOSING_TIMEOUT = 2.0
"""Seconds of silence after which a peer that has not closed when all is said (Sta13) is dropped.
PS3.8 lets one timer serve for this and for the wait for a request; who says nothing loses nothing
by its being brief. Who is still sending has not read the answer: it has all of ARTIM."""

GATHERED_MAXIMUM = 64 * 1024
"""Bytes that are gathered in a turn before they are given to the transport, which says when it is
full."""

FLUSHING_TIMEOUT = 5.0
"""Seconds that what was written has to leave a connection that is being closed."""


class AssociationUser(ServiceUser, Interface):
    """A service user that also hears of back-pressure."""

    def full(self) -> None:
        """More is unsent than the transport likes."""

    def drained(self) -> None:
        """It has gone."""


class Transport(Interface):
    """What an association needs of its transport: parts of ITransport, IConsumer, IPushProducer."""

    def write(self, data: bytes) -> None: ...
    def loseConnection(self) -> None: ...
    def abortConnection(self) -> None: ...
    def pauseProducing(self) -> None: ...
    def resumeProducing(self) -> None: ...
    def registerProducer(self, producer: object, streaming: bool) -> None: ...
    def unregisterProducer(self) -> None: ...


@implementer(IPushProducer)
class AssociationProtocol(Protocol):
    """One association's connection.

    `clock` has the timers, `artim` is the ARTIM timer in seconds. `start` must be called with the
    user before anything else.
    """

    received = 0
    """Bytes that have come, of those who count them; others are not seen to be sending."""

    layer: UpperLayer
    _wire: Transport
    _outlet: Outlet

    def __init__(self, clock: IReactorTime, artim: float) -> None:
        self.clock = clock
        self.artim = artim
        self.why_lost: Failure | None = None
        self.closed: Deferred[None] = Deferred()
        """Fires when the connection is closed."""
        self._user: AssociationUser | None = None
        self._timer: IDelayedCall | None = None
        self._dropping: IDelayedCall | None = None
        self._is_closing = False
        self._gathered: list[Buffer] = []
        self._size = 0

    def start(
        self,
        user: AssociationUser,
        maximum: int,
        is_requestor: bool,
        bounds: Bounds = BOUNDS,
    ) -> None:
        """Say who uses the association, the maximum length to announce, in bytes, and what the peer
        may say."""
        self._user = user
        self.layer = UpperLayer(user, self, maximum, is_requestor, bounds)

    # from the transport

    def connectionMade(self) -> None:
        """Set the socket up: no delay for small PDUs, and a dead peer is noticed in the end."""
        if ITCPTransport.providedBy(self.transport):
            self.transport.setTcpNoDelay(True)
            self.transport.setTcpKeepAlive(True)
        self._wire = cast(Transport, self.transport)
        self._outlet = outlet(self.transport)
        self._wire.registerProducer(self, True)

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the peer."""
        with TURN:
            self.layer.received(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone, by whomever."""
        self.why_lost = reason
        self.stop_artim()
        if self._dropping is not None and self._dropping.active():
            self._dropping.cancel()
        self.layer.closed()
        self.closed.callback(None)

    def pauseProducing(self) -> None:
        """The transport has enough unsent."""
        if self._user is not None:
            self._outlet.full()
            self._user.full()

    def resumeProducing(self) -> None:
        """The transport has sent it."""
        if self._user is not None:
            self._outlet.drained()
            with TURN:
                self._user.drained()

    def stopProducing(self) -> None:
        """The transport is going away; connectionLost follows."""

    # Sink

    def command(self, context_id: int, command_set: bytes) -> None:
        """Send a whole command set."""
        self.layer.command(context_id, command_set)

    def fragments(self, context_id: int, fragments: Fragments) -> None:
        """Send fragments of a dataset."""
        self.layer.fragments(context_id, fragments)

    # Source

    def pause(self) -> None:
        """Read no more for now."""
        self._wire.pauseProducing()

    def resume(self) -> None:
        """Read on."""
        self._wire.resumeProducing()

    # Carrier

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Send, behind the turn if there is one; one buffer of bytes passes without a copy."""
        if TURN.is_on and not self._gathered:
            TURN.flush_later(self)
        self._gathered += buffers
        self._size += sum(map(len, buffers))
        if not TURN.is_on:
            self.flush()
        elif self._size >= GATHERED_MAXIMUM:
            # Not sent yet: only what is unsent fills a transport, and who writes without end, as
            # a replay does, has to be told so before the turn is over.
            self._outlet.put(self._taken())

    def flush(self) -> None:
        """Send what was gathered."""
        data = self._taken()
        if data:
            self._outlet.send(data)

    def _taken(self) -> bytes:
        """What was gathered, if there is anybody to send it to."""
        gathered, self._gathered, self._size = self._gathered, [], 0
        return b"".join(gathered) if gathered and self._is_open else b""

    def close(self) -> None:
        """Close once everything written has left, or has had its time to."""
        if not self._is_closing and self._is_open:
            self.flush()
            self._is_closing = True
            self.drop_in(FLUSHING_TIMEOUT)
            # A transport waits for its producer before it closes.
            self._wire.unregisterProducer()
            self._wire.loseConnection()

    def drop_in(self, seconds: float) -> None:
        """Close at once, unless it is closed by then."""
        if self._dropping is not None and self._dropping.active():
            self._dropping.cancel()
        self._dropping = self.clock.callLater(seconds, self.drop)

    def drop(self) -> None:
        """Close at once."""
        self._taken()
        if self._is_open:
            self._wire.abortConnection()

    @property
    def _is_open(self) -> bool:
        """Whether there is a connection: it may never have been made."""
        return bool(self.connected) and self.why_lost is None

    def start_artim(self) -> None:
        """Start or restart the timer."""
        self.stop_artim()
        if self.layer.state is State.AWAITING_ASSOCIATE_RQ:
            self._timer = self.clock.callLater(self.artim, self.layer.artim_expired)
        else:
            self._wait_for_close(self.artim)

    def _wait_for_close(self, left: float) -> None:
        """The peer has CLOSING_TIMEOUT to close, and again if it sends: `left` seconds in all."""
        seconds = min(left, CLOSING_TIMEOUT)
        self._timer = self.clock.callLater(
            seconds, self._look_whether_closing, left - seconds, self.received
        )

    def _look_whether_closing(self, left: float, before: int) -> None:
        if left > 0 and self.received != before:
            self._wait_for_close(left)
        else:
            self.layer.artim_expired()

    def stop_artim(self) -> None:
        """Stop the timer where it runs."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    # for a connection that rests

    def is_silent(self) -> bool:
        """Whether nothing is there to be read, not even the end of the connection.

        The reactor may not have got round to it: an association that an archive closed a moment ago
        must not be handed out.
        """
        return self._outlet.is_silent()

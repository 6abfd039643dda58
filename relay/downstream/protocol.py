"""The relay's end of a caller's association: one connection, its session and its timers.

The timers are those against callers that hold a connection without using it: the TLS handshake's,
ARTIM until there is a request (AssociationProtocol), the minimum rate of a message under way, the
stall of one that does not read, and the idle time-out where the listener has one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.error import ConnectionClosed
from twisted.internet.interfaces import IDelayedCall, IHandshakeListener, IReactorTime
from twisted.internet.protocol import connectionDone
from twisted.logger import Logger, LogLevel
from twisted.python.failure import Failure
from zope.interface import implementer

from relay.bridge.session import Session
from relay.policy.entry import source_of
from relay.policy.routing import Origin
from relay.sparing import Sparing
from relay.transport.association import AssociationProtocol
from relay.transport.reasons import describe
from relay.transport.tls import names_shown
from relay.wire.bounds import Bounds
from relay.wire.errors import AbortReason, AbortSource
from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ

RATE_PERIOD = 10.0
"""Seconds over which the rate of a message under way is taken."""


@attrs.frozen
class Limits:
    """A listener's patience; seconds, and bytes per second for the rate. 0 means no limit.

    `handshake` is None on a plain port.
    """

    artim: float
    handshake: float | None
    minimum_rate: int
    stall: float
    idle: float


@implementer(IHandshakeListener)
class DownstreamAssociation(AssociationProtocol):
    """One caller's connection."""

    log = Logger()

    session: Session

    def __init__(
        self,
        clock: IReactorTime,
        limits: Limits,
        peer: str,
        listener: str | None,
        gone: Callable[[DownstreamAssociation], None],
        sparing: Sparing,
    ) -> None:
        super().__init__(clock, limits.artim)
        self.limits = limits
        self.peer = peer
        self.listener = listener
        self._gone = gone
        self._sparing = sparing
        self._handshake: IDelayedCall | None = None
        self._stall: IDelayedCall | None = None
        self._watch: IDelayedCall | None = None
        self._idle: IDelayedCall | None = None
        self._is_paused = self._is_excused = False

    def begin(self, session: Session, maximum: int, bounds: Bounds) -> None:
        """Say whose association it is, the maximum length to announce, in bytes, and what the
        caller may say."""
        self.session = session
        self.start(session, maximum, is_requestor=False, bounds=bounds)

    # from the transport

    def connectionMade(self) -> None:
        """Under TLS an association can be asked for once the handshake is complete."""
        super().connectionMade()
        if self.limits.handshake is None:
            self._open()
        else:
            self._handshake = self.clock.callLater(self.limits.handshake, self._too_slow)

    def handshakeCompleted(self) -> None:
        """TLS is established."""
        if self._handshake is not None and self._handshake.active():
            self._handshake.cancel()
        self._open()

    def _too_slow(self) -> None:
        self._say("no TLS handshake in time", "handshake_timeout")
        self.drop()

    def _open(self) -> None:
        self.layer.connected()

    def dataReceived(self, data: bytes) -> None:
        """Bytes from the caller."""
        self.received += len(data)
        super().dataReceived(data)
        if self.session.party.assembler.between_messages:
            self._is_excused = True
        elif self._watch is None:
            self._start_watch()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        for timer in (self._handshake, self._stall, self._watch, self._idle):
            if timer is not None and timer.active():
                timer.cancel()
        if not self.session.is_asked:
            self._log_stranger(reason)
        self._gone(self)
        super().connectionLost(reason)

    def _log_stranger(self, reason: Failure) -> None:
        """A connection without a request: worth a line when something was said on it."""
        if self.layer.error is not None:
            self._say(f"not an association: {self.layer.error}", "stranger")
        elif reason.check(ConnectionClosed) is None:
            self._say(describe(reason), "stranger")
        else:
            self._say("connected and left", "left", LogLevel.debug)

    def _say(self, why: str, event: str, level: Any = LogLevel.info) -> None:
        if self._sparing.allows(self._source, level is LogLevel.debug):
            its = {"event": event, "peer": self.peer, "listener": self.listener}
            self.log.emit(level, "{peer}: {why}", **its, why=why)

    @property
    def _source(self) -> str:
        return source_of(self.peer) or self.peer

    # back-pressure

    def pauseProducing(self) -> None:
        """The caller does not read fast enough; it has its time to catch up."""
        super().pauseProducing()
        if self._stall is None and self.limits.stall:
            why = f"took nothing for {self.limits.stall:g} s"
            self._stall = self.clock.callLater(self.limits.stall, self.session.fail, why)

    def resumeProducing(self) -> None:
        """The caller has caught up."""
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        self._stall = None
        super().resumeProducing()

    def pause(self) -> None:
        """Read no more for now: the caller is not to blame for what does not come."""
        self._is_paused = self._is_excused = True
        super().pause()

    def resume(self) -> None:
        """Read on."""
        self._is_paused = False
        super().resume()

    # the rate of a message, and idleness

    def _start_watch(self) -> None:
        # Excused is who was not read from in this period, or began a message in it.
        self._is_excused = self._is_paused
        if self.limits.minimum_rate:
            self._watch = self.clock.callLater(RATE_PERIOD, self._check_rate, self.received)

    def _check_rate(self, before: int) -> None:
        self._watch = None
        if self.session.party.assembler.between_messages:
            return
        least = self.limits.minimum_rate * RATE_PERIOD
        if self.received - before < least and not self._is_excused:
            self.session.fail(f"slower than {self.limits.minimum_rate} bytes a second")
        else:
            self._start_watch()

    def _check_idle(self, before: int | None) -> None:
        """`before`: bytes received by the last look, if the association was idle then."""
        is_idle = self.layer.established and self.session.is_idle
        if is_idle and self.received == before:
            self.session.fail(f"idle for {self.limits.idle:g} s")
        else:
            now = self.received if is_idle else None
            self._idle = self.clock.callLater(self.limits.idle, self._check_idle, now)

    # Downstream

    @property
    def origin(self) -> Origin:
        """Where the caller is, at which listener, and who it is by its certificate."""
        return Origin(self.peer, self.listener, names_shown(self.transport))

    def accept(self, answer: AssociateAC, request: AssociateRQ) -> None:
        """A-ASSOCIATE response, accepted."""
        self.layer.accept(answer, request)
        if self.limits.idle:
            self._idle = self.clock.callLater(self.limits.idle, self._check_idle, None)

    def reject(self, answer: AssociateRJ) -> None:
        """A-ASSOCIATE response, rejected."""
        self.layer.reject(answer)

    def release_response(self) -> None:
        """A-RELEASE response. It leaves at once: the caller waits for it while the crossing is
        wound up, and nothing can follow it."""
        self.layer.release_response()
        self.flush()

    def abort(
        self,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """A-ABORT request."""
        self.layer.abort(source, reason)

"""Connections that are being opened: a connector and, for each try, what waits for the socket."""

from __future__ import annotations

import errno
import os
import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import FileDescriptor, isIPAddress, isIPv6Address
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    ConnectBindError,
    NotConnectingError,
    TimeoutError,
    UserError,
    getConnectError,
)
from twisted.internet.interfaces import IAddress, IConnector, IDelayedCall
from twisted.python import log
from twisted.python.failure import Failure
from zope.interface import implementer

from relay.transport.stream import Stream

Connected = Callable[[socket.socket], None]
Failed = Callable[[Failure], None]
MakeStream = Callable[[socket.socket, Any, Callable[[Failure], None]], Stream]
"""A transport over a connected socket, for a protocol; and what it is to call when it is lost."""


class Attempt(FileDescriptor):
    """A try to connect a socket to an address (that of the socket's family).

    It calls one of the two, never before its maker has returned, and neither once it was given up.
    """

    if TYPE_CHECKING:
        # Twisted has not typed them.
        def startWriting(self) -> None: ...
        def stopWriting(self) -> None: ...

    def __init__(
        self, reactor: Any, address: Any, connected: Connected, failed: Failed, bind: Any = None
    ) -> None:
        super().__init__(reactor)
        self._connected, self._failed = connected, failed
        self._address, self._bind = address, bind
        self._socket: socket.socket | None = None
        self._begin: IDelayedCall | None = reactor.callLater(0, self._connect)

    def _connect(self) -> None:
        self._begin = None
        family = socket.AF_INET6 if len(self._address) == 4 else socket.AF_INET
        try:
            self._socket = socket.socket(family, socket.SOCK_STREAM)
            self._socket.setblocking(False)
            if self._bind is not None:
                self._socket.bind(self._bind)
        except OSError as error:
            self._fail(ConnectBindError(error.errno, error.strerror))
            return
        self.fileno = self._socket.fileno  # type: ignore[method-assign]
        self._judge(self._socket.connect_ex(self._address))

    def _judge(self, code: int) -> None:
        if code in (errno.EINPROGRESS, errno.EWOULDBLOCK):
            self.startWriting()
        elif code:
            self._fail(getConnectError((code, os.strerror(code))))
        else:
            connection, self._socket = self._socket, None
            self.stopWriting()
            assert connection is not None
            self._connected(connection)

    def _fail(self, why: Exception) -> None:
        self.give_up()
        self._failed(Failure(why))

    def doWrite(self) -> None:
        """The socket is connected, or has failed to."""
        if self._socket is not None:
            self._judge(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR))

    def connectionLost(self, reason: Failure) -> None:
        """The reactor saw the end of it before it could be asked why: the socket still knows."""
        if self._socket is not None:
            code = self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            self._judge(code or errno.ECONNABORTED)

    def give_up(self) -> None:
        """Try no more."""
        if self._begin is not None:
            self._begin.cancel()
            self._begin = None
        if self._socket is not None:
            self.stopWriting()
            self._socket.close()
            self._socket = None


@implementer(IConnector)
class Connector:
    """Connects a protocol of `factory` with a TCP port, and does so again when it is told to."""

    def __init__(
        self, reactor: Any, make: MakeStream, where: tuple[str, int], factory: Any, **how: Any
    ) -> None:
        self._reactor, self._make, self._factory = reactor, make, factory
        self._host, self._port = where
        self._timeout: float | None = how.get("timeout")
        self._bind = how.get("bind")
        self._attempt: Attempt | None = None
        self._resolving: Deferred[Any] | None = None
        self._timer: IDelayedCall | None = None
        self._stream: Stream | None = None
        self._is_connecting = self._is_started = False

    # IConnector

    def connect(self) -> None:
        """Try to connect. RuntimeError where it does so, or is."""
        if self._is_connecting or self._stream is not None:
            raise RuntimeError("it is connected already, or will be")
        self._is_connecting = True
        if not self._is_started:
            self._is_started = True
            self._factory.doStart()
        if self._timeout is not None:
            self._timer = self._reactor.callLater(self._timeout, self._give_up, TimeoutError())
        self._factory.startedConnecting(self)
        if self._is_connecting:
            self._resolving = _resolved(self._reactor, self._host, self._port)
            self._resolving.addCallbacks(self._dial, self._not_found)

    def stopConnecting(self) -> None:
        """Try no more. NotConnectingError where it does not."""
        if not self._is_connecting:
            raise NotConnectingError("we're not trying to connect")
        self._give_up(UserError())

    def disconnect(self) -> None:
        """Close, or try no more."""
        if self._stream is not None:
            self._stream.loseConnection()
        elif self._is_connecting:
            self.stopConnecting()

    def getDestination(self) -> IAddress:
        """Where it connects to."""
        kind = IPv6Address if isIPv6Address(self._host) else IPv4Address
        return kind("TCP", self._host, self._port)

    # what comes of it

    def _dial(self, address: Any) -> None:
        self._resolving = None
        if self._is_connecting:
            self._attempt = Attempt(
                self._reactor, address, self._connected, self._failed, self._bind
            )

    def _not_found(self, reason: Failure) -> None:
        self._resolving = None
        if self._is_connecting:
            self._failed(reason)

    def _give_up(self, why: Exception) -> None:
        self._timer = None if isinstance(why, TimeoutError) else self._timer
        if self._attempt is not None:
            self._attempt.give_up()
        self._failed(Failure(why))
        if self._resolving is not None:
            self._resolving.cancel()

    def _failed(self, reason: Failure) -> None:
        self._settle()
        self._factory.clientConnectionFailed(self, reason)
        self._stop_if_idle()

    def _connected(self, connection: socket.socket) -> None:
        self._settle()
        protocol = self._factory.buildProtocol(self.getDestination())
        if protocol is None:
            connection.close()
            self._stop_if_idle()
            return
        try:
            self._stream = stream = self._make(connection, protocol, self._lost)
        except Exception:
            log.err()
            connection.close()
            self._failed(Failure())
            return
        try:
            protocol.makeConnection(stream)
        except Exception:
            log.err()
            stream.connectionLost(Failure())

    def _lost(self, reason: Failure) -> None:
        self._stream = None
        self._factory.clientConnectionLost(self, reason)
        self._stop_if_idle()

    def _settle(self) -> None:
        self._is_connecting, self._attempt = False, None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_if_idle(self) -> None:
        if not self._is_connecting and self._stream is None:
            # Nobody has told it to try again.
            self._is_started = False
            self._factory.doStop()


def _resolved(reactor: Any, host: str, port: int) -> Deferred[Any]:
    """The address to connect to, as its family has it."""
    if isIPv6Address(host):
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST)
        return succeed(found[0][4])
    if isIPAddress(host):
        return succeed((host, port))
    resolved: Deferred[Any] = reactor.resolve(host)
    return resolved.addCallback(lambda found: (found, port))

"""A connected socket as a transport, save for what goes through it: addresses, options, its end.

stream.py adds the writing, plain.py and secure.py what is written to and read from the socket.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionAborted
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.python import log
from twisted.python.failure import Failure

_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER: on, for no time. To close is to reset then."""

_PEEK = int(socket.MSG_PEEK | socket.MSG_DONTWAIT)
"""Found out once: to join flags takes as long as to look."""

_CORK = getattr(socket, "TCP_CORK", None)
"""Linux has it."""

Lost = Callable[[Failure], None]


class SocketTransport(FileDescriptor):
    """What connected sockets have in common; `protocol` is connected to it by whoever makes it.

    `lost` is called behind the protocol's connectionLost, with the same reason.
    """

    reactor: Any
    producer: Any
    if TYPE_CHECKING:
        # Twisted has not typed them.
        def pauseProducing(self) -> None: ...
        def resumeProducing(self) -> None: ...
        def startReading(self) -> None: ...
        def stopReading(self) -> None: ...
        def startWriting(self) -> None: ...
        def stopWriting(self) -> None: ...

    def __init__(
        self,
        connection: socket.socket,
        protocol: Any,
        reactor: Any,
        lost: Lost = lambda reason: None,
    ) -> None:
        super().__init__(reactor)
        connection.setblocking(False)
        self.socket = connection
        self.protocol = protocol
        self.fileno = connection.fileno  # type: ignore[method-assign]
        self.connected = 1
        self._lost = lost
        self._prefix = self._getLogPrefix(protocol)
        self._addresses = _address(connection.getsockname()), _address(_peer(connection))
        self._is_aborting = self._ends_writing = self._has_ended_writing = False

    @property
    def _is_alive(self) -> bool:
        """Whether it is still to be used."""
        return bool(self.connected) and not self._is_aborting

    # its end

    def loseConnection(self) -> None:
        """Close once all that was written has left."""
        if self.connected and not self.disconnecting:
            self.stopReading()
            self.disconnecting = 1
            self.startWriting()

    def loseWriteConnection(self) -> None:
        """Once all that was written has left, say that no more will come; go on reading."""
        if self._is_alive:
            self._ends_writing = True
            self.startWriting()

    def abortConnection(self) -> None:
        """Reset the connection; nothing more is sent or told."""
        if not self.disconnected and not self._is_aborting:
            self._is_aborting = True
            self.stopReading()
            self.stopWriting()
            self.reactor.callLater(0, self.connectionLost, Failure(ConnectionAborted()))

    def _end_writing(self) -> None:
        """All has left of a connection that is to be closed in one direction."""
        with suppress(OSError):  # closed in both directions, and that is told in another way
            self.socket.shutdown(socket.SHUT_WR)
        self._has_ended_writing = True
        self._tell_half(lambda protocol: protocol.writeConnectionLost())

    def readConnectionLost(self, reason: Failure) -> None:
        """The peer has said that no more will come: the end, unless the protocol knows better."""
        if not self._tell_half(lambda protocol: protocol.readConnectionLost()):
            self.connectionLost(reason)

    def _tell_half(self, tell: Callable[[Any], None]) -> bool:
        """Tell a protocol that wants to hear of half a close; whether it does."""
        if not IHalfCloseableProtocol.providedBy(self.protocol):
            return False
        try:
            tell(self.protocol)
        except Exception:
            log.err()
            self.connectionLost(Failure())
        return True

    def connectionLost(self, reason: Failure) -> None:
        """The connection is over: it is closed, and the protocol is told, once."""
        if self.disconnected:
            return
        FileDescriptor.connectionLost(self, reason)
        self._close(is_reset=reason.check(ConnectionAborted) is not None)
        # They hold each other no longer than they have to.
        protocol, self.protocol = self.protocol, None
        protocol.connectionLost(reason)
        self._lost(reason)

    def _close(self, is_reset: bool) -> None:
        with suppress(OSError):  # the peer was faster
            if is_reset:
                self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            else:
                self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()

    # the rest of ITCPTransport

    def getHost(self) -> Any:
        """The address of this end."""
        return self._addresses[0]

    def getPeer(self) -> Any:
        """The address of the other end."""
        return self._addresses[1]

    def logPrefix(self) -> str:
        """Whose connection it is, for the log."""
        return self._prefix

    def setTcpNoDelay(self, enabled: bool) -> None:
        """Whether small segments leave at once."""
        self._set(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpNoDelay(self) -> bool:
        """Whether small segments leave at once."""
        return bool(self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        """Whether a peer that is silent is asked whether it is still there."""
        self._set(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)

    def getTcpKeepAlive(self) -> bool:
        """Whether a peer that is silent is asked whether it is still there."""
        return bool(self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def _hold_back(self, wanted: bool) -> None:
        """Whether less than a whole segment waits for more: several writes make one piece."""
        if _CORK is not None:
            self._set(socket.IPPROTO_TCP, _CORK, wanted)

    def _set(self, level: int, option: int, enabled: bool) -> None:
        with suppress(OSError):  # a socket of another family has no such thing
            self.socket.setsockopt(level, option, enabled)


def _peer(connection: socket.socket) -> Any:
    try:
        return connection.getpeername()
    except OSError:
        # It has left already, and that is told in another way.
        return None


def _address(name: Any) -> Any:
    if isinstance(name, tuple) and len(name) == 2:
        return IPv4Address("TCP", *name)
    if isinstance(name, tuple):
        return IPv6Address("TCP", *name)
    return UNIXAddress(name or None)


def is_silent(connection: socket.socket) -> bool:
    """Whether nothing is there to be read on a socket, not even its end."""
    try:
        connection.recv(1, _PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False

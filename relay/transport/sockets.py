"""What stands in for the reactor where connections are made: its transports are ours.

Endpoints are given it as their reactor. It does what they need (IReactorTCP, IReactorSocket, unix
sockets to listen on, names, timers) and nothing else: whatever it did not know of it would hand on
to the reactor, whose transports know nothing of TLS. All of it is built on what Twisted offers to
everybody: descriptors that are looked after by any reactor with IReactorFDSet, and ports whose
`transport` may be replaced.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet import tcp
from twisted.internet.interfaces import (
    IConnector,
    IListeningPort,
    IReactorPluggableNameResolver,
    IReactorSocket,
    IReactorTCP,
    IReactorTime,
)
from twisted.python.failure import Failure
from zope.interface import implementer

from relay.transport.appetite import Appetite
from relay.transport.connecting import Connector
from relay.transport.plain import PlainStream
from relay.transport.secure import SecureStream
from relay.transport.securing import Security
from relay.transport.stream import Stream

MOST_AT_ONCE = 16
"""Connections that a port accepts in one turn: then it is others' turn."""


@implementer(IReactorTCP, IReactorSocket, IReactorTime, IReactorPluggableNameResolver)
@attrs.define(eq=False)
class Sockets:
    """Makes connections on `reactor`: over TLS where there is `security`, and in the clear else.
    Whose security is replaced (renewing.py) uses the new one from the next connection on.

    How much each reads in a turn `appetite` says.
    """

    reactor: Any
    security: Security | None = None
    appetite: Appetite = attrs.field(factory=Appetite)

    def stream(
        self,
        connection: socket.socket,
        protocol: Any,
        lost: Callable[[Failure], None] = lambda reason: None,
    ) -> Stream:
        """A transport over a connected socket, for a protocol that is yet to be connected to it."""
        made: Stream
        if self.security is None:
            made = PlainStream(connection, protocol, self.reactor, lost)
        else:
            made = SecureStream(self.security, connection, protocol, self.reactor, lost)
        made.appetite = self.appetite
        return made

    # IReactorTCP

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: Any = None
    ) -> IConnector:
        """Connect to a port. `bindAddress` is a (host, port) of this side."""
        where = (host, port)
        connector = Connector(
            self.reactor, self.stream, where, factory, timeout=timeout, bind=bindAddress
        )
        connector.connect()
        return connector

    def listenTCP(
        self, port: Any, factory: Any, backlog: int = 50, interface: str = ""
    ) -> IListeningPort:
        """Listen on a port."""
        return self._ours(self.reactor.listenTCP(port, factory, backlog, interface))

    def listenUNIX(self, address: Any, factory: Any, *how: Any, **more: Any) -> IListeningPort:
        """Listen on a socket of the file system."""
        return self._ours(self.reactor.listenUNIX(address, factory, *how, **more))

    def _ours(self, port: Any) -> IListeningPort:
        """Have a port that nobody has been accepted on make our transports."""
        if not isinstance(port, tcp.Port):
            port.stopListening()
            raise TypeError(f"{type(port).__name__} has transports of its own")

        def accepted(connection: socket.socket, protocol: Any, *_: Any) -> Stream:
            return self.stream(connection, protocol)

        port.transport = accepted  # type: ignore[assignment]
        return port

    # IReactorSocket

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: Any, factory: Any) -> Any:
        """Listen on a socket that does already."""
        return self._ours(self.reactor.adoptStreamPort(fileDescriptor, addressFamily, factory))

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: Any, factory: Any) -> Any:
        """Serve a connection that somebody else has accepted; the descriptor stays theirs."""
        connection = socket.fromfd(fileDescriptor, addressFamily, socket.SOCK_STREAM)
        protocol = factory.buildProtocol(None)
        stream = self.stream(connection, protocol)
        protocol.makeConnection(stream)
        return stream

    def adoptDatagramPort(self, *_: Any, **__: Any) -> Any:
        """Datagrams are not for this."""
        raise NotImplementedError

    # IReactorTime, IReactorPluggableNameResolver

    def seconds(self) -> float:
        """The time."""
        return float(self.reactor.seconds())

    def callLater(self, delay: float, callable: Any, *args: object, **kwargs: object) -> Any:
        """Call, in so many seconds."""
        return self.reactor.callLater(delay, callable, *args, **kwargs)

    def getDelayedCalls(self) -> Any:
        """The calls that are yet to come."""
        return self.reactor.getDelayedCalls()

    @property
    def nameResolver(self) -> Any:
        """Who resolves names."""
        return self.reactor.nameResolver

    def installNameResolver(self, resolver: Any) -> Any:
        """Say who resolves names."""
        return self.reactor.installNameResolver(resolver)


def few_at_once(port: Any) -> None:
    """Have a port of Twisted's accept no more than so many in one turn. It would take the more, the
    more there are, and nothing could stop it in between."""
    if not isinstance(port, tcp.Port):
        return
    accept: Callable[[], Any] = port.doRead

    def accept_few() -> Any:
        port.numberAccepts = min(port.numberAccepts, MOST_AT_ONCE)
        return accept()

    port.doRead = accept_few  # type: ignore[method-assign]

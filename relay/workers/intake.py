"""Where a worker's callers come in: its listeners have no ports, but are handed connections."""

from __future__ import annotations

import socket
from collections.abc import Callable
from functools import partial
from typing import Any

import attrs
from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import (
    IAddress,
    IListeningPort,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from zope.interface import implementer

from relay.config import ClientTLS, ServerTLS
from relay.downstream.listener import turn_away
from relay.policy.entry import REJECTIONS
from relay.transport.sockets import Sockets
from relay.transport.ways import Below, BySockets, Listening
from relay.workers.passing import Particulars


@implementer(IStreamServerEndpoint, IListeningPort)
@attrs.define(eq=False)
class Entrance:
    """A listener's own: its endpoint, and what it listens on."""

    sockets: Sockets
    factory: Any = None

    def listen(self, protocolFactory: Any) -> Deferred[IListeningPort]:
        """From now on serve whom it is handed."""
        self.factory = protocolFactory
        return succeed(self)

    def startListening(self) -> None:
        """It does."""

    def stopListening(self) -> Deferred[None]:
        """Serve nobody any more."""
        self.factory = None
        return succeed(None)

    def getHost(self) -> IAddress:
        """It has no address."""
        return UNIXAddress(None)

    def enter(
        self, connection: socket.socket, particulars: Particulars, ended: Callable[[], None]
    ) -> None:
        """Serve a caller; `ended` is called when its connection is closed."""
        if self.factory is None:
            connection.close()
            ended()
            return
        protocol = self.factory.buildProtocol(address(connection, particulars))
        if protocol is None:
            connection.close()
            ended()
            return
        if particulars.entry in REJECTIONS:
            turn_away(protocol.session, REJECTIONS[particulars.entry])
        stream = self.sockets.stream(connection, protocol, lambda reason: ended())
        protocol.makeConnection(stream)


def address(connection: socket.socket, particulars: Particulars) -> IAddress:
    """Where a caller is, by what it was accepted from: it may have left by now."""
    host, port = particulars.host, particulars.port
    if host is None or port is None:
        return UNIXAddress(None)
    kind = IPv6Address if connection.family == socket.AF_INET6 else IPv4Address
    return kind("TCP", host, port)


@attrs.frozen
class Intake:
    """The transports of a worker (relay.transport.ways.Ways): it calls by sockets of its own, and
    listens at entrances, one for each listener in its order."""

    by: BySockets
    entrances: list[Entrance] = attrs.field(factory=list)

    def calling(self, below: Below, tls: ClientTLS | None, host: str) -> IStreamClientEndpoint:
        """An endpoint that calls."""
        return self.by.calling(below, tls, host)

    def listening(self, where: str, tls: ServerTLS | None, factory: Any) -> Listening:
        """The next entrance."""
        entrance = Entrance(self.by.sockets(tls))
        self.entrances.append(entrance)
        return entrance, factory

    def renew(self) -> int:
        """Make all of TLS anew."""
        return self.by.renew()

    def take(
        self,
        connection: socket.socket | None,
        particulars: Particulars,
        ended: Callable[[int], None],
    ) -> None:
        """A caller comes; None: it was lost on the way."""
        is_over = partial(ended, particulars.number)
        if connection is None:
            is_over()
        else:
            self.entrances[particulars.door].enter(connection, particulars, is_over)

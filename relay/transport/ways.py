"""The choice between transports: OpenSSL and sockets of our own, or Twisted's.

They do the same and look alike; Twisted's stay, for comparison, and for reactors that do not look
after descriptors. `transport` in the configuration says which.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorFDSet, IStreamClientEndpoint, IStreamServerEndpoint

from relay.config import ClientTLS, ServerTLS
from relay.transport.appetite import READ_LIMIT, Appetite
from relay.transport.securing import Server
from relay.transport.sockets import Sockets
from relay.transport.tls import (
    TLSClientEndpoint,
    client_options,
    client_security,
    over_tls,
    server_options,
)

SOCKET = "socket"

Below = Callable[[Any], IStreamClientEndpoint]
"""An endpoint in the clear, on the reactor that it is given."""

Listening = tuple[IStreamServerEndpoint, Any]
"""An endpoint, and the factory to be given to it."""


class Ways(Protocol):
    """Makes endpoints, with TLS where it is asked for."""

    def calling(self, below: Below, tls: ClientTLS | None, host: str) -> IStreamClientEndpoint:
        """An endpoint that calls; under TLS `host`, or the name that is given, has to be there."""

    def listening(self, where: str, tls: ServerTLS | None, factory: Any) -> Listening:
        """An endpoint that listens where its description says."""


@attrs.frozen
class ByTwisted:
    """Twisted's own transports on `reactor`; TLS is a protocol over them."""

    reactor: Any

    def calling(self, below: Below, tls: ClientTLS | None, host: str) -> IStreamClientEndpoint:
        """An endpoint that calls."""
        if tls is None:
            return below(self.reactor)
        return TLSClientEndpoint(client_options(tls, host), below(self.reactor), self.reactor)

    def listening(self, where: str, tls: ServerTLS | None, factory: Any) -> Listening:
        """An endpoint that listens."""
        if tls is not None:
            factory = over_tls(server_options(tls), False, factory, self.reactor)
        return serverFromString(self.reactor, where), factory


@attrs.frozen
class BySockets:
    """Transports of our own on `reactor`, with an appetite in common; TLS is on the socket."""

    reactor: Any
    appetite: Appetite = attrs.field(factory=Appetite)

    def calling(self, below: Below, tls: ClientTLS | None, host: str) -> IStreamClientEndpoint:
        """An endpoint that calls."""
        security = None if tls is None else client_security(tls, host)
        return below(Sockets(self.reactor, security, self.appetite))

    def listening(self, where: str, tls: ServerTLS | None, factory: Any) -> Listening:
        """An endpoint that listens."""
        return serverFromString(self.sockets(tls), where), factory

    def sockets(self, tls: ServerTLS | None) -> Sockets:
        """What a listener's transports are made by."""
        security = None if tls is None else Server.of(server_options(tls))
        return Sockets(self.reactor, security, self.appetite)


def ways(reactor: Any, transport: str, read_limit: int = READ_LIMIT) -> Ways:
    """The transports that the configuration asks for, as far as the reactor has what they need.

    `read_limit`: bytes that are read in a turn, at most.
    """
    if transport == SOCKET and IReactorFDSet.providedBy(reactor):
        return BySockets(reactor, Appetite(read_limit))
    return ByTwisted(reactor)

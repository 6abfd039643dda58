"""The choice between transports: OpenSSL and sockets of our own, or Twisted's.

They do the same and look alike; Twisted's stay, for comparison, and for reactors that do not look
after descriptors. `transport` in the configuration says which.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

import attrs
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IReactorFDSet, IStreamClientEndpoint, IStreamServerEndpoint

from relay.config import ClientTLS, ServerTLS
from relay.transport.appetite import READ_LIMIT, Appetite
from relay.transport.in_memory import InMemory, TLSClientEndpoint, over_tls
from relay.transport.renewing import Renewal
from relay.transport.securing import Client, Server
from relay.transport.sockets import Sockets
from relay.transport.tls import client_security, server_security

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

    def renew(self) -> int:
        """Make all of TLS anew from its files: for connections to come, or not at all. How many
        listeners and upstreams have some. Raises `relay.transport.tls.Unusable`."""


@attrs.frozen
class ByTwisted:
    """Twisted's own transports on `reactor`; TLS is a protocol over them."""

    reactor: Any
    _renewal: Renewal = attrs.field(factory=Renewal)

    def calling(self, below: Below, tls: ClientTLS | None, host: str) -> IStreamClientEndpoint:
        """An endpoint that calls."""
        if tls is None:
            return below(self.reactor)
        creator = self._kept(partial(client_security, tls, host))
        return TLSClientEndpoint(creator, below(self.reactor), self.reactor)

    def listening(self, where: str, tls: ServerTLS | None, factory: Any) -> Listening:
        """An endpoint that listens."""
        if tls is not None:
            creator = self._kept(partial(server_security, tls))
            factory = over_tls(creator, False, factory, self.reactor)
        return serverFromString(self.reactor, where), factory

    def _kept(self, make: Callable[[], Server | Client]) -> InMemory:
        creator = InMemory(make())
        self._renewal.hold(creator, make)
        return creator

    def renew(self) -> int:
        """Make all of TLS anew."""
        return self._renewal.renew()


@attrs.frozen
class BySockets:
    """Transports of our own on `reactor`, with an appetite in common; TLS is on the socket."""

    reactor: Any
    appetite: Appetite = attrs.field(factory=Appetite)
    _renewal: Renewal = attrs.field(factory=Renewal)

    def calling(self, below: Below, tls: ClientTLS | None, host: str) -> IStreamClientEndpoint:
        """An endpoint that calls."""
        return below(self._made(None if tls is None else partial(client_security, tls, host)))

    def listening(self, where: str, tls: ServerTLS | None, factory: Any) -> Listening:
        """An endpoint that listens."""
        return serverFromString(self.sockets(tls), where), factory

    def sockets(self, tls: ServerTLS | None) -> Sockets:
        """What a listener's transports are made by."""
        return self._made(None if tls is None else partial(server_security, tls))

    def _made(self, make: Callable[[], Server | Client] | None) -> Sockets:
        if make is None:
            return Sockets(self.reactor, None, self.appetite)
        sockets = Sockets(self.reactor, make(), self.appetite)
        self._renewal.hold(sockets, make)
        return sockets

    def renew(self) -> int:
        """Make all of TLS anew."""
        return self._renewal.renew()


def ways(reactor: Any, transport: str, read_limit: int = READ_LIMIT) -> Ways:
    """The transports that the configuration asks for, as far as the reactor has what they need.

    `read_limit`: bytes that are read in a turn, at most.
    """
    if transport == SOCKET and IReactorFDSet.providedBy(reactor):
        return BySockets(reactor, Appetite(read_limit))
    return ByTwisted(reactor)

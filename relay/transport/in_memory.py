"""TLS over Twisted's own transports: OpenSSL reads and writes memory, Twisted the socket."""

from __future__ import annotations

from typing import Any

import attrs
from OpenSSL import SSL
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    IStreamClientEndpoint,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from relay.transport.securing import Client, Server


class _OverTLS(TLSMemoryBIOFactory):
    """Knows of factories that want nothing of a connection."""

    def buildProtocol(self, addr: IAddress | None) -> TLSMemoryBIOProtocol | None:  # type: ignore[override]
        """TLS for a protocol, where there is one."""
        inner = self.wrappedFactory.buildProtocol(addr)
        return None if inner is None else TLSMemoryBIOProtocol(self, inner)


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
@attrs.define(eq=False)
class InMemory:
    """Makes OpenSSL's ends of Twisted's connections, whose bytes go through memory."""

    security: Server | Client

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        """That of a caller."""
        return self.security.over(None)

    def serverConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        """That of a listener."""
        return self.security.over(None)


def over_tls(
    options: Any, is_client: bool, factory: IProtocolFactory, clock: IReactorTime
) -> IProtocolFactory:
    """What makes the protocols of `factory` talk TLS.

    What they write becomes records at once: they gather it themselves (turn.py), and Twisted's own
    gathering would wait for another turn of the reactor.
    """
    return _OverTLS(options, is_client, factory, clock=clock)


@implementer(IStreamClientEndpoint)
@attrs.frozen(eq=False)
class TLSClientEndpoint:
    """Connects by `below`, and talks TLS there as `options` say."""

    options: IOpenSSLClientConnectionCreator
    below: IStreamClientEndpoint
    clock: IReactorTime

    def connect(self, protocolFactory: IProtocolFactory) -> Deferred[IProtocol]:
        """The protocol of the factory, before the handshake is complete."""
        factory = over_tls(self.options, True, protocolFactory, self.clock)
        connected: Deferred[Any] = self.below.connect(factory)
        return connected.addCallback(lambda tls: tls.wrappedProtocol)

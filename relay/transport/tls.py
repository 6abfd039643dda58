"""TLS both ways: 1.2 and 1.3 only, with the suites of a profile of PS3.15 (BCP 195, RFC 9325).

Contexts are built from files that the configuration has checked, and not changed afterwards. A
connection that fails fails closed: an expired certificate, a wrong host name or a missing client
certificate end it. Nothing here writes keys down, compresses or renegotiates.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
from cryptography.x509 import (
    DNSName,
    ExtensionNotFound,
    IPAddress,
    RFC822Name,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    load_pem_x509_certificates,
)
from OpenSSL import SSL, crypto
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import (
    IAddress,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
    IProtocol,
    IProtocolFactory,
    IReactorTime,
    ISSLTransport,
    IStreamClientEndpoint,
)
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    TLSVersion,
    platformTrust,
    trustRootFromCertificates,
)
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from zope.interface import implementer

from relay.config import ClientTLS, ServerTLS
from relay.transport.judging import judging
from relay.transport.profiles import restrict
from relay.transport.securing import Client, Server

_NAMES = (DNSName, IPAddress, UniformResourceIdentifier, RFC822Name)


def server_options(tls: ServerTLS) -> CertificateOptions:
    """The context of a listener; with `client_ca` callers are asked for certificates."""
    leaf, chain = _chain(tls.certificate)
    options = CertificateOptions(
        privateKey=_key(tls.key),
        certificate=leaf,
        extraCertChain=chain,
        trustRoot=_trust(tls.client_ca) if tls.client_ca is not None and tls.asks else None,
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    context = restrict(options.getContext(), tls.profile)
    if tls.asks:
        must = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if tls.client_certificates == "required" else 0
        context.set_verify(SSL.VERIFY_PEER | must, judging())
    return options


def client_security(tls: ClientTLS, host: str) -> Client:
    """The context towards an upstream whose certificate must be for `host`, or `server_name`;
    sessions are taken up again."""
    options = CertificateOptions(
        trustRoot=_trust(tls.ca) if tls.ca is not None else platformTrust(),
        enableSessionTickets=True,
        raiseMinimumTo=TLSVersion.TLSv1_2,
        **_shown(tls),
    )
    restrict(options.getContext(), tls.profile)
    return Client.of(options, tls.server_name or host)


def client_options(tls: ClientTLS, host: str) -> IOpenSSLClientConnectionCreator:
    """The same for TLS in memory."""
    return InMemory(client_security(tls, host))


def _shown(tls: ClientTLS) -> dict[str, Any]:
    """The certificate to be shown to an upstream, if any."""
    if tls.certificate is None or tls.key is None:
        return {}
    leaf, chain = _chain(tls.certificate)
    return {"certificate": leaf, "privateKey": _key(tls.key), "extraCertChain": chain}


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


def names_shown(transport: object) -> tuple[str, ...]:
    """The subject alternative names of the certificate that the peer has shown, as text: DNS names,
    IP addresses, URIs, e-mail addresses. None without TLS, or a certificate."""
    if not ISSLTransport.providedBy(transport):
        return ()
    certificate: Any = transport.getPeerCertificate()
    if certificate is None:
        return ()
    try:
        extension = certificate.to_cryptography().extensions.get_extension_for_class(
            SubjectAlternativeName
        )
    except (ExtensionNotFound, ValueError):
        # What cannot be read names nobody.
        return ()
    return tuple(str(each.value) for each in extension.value if isinstance(each, _NAMES))


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


def _chain(path: Path) -> tuple[crypto.X509, list[crypto.X509]]:
    """The certificate in a PEM file, and those that follow it to be sent along."""
    certificates = [
        crypto.X509.from_cryptography(each)
        for each in load_pem_x509_certificates(path.read_bytes())
    ]
    return certificates[0], certificates[1:]


def _key(path: Path) -> crypto.PKey:
    return crypto.load_privatekey(crypto.FILETYPE_PEM, path.read_bytes())


def _trust(path: Path) -> Any:
    leaf, others = _chain(path)
    return trustRootFromCertificates([Certificate(each) for each in (leaf, *others)])

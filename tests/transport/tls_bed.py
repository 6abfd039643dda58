"""Two ends of TLS on a network in memory, and certificates good and bad."""

from __future__ import annotations

import datetime
import shutil
import socket
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from typing import Protocol as Interface

import attrs
import trustme
from OpenSSL import SSL
from twisted.internet.interfaces import (
    IHandshakeListener,
    IOpenSSLClientConnectionCreator,
    IOpenSSLServerConnectionCreator,
)
from twisted.internet.protocol import Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from zope.interface import implementer

from relay.config import ClientTLS, ServerTLS
from relay.transport.in_memory import InMemory
from relay.transport.reasons import describe
from relay.transport.securing import Server
from relay.transport.tls import client_security, server_options
from tests.config.pki import revocations
from tests.network import Network, Sole
from tests.transport.hand import Hand, by_hand, join, sockets

PORT = 2762
HOST = "pacs.example.org"
NOW = datetime.datetime.now(datetime.UTC)
DAY = datetime.timedelta(days=1)


@attrs.frozen
class Pki:
    """A throw-away authority that writes what it issues to files of `folder`."""

    folder: Path
    authority: trustme.CA = attrs.field(factory=trustme.CA)

    @property
    def ca(self) -> Path:
        """The authority's own certificate."""
        path = self.folder / f"ca-{id(self.authority)}.pem"
        self.authority.cert_pem.write_to_path(str(path))
        return path

    def server(self, name: str = HOST, **how: Any) -> ServerTLS:
        """A listener's certificate for `name`."""
        return ServerTLS(*self._issue(name, **how))

    def client(self, name: str = "modality", **how: Any) -> ClientTLS:
        """A caller's certificate, and this authority to believe."""
        certificate, key = self._issue(name, **how)
        return ClientTLS(self.ca, certificate, key)

    def revoked(self, *certificates: Path | None, **how: Any) -> Path:
        """A list of the authority's, with these on it."""
        path = self.folder / f"{len(list(self.folder.iterdir()))}.crl"
        path.write_bytes(revocations(self.authority, *filter(None, certificates), **how))
        return path

    def _issue(
        self,
        name: str,
        starts: datetime.timedelta = -DAY,
        ends: datetime.timedelta = DAY,
        kind: trustme.KeyType = trustme.KeyType.ECDSA,
        below: bool = False,
    ) -> tuple[Path, Path]:
        issuer = self.authority.create_child_ca() if below else self.authority
        issued = issuer.issue_cert(
            name, not_before=NOW + starts, not_after=NOW + ends, key_type=kind
        )
        stem = f"{len(list(self.folder.iterdir()))}"
        certificate, key = self.folder / f"{stem}.pem", self.folder / f"{stem}.key"
        for blob in issued.cert_chain_pems:
            blob.write_to_path(str(certificate), append=True)
        issued.private_key_pem.write_to_path(str(key))
        return certificate, key


def put(new: ServerTLS, old: ServerTLS) -> None:
    """Renew a certificate in its place."""
    shutil.copy(new.certificate, old.certificate)
    shutil.copy(new.key, old.key)


@implementer(IHandshakeListener)
class Talker(Protocol):
    """Greets when TLS is established, and notes what it hears."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.why_lost: Failure | None = None
        self.is_established = False

    def handshakeCompleted(self) -> None:
        self.is_established = True
        self.transport.write(b"hello")

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.why_lost = reason


@implementer(IOpenSSLClientConnectionCreator, IOpenSSLServerConnectionCreator)
@attrs.frozen
class Plain:
    """TLS of a peer that does as its context says, fit or not."""

    context: SSL.Context

    def clientConnectionForTLS(self, tlsProtocol: object) -> SSL.Connection:
        return SSL.Connection(self.context, None)

    serverConnectionForTLS = clientConnectionForTLS


@attrs.frozen
class Loose:
    """TLS on a socket, of a peer that does as its context says and judges nobody."""

    context: SSL.Context
    is_client: bool = True

    def over(self, connection: socket.socket) -> SSL.Connection:
        tls = SSL.Connection(self.context, connection)
        (tls.set_connect_state if self.is_client else tls.set_accept_state)()
        return tls

    def judge(self, tls: SSL.Connection) -> None: ...
    def failed(self) -> None: ...
    def learn(self, tls: SSL.Connection) -> None: ...
    def leave(self, tls: SSL.Connection) -> None: ...


def context(prepare: Callable[[SSL.Context], object] = lambda context: None) -> SSL.Context:
    """A context that believes anybody, prepared."""
    made = SSL.Context(SSL.TLS_METHOD)
    prepare(made)
    return made


@attrs.define
class Ends:
    """What came of a connection: its two ends, and the connection of the caller's OpenSSL."""

    server: Talker
    client: Talker
    network: Network | Hand
    tls: Any

    @property
    def have_talked(self) -> bool:
        """Whether each heard the other."""
        return self.server.heard == self.client.heard == b"hello"

    @property
    def have_nothing(self) -> bool:
        """Whether nobody heard anything, and both connections are closed."""
        lost = (self.server.why_lost, self.client.why_lost)
        return self.server.heard == self.client.heard == b"" and None not in lost


class _Raw(Protocol):
    """Knows nothing of TLS."""

    heard = b""

    def dataReceived(self, data: bytes) -> None:
        self.heard += data


class By(Interface):
    """One way to do TLS."""

    def server(self, tls: ServerTLS) -> Any:
        """A listener's part."""

    def client(self, tls: ClientTLS, host: str) -> Any:
        """A caller's part."""

    def meet(self, server: Any, client: Any) -> Ends:
        """Let a caller and a listener with these parts talk."""

    def answer_to(self, said: bytes, server: Any) -> tuple[bytes, str]:
        """What a listener sends to a caller that says this, and why it lost the connection."""


@attrs.frozen
class ByTwisted:
    """By a protocol over Twisted's transports, which are in memory."""

    stack: ExitStack
    server = staticmethod(server_options)

    def client(self, tls: ClientTLS, host: str) -> Any:
        return InMemory(client_security(tls, host))

    def meet(self, server: Any, client: Any) -> Ends:
        network, serving, calling = Network(), Talker(), Talker()
        factories = [
            TLSMemoryBIOFactory(creator, is_client, Sole(protocol), clock=network)
            for creator, is_client, protocol in ((server, False, serving), (client, True, calling))
        ]
        network.listenTCP(PORT, factories[0])
        caller: Any = factories[1].buildProtocol(None)
        network.join(caller, PORT)
        tls = caller.getHandle()
        network.settle()
        network.wait(1)
        return Ends(serving, calling, network, tls)

    def answer_to(self, said: bytes, server: Any) -> tuple[bytes, str]:
        network, serving, raw = Network(), Talker(), _Raw()
        network.listenTCP(PORT, TLSMemoryBIOFactory(server, False, Sole(serving), clock=network))
        network.join(raw, PORT)
        assert raw.transport is not None
        raw.transport.write(said)
        network.settle()
        assert serving.why_lost is not None
        return raw.heard, describe(serving.why_lost)


@attrs.frozen
class BySockets:
    """By OpenSSL on sockets, which are real."""

    stack: ExitStack
    client = staticmethod(client_security)

    def server(self, tls: ServerTLS) -> Any:
        return Server.of(server_options(tls))

    def meet(self, server: Any, client: Any) -> Ends:
        hand, serving, calling = self._hand(), Talker(), Talker()
        near, far = sockets()
        tls = join(hand, near, calling, _side(client, True)).getHandle()
        join(hand, far, serving, _side(server, False))
        hand.wait(1)
        return Ends(serving, calling, hand, tls)

    def answer_to(self, said: bytes, server: Any) -> tuple[bytes, str]:
        hand, serving, raw = self._hand(), Talker(), _Raw()
        near, far = sockets()
        join(hand, near, raw).write(said)
        join(hand, far, serving, server)
        hand.settle()
        assert serving.why_lost is not None
        return raw.heard, describe(serving.why_lost)

    def _hand(self) -> Hand:
        return self.stack.enter_context(by_hand())


def _side(security: Any, is_client: bool) -> Any:
    return Loose(security.context, is_client) if isinstance(security, Plain) else security


CBC = b"\xc0\x13\xc0\x14\x00\x2f\x00\x35"
"""Suites: ECDHE and RSA with AES in CBC mode."""


def hello_of_old(version: bytes, suites: bytes = CBC) -> bytes:
    """A ClientHello that offers no more than `version`, written by hand (RFC 4346 7.4.1.2)."""
    body = version + bytes(32) + b"\x00" + bytes((0, len(suites))) + suites + b"\x01\x00"
    handshake = b"\x01" + len(body).to_bytes(3, "big") + body
    return b"\x16" + version + len(handshake).to_bytes(2, "big") + handshake

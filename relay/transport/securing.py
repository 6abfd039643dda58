"""Who makes OpenSSL's end of a connection on a socket, and judges the other one.

The contexts are those of tls.py, made by Twisted's CertificateOptions: versions, suites,
certificates and authorities are the same, whatever carries the bytes. What is added is for the
socket: a write is offered as a whole or not at all.

A client judges its peer twice. While the peer's certificate is being verified, so that one for
another host ends the handshake before anything of ours is shown, and once more behind it: where a
session is taken up again no certificate is sent, and OpenSSL verifies nothing. Sessions are kept
per Client, which is for one host and has one context, so that none is ever shown to anybody else.
"""

from __future__ import annotations

import socket
from typing import Protocol

import attrs
from OpenSSL import SSL
from twisted.internet.ssl import CertificateOptions

from relay.transport.judging import Refused, is_address, judge_again, judging

_PARTIAL_WRITES = 0x1 | 0x2
"""SSL_MODE_ENABLE_PARTIAL_WRITE and SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER of openssl/ssl.h. pyOpenSSL
turns both on and has no names for them."""

_BOTH_CLOSED = SSL.SENT_SHUTDOWN | SSL.RECEIVED_SHUTDOWN


class Security(Protocol):
    """One side's part in the handshakes of its connections."""

    is_client: bool

    def over(self, connection: socket.socket) -> SSL.Connection:
        """OpenSSL's end of a connection, its handshake yet to come."""

    def judge(self, tls: SSL.Connection) -> None:
        """The handshake is complete. Raises Refused where the peer is the wrong one."""

    def failed(self) -> None:
        """A handshake has failed, and not because the connection was cut."""

    def learn(self, tls: SSL.Connection) -> None:
        """The peer has sent something: whatever of the session is worth keeping is there."""

    def leave(self, tls: SSL.Connection) -> None:
        """The connection is over."""


@attrs.frozen(eq=False)
class Server:
    """The listener's side. The context has the last word on callers' certificates."""

    context: SSL.Context
    is_client = False

    @classmethod
    def of(cls, options: CertificateOptions) -> Server:
        """With the context that `options` make."""
        return cls(_on_sockets(options))

    def over(self, connection: socket.socket | None) -> SSL.Connection:
        """OpenSSL's end of a connection, its handshake yet to come; None: of one in memory."""
        tls = SSL.Connection(self.context, connection)
        tls.set_accept_state()
        return tls

    def judge(self, tls: SSL.Connection) -> None:
        """All that there is to be said against a caller OpenSSL has said."""

    def failed(self) -> None:
        """It is the caller's to try again."""

    def learn(self, tls: SSL.Connection) -> None:
        """Sessions are for the caller to keep."""

    def leave(self, tls: SSL.Connection) -> None:
        """Nothing is kept of it."""


@attrs.define(eq=False)
class Client:
    """The caller's side, towards `host`, whose certificate has to be for that name or address."""

    context: SSL.Context
    host: str
    session: SSL.Session | None = None
    """The one to be taken up again."""
    resumes: bool = True
    """Whether sessions are taken up again at all."""
    is_client = True

    @classmethod
    def of(cls, options: CertificateOptions, host: str, resumes: bool = True) -> Client:
        """With the context that `options` make, which have to say whom to trust."""
        context = _on_sockets(options)
        context.set_verify(SSL.VERIFY_PEER | SSL.VERIFY_FAIL_IF_NO_PEER_CERT, judging(host))
        return cls(context, host, resumes=resumes)

    def over(self, connection: socket.socket | None) -> SSL.Connection:
        """OpenSSL's end of a connection, its handshake yet to come; None: of one in memory."""
        tls = SSL.Connection(self.context, connection)
        tls.set_connect_state()
        if not is_address(self.host):
            # An address is no name to send (RFC 6066 3).
            tls.set_tlsext_host_name(self.host.encode("ascii"))
        if self.session is not None:
            tls.set_session(self.session)
        return tls

    def judge(self, tls: SSL.Connection) -> None:
        """Judge the peer by its certificate, or that of the session that was taken up again."""
        try:
            judge_again(tls.get_peer_certificate(), self.host)
        except Refused:
            self.session = None
            raise

    def failed(self) -> None:
        """Where a session was to be taken up again, do without from now on.

        A server that verifies its callers and has no session id context gives out sessions, and
        fails when they are shown.
        """
        if self.session is not None:
            self.session, self.resumes = None, False

    def learn(self, tls: SSL.Connection) -> None:
        """Keep the session: in TLS 1.3 each has tickets of its own, and they are for one use."""
        if self.resumes:
            self.session = tls.get_session()

    def leave(self, tls: SSL.Connection) -> None:
        """OpenSSL would give up the session of a connection that ends without close_notify, which
        since TLS 1.1 nobody has to (RFC 4346 7.2.1)."""
        tls.set_shutdown(_BOTH_CLOSED)


def _on_sockets(options: CertificateOptions) -> SSL.Context:
    context: SSL.Context = options.getContext()
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)
    if hasattr(context, "clear_mode"):
        # Older ones can do no better than to write record by record.
        context.clear_mode(_PARTIAL_WRITES)
    return context

"""TLS with OpenSSL on the socket itself: nothing is copied to and from memory in between.

OpenSSL reads and writes the socket on its own account, and says what it waits for; what the reactor
is asked to look for is in looking.py.

Reading. OpenSSL gives one record a call, of at most RECORD bytes. It is asked until there is
nothing left, or no room in this turn for another whole record: of what remained inside OpenSSL the
reactor could know nothing. Behind a small record it is not asked: that was all, most likely, and
what is left is in the socket, since OpenSSL reads no further than a record. (pyOpenSSL's
`recv_into` takes memory of its own for each call and copies out of it; `recv` copies once less, and
leaves no shared buffer to be careful with.)

The end. A peer says by close_notify that it has said all. It is answered, and the connection is
just closed; a connection that ends without was cut, and is lost. Who closes here says so, too, and
gives the peer CLOSING_TIMEOUT to say the same; what still comes meanwhile is thrown away. A reset,
or an error of OpenSSL's, ends it at once.

Nothing is delivered, and nothing that was written leaves, before the handshake is complete and the
peer is known to be who it should be.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from typing import Any

from OpenSSL import SSL, crypto
from twisted.internet.interfaces import (
    IDelayedCall,
    IHandshakeListener,
    ISSLTransport,
    ISystemHandle,
)
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.python.failure import Failure
from zope.interface import implementer

from relay.transport.looking import LookingStream
from relay.transport.securing import Security

RECORD = 16 * 1024
"""The most bytes of data in a record (RFC 8446 5.1)."""

OFFER = 1024 * 1024
"""Bytes that OpenSSL is offered in one call."""

HELD_BACK = 1024 * 1024
"""Bytes, behind each answer of the peer, that are sent in segments as large as there are."""

FEW = 1024
"""Bytes of a record behind which another is not looked for in vain: an answer comes alone."""

CLOSING_TIMEOUT = 2.0
"""Seconds that a peer has to answer a close_notify."""


@implementer(ISSLTransport, ISystemHandle)
class SecureStream(LookingStream):
    """A transport over TLS; `security` makes OpenSSL's end of it, and judges the peer."""

    def __init__(self, security: Security, connection: socket.socket, *how: Any) -> None:
        super().__init__(connection, *how)
        self._security = security
        self._tls: SSL.Connection | None = security.over(connection)
        self._has_learnt = self._has_shut = False
        self._is_told = False
        """Whether close_notify was said both ways."""
        self._closing: IDelayedCall | None = None
        self._held_back = 0
        """Bytes that were sent in large segments since the peer has said something."""
        self._look_for(reads=not security.is_client, writes=security.is_client)

    # the handshake

    def _shake_hands(self) -> BaseException | None:
        assert self._tls is not None
        try:
            self._tls.do_handshake()
            self._security.judge(self._tls)
        except SSL.WantReadError:
            self._look_for(reads=True, writes=False)
        except SSL.WantWriteError:
            self._look_for(reads=False, writes=True)
        except SSL.Error as error:
            why = _reason(error)
            if why is error:
                self._security.failed()
            return why
        else:
            return self._established()
        return None

    def _established(self) -> BaseException | None:
        self._is_established = True
        self._look()
        if IHandshakeListener.providedBy(self.protocol):
            self.protocol.handshakeCompleted()
        if self._writes and self._is_alive and (why := self._write_more()):
            return why
        # What came along with the end of the handshake need not wait for another turn.
        return self._read() if self._reads and self._is_alive else None

    # data

    def _read(self) -> BaseException | None:
        tls = self._tls
        if tls is None:
            return None
        records: list[bytes] = []
        room, why, is_goodbye = self.appetite.size, None, False
        try:
            while room >= RECORD:
                record = tls.recv(RECORD)
                records.append(record)
                if len(record) < FEW:
                    break
                room -= len(record)
        except SSL.WantReadError:
            pass
        except SSL.WantWriteError:
            self._reads_by_writing = True
            self._look()
        except SSL.ZeroReturnError:
            is_goodbye = True
        except SSL.Error as error:
            why = CONNECTION_DONE if self._has_shut else _reason(error)
        if records:
            self._held_back = 0
            self._learn()
            self._deliver(records[0] if len(records) == 1 else b"".join(records))
        if not self._is_alive:
            return None
        # Behind what was delivered: that may have had an answer.
        return self._said_goodbye() if is_goodbye else why

    def _learn(self) -> None:
        """A session can be taken up again once something has come: the tickets came before it."""
        if not self._has_learnt and self._tls is not None:
            self._has_learnt = True
            self._security.learn(self._tls)

    def _send(self, data: bytes | memoryview) -> int | BaseException:
        """Encrypt and send what goes now; how much that was.

        Of what did not go, a part may be encrypted already: the same has to be offered again.
        """
        if not self._is_established or self._tls is None:
            return 0
        if len(data) <= RECORD:
            return self._encrypt(self._tls, data)
        # OpenSSL sends record by record. The kernel is to make large segments of them.
        self._hold_back(True)
        try:
            return self._encrypt(
                self._tls, data if len(data) <= OFFER else memoryview(data)[:OFFER]
            )
        finally:
            self._hold_back(False)

    def _encrypt(self, tls: SSL.Connection, data: bytes | memoryview) -> int | BaseException:
        try:
            return tls.send(data)
        except SSL.WantWriteError:
            return 0
        except SSL.WantReadError:
            self._writes_by_reading = True
            self._look()
            return 0
        except SSL.Error as error:
            return _reason(error)

    @property
    def _takes_more(self) -> bool:
        """Whether what is written is to be sent at all; behind a goodbye nothing can be."""
        is_over = self._has_shut or (self.disconnecting and self.producer is None)
        return super()._takes_more and not is_over

    def is_silent(self) -> bool:
        """Whether nothing is there to be read, in OpenSSL or in the socket."""
        return super().is_silent() and (self._tls is None or not self._tls.pending())

    # the end

    def loseConnection(self) -> None:
        """Close once all that was written has left, and the peer has agreed."""
        if self._is_established or self._offered:
            super().loseConnection()
        else:
            # In the middle of a handshake there is nobody yet to say goodbye to.
            self.abortConnection()

    def _end(self) -> BaseException | None:
        """All has left: say so, and wait for the peer to say it."""
        if self._has_shut:
            self.stopWriting()
            return None
        assert self._tls is not None
        try:
            is_over = self._tls.shutdown()
        except SSL.WantWriteError:
            self.startWriting()
            return None
        except SSL.WantReadError:
            is_over = False
        except SSL.Error:
            is_over = True
        if is_over:
            self._is_told = True
            return CONNECTION_DONE
        self._has_shut = True
        self._look()
        self._closing = self.reactor.callLater(CLOSING_TIMEOUT, self._end_anyway)
        return None

    def _end_anyway(self) -> None:
        self.connectionLost(Failure(CONNECTION_DONE))

    def _said_goodbye(self) -> BaseException:
        """The peer has said all. It is told the same, and what was not sent it does not want."""
        assert self._tls is not None
        with suppress(SSL.Error):  # it did not wait for that
            self._tls.shutdown()
        self._is_told = True
        return CONNECTION_DONE

    def _end_writing(self) -> None:
        """In TLS, too, one direction can end by itself (RFC 8446 6.1)."""
        assert self._tls is not None
        try:
            self._tls.shutdown()
        except SSL.WantWriteError:
            self.startWriting()
        except SSL.Error:
            pass
        else:
            self._has_ended_writing = True
            self._tell_half(lambda protocol: protocol.writeConnectionLost())

    def readConnectionLost(self, reason: Failure) -> None:
        """The end: half of it is not told, because close_notify is answered at once."""
        is_cut = not self._is_told and not self._has_shut
        self.connectionLost(Failure(CONNECTION_LOST) if is_cut else reason)

    def connectionLost(self, reason: Failure) -> None:
        """The connection is over. OpenSSL is let go of before its socket's number is another's."""
        if self._closing is not None and self._closing.active():
            self._closing.cancel()
        if self._tls is not None:
            self._security.leave(self._tls)
        self._tls = None
        super().connectionLost(reason)

    # ISSLTransport, ISystemHandle

    def getPeerCertificate(self) -> crypto.X509 | None:
        """The certificate that the peer has shown, if any."""
        return None if self._tls is None else self._tls.get_peer_certificate()

    def getHandle(self) -> SSL.Connection | None:
        """OpenSSL's end of the connection."""
        return self._tls


def _reason(error: Exception) -> BaseException:
    """Why the connection is lost: one that was cut has no more to tell than that."""
    if isinstance(error, SSL.SysCallError):
        return CONNECTION_LOST
    if isinstance(error, SSL.Error) and not (error.args and error.args[0]):
        # So OpenSSL 4 says it.
        return CONNECTION_LOST
    return error

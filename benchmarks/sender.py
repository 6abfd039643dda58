"""A modality that costs next to nothing: it sends bytes that are ready, by blocking writes."""

from __future__ import annotations

import socket
import ssl
from functools import cache
from types import TracebackType
from typing import Self

import attrs

from benchmarks import pdus
from benchmarks.objects import Objects
from benchmarks.stream import Stream

LOOPBACK = "127.0.0.1"
PATIENCE_S = 60.0
"""How long a peer may take for one read or write; reached only when something is broken."""


class Refused(Exception):
    """The peer did not do what it was asked to."""


@attrs.frozen
class Address:
    """Whom to call: a port of loopback, an AE title; `ca` is the authority's file for TLS."""

    port: int
    called: str
    ca: str | None = None

    def connect(self) -> socket.socket:
        """A connection, its TLS handshake done, always in full: no session is taken up again."""
        connection = socket.create_connection((LOOPBACK, self.port), PATIENCE_S)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.ca is None:
            return connection
        return _trusting(self.ca).wrap_socket(connection, server_hostname="localhost")


@cache
def _trusting(ca: str) -> ssl.SSLContext:
    """Made once, as a modality would: it takes as long as a handshake."""
    return ssl.create_default_context(cafile=ca)


class Sender:
    """An association that stores objects, for as long as its context lasts.

    `maximum` is the length of the PDUs that it will send; Refused where the peer takes less.
    """

    def __init__(self, address: Address, maximum: int, calling: str = "SENDER") -> None:
        self.connection = address.connect()
        self._stream = Stream(self.connection)
        titles = calling.encode("ascii"), address.called.encode("ascii")
        self.connection.sendall(pdus.associate_rq(*titles, maximum))
        answer = self._pdu(pdus.ASSOCIATE_AC)
        if pdus.accepted_maximum(answer) < maximum:
            raise Refused(f"PDUs of {maximum} bytes are too long for the peer")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Release, or on a failure just close."""
        with self.connection:
            if error is None:
                self.connection.sendall(pdus.PDU_HEADER.pack(pdus.RELEASE_RQ, 4) + bytes(4))
                self._pdu(pdus.RELEASE_RP)

    def store(self, objects: Objects, number: int) -> None:
        """Send one object and have it answered with success; Refused for anything else."""
        for buffer in objects.message(number):
            self.connection.sendall(buffer)
        self.confirm(number)

    def confirm(self, number: int) -> None:
        """Await the response to an object that was sent; Refused unless it is success."""
        _succeeded(self._pdu(pdus.P_DATA), number)

    def _pdu(self, wanted: int) -> bytes:
        kind, length = pdus.PDU_HEADER.unpack(self._stream.exactly(pdus.PDU_HEADER.size))
        body = self._stream.exactly(length)
        if kind != wanted:
            raise Refused(f"PDU type {kind} where {wanted} was due: {body[:4].hex()}")
        return body


def confirm(answer: bytes, number: int) -> None:
    """Look at a PDU that answers an object that was sent; Refused unless it says success."""
    kind, _ = pdus.PDU_HEADER.unpack_from(answer)
    if kind != pdus.P_DATA:
        raise Refused(f"PDU type {kind} where a response was due")
    _succeeded(answer[pdus.PDU_HEADER.size :], number)


def _succeeded(data: bytes, number: int) -> None:
    said = pdus.stored(data[pdus.PDV_HEADER.size :])
    if said != (number & 0xFFFF, 0):
        raise Refused(f"message {said[0]} was answered with {said[1]:04X}")

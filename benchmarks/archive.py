"""An archive that costs next to nothing: it counts the bytes stored, or hashes them, and forgets.

It answers C-ECHO, too: whoever keeps an association may ask whether it is still alive.
One thread per association, blocking reads. It shares no code with relay/: it may judge it.
"""

from __future__ import annotations

import hashlib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs

from benchmarks import pdus
from benchmarks.stream import Stream

LOOPBACK = "127.0.0.1"
PATIENCE_S = 60.0


@attrs.frozen
class Stored:
    """What arrived as one dataset: bytes, and their SHA-256 unless only bytes are counted."""

    size: int
    digest: str | None


@attrs.define(eq=False)
class Archive:
    """Listens on a free port of loopback, by TLS where a `context` is given.

    `maximum` is the maximum length that it announces. `seen` are bytes of datasets as they come in,
    complete or not. While `reading` is not set nothing is read. With a `rate`, in bytes per second,
    it takes its time over each association. Archives may share what tells that they `changed`.
    """

    context: ssl.SSLContext | None = None
    maximum: int = 128 * 1024
    hashes: bool = True
    rate: float | None = None
    changed: threading.Condition = attrs.field(factory=threading.Condition)
    stored: list[Stored] = attrs.field(init=False, factory=list)
    seen: int = attrs.field(init=False, default=0)
    reading: threading.Event = attrs.field(init=False, factory=threading.Event)
    _server: socket.socket = attrs.field(init=False)
    _connections: set[socket.socket] = attrs.field(init=False, factory=set)
    _threads: list[threading.Thread] = attrs.field(init=False, factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        self.reading.set()
        self._server = socket.create_server((LOOPBACK, 0))
        self._run(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.reading.set()
        for each in (self._server, *self._connections):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._server.close()
        for thread in self._threads:
            thread.join()

    def wait_until(self, condition: Callable[[], bool]) -> bool:
        """Wait for something to become true of what has come in; False when it never does."""
        with self.changed:
            return self.changed.wait_for(condition, PATIENCE_S)

    def forget(self) -> None:
        """Forget what was stored."""
        with self.changed:
            self.stored.clear()
            self.seen = 0

    def _run(self, target: Callable[..., None], *args: object) -> None:
        thread = threading.Thread(target=target, args=args)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                self._connections.add(connection)
                self._run(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError), connection:
            if self.context is not None:
                self._connections.discard(connection)
                connection = self.context.wrap_socket(connection, server_side=True)
                self._connections.add(connection)
            with connection:
                Association(self, connection).serve()
        self._connections.discard(connection)

    def _came(self, size: int) -> None:
        with self.changed:
            self.seen += size
            self.changed.notify_all()

    def _keep(self, stored: Stored) -> None:
        with self.changed:
            self.stored.append(stored)
            self.changed.notify_all()


class Association:
    """One association with the archive."""

    def __init__(self, archive: Archive, connection: socket.socket) -> None:
        self._archive = archive
        self._connection = connection
        self._stream = Stream(connection)
        self._command = bytearray()
        self._size = 0
        self._digest = hashlib.sha256()

    def serve(self) -> None:
        """Answer until the peer releases or leaves. ConnectionError when it leaves."""
        kind, length = self._header()
        if kind != pdus.ASSOCIATE_RQ:
            return
        answer = pdus.associate_ac(self._stream.exactly(length), self._archive.maximum)
        self._connection.sendall(answer)
        while (header := self._header())[0] == pdus.P_DATA:
            self._p_data(header[1])
        if header[0] == pdus.RELEASE_RQ:
            self._connection.sendall(pdus.PDU_HEADER.pack(pdus.RELEASE_RP, 4) + bytes(4))

    def _header(self) -> tuple[int, int]:
        kind, length = pdus.PDU_HEADER.unpack(self._stream.exactly(pdus.PDU_HEADER.size))
        return kind, length

    def _p_data(self, left: int) -> None:
        if left > self._archive.maximum:
            raise ConnectionError(f"a P-DATA-TF of {left} bytes")
        while left:
            length, context_id, control = pdus.PDV_HEADER.unpack(
                self._stream.exactly(pdus.PDV_HEADER.size)
            )
            left -= length + 4
            if control & pdus.COMMAND:
                self._command += self._stream.exactly(length - 2)
                if control & pdus.LAST:
                    self._commanded(context_id)
            else:
                self._dataset(length - 2)
                if control & pdus.LAST:
                    self._stored()

    def _commanded(self, context_id: int) -> None:
        """Answer a C-ECHO; anything else is answered when its dataset has come."""
        answer = pdus.c_echo_rsp(bytes(self._command))
        if answer is not None:
            self._command.clear()
            self._connection.sendall(pdus.p_data(pdus.COMMAND | pdus.LAST, answer, context_id))

    def _dataset(self, left: int) -> None:
        while left:
            self._archive.reading.wait()
            body = self._stream.some(left)
            if self._archive.rate:
                time.sleep(len(body) / self._archive.rate)
            left -= len(body)
            self._size += len(body)
            if self._archive.hashes:
                self._digest.update(body)
            self._archive._came(len(body))

    def _stored(self) -> None:
        digest = self._digest.hexdigest() if self._archive.hashes else None
        self._archive._keep(Stored(self._size, digest))
        answer = pdus.c_store_rsp(bytes(self._command))
        self._command.clear()
        self._size, self._digest = 0, hashlib.sha256()
        self._connection.sendall(pdus.p_data(pdus.COMMAND | pdus.LAST, answer))

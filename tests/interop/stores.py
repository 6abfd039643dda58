"""An archive that costs next to nothing, and remembers which whole objects it has.

It answers C-STORE and C-ECHO with success, one thread per association, by struct alone. It may
leave its callers after each response, in any way there is. A process of its own can be killed.
"""

from __future__ import annotations

import hashlib
import select
import socket
import ssl
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from enum import Enum, auto
from pathlib import Path
from struct import Struct
from types import TracebackType
from typing import ClassVar, Self

import attrs

from benchmarks import pdus
from benchmarks.stream import Stream
from tests.interop.server import LOOPBACK, PATIENCE_S, Server

ROOT = Path(__file__).resolve().parents[2]

ABORT = 7
_ELEMENT = Struct("<HHL")
_US = Struct("<H")
_LINGER = Struct("ii")


class Leaving(Enum):
    """How an archive ends an association that it has had enough of."""

    RELEASE = auto()
    ABORT = auto()
    FIN = auto()
    RST = auto()


@attrs.frozen
class Idling:
    """What an archive does of associations on which nothing comes for `after` seconds.

    The ways are taken in turn.
    """

    ways: Sequence[Leaving]
    after: float


@attrs.define(eq=False)
class Store:
    """Listens on a free port of loopback, or on `port`; by TLS where a `context` is given.

    `kept` are the digests of the datasets that came whole, by SOP Instance UID, as often as they
    came. `served` counts associations, `left` those that it ended.
    """

    context: ssl.SSLContext | None = None
    idling: Idling | None = None
    port: int = 0
    maximum: int = 128 * 1024
    kept: dict[str, list[str]] = attrs.field(init=False, factory=dict)
    served: int = attrs.field(init=False, default=0)
    left: int = attrs.field(init=False, default=0)
    _changed: threading.Condition = attrs.field(init=False, factory=threading.Condition)
    _server: socket.socket = attrs.field(init=False)
    _connections: set[socket.socket] = attrs.field(init=False, factory=set)
    _threads: list[threading.Thread] = attrs.field(init=False, factory=list)
    _accepting: threading.Thread = attrs.field(init=False)

    def __enter__(self) -> Self:
        self._server = socket.create_server((LOOPBACK, self.port), backlog=256)
        self.port = self._server.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(OSError):
            self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._accepting.join()
        with self._changed:
            for connection in self._connections:
                with suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()

    def wait(self) -> None:
        """Until it is closed, which a process of its own never is."""
        self._accepting.join()

    def has(self, instance: str, digest: str) -> bool:
        """Whether it has this object, whole."""
        return digest in self.kept.get(instance, ())

    def wait_for(self, instance: str, digest: str) -> bool:
        """Wait until it has this object; False when it never does."""
        with self._changed:
            return self._changed.wait_for(lambda: self.has(instance, digest), PATIENCE_S)

    def keep(self, instance: str, digest: str) -> None:
        """A dataset has come to its end."""
        with self._changed:
            self.kept.setdefault(instance, []).append(digest)
            self._changed.notify_all()

    def leave(self, ways: Sequence[Leaving]) -> Leaving:
        """A caller has let it wait: how to leave it, which is counted."""
        with self._changed:
            self.left += 1
            return ways[self.left % len(ways)]

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                thread = threading.Thread(target=self._serve, args=(connection,))
                with self._changed:
                    self._connections.add(connection)
                    self._threads.append(thread)
                    self.served += 1
                thread.start()

    def _serve(self, connection: socket.socket) -> None:
        raw = connection
        with suppress(OSError, ConnectionError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context is not None:
                connection = self.context.wrap_socket(raw, server_side=True)
                self._exchange(raw, connection)
            Association(self, connection).serve()
        self._exchange(connection, None)
        connection.close()

    def _exchange(self, old: socket.socket, new: socket.socket | None) -> None:
        with self._changed:
            self._connections.discard(old)
            if new is not None:
                self._connections.add(new)


class Association:
    """One association with the archive."""

    def __init__(self, store: Store, connection: socket.socket) -> None:
        self._store = store
        self._connection = connection
        self._stream = Stream(connection)
        self._command = bytearray()
        self._digest = hashlib.sha256()

    def serve(self) -> None:
        """Answer until somebody leaves. ConnectionError when it is the peer."""
        kind, body = self._pdu()
        if kind != pdus.ASSOCIATE_RQ:
            return
        self._connection.sendall(pdus.associate_ac(body, self._store.maximum))
        while True:
            kind, length = pdus.PDU_HEADER.unpack(self._stream.exactly(pdus.PDU_HEADER.size))
            if kind == pdus.P_DATA:
                if self._p_data(length) and self._leaves():
                    return
                continue
            self._stream.exactly(length)
            if kind == pdus.RELEASE_RQ:
                self._connection.sendall(_short(pdus.RELEASE_RP))
            return

    def _pdu(self) -> tuple[int, bytes]:
        kind, length = pdus.PDU_HEADER.unpack(self._stream.exactly(pdus.PDU_HEADER.size))
        return kind, self._stream.exactly(length)

    def _p_data(self, left: int) -> bool:
        """Take a PDU in; whether a request came to its end with it, and has been answered."""
        if left > self._store.maximum:
            raise ConnectionError(f"a P-DATA-TF of {left} bytes")
        answered = False
        while left:
            header = self._stream.exactly(pdus.PDV_HEADER.size)
            length, context, control = pdus.PDV_HEADER.unpack(header)
            left -= length + 4
            if control & pdus.COMMAND:
                self._command += self._stream.exactly(length - 2)
            else:
                self._dataset(length - 2)
            if control & pdus.LAST:
                answered = self._came(context, bool(control & pdus.COMMAND)) or answered
        return answered

    def _dataset(self, left: int) -> None:
        while left:
            body = self._stream.some(left)
            left -= len(body)
            self._digest.update(body)

    def _came(self, context: int, is_command: bool) -> bool:
        asked = pdus.elements(bytes(self._command))
        if is_command and asked[pdus.DATASET_TYPE] != _US.pack(pdus.NO_DATASET):
            return False
        if not is_command:
            instance = asked[pdus.SOP_INSTANCE].rstrip(b"\0").decode("ascii")
            self._store.keep(instance, self._digest.hexdigest())
        self._command.clear()
        self._digest = hashlib.sha256()
        response, control = _success(asked), pdus.COMMAND | pdus.LAST
        lengths = len(response) + 6, len(response) + 2
        headers = pdus.P_DATA_HEADERS.pack(pdus.P_DATA, *lengths, context, control)
        self._connection.sendall(headers + response)
        return True

    def _leaves(self) -> bool:
        """Leave the caller if it lets the archive wait; whether that is so."""
        idling = self._store.idling
        if idling is None or select.select([self._connection], [], [], idling.after)[0]:
            return False
        way = self._store.leave(idling.ways)
        if way is Leaving.RELEASE:
            self._connection.sendall(_short(pdus.RELEASE_RQ))
            # What the caller had begun to send meanwhile is read, and means nothing.
            while self._pdu()[0] == pdus.P_DATA:
                pass
        elif way is Leaving.ABORT:
            self._connection.sendall(_short(ABORT))
        elif way is Leaving.RST:
            self._connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, 0))
        return True


@attrs.define
class StoreProcess(Server):
    """The same as a process of its own, which can be killed; nobody sees what it keeps."""

    name: ClassVar[str] = "store"

    def command(self) -> Sequence[str]:
        script = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from {__name__} import Store; "
        return [sys.executable, "-c", f"{script} Store(port={self.port}).__enter__().wait()"]


def _short(kind: int) -> bytes:
    return pdus.PDU_HEADER.pack(kind, 4) + bytes(4)


def _success(asked: dict[int, bytes]) -> bytes:
    """The command set that answers a request with 0000."""
    said = {
        pdus.SOP_CLASS: asked[pdus.SOP_CLASS],
        pdus.FIELD: _US.pack(_US.unpack(asked[pdus.FIELD])[0] | 0x8000),
        pdus.RESPONDING_TO: asked[pdus.MESSAGE_ID],
        pdus.DATASET_TYPE: _US.pack(pdus.NO_DATASET),
        pdus.STATUS: _US.pack(0),
    }
    if pdus.SOP_INSTANCE in asked:
        said[pdus.SOP_INSTANCE] = asked[pdus.SOP_INSTANCE]
    body = b"".join(_ELEMENT.pack(0, number, len(each)) + each for number, each in said.items())
    return _ELEMENT.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body

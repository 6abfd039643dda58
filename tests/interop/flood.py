"""Very many sockets at a time: those who say nothing, those who say half, those who say too much.

What they say is made with struct alone (tests/peers.py), and all of them are one thread's: a flood
has to cost its maker less than its victim.
"""

from __future__ import annotations

import selectors
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from types import TracebackType
from typing import Self

import attrs

from relay.wire.pdu import AssociateRQ
from tests.interop.server import LOOPBACK, PATIENCE_S
from tests.peers import accept_all, associate_rq, context_item, store_command
from tests.vectors import CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN, p_data, pdv

STORE = 3
"""The context id on which objects are stored."""

MAXIMUM = 131_072
PIECE = bytes(MAXIMUM - 6)
PDU_HEADER = struct.Struct(">BxL")

AT_ONCE = struct.pack("ii", 1, 0)
"""Of SO_LINGER: a close is a reset."""

STILL_S = 2.0
"""How long nothing has to move for a flood to count as stopped."""


def sources() -> Iterator[str]:
    """Addresses of loopback that callers may come from, one after another."""
    while True:
        yield from (f"127.0.{third}.{fourth}" for third in range(1, 11) for fourth in range(1, 11))


def call(port: int, source: str) -> socket.socket:
    """Return a connection that comes from there. It leaves nothing behind when it is closed first:
    tens of thousands that wait out their time (TIME_WAIT) leave no port to others."""
    connection = socket.create_connection((LOOPBACK, port), PATIENCE_S, (source, 0))
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, AT_ONCE)
    return connection


def heard(connection: socket.socket) -> tuple[int, bytes]:
    """Return the type and the body of the next PDU; raises EOFError where there is none."""
    kind, length = PDU_HEADER.unpack(_exactly(connection, PDU_HEADER.size))
    return kind, _exactly(connection, length)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise EOFError
        data += more
    return data


def is_over(connection: socket.socket) -> bool:
    """Tell, waiting for it, whether the other side ends a connection."""
    with suppress(ConnectionResetError):
        while connection.recv(65536):
            pass
    return True


@attrs.define(eq=False)
class DeafArchive:
    """Accepts every association, and reads nothing behind it, for as long as its context lasts."""

    _server: socket.socket = attrs.field(init=False)
    _thread: threading.Thread = attrs.field(init=False)
    _associations: list[socket.socket] = attrs.field(init=False, factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        self._server = socket.create_server((LOOPBACK, 0), backlog=1024)
        self._thread = threading.Thread(target=self._accept)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        for each in (self._server, *self._associations):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError, EOFError):
            while True:
                association, _ = self._server.accept()
                self._associations.append(association)
                _, body = heard(association)
                association.sendall(accept_all(AssociateRQ.decode(body), MAXIMUM))


@attrs.define(eq=False)
class Pushing:
    """So many callers of `port` that each store one object without end, as long as it is taken."""

    port: int
    count: int
    sent: int = attrs.field(init=False, default=0)
    """Bytes that were taken of all of them."""
    _stack: ExitStack = attrs.field(init=False, factory=ExitStack)
    _callers: list[socket.socket] = attrs.field(init=False, factory=list)

    def __enter__(self) -> Self:
        request = associate_rq(
            context_item(STORE, CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN), maximum=MAXIMUM
        )
        for _, source in zip(range(self.count), sources(), strict=False):
            caller = self._stack.enter_context(call(self.port, source))
            caller.sendall(request)
            kind, _ = heard(caller)
            assert kind == 2, f"answered by a PDU of type {kind}"
            self._callers.append(caller)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def push(self, meanwhile: Callable[[], object]) -> None:
        """Send until nobody takes any more, which calls `meanwhile` now and then."""
        unsent = p_data(pdv(STORE, 0, PIECE)) * 8
        with selectors.DefaultSelector() as selector:
            for each in self._callers:
                each.sendall(p_data(pdv(STORE, 3, store_command())))
                each.setblocking(False)
                selector.register(each, selectors.EVENT_WRITE, [0])
            moved = time.monotonic()
            while time.monotonic() - moved < STILL_S:
                for key, _ in selector.select(STILL_S / 4):
                    if size := _send(key.fileobj, key.data, unsent):  # type: ignore[arg-type]
                        self.sent += size
                        moved = time.monotonic()
                meanwhile()


def _send(caller: socket.socket, at: list[int], unsent: bytes) -> int:
    """Send on from `at` in what is sent again and again; return how much went."""
    try:
        size = caller.send(memoryview(unsent)[at[0] :])
    except BlockingIOError:
        return 0
    at[0] = (at[0] + size) % len(unsent)
    return size

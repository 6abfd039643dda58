"""A line that is long: what goes in at the one end comes out at the other some time later.

Stands in for a wide area network where the kernel has none to offer (netem). It delays and does
nothing else: no limit on the rate, no loss, no slow start. It knows neither DICOM nor TLS.
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Queue
from types import TracebackType
from typing import Self

import attrs

LOOPBACK = "127.0.0.1"
READ_SIZE = 64 * 1024
MOST_READS = 512
"""What may be under way in one direction, in reads: 32 MiB, and at 10 ms that is 3 GB/s."""


@attrs.define(eq=False)
class Delay:
    """Forwards connections from a free port of loopback to `target`, another one.

    Each byte, and the end, arrives `one_way` seconds after it was sent, whichever way it goes. What
    is sent before a connection is set up leaves only then: a round trip, as for TCP's handshake,
    after it was accepted. A connection that breaks is one that ends. When the context is left no
    more are accepted; those that there are live as long as their peers let them.
    """

    target: int
    one_way: float
    _server: socket.socket = attrs.field(init=False)
    _accepting: threading.Thread = attrs.field(init=False)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        self._server = socket.create_server((LOOPBACK, 0))
        self._accepting = _start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._server:
            self._server.shutdown(socket.SHUT_RDWR)
            self._accepting.join()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                _start(self._join, near, time.monotonic() + 2 * self.one_way)

    def _join(self, near: socket.socket, opened: float) -> None:
        """Forward one connection, which is set up at `opened`, to its end."""
        with near, suppress(OSError), socket.create_connection((LOOPBACK, self.target)) as far:
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            back = _start(self._carry, far, near, opened)
            self._carry(near, far, opened)
            back.join()

    def _carry(self, source: socket.socket, sink: socket.socket, opened: float) -> None:
        """Take in what comes, each read with the time at which it is due at the other end."""
        line: Queue[tuple[float, bytes]] = Queue(MOST_READS)
        delivery = _start(_deliver, line, sink)
        data = b"more"
        while data:
            data = _read(source)
            line.put((max(time.monotonic(), opened) + self.one_way, data))
        delivery.join()


def _deliver(line: Queue[tuple[float, bytes]], sink: socket.socket) -> None:
    """Give out what is due until the end; where nobody takes it any more it is thrown away."""
    data = b"more"
    while data:
        due, data = line.get()
        time.sleep(max(0.0, due - time.monotonic()))
        with suppress(OSError):
            sink.sendall(data) if data else sink.shutdown(socket.SHUT_WR)


def _read(source: socket.socket) -> bytes:
    """Return what has come; nothing at the end, however that comes about."""
    with suppress(OSError):
        return source.recv(READ_SIZE)
    return b""


def _start(target: Callable[..., None], *args: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=args, daemon=True)
    thread.start()
    return thread

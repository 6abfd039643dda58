"""Stands before an archive and counts the connections that there are at once."""

from __future__ import annotations

import select
import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs

from tests.interop.server import LOOPBACK

GONE = select.POLLRDHUP | select.POLLHUP | select.POLLERR


@attrs.define(eq=False)
class Turnstile:
    """A port before the archive on `target`, for as long as its context lasts.

    A connection counts from its beginning until its caller has closed it, whatever of what it said
    is still unread: so one that was closed before another one began never counts beside it.
    """

    target: int
    most: int = attrs.field(init=False, default=0)
    total: int = attrs.field(init=False, default=0)
    _server: socket.socket = attrs.field(init=False)
    _callers: list[socket.socket] = attrs.field(init=False, factory=list)
    _archives: list[socket.socket] = attrs.field(init=False, factory=list)
    _threads: list[threading.Thread] = attrs.field(init=False, factory=list)

    @property
    def port(self) -> int:
        """Where it stands."""
        return int(self._server.getsockname()[1])

    @property
    def inside(self) -> int:
        """How many are inside now."""
        return sum(not has_left(each) for each in self._callers)

    def __enter__(self) -> Self:
        self._server = socket.create_server((LOOPBACK, 0), backlog=256)
        self._run(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in (self._server, *self._callers, *self._archives):
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        for each in (self._server, *self._callers, *self._archives):
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                caller, _ = self._server.accept()
                self._callers.append(caller)
                self.total += 1
                self.most = max(self.most, self.inside)
                archive = socket.create_connection((LOOPBACK, self.target))
                self._archives.append(archive)
                self._run(_pass_on, caller, archive)
                self._run(_pass_on, archive, caller)

    def _run(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()


def has_left(connection: socket.socket) -> bool:
    """Tell whether the other end has closed a connection."""
    poll = select.poll()
    poll.register(connection, GONE)
    return bool(poll.poll(0))


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(64 * 1024):
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)

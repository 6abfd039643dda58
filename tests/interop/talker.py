"""An archive that says all that it can: tests/peers.py's, on sockets and in a thread of its own."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

import attrs
from twisted.python.failure import Failure

from tests.interop.server import LOOPBACK
from tests.peers import Archive, Archives, Script


@attrs.frozen(eq=False)
class Line:
    """A connection, as far as peers need it to be a transport."""

    connection: socket.socket

    def write(self, data: bytes) -> None:
        """Send these bytes, unless nobody is there any more."""
        with suppress(OSError):
            self.connection.sendall(data)

    def loseConnection(self) -> None:
        """Hang up."""
        with suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)


@attrs.define(eq=False)
class Talker:
    """Listens for as long as its context lasts; behaves as its script says."""

    archives: Archives = attrs.field(factory=Archives)
    _server: socket.socket = attrs.field(init=False)
    _threads: list[threading.Thread] = attrs.field(init=False, factory=list)
    _lines: list[Line] = attrs.field(init=False, factory=list)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self._server.getsockname()[1])

    @property
    def script(self) -> Script:
        """How it behaves."""
        return self.archives.script

    def __enter__(self) -> Self:
        self._server = socket.create_server((LOOPBACK, 0), backlog=64)
        self._start(self._accept)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in (Line(self._server), *self._lines):
            each.loseConnection()
        for thread in self._threads:
            thread.join()
        for each in (Line(self._server), *self._lines):
            each.connection.close()

    def _start(self, work: object, *args: object) -> None:
        thread = threading.Thread(target=work, args=args)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                line = Line(connection)
                self._lines.append(line)
                self._start(self._serve, line, self.archives.buildProtocol(None))

    def _serve(self, line: Line, archive: Archive) -> None:
        archive.transport = line
        with suppress(OSError):
            while data := line.connection.recv(65536):
                archive.dataReceived(data)
        archive.connectionLost(Failure(ConnectionError()))
        line.loseConnection()

"""A proxy between relay and archive that fails as networks and archives do, where it is told to.

One thread per connection looks after both ways, so that a fault strikes at exactly its byte: what
is before it has arrived, what is after it never does.
"""

from __future__ import annotations

import select
import socket
import threading
import time
from contextlib import suppress
from struct import Struct
from types import TracebackType
from typing import Self

import attrs

from benchmarks import pdus
from tests.interop.faults import FATAL, Fault, Kind, Position
from tests.interop.places import Opaque, Piece, Place, Walker
from tests.interop.server import LOOPBACK

READ_SIZE = 64 * 1024
PATIENCE_S = 60.0
DELAY_S = 0.15
DRIBS = 15
"""How many parts a trickle makes of what is there, and takes DELAY_S for."""

STORAGE = pdus.CT_IMAGE_STORAGE.rstrip(b"\0")
_LINGER = Struct("ii")


@attrs.define(eq=False)
class Proxy:
    """Stands on a port of its own before the archive on `target`, for as long as its context lasts.

    A `fault` strikes associations that are for objects. Those by which the relay finds out whether
    the archive lives are spared, or it might never be struck again; but not from what happens
    ANYWHERE, or while CONNECTING. `struck` counts strikes of the fault of the moment. `asked` are
    the times, by time.monotonic, at which the relay asked for an association for objects, or for
    something on it. An `opaque` one knows bytes only.
    """

    target: int
    opaque: bool = False
    changed: threading.Condition = attrs.field(factory=threading.Condition)
    port: int = attrs.field(init=False, default=0)
    fault: Fault | None = attrs.field(init=False, default=None)
    struck: int = attrs.field(init=False, default=0)
    asked: list[float] = attrs.field(init=False, factory=list)
    _server: socket.socket | None = attrs.field(init=False, default=None)
    _cords: list[tuple[socket.socket, socket.socket]] = attrs.field(init=False, factory=list)
    _accepting: threading.Thread = attrs.field(init=False)
    _threads: list[threading.Thread] = attrs.field(init=False, factory=list)

    def __enter__(self) -> Self:
        self._listen()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._close()
        for thread in self._threads:
            thread.join()
        for cord, _ in self._cords:
            cord.close()

    def suffer(self, fault: Fault) -> None:
        """Fail in this way until healed."""
        self.struck = 0
        if fault.kind is Kind.REFUSE:
            self._close()
            self.strike()
        else:
            self.fault = fault

    def heal(self) -> None:
        """Fail no more; what is stalled remains so."""
        self.fault = None
        if self._server is None:
            self._listen()

    def strike(self) -> None:
        """The fault has struck."""
        with self.changed:
            self.struck += 1
            self.changed.notify_all()

    def wait_for_a_strike(self) -> None:
        """Wait until the fault of the moment has struck."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.struck, PATIENCE_S)

    def _listen(self) -> None:
        self._cords.append(socket.socketpair())
        self._server = socket.create_server((LOOPBACK, self.port), backlog=256)
        self.port = self._server.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, args=(self._server,))
        self._accepting.start()

    def _close(self) -> None:
        """Close the port, and reset what is connected."""
        if self._server is not None:
            with suppress(OSError):
                self._server.shutdown(socket.SHUT_RDWR)
            self._accepting.join()
            self._server.close()
            self._server = None
            self._cords[-1][1].close()

    def _accept(self, server: socket.socket) -> None:
        with suppress(OSError):
            while True:
                connection, _ = server.accept()
                thread = threading.Thread(target=Line(self, connection, self._cords[-1][0]).serve)
                self._threads.append(thread)
                thread.start()


class Line:
    """One connection through the proxy. All of it resets when somebody pulls the `cord`."""

    def __init__(self, proxy: Proxy, relay: socket.socket, cord: socket.socket) -> None:
        self._proxy = proxy
        self._relay = relay
        self._cord = cord
        self._archive = socket.socket()
        self._is_work = proxy.opaque
        self._walkers: dict[bool, Walker | Opaque] = {
            way: Opaque() if proxy.opaque else Walker() for way in (True, False)
        }
        self._part = {True: 0, False: 0}

    def serve(self) -> None:
        """Pass on what comes, until either end has gone or a fault has struck for good."""
        with self._relay, self._archive, suppress(OSError):
            fault = self._proxy.fault
            if fault is not None and fault.position is Position.CONNECTING:
                if self._strike(fault):
                    return
                self._ready(seconds=DELAY_S)
            if self._connected():
                while self._turn():
                    pass

    def _connected(self) -> bool:
        try:
            self._archive.connect((LOOPBACK, self._proxy.target))
        except OSError:
            self._reset()
            return False
        for each in (self._relay, self._archive):
            each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return True

    def _turn(self) -> bool:
        """Wait for something, and pass it on; whether there is more to come."""
        ready = self._ready(self._relay, self._archive)
        if self._cord in ready:
            self._reset()
            return False
        return all(
            self._pass(source, to_archive)
            for source, to_archive in ((self._relay, True), (self._archive, False))
            if source in ready
        )

    def _pass(self, source: socket.socket, to_archive: bool) -> bool:
        try:
            data = source.recv(READ_SIZE)
        except ConnectionResetError:
            self._reset()
            return False
        return bool(data) and all(
            self._piece(piece, to_archive) for piece in self._walkers[to_archive].pieces(data)
        )

    def _piece(self, piece: Piece, to_archive: bool) -> bool:
        self._look(piece, to_archive)
        before, size = self._part[to_archive], len(piece.data)
        self._part[to_archive] = 0 if piece.is_last else before + size
        fault = self._fault
        passes = fault.passes(piece, before, to_archive) if fault else None
        target = self._archive if to_archive else self._relay
        target.sendall(piece.data[:passes])
        if fault is None or passes is None:
            return True
        if self._strike(fault):
            return False
        rest = piece.data[passes:]
        step = len(rest) // (DRIBS if fault.kind is Kind.TRICKLE else 1) + 1
        for at in range(0, len(rest), step):
            self._ready(seconds=DELAY_S * step / (len(rest) + 1))
            target.sendall(rest[at : at + step])
        return True

    @property
    def _fault(self) -> Fault | None:
        """The fault of the moment, if it is for this connection."""
        fault = self._proxy.fault
        is_for_all = fault is not None and fault.position is Position.ANYWHERE
        return fault if self._is_work or is_for_all else None

    def _look(self, piece: Piece, to_archive: bool) -> None:
        """Note what the relay wants, and for whom."""
        if to_archive and piece.place is Place.ASSOCIATION and STORAGE in piece.data:
            self._is_work = True
        elif not (to_archive and piece.place is Place.COMMAND and piece.is_first):
            return
        if self._is_work:
            self._proxy.asked.append(time.monotonic())

    def _strike(self, fault: Fault) -> bool:
        """Let a fault strike; whether the connection is lost."""
        self._proxy.strike()
        if fault.kind is Kind.RESET:
            self._reset()
        elif fault.kind is Kind.CLOSE:
            self._finish()
        elif fault.kind is Kind.STALL:
            self._stall()
        return fault.kind in FATAL

    def _reset(self) -> None:
        for each in (self._relay, self._archive):
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER.pack(1, 0))

    def _finish(self) -> None:
        """FIN; what still comes is swallowed, since to close then would be a reset."""
        for each in (self._archive, self._relay):
            with suppress(OSError):
                each.shutdown(socket.SHUT_WR)
        while self._relay in self._ready(self._relay) and self._relay.recv(READ_SIZE):
            pass

    def _stall(self) -> None:
        poll = select.poll()
        poll.register(self._relay, select.POLLRDHUP)
        poll.register(self._cord, select.POLLIN)
        poll.poll()

    def _ready(self, *sources: socket.socket, seconds: float | None = None) -> list[socket.socket]:
        """Wait for something to read, or for somebody to pull the cord."""
        poll = select.poll()
        every = {each.fileno(): each for each in (*sources, self._cord)}
        for number in every:
            poll.register(number, select.POLLIN)
        timeout = None if seconds is None else seconds * 1000
        return [every[number] for number, _ in poll.poll(timeout)]

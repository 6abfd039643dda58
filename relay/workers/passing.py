"""Sockets on their way from the first process to a worker, each with what is to be known of it.

A pair of Unix sockets that keep messages apart (SOCK_SEQPACKET): one message is one socket and its
particulars, so that they cannot be mixed up, not even where a process has no descriptor left to
take a socket with. Nothing waits on the way: what the pair does not take was not passed on.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import attrs
from twisted.internet.abstract import FileDescriptor
from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST
from twisted.logger import Logger

from relay.policy.entry import Entry

LONGEST = 1024
"""Bytes of particulars."""

MOST_AT_ONCE = 16
"""Sockets that are taken in one turn: then it is others' turn."""


@attrs.frozen
class Particulars:
    """What is to be known of a caller's connection.

    `number` is its own among all, `door` that of its listener, from 0 on. `host` and `port` are the
    caller's, None where it has no such thing. `entry` says what becomes of it.
    """

    number: int
    door: int
    host: str | None
    port: int | None
    entry: Entry

    def encode(self) -> bytes:
        """As bytes."""
        its = self.number, self.door, self.host, self.port, self.entry.value
        return json.dumps(its).encode()

    @classmethod
    def decode(cls, data: bytes) -> Particulars:
        """From bytes."""
        number, door, host, port, entry = json.loads(data)
        return cls(number, door, host, port, Entry(entry))


def pair() -> tuple[socket.socket, socket.socket]:
    """The two ends of a way for sockets."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


@attrs.frozen(eq=False)
class Passer:
    """The end that sockets are passed on by."""

    end: socket.socket

    def __attrs_post_init__(self) -> None:
        self.end.setblocking(False)

    def pass_on(self, connection: socket.socket, particulars: Particulars) -> bool:
        """Pass a socket on; whether it is on its way, and may be closed here."""
        try:
            socket.send_fds(self.end, [particulars.encode()], [connection.fileno()])
        except OSError:
            # There are enough on the way, or the other end is gone, which is told otherwise.
            return False
        return True

    def close(self) -> None:
        """Pass no more on."""
        self.end.close()


class Taker(FileDescriptor):
    """The end that sockets come out of, on a reactor that looks after descriptors.

    `taken` is called with each socket and its particulars; with None for a socket that was lost
    because this process has too many open.
    """

    log = Logger()

    def __init__(
        self,
        end: socket.socket,
        reactor: Any,
        taken: Callable[[socket.socket | None, Particulars], None],
    ) -> None:
        super().__init__(reactor)
        end.setblocking(False)
        self.end = end
        self.taken = taken
        self.fileno = end.fileno  # type: ignore[method-assign]
        self.connected = 1

    def start(self) -> None:
        """From now on take them."""
        self.startReading()  # type: ignore[no-untyped-call]

    def doRead(self) -> BaseException | None:
        """Take what is there, in turns."""
        for _ in range(MOST_AT_ONCE):
            try:
                data, descriptors, _, _ = socket.recv_fds(self.end, LONGEST, 1)
            except BlockingIOError:
                return None
            except OSError:
                return CONNECTION_LOST
            if not data:
                return CONNECTION_DONE
            self._take(data, descriptors)
        return None

    def _take(self, data: bytes, descriptors: list[int]) -> None:
        connection = socket.socket(fileno=descriptors[0]) if descriptors else None
        if connection is None:
            text = "a caller is lost: this process has too many files open"
            self.log.error(text, event="caller_lost")
        try:
            self.taken(connection, Particulars.decode(data))
        except Exception:
            self.log.failure("a caller could not be taken")
            if connection is not None:
                connection.close()

    def connectionLost(self, reason: Any) -> None:
        """Nothing more comes."""
        super().connectionLost(reason)  # type: ignore[no-untyped-call]
        with suppress(OSError):
            self.end.close()

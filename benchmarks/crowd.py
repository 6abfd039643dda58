"""Many associations at once, kept busy by one process that waits for all of their sockets.

Whoever has its object answered takes the next one. So a slow association stores fewer objects, and
the batch is done when all are.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from selectors import EVENT_READ, EVENT_WRITE, DefaultSelector

from benchmarks import pdus
from benchmarks.objects import Objects
from benchmarks.sender import Address, Sender, confirm

READ_SIZE = 64 * 1024


def store_all(
    address: Address, objects: Objects, numbers: Iterable[int], associations: int
) -> tuple[float, list[float]]:
    """Store objects of these numbers; the seconds that it took, and those of each C-STORE.

    The associations are there before the first byte is sent. Refused where one is not answered
    with success.
    """
    with ExitStack() as stack:
        senders = [
            stack.enter_context(Sender(address, objects.maximum)) for _ in range(associations)
        ]
        left, took = iter(numbers), list[float]()
        members = [_Member(sender, objects, left, took) for sender in senders]
        began = time.perf_counter()
        _keep_busy(members)
        seconds = time.perf_counter() - began
        for sender in senders:
            sender.connection.setblocking(True)
        return seconds, took


def _keep_busy(members: list[_Member]) -> None:
    with DefaultSelector() as selector:
        for member in members:
            if event := member.go_on():
                selector.register(member.connection, event, member)
        while selector.get_map():
            for key, _ in selector.select():
                event = key.data.go_on()
                if not event:
                    selector.unregister(key.fileobj)
                elif event != key.events:
                    selector.modify(key.fileobj, event, key.data)


class _Member:
    """One association of a crowd."""

    def __init__(
        self, sender: Sender, objects: Objects, numbers: Iterator[int], took: list[float]
    ) -> None:
        self.connection = sender.connection
        self.connection.setblocking(False)
        self._objects, self._numbers, self._took = objects, numbers, took
        self._number: int | None = None
        self._left = memoryview(b"")
        self._answer = bytearray()
        self._began = 0.0

    def go_on(self) -> int:
        """Store as long as the socket lets; then the event to wait for, 0 when there is none."""
        try:
            while self._number is not None or self._begin():
                self._write()
                self._read()
        except ssl.SSLWantReadError:
            return EVENT_READ
        except ssl.SSLWantWriteError:
            return EVENT_WRITE
        except BlockingIOError:
            return EVENT_WRITE if self._left else EVENT_READ
        return 0

    def _begin(self) -> bool:
        self._number = next(self._numbers, None)
        if self._number is None:
            return False
        # A copy, made buffer by buffer: each is good until the next one is taken.
        message = bytearray()
        for buffer in self._objects.message(self._number):
            message += buffer
        self._left = memoryview(message)
        self._began = time.perf_counter()
        return True

    def _write(self) -> None:
        while self._left:
            self._left = self._left[self.connection.send(self._left) :]

    def _read(self) -> None:
        while len(self._answer) < self._due():
            came = self.connection.recv(READ_SIZE)
            if not came:
                raise ConnectionError("the peer has gone")
            self._answer += came
        self._took.append(time.perf_counter() - self._began)
        assert self._number is not None
        confirm(bytes(self._answer), self._number)
        self._answer.clear()
        self._number = None

    def _due(self) -> int:
        """How many bytes there have to be of an answer, as far as that is known."""
        size = pdus.PDU_HEADER.size
        if len(self._answer) < size:
            return size
        return size + int(pdus.PDU_HEADER.unpack_from(self._answer)[1])

"""Plain TCP: large reads where much comes, writes that leave at once.

For each read memory of the largest size is taken, and what was not needed is given back, which
costs more than to read a small message does. So a connection reads FEW bytes at a time until they
do not do, and again once they have done for a while. (A buffer for all, copied out of, costs as
little for small reads, and a sixth more for large ones.)
"""

from __future__ import annotations

from typing import Any

from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST

from relay.transport.stream import Stream

FEW = 64 * 1024
"""Bytes; memory for so many the C library has."""

A_WHILE = 4
"""Reads in a row that were small: between two large objects there are some."""


class PlainStream(Stream):
    """A transport over TCP."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._most = FEW
        self._small = 0
        """Reads in a row for which FEW bytes would have done."""
        self.startReading()

    def doRead(self) -> BaseException | None:
        """Something is there; what ended the connection, if anything did."""
        if not self._is_alive:
            return None
        try:
            data = self.socket.recv(min(self._most, self.appetite.size))
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not data:
            return CONNECTION_DONE
        self._adapt(len(data))
        self._deliver(data)
        return None

    def _adapt(self, size: int) -> None:
        """Choose how much to read at a time from now on."""
        if size >= FEW:
            self._most, self._small = self.appetite.most, 0
        elif self._most > FEW:
            self._small += 1
            if self._small == A_WHILE:
                self._most = FEW

    def _send(self, data: bytes | memoryview) -> int | BaseException:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return CONNECTION_LOST

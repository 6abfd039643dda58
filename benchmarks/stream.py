"""Reading a socket cheaply: large reads into one buffer, from which any lengths are taken."""

from __future__ import annotations

import socket

READ_SIZE = 256 * 1024


class Stream:
    """The reading half of a connected, blocking socket, plain or under TLS.

    Views that it gives are good until the next call. ConnectionError when the peer has gone.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self._buffer = memoryview(bytearray(READ_SIZE))
        self._at = self._end = 0

    def exactly(self, length: int) -> bytes:
        """The next `length` bytes."""
        at, stop = self._at, self._at + length
        if stop <= self._end:
            self._at = stop
            return bytes(self._buffer[at:stop])
        parts = bytearray()
        while len(parts) < length:
            parts += self.some(length - len(parts))
        return bytes(parts)

    def some(self, most: int) -> memoryview:
        """What is there of the next `most` bytes, at least one of them."""
        if self._at == self._end:
            self._fill()
        at = self._at
        self._at = min(at + most, self._end)
        return self._buffer[at : self._at]

    def _fill(self) -> None:
        self._at, self._end = 0, self.connection.recv_into(self._buffer)
        if not self._end:
            raise ConnectionError("the peer has gone")

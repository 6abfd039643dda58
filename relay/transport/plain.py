"""Plain TCP: large reads into a buffer that all connections share, writes that leave at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.main import CONNECTION_DONE, CONNECTION_LOST

from relay.transport.stream import READ_LIMIT, Stream

_BUFFER = memoryview(bytearray(READ_LIMIT))
"""What is read is copied out of it before anybody is told, so one serves them all."""


class PlainStream(Stream):
    """A transport over TCP."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self.startReading()

    def doRead(self) -> BaseException | None:
        """Something is there; what ended the connection, if anything did."""
        if not self._is_alive:
            return None
        try:
            size = self.socket.recv_into(_BUFFER)
        except BlockingIOError:
            return None
        except OSError:
            return CONNECTION_LOST
        if not size:
            return CONNECTION_DONE
        self._deliver(bytes(_BUFFER[:size]))
        return None

    def _send(self, data: bytes | memoryview) -> int | BaseException:
        try:
            return self.socket.send(data)
        except BlockingIOError:
            return 0
        except OSError:
            return CONNECTION_LOST

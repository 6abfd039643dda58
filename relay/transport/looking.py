"""What the reactor is asked to look for, where what reads and writes says itself what it waits for.

Under TLS that is not always what the user of the transport wants to do:

    in the handshake           whatever OpenSSL waits for, and nothing else
    a read that has to write   not to be read until it can write (WantWriteError while reading)
    a write that has to read   not to be written until it can read (WantReadError while writing)

The last two are rare, with renegotiation off as good as never. But to go on looking for what is
there already would keep the reactor spinning. `_look` is the one place that decides it.
"""

from __future__ import annotations

from typing import Any

from relay.transport.stream import Stream


class LookingStream(Stream):
    """A stream of which what the user wants is kept apart from what the reactor looks for."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._is_established = False
        """Whether the handshake is complete."""
        self._reads, self._writes = True, False
        """What the user of the transport wants to do."""
        self._reads_by_writing = self._writes_by_reading = False

    def startReading(self) -> None:
        """Deliver what comes."""
        self._reads = True
        self._look()

    def stopReading(self) -> None:
        """Deliver nothing for now."""
        self._reads = False
        self._look()

    def startWriting(self) -> None:
        """Send what there is."""
        self._writes = True
        self._look()

    def stopWriting(self) -> None:
        """There is nothing to send."""
        self._writes = False
        self._look()

    def _look(self) -> None:
        if self._is_established or not self._is_alive:
            # Who closes reads on, for the peer's close_notify.
            reads = self._reads or bool(self.disconnecting)
            self._look_for(
                (reads and not self._reads_by_writing) or self._writes_by_reading,
                (self._writes and not self._writes_by_reading) or self._reads_by_writing,
            )

    def _look_for(self, reads: bool, writes: bool) -> None:
        (super().startReading if reads and self._is_alive else super().stopReading)()
        (super().startWriting if writes and self._is_alive else super().stopWriting)()

    def doRead(self) -> BaseException | None:
        """The socket can be read; what ended the connection, if anything did."""
        if not self._is_alive:
            return None
        if not self._is_established:
            return self._shake_hands()
        if self._writes_by_reading:
            self._writes_by_reading = False
            self._look()
            if why := self._write_more():
                return why
        return self._read() if self._reads or self.disconnecting else None

    def doWrite(self) -> BaseException | None:
        """The socket can be written; what ended the connection, if anything did."""
        if not self._is_alive:
            return None
        if not self._is_established:
            return self._shake_hands()
        if self._reads_by_writing:
            self._reads_by_writing = False
            self._look()
            if why := self._read():
                return why
        return self._write_more() if self._writes else None

    def _write_more(self) -> BaseException | None:
        return super().doWrite()

    def _shake_hands(self) -> BaseException | None:
        """Go on with the handshake; what ended the connection, if anything did."""
        raise NotImplementedError

    def _read(self) -> BaseException | None:
        """Read what is there; what ended the connection, if anything did."""
        raise NotImplementedError

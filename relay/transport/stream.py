"""A connected socket as a transport: what plain TCP (plain.py) and TLS (secure.py) have in common.

Writing. Twisted's own transports put what is written aside and look in the reactor's next turn
whether the socket takes it, which it nearly always does. Here it is offered at once. What the
socket does not take is kept, in this order:

    _offered    what was offered and did not go, or did not go as a whole
    _behind     what was written since

and when the socket can take more, `_offered` is offered again, the very same bytes at the very same
place in memory: OpenSSL may have encrypted a part of them already. So what is kept is never a view
of a buffer that somebody refills: `write` takes bytes, which do not change. (A view into them, for
the part that has not gone, is as good; where that is little it is copied, or the rest of a large
read would stay for its sake.) Only when nothing of it is left does what stands behind follow, in
one piece.

A failure to write is not told at once, because whoever writes does not expect to lose the
connection meanwhile; and what the peer said before it left may still be there to be read. It is
kept, and the reactor is told when it next asks.

Fairness. In one turn of the reactor a connection reads no more than its `appetite` says, and writes
at most WRITE_LIMIT, however much more there is: then it is the others' turn. (What was written is
counted until the reactor has next been asked for a turn to write in: when it takes turns a
transport cannot know.) Who writes more fills the transport, and is told so, as if the peer did not
take it.

Producers, pausing and the high-water mark are those of twisted.internet.abstract.FileDescriptor.
"""

from __future__ import annotations

from typing import Any, cast

from twisted.internet.interfaces import ITCPTransport
from twisted.internet.main import CONNECTION_DONE
from twisted.python.failure import Failure
from zope.interface import Interface, implementer

from relay.transport.appetite import Appetite
from relay.transport.tcp import SocketTransport, is_silent

WRITE_LIMIT = 4 * 1024 * 1024
"""Bytes that are written in a turn: some milliseconds' worth."""


class IPromptTransport(Interface):
    """A transport that offers what is written to its socket at once."""

    def is_silent() -> bool:
        """Whether nothing is there to be read, not even the end of the connection."""


@implementer(ITCPTransport, IPromptTransport)
class Stream(SocketTransport):
    """A transport that writes at once; those who derive from it read, and send."""

    appetite = Appetite()
    """Says how much is read in a turn; that of all who were given no other."""

    def __init__(self, *how: Any) -> None:
        super().__init__(*how)
        self._offered: bytes | memoryview = b""
        self._behind: list[bytes] = []
        self._behind_size = 0
        self._budget = WRITE_LIMIT
        self._failure: BaseException | None = None
        self._read_last = self._lying = 0
        """Bytes of the last read; and how many of them lie, because nothing is to be read."""

    # writing

    def write(self, data: bytes) -> None:
        """Send; TypeError for what is not bytes, because only these are sure not to change."""
        if not isinstance(data, bytes):
            raise TypeError(f"bytes are written, not {type(data).__name__}")
        if not data or not self._takes_more:
            return
        if self._offered or self._behind or self._budget <= 0:
            self._behind.append(data)
            self._behind_size += len(data)
            self._wait_to_write()
        else:
            self._write_through(data)

    def writeSequence(self, data: Any) -> None:
        """Send these one behind the other."""
        self.write(b"".join(data))

    @property
    def _takes_more(self) -> bool:
        """Whether what is written is to be sent at all."""
        return self._is_alive and self._failure is None and not self._has_ended_writing

    def _write_through(self, data: bytes) -> None:
        sent = self._send(data)
        if isinstance(sent, BaseException):
            self._failure = sent
            self.startWriting()
            return
        self._budget -= sent
        if sent < len(data):
            self._offered = _rest(data, sent)
            self._wait_to_write()
        elif self.producer is not None and not self.streamingProducer:
            self.startWriting()

    def _wait_to_write(self) -> None:
        """Have the reactor say when there is room, and the producer wait where there is none."""
        if self.producer is not None and self.streamingProducer and self._is_full:
            self.producerPaused = True
            self.producer.pauseProducing()
        self.startWriting()

    @property
    def _is_full(self) -> bool:
        return len(self._offered) + self._behind_size > self.bufferSize

    def doWrite(self) -> BaseException | None:
        """The socket has room; what ended the connection, if anything did."""
        if not self._is_alive:
            return None
        if self._failure is not None:
            return self._failure
        self._budget = WRITE_LIMIT
        if why := self._write_on():
            return why
        if self._offered or self._behind:
            return None
        self.stopWriting()
        if self.producer is not None and (not self.streamingProducer or self.producerPaused):
            self.producerPaused = False
            self.producer.resumeProducing()
        elif self.disconnecting:
            return self._end()
        elif self._ends_writing and not self._has_ended_writing:
            self._end_writing()
        return None

    def _write_on(self) -> BaseException | None:
        """Send what was kept, as far as it goes."""
        while self._budget > 0 and (self._offered or self._behind):
            if not self._offered:
                self._offered = b"".join(self._behind)
                self._behind, self._behind_size = [], 0
            sent = self._send(self._offered)
            if not isinstance(sent, int):
                return sent
            if not sent:
                break
            self._budget -= sent
            self._offered = _rest(self._offered, sent)
        return None

    # reading

    def _deliver(self, data: bytes) -> None:
        """Give it to the protocol; who has closed wants no more of it."""
        self._read_last = len(data)
        if data and self._is_alive and not self.disconnecting:
            self.protocol.dataReceived(data)

    def pauseProducing(self) -> None:
        """Read no more for now: what came last goes no further."""
        if not self._lying:
            self._lying = self._read_last
            self.appetite.lay_down(self._lying)
        super().pauseProducing()

    def resumeProducing(self) -> None:
        """Read on."""
        self._take_up()
        super().resumeProducing()

    def _take_up(self) -> None:
        lying, self._lying = self._lying, 0
        self.appetite.take_up(lying)

    def is_silent(self) -> bool:
        """Whether nothing is there to be read, not even the end of the connection."""
        return is_silent(self.socket)

    def _send(self, data: bytes | memoryview) -> int | BaseException:
        """Send what the socket takes: how much that was, or why it takes nothing any more."""
        raise NotImplementedError

    # closing

    def _end(self) -> BaseException | None:
        """All has left of a connection that is to be closed; CONNECTION_DONE once it can be."""
        return CONNECTION_DONE

    def connectionLost(self, reason: Failure) -> None:
        """The connection is over, and what has not left never will."""
        self._offered, self._behind, self._behind_size = b"", [], 0
        self._take_up()
        super().connectionLost(reason)


def _rest(data: bytes | memoryview, sent: int) -> bytes | memoryview:
    """What is left of `data`, which has never been offered: a copy, where a view would keep more
    than twice as much alive."""
    rest = memoryview(data)[sent:]
    return rest if 2 * len(rest) >= len(cast(bytes, rest.obj)) else bytes(rest)

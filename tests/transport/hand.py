"""A real reactor that is turned by hand, with a clock that stands still, and pairs of sockets.

Nothing moves save in `settle` and `wait`. A reactor that is turned again and again by the same
descriptor, without anything coming of it, spins, and the test fails.
"""

from __future__ import annotations

import hashlib
import random
import select
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import attrs
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import IHandshakeListener
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from zope.interface import implementer

from relay.transport.securing import Security
from relay.transport.sockets import Sockets

MANY_TURNS = 50_000
LONG = 5_000
"""Milliseconds; waited for only where a test fails."""
TINY = 4096
"""For SO_SNDBUF and SO_RCVBUF; the kernel makes a little more of it."""


class Hand(EPollReactor):
    """The reactor."""

    def __init__(self) -> None:
        self._now = 0.0
        super().__init__()
        self.idle = self.getReaders()
        """Those that are always there."""

    def seconds(self) -> float:
        return self._now

    def ready(self, patience: int = 1) -> bool:
        """Whether a turn would have anything to do.

        The kernel has a moment to bring what is under way: `patience`, in milliseconds.
        """
        poll = select.poll()
        events: dict[int, int] = {}
        for each in set(self.getReaders()) - self._internalReaders:
            events[each.fileno()] = select.POLLIN
        for each in self.getWriters():
            events[each.fileno()] = events.get(each.fileno(), 0) | select.POLLOUT
        for number, event in events.items():
            poll.register(number, event)
        due = any(call.getTime() <= self._now for call in self.getDelayedCalls())
        return due or bool(poll.poll(patience))

    def settle(self, enough: Callable[[], object] | None = None) -> None:
        """Let everything move until nothing does, or until it is enough where that is given."""
        patience = 0 if enough is None else LONG
        for _ in range(MANY_TURNS):
            if enough is not None and enough():
                return
            if self.ready():
                self.iterate(0)
            elif patience:
                patience -= 1
            elif enough is None:
                return
            else:
                raise AssertionError("it comes to rest before it is enough")
        raise AssertionError("it never comes to rest")

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.settle()
        self._now += seconds
        self.settle()

    def close(self) -> None:
        for each in self.removeAll():
            each.connectionLost(Failure(AssertionError("it was left behind")))
        for each in list(self._internalReaders):
            each.connectionLost(None)
        self._poller.close()


@contextmanager
def by_hand() -> Iterator[Hand]:
    """A reactor for the length of a test."""
    hand = Hand()
    try:
        yield hand
    finally:
        hand.close()


@implementer(IHandshakeListener)
class Teller(Protocol):
    """Notes what it is told; `on` says what to do then, by what it is told."""

    transport: Any

    def __init__(self, **on: Callable[[], object]) -> None:
        self.on = on
        self.told: list[str] = []
        self.heard = bytearray()
        self.reads: list[int] = []
        self.why_lost: Failure | None = None

    def tell(self, what: str) -> None:
        self.told.append(what)
        self.on.get(what, lambda: None)()

    def connectionMade(self) -> None:
        self.tell("made")

    def handshakeCompleted(self) -> None:
        self.tell("established")

    def dataReceived(self, data: bytes) -> None:
        assert type(data) is bytes
        self.heard += data
        self.reads.append(len(data))
        self.on.get("data", lambda: None)()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.why_lost = reason
        self.tell("lost")

    # as a producer

    def pauseProducing(self) -> None:
        self.tell("pause")

    def resumeProducing(self) -> None:
        self.tell("resume")

    def stopProducing(self) -> None:
        self.tell("stop")


def sockets(tiny: bool = False) -> tuple[socket.socket, socket.socket]:
    """Two that are connected."""
    pair = socket.socketpair()
    for each in pair if tiny else ():
        each.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, TINY)
        each.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, TINY)
    return pair


def over_loopback() -> tuple[socket.socket, socket.socket]:
    """Two that are connected over TCP, and wait for nothing to fill their segments."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        near = socket.create_connection(server.getsockname())
        far, _ = server.accept()
    for each in (near, far):
        each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return near, far


def join(
    hand: Hand, connection: socket.socket, teller: Any, security: Security | None = None
) -> Any:
    """A transport for `teller`, which is connected to it."""
    stream = Sockets(hand, security).stream(connection, teller)
    teller.makeConnection(stream)
    return stream


@attrs.define
class Two:
    """The two ends of a connection; `near` called."""

    hand: Hand
    securities: Any
    near: Teller = attrs.field(factory=Teller)
    far: Teller = attrs.field(factory=Teller)
    handles: Any = None

    def meet(self, tiny: bool = False, pair: Any = None) -> Two:
        """Connect them, and let them shake hands."""
        self.handles = pair or sockets(tiny)
        client, server = self.securities
        join(self.hand, self.handles[0], self.near, client)
        join(self.hand, self.handles[1], self.far, server)
        self.hand.settle()
        return self

    @property
    def whys(self) -> Any:
        """Why each lost it."""
        return tuple(each.why_lost and each.why_lost.type for each in (self.near, self.far))


def noise(size: int, seed: int) -> bytes:
    return random.Random(seed).randbytes(size)


def digest(data: bytes | bytearray) -> str:
    return hashlib.sha256(data).hexdigest()

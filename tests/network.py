"""A reactor whose connections are in memory, for the edges and for a whole relay in process.

It is Twisted's MemoryReactorClock with the two ends of each connection joined, and it does what
Twisted's TCP does, as far as the relay goes by it: what is written leaves in a later turn; a
transport whose peer does not read gets full and tells its producer; a close is noticed once all
that came before was read, an abort at once, and it takes along what had not left.

Nothing moves except in `settle`, and time passes only in `wait`. What a protocol raises is not
caught: it fails the test.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import (
    CannotListenError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    TimeoutError,
)
from twisted.internet.interfaces import (
    IConnector,
    IConsumer,
    IListeningPort,
    IPushProducer,
    IReactorCore,
    IReactorPluggableNameResolver,
    IReactorTCP,
    IReactorTime,
    ITCPTransport,
)
from twisted.internet.protocol import Factory, Protocol
from twisted.internet.testing import MemoryReactorClock
from twisted.python.failure import Failure
from zope.interface import implementer, implementer_only

HIGH_WATER = 64 * 1024
"""Bytes unsent at which a transport is full, as in twisted.internet.abstract.FileDescriptor."""

CALLER_HOST = "192.0.2.7"

_MANY_TURNS = 100_000


@implementer(ITCPTransport, IConsumer, IPushProducer)
@attrs.define(eq=False, slots=False)
class End:
    """One end of a connection: what Twisted calls a transport."""

    network: Network
    protocol: Any
    peer: IPv4Address
    other: End = attrs.field(init=False)
    unsent: deque[bytes] = attrs.field(factory=deque)
    options: set[str] = attrs.field(factory=set)
    is_reading: bool = True
    is_lost: bool = False
    _producer: Any = None
    _is_full: bool = False
    _is_closing: bool = False
    _end: type[Exception] | None = None

    # ITransport, IConsumer

    def write(self, data: bytes) -> None:
        if self.is_lost or self._end or not data:
            return
        self.unsent.append(data)
        if self._producer is not None and self._size > HIGH_WATER:
            # Told again with each write, as Twisted does.
            self._is_full = True
            self._producer.pauseProducing()

    def writeSequence(self, data: Any) -> None:
        self.write(b"".join(data))

    def loseConnection(self) -> None:
        self.is_reading = False
        self._is_closing = True

    def abortConnection(self) -> None:
        if self._end is None:
            self.unsent.clear()
            self._end, self.other._end = ConnectionAborted, ConnectionLost

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        assert streaming and self._producer is None
        self._producer = producer
        if self.is_lost:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        self._producer = None

    # IPushProducer

    def pauseProducing(self) -> None:
        self.is_reading = False

    def resumeProducing(self) -> None:
        self.is_reading = not self._is_closing

    def stopProducing(self) -> None:
        self.loseConnection()

    # ITCPTransport

    def setTcpNoDelay(self, enabled: bool) -> None:
        self.options.add("no delay")

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self.options.add("keep alive")

    def getTcpNoDelay(self) -> bool:
        return "no delay" in self.options

    def getTcpKeepAlive(self) -> bool:
        return "keep alive" in self.options

    def loseWriteConnection(self) -> None:
        raise NotImplementedError

    def getPeer(self) -> IPv4Address:
        return self.peer

    def getHost(self) -> IPv4Address:
        return self.other.peer

    # a turn

    @property
    def _size(self) -> int:
        return sum(map(len, self.unsent))

    def turn(self) -> bool:
        """What the reactor would do for this end in one turn; whether there was anything."""
        if self.is_lost:
            return False
        if self._end is not None:
            self._lose(self._end)
        elif self.other.is_lost and (self.is_reading or self.unsent):
            self._lose(ConnectionLost if self.unsent else ConnectionDone)
        elif self.unsent and self.other.is_reading and self.other._end is None:
            self.other.protocol.dataReceived(self.unsent.popleft())
        elif self._is_full and not self.unsent and self._producer is not None:
            self._is_full = False
            self._producer.resumeProducing()
        elif self._is_closing and not self.unsent:
            self._lose(ConnectionDone)
        else:
            return False
        return True

    def _lose(self, why: type[Exception]) -> None:
        self.is_lost = True
        del self.network.ends[self]
        self.protocol.connectionLost(Failure(why()))


@implementer(IListeningPort)
@attrs.define(eq=False, slots=False)
class Port:
    """A port that is listened on."""

    network: Network
    number: int

    def startListening(self) -> None:
        """It listens already."""

    def stopListening(self) -> Deferred[None]:
        self.network.listening.pop(self.number, None)
        return succeed(None)

    def getHost(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", self.number)


@implementer(IConnector)
@attrs.define(eq=False, slots=False)
class Connector:
    """A connection that is being opened."""

    network: Network
    port: int
    factory: Any
    timeout: float
    calls: list[Any] = attrs.field(factory=list)

    def connect(self) -> None:
        self.calls = [
            self.network.callLater(0, self._attempt),
            self.network.callLater(self.timeout, self._fail, TimeoutError),
        ]

    def stopConnecting(self) -> None:
        for call in self.calls:
            if call.active():
                call.cancel()

    def disconnect(self) -> None:
        raise NotImplementedError

    def getDestination(self) -> IPv4Address:
        return IPv4Address("TCP", "127.0.0.1", self.port)

    def _attempt(self) -> None:
        if self.port in self.network.silent:
            return
        if self.port not in self.network.listening:
            self._fail(ConnectionRefusedError)
        else:
            self.stopConnecting()
            protocol = self.factory.buildProtocol(self.getDestination())
            self.network.join(protocol, self.port)

    def _fail(self, why: type[Exception]) -> None:
        self.stopConnecting()
        self.factory.clientConnectionFailed(self, Failure(why()))


class Sole(Factory):
    """A factory that gives the one protocol that it has."""

    noisy = False

    def __init__(self, sole: Any) -> None:
        self.sole = sole

    def buildProtocol(self, addr: object) -> Any:
        return self.sole


@implementer_only(IReactorCore, IReactorTCP, IReactorTime, IReactorPluggableNameResolver)
class Network(MemoryReactorClock):
    """The reactor. `silent`: ports at which nobody answers, not even that nobody is there.

    It has no descriptors to look after (IReactorFDSet), so the relay uses its transports.
    """

    def __init__(self) -> None:
        super().__init__()
        self.listening: dict[int, Any] = {}
        self.silent: set[int] = set()
        self.ends: dict[End, None] = {}
        self.dialled: list[int] = []

    def listenTCP(self, port: int, factory: Any, backlog: int = 50, interface: str = "") -> Port:
        if port in self.listening:
            raise CannotListenError(interface, port, OSError(98, "Address already in use"))
        self.listening[port] = factory
        return Port(self, port)

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float = 30, bindAddress: object = None
    ) -> Connector:
        self.dialled.append(port)
        connector = Connector(self, port, factory, timeout)
        factory.startedConnecting(connector)
        connector.connect()
        return connector

    def join(self, protocol: Any, port: int) -> None:
        """Connect `protocol` to whoever listens on `port`."""
        caller = IPv4Address("TCP", CALLER_HOST, 50000)
        made = self.listening[port].buildProtocol(caller)
        accepted = Protocol() if made is None else made
        ours = End(self, protocol, IPv4Address("TCP", "127.0.0.1", port))
        theirs = End(self, accepted, caller)
        ours.other, theirs.other = theirs, ours
        self.ends |= {ours: None, theirs: None}
        accepted.makeConnection(theirs)
        protocol.makeConnection(ours)
        if made is None:
            theirs.loseConnection()

    def settle(self) -> None:
        """Let everything move, and every call come that is due, until there is nothing left."""
        for _ in range(_MANY_TURNS):
            self.advance(0)
            moved = [end.turn() for end in list(self.ends)]
            if not any(moved) and not self._has_due_calls():
                return
        raise AssertionError("it never comes to rest")

    def wait(self, seconds: float) -> None:
        """Let time pass, from one call that is due to the next."""
        until = self.seconds() + seconds
        self.settle()
        while (due := self._next_call(until)) is not None:
            self.rightNow = due
            self.settle()
        self.rightNow = until
        self.settle()

    def _has_due_calls(self) -> bool:
        return any(call.getTime() <= self.seconds() for call in self.getDelayedCalls())

    def _next_call(self, until: float) -> float | None:
        times = [call.getTime() for call in self.getDelayedCalls()]
        return min((each for each in times if each <= until), default=None)

"""Connections that are being opened: connected, refused, given up, out of time, tried again."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any, cast

import pytest
from twisted.internet.address import IPv4Address, IPv6Address
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.error import (
    ConnectBindError,
    ConnectionDone,
    ConnectionRefusedError,
    DNSLookupError,
    NotConnectingError,
    TimeoutError,
    UserError,
)
from twisted.internet.interfaces import IConnector
from twisted.internet.protocol import ClientFactory
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from relay.transport.securing import Security
from relay.transport.sockets import Sockets
from tests.transport.hand import Hand, Teller, by_hand


@pytest.fixture
def hand() -> Iterator[Hand]:
    with by_hand() as hand:
        yield hand


class Noting(ClientFactory):
    """Notes what it is told."""

    noisy = False

    def __init__(self, teller: Any = None) -> None:
        self.teller = teller
        self.told: list[str] = []
        self.reason: Any = None

    def doStart(self) -> None:
        self.told.append("start")

    def doStop(self) -> None:
        self.told.append("stop")

    def startedConnecting(self, connector: Any) -> None:
        self.told.append("connecting")

    def buildProtocol(self, addr: Any) -> Any:
        self.told.append("connected")
        self.address = addr
        return self.teller

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.told.append("failed")
        self.reason = reason.type

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        self.told.append("lost")
        self.reason = reason.type


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def connect(hand: Hand, port: int, factory: Noting, host: str = "127.0.0.1", **how: Any) -> Any:
    return Sockets(hand).connectTCP(host, port, factory, **how)


def test_a_protocol_is_connected_and_the_connector_hears_of_its_end(hand, server):
    factory = Noting(Teller())
    port = server.getsockname()[1]
    connector = connect(hand, port, factory)
    verifyObject(IConnector, connector)
    assert factory.told == ["start", "connecting"]
    hand.settle()
    assert factory.address == connector.getDestination() == IPv4Address("TCP", "127.0.0.1", port)
    accepted, _ = server.accept()
    accepted.close()
    hand.settle(lambda: factory.reason)
    assert factory.told == ["start", "connecting", "connected", "lost", "stop"]
    assert factory.reason is ConnectionDone
    assert hand.getDelayedCalls() == []


def test_nobody_there_is_told_in_a_later_turn(hand):
    factory = Noting(Teller())
    connect(hand, free_port(), factory)
    assert factory.told == ["start", "connecting"]
    hand.settle()
    assert factory.told == ["start", "connecting", "failed", "stop"]
    assert factory.reason is ConnectionRefusedError
    assert (hand.getDelayedCalls(), hand.getWriters()) == ([], [])


@pytest.fixture
def silent() -> Iterator[int]:
    """A port whose backlog is full: the kernel answers nobody any more."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        waiting = [socket.socket() for _ in range(4)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(server.getsockname())
        yield server.getsockname()[1]
        for each in waiting:
            each.close()


def test_who_does_not_answer_has_its_time(hand, silent):
    factory = Noting(Teller())
    connect(hand, silent, factory, timeout=5)
    hand.wait(4)
    assert factory.told == ["start", "connecting"]
    hand.wait(1)
    assert factory.reason is TimeoutError
    assert (hand.getDelayedCalls(), hand.getWriters()) == ([], [])


def test_who_is_given_up_is_not_connected(hand, silent):
    factory = Noting(Teller())
    connector = connect(hand, silent, factory)
    hand.settle()
    connector.stopConnecting()
    assert factory.told == ["start", "connecting", "failed", "stop"]
    assert factory.reason is UserError
    with pytest.raises(NotConnectingError):
        connector.stopConnecting()
    assert (hand.getDelayedCalls(), hand.getWriters()) == ([], [])


def test_who_is_given_up_before_it_has_begun_is_not_connected(hand, server):
    factory = Noting(Teller())
    connect(hand, server.getsockname()[1], factory).disconnect()
    hand.settle()
    assert factory.reason is UserError
    assert factory.told == ["start", "connecting", "failed", "stop"]


def test_it_is_tried_again_when_the_factory_wants_it(hand, server):
    class Stubborn(Noting):
        def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
            super().clientConnectionLost(connector, reason)
            if self.told.count("lost") == 1:
                connector.connect()

    factory = Stubborn(Teller())
    connector = connect(hand, server.getsockname()[1], factory)
    hand.settle()
    with pytest.raises(RuntimeError):
        connector.connect()
    for _ in range(2):
        connector.disconnect()
        hand.settle()
    expected = "start connecting connected lost connecting connected lost stop"
    assert factory.told == expected.split()
    connector.disconnect()


def test_a_factory_may_want_no_connection(hand, server):
    factory = Noting(None)
    connect(hand, server.getsockname()[1], factory)
    hand.settle()
    assert factory.told == ["start", "connecting", "connected", "stop"]
    accepted, _ = server.accept()
    assert accepted.recv(1) == b""
    accepted.close()


def test_the_near_end_may_be_chosen(hand, server):
    factory = Noting(Teller())
    connect(hand, server.getsockname()[1], factory, bindAddress=("127.0.0.2", 0))
    hand.settle()
    assert factory.teller.transport.getHost().host == "127.0.0.2"
    factory.teller.transport.abortConnection()


def test_a_near_end_that_cannot_be_had_is_told(hand, server):
    factory = Noting(Teller())
    connect(hand, server.getsockname()[1], factory, bindAddress=("192.0.2.1", 0))
    hand.settle()
    assert factory.reason is ConnectBindError


def test_a_name_is_looked_up(hand, server):
    factory = Noting(Teller())
    hand.resolve = lambda name: succeed({"pacs.example.org": "127.0.0.1"}[name])
    connect(hand, server.getsockname()[1], factory, host="pacs.example.org")
    hand.settle()
    assert "connected" in factory.told
    factory.teller.transport.abortConnection()


def test_a_name_that_nobody_has_is_told(hand):
    factory = Noting(Teller())
    hand.resolve = lambda name: fail(DNSLookupError(name))
    connect(hand, 104, factory, host="pacs.example.org")
    assert factory.reason is DNSLookupError


def test_a_name_that_is_not_found_in_time_is_looked_up_no_more(hand):
    factory = Noting(Teller())
    cancelled: list[Any] = []
    hand.resolve = lambda name: Deferred(cancelled.append)
    connect(hand, 104, factory, host="pacs.example.org", timeout=5)
    hand.wait(5)
    assert factory.told == ["start", "connecting", "failed", "stop"]
    assert factory.reason is TimeoutError
    assert len(cancelled) == 1


def test_ipv6_is_spoken(hand):
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("this machine has no IPv6")
    with server:
        factory = Noting(Teller())
        connector = connect(hand, server.getsockname()[1], factory, host="::1")
        hand.settle()
        assert isinstance(connector.getDestination(), IPv6Address)
        assert factory.teller.transport.getPeer().host == "::1"
        factory.teller.transport.abortConnection()


class Raising(SynchronousTestCase):
    def test_a_transport_that_cannot_be_made_is_logged_and_is_a_failure_to_connect(self):
        class Oops(Exception):
            pass

        class Unfit:
            is_client = True

            def over(self, connection: socket.socket) -> Any:
                raise Oops

        with by_hand() as hand, socket.create_server(("127.0.0.1", 0)) as server:
            factory, security = Noting(Teller()), cast(Security, Unfit())
            Sockets(hand, security).connectTCP("127.0.0.1", server.getsockname()[1], factory)
            hand.settle()
            self.assertEqual(factory.told, ["start", "connecting", "connected", "failed", "stop"])
            self.assertIs(factory.reason, Oops)
            self.assertEqual(factory.teller.told, [])
            self.assertEqual(len(self.flushLoggedErrors(Oops)), 1)

    def test_what_a_protocol_raises_when_it_is_connected_is_logged_and_loses_it(self):
        class Oops(Exception):
            pass

        def oops() -> None:
            raise Oops

        with by_hand() as hand, socket.create_server(("127.0.0.1", 0)) as server:
            factory = Noting(Teller(made=oops))
            connect(hand, server.getsockname()[1], factory)
            hand.settle()
            self.assertEqual(factory.told[-2:], ["lost", "stop"])
            self.assertIs(factory.reason, Oops)
            self.assertEqual(len(self.flushLoggedErrors(Oops)), 1)

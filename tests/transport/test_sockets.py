"""What stands in for the reactor: endpoints work on it, on any reactor that there is."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.asyncioreactor import AsyncioSelectorReactor
from twisted.internet.endpoints import (
    AdoptedStreamServerEndpoint,
    HostnameEndpoint,
    TCP4ClientEndpoint,
    serverFromString,
)
from twisted.internet.epollreactor import EPollReactor
from twisted.internet.interfaces import (
    IHostnameResolver,
    IReactorPluggableNameResolver,
    IReactorSocket,
    IReactorTCP,
    IReactorTime,
)
from twisted.internet.pollreactor import PollReactor
from twisted.internet.protocol import Factory
from twisted.internet.selectreactor import SelectReactor
from zope.interface import implementer
from zope.interface.verify import verifyObject

from relay.transport.secure import SecureStream
from relay.transport.securing import Server
from relay.transport.sockets import MOST_AT_ONCE, Sockets, few_at_once
from relay.transport.tls import client_security, server_options
from tests.network import Network, Sole
from tests.transport.hand import Hand, Teller, by_hand, noise, sockets
from tests.transport.tls_bed import HOST, Pki

MANY = 10_000


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def hand() -> Iterator[Hand]:
    with by_hand() as hand:
        yield hand


@attrs.frozen
class Turned:
    """A reactor that is turned until something is so."""

    reactor: Any

    def until(self, enough: Callable[[], object]) -> None:
        for _ in range(MANY):
            if enough():
                return
            self.reactor.iterate(0.01)
        raise AssertionError("it never comes to be")


def _asyncio() -> AsyncioSelectorReactor:
    return AsyncioSelectorReactor(asyncio.new_event_loop())


@pytest.fixture(params=[EPollReactor, PollReactor, SelectReactor, _asyncio])
def turned(request) -> Iterator[Turned]:
    reactor = request.param()
    yield Turned(reactor)
    for each in reactor.removeAll():
        each.connectionLost(None)
    for each in list(reactor._internalReaders):
        each.connectionLost(None)


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "secure"])
def test_megabytes_pass_both_ways_between_endpoints_on_every_reactor(turned, pki, is_secure):
    securities: Any = (None, None)
    if is_secure:
        securities = (
            client_security(pki.client(), HOST),
            Server.of(server_options(pki.server())),
        )
    calling, listening = (Sockets(turned.reactor, each) for each in securities)
    near, far = Teller(), Teller()
    ports: list[Any] = []
    endpoint: Any = serverFromString(listening, "tcp:port=0:interface=127.0.0.1")
    endpoint.listen(Sole(far)).addCallback(ports.append)
    number = ports[0].getHost().port
    TCP4ClientEndpoint(calling, "127.0.0.1", number).connect(Sole(near))
    turned.until(lambda: near.told and far.told)
    data = noise(2 << 20, 5)
    for each in (near, far):
        each.transport.write(data)
    turned.until(lambda: len(near.heard) == len(far.heard) == len(data))
    near.transport.loseConnection()
    turned.until(lambda: near.why_lost and far.why_lost)
    for each in (near, far):
        assert hashlib.sha256(each.heard).digest() == hashlib.sha256(data).digest()
        assert each.told == ["made", *(["established"] if is_secure else []), "lost"]
    stopped: list[Any] = []
    ports[0].stopListening().addCallback(stopped.append)
    turned.until(lambda: stopped)


def test_it_is_a_reactor_as_far_as_endpoints_go(hand):
    stand_in = Sockets(hand)
    for interface in (IReactorTCP, IReactorSocket, IReactorTime, IReactorPluggableNameResolver):
        assert interface.providedBy(stand_in)
        verifyObject(interface, stand_in)


def test_what_it_does_not_know_it_does_not_hand_on(hand):
    for name in ("connectSSL", "listenSSL", "connectUNIX", "listenUDP"):
        assert not hasattr(Sockets(hand), name)
    with pytest.raises(NotImplementedError):
        Sockets(hand).adoptDatagramPort(0, socket.AF_INET, None)


def test_a_port_accepts_few_in_a_turn_however_many_there_are(hand):
    accepted: list[Teller] = []

    def accept(addr: object) -> Teller:
        accepted.append(Teller())
        return accepted[-1]

    factory: Any = Factory()
    factory.buildProtocol = accept
    port: Any = hand.listenTCP(0, factory, 100, "127.0.0.1")
    few_at_once(port)
    number = port.getHost().port
    near = [socket.create_connection(("127.0.0.1", number)) for _ in range(50)]
    counts = []
    while len(accepted) < len(near):
        before = len(accepted)
        port.doRead()
        counts.append(len(accepted) - before)
    assert counts == [MOST_AT_ONCE] * 3 + [2]
    for each in near:
        each.close()
    port.stopListening()
    hand.settle()
    assert all(each.why_lost for each in accepted)


def test_what_is_no_port_of_twisted_s_is_left_as_it_is():
    few_at_once(Network().listenTCP(1, None))


def test_ports_that_have_transports_of_their_own_are_refused_rather_than_left_in_the_clear(pki):
    network = Network()
    secure = Sockets(network, Server.of(server_options(pki.server())))
    with pytest.raises(TypeError, match="Port has transports of its own"):
        secure.listenTCP(2762, Sole(Teller()))
    assert network.listening == {}


@implementer(IHostnameResolver)
class Resolver:
    """Knows one address for every name."""

    def resolveHostName(
        self, resolutionReceiver: Any, hostName: str, portNumber: int = 0, *_: Any, **__: Any
    ) -> Any:
        resolutionReceiver.resolutionBegan(self)
        resolutionReceiver.addressResolved(IPv4Address("TCP", "127.0.0.1", portNumber))
        resolutionReceiver.resolutionComplete()


def test_a_host_is_called_by_its_name(hand):
    near = Teller()
    hand.installNameResolver(Resolver())
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        endpoint: Any = HostnameEndpoint(Sockets(hand), "pacs.example.org", port)
        endpoint.connect(Sole(near))
        hand.settle()
    near.transport.abortConnection()


def test_a_connection_that_is_given_up_is_given_up(hand):
    with socket.create_server(("127.0.0.1", 0)) as server:
        endpoint: Any = TCP4ClientEndpoint(Sockets(hand), "127.0.0.1", server.getsockname()[1])
        failed: list[Any] = []
        connecting = endpoint.connect(Sole(Teller()))
        connecting.addErrback(failed.append)
        connecting.cancel()
        hand.settle()
    assert len(failed) == 1
    assert hand.getDelayedCalls() == []


def test_time_is_the_reactors(hand):
    called: list[str] = []
    stand_in = Sockets(hand)
    stand_in.callLater(3, called.append, "now")
    assert stand_in.getDelayedCalls() == hand.getDelayedCalls() != []
    hand.wait(3)
    assert (stand_in.seconds(), called) == (3.0, ["now"])


def test_names_are_the_reactors(hand):
    stand_in, resolver = Sockets(hand), hand.nameResolver
    assert stand_in.installNameResolver(resolver) is resolver
    assert stand_in.nameResolver is resolver


def test_a_socket_that_listens_already_is_taken_over(hand, pki):
    far, near = Teller(), Teller()
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        listening = Sockets(hand, Server.of(server_options(pki.server())))
        endpoint: Any = AdoptedStreamServerEndpoint(
            listening, os.dup(server.fileno()), socket.AF_INET
        )
        endpoint.listen(Sole(far))
        calling = Sockets(hand, client_security(pki.client(), HOST))
        where = server.getsockname()
        TCP4ClientEndpoint(calling, *where).connect(Sole(near))
        hand.settle(lambda: far.told == ["made", "established"])
    assert isinstance(far.transport, SecureStream)
    near.transport.abortConnection()


def test_a_connection_that_was_accepted_elsewhere_is_taken_over(hand):
    near, far = sockets()
    teller = Teller()
    stream = Sockets(hand).adoptStreamConnection(far.fileno(), socket.AF_UNIX, Sole(teller))
    far.close()
    near.send(b"still there")
    hand.settle()
    assert (teller.told, bytes(teller.heard)) == (["made"], b"still there")
    stream.loseConnection()
    hand.settle()
    assert near.recv(1) == b""
    near.close()


def test_a_socket_of_the_file_system_may_be_listened_on(hand, tmp_path, pki):
    far, near = Teller(), Teller()
    listening = Sockets(hand, Server.of(server_options(pki.server())))
    path = str(tmp_path / "socket")
    ports: list[Any] = []
    endpoint: Any = serverFromString(listening, f"unix:{path}")
    endpoint.listen(Sole(far)).addCallback(ports.append)
    with socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)
        client = Sockets(hand, client_security(pki.client(), HOST)).stream(caller, near)
        near.makeConnection(client)
        hand.settle(lambda: far.told == ["made", "established"])
        assert isinstance(far.transport, SecureStream)
        far.transport.setTcpNoDelay(True)
        near.transport.loseConnection()
        hand.settle()
    ports[0].stopListening()
    hand.settle()

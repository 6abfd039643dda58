"""The choice between transports."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.protocols.tls import TLSMemoryBIOProtocol

from relay.config import ClientTLS
from relay.transport.plain import PlainStream
from relay.transport.secure import SecureStream
from relay.transport.ways import BySockets, ByTwisted, ways
from tests.network import Network, Sole
from tests.transport.hand import Hand, Teller, by_hand
from tests.transport.tls_bed import HOST, Pki


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def hand() -> Iterator[Hand]:
    with by_hand() as hand:
        yield hand


def test_the_configuration_says_which(hand):
    assert isinstance(ways(hand, "socket"), BySockets)
    assert isinstance(ways(hand, "twisted"), ByTwisted)


def test_a_reactor_that_looks_after_no_descriptors_has_its_own():
    assert isinstance(ways(Network(), "socket"), ByTwisted)


AT_A_TIME = 128 * 1024
"""Bytes that are read in a turn, at most."""


@pytest.mark.parametrize("is_secure", [False, True], ids=["plain", "secure"])
@pytest.mark.parametrize("listening", ["socket", "twisted"])
@pytest.mark.parametrize("calling", ["socket", "twisted"])
def test_each_talks_to_each(hand, pki, calling, listening, is_secure):
    near, far = Teller(), Teller()
    ports: list[Any] = []
    server, client = (pki.server(), ClientTLS(pki.ca)) if is_secure else (None, None)
    endpoint, factory = ways(hand, listening, AT_A_TIME).listening(
        "tcp:port=0:interface=127.0.0.1", server, Sole(far)
    )
    listened: Any = endpoint.listen(factory)
    listened.addCallback(ports.append)
    number = ports[0].getHost().port
    below = ways(hand, calling, AT_A_TIME).calling(
        lambda reactor: TCP4ClientEndpoint(reactor, "127.0.0.1", number), client, HOST
    )
    below.connect(Sole(near))
    told = ["made", "established"] if is_secure else ["made"]
    hand.settle(lambda: near.told == far.told == told)
    for side, teller in ((calling, near), (listening, far)):
        ours = SecureStream if is_secure else PlainStream
        assert isinstance(teller.transport, ours) is (side == "socket")
        assert not is_secure or (side == "socket") != isinstance(
            teller.transport, TLSMemoryBIOProtocol
        )
        teller.transport.setTcpNoDelay(True)
        teller.transport.write(bytes(300_000))
    hand.settle(lambda: len(near.heard) == len(far.heard) == 300_000)
    for side, teller in ((calling, near), (listening, far)):
        assert side == "twisted" or teller.transport.appetite.most == AT_A_TIME
    near.transport.loseConnection()
    hand.settle(lambda: near.why_lost and far.why_lost)
    ports[0].stopListening()
    hand.settle()


def test_an_upstream_may_be_believed_by_another_name(hand, pki):
    tls = ClientTLS(pki.ca, server_name=HOST)
    made: list[Any] = []

    def below(reactor: Any) -> Any:
        made.append(reactor)
        return TCP4ClientEndpoint(reactor, "127.0.0.1", 1)

    BySockets(hand).calling(below, tls, "192.0.2.1")
    assert made[0].security.host == HOST

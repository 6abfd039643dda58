"""Plain TCP: one direction can end by itself, for protocols that know of it."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IHalfCloseableProtocol
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from relay.transport.plain import A_WHILE, FEW, PlainStream
from tests.transport.hand import Hand, Teller, Two, by_hand, join, over_loopback, sockets


@implementer(IHalfCloseableProtocol)
class Half(Teller):
    """Hears of the end of one direction."""

    def readConnectionLost(self) -> None:
        self.tell("read lost")

    def writeConnectionLost(self) -> None:
        self.tell("write lost")


@pytest.fixture
def hand() -> Iterator[Hand]:
    with by_hand() as hand:
        yield hand


def test_one_direction_ends_when_all_has_left_and_the_other_goes_on(hand):
    two = Two(hand, (None, None), Half(), Half()).meet(tiny=True)
    two.near.transport.write(bytes(300_000))
    two.near.transport.loseWriteConnection()
    hand.settle()
    assert len(two.far.heard) == 300_000
    assert two.near.told == ["made", "write lost"]
    assert two.far.told == ["made", "read lost"]
    two.near.transport.write(b"nobody hears this")
    two.far.transport.write(b"still here")
    hand.settle()
    assert two.near.heard == b"still here"
    two.far.transport.loseConnection()
    two.near.transport.loseConnection()
    hand.settle()
    assert two.whys == (ConnectionDone, ConnectionDone)


def test_who_has_never_heard_of_it_closes_when_the_peer_says_no_more(hand):
    two = Two(hand, (None, None), Half()).meet()
    two.near.transport.loseWriteConnection()
    hand.settle()
    assert two.whys == (None, ConnectionDone)
    assert two.near.told == ["made", "write lost", "read lost"]
    two.near.transport.loseConnection()
    hand.settle()
    assert two.near.why_lost is not None


def test_large_reads_are_for_where_much_comes(hand):
    two = Two(hand, (None, None)).meet(pair=over_loopback())
    stream = two.far.transport

    def reads(size: int) -> list[int]:
        """What is read in turn of so much that is there."""
        stream.pauseProducing()
        two.near.transport.write(bytes(size))
        hand.settle()
        two.far.reads.clear()
        stream.resumeProducing()
        hand.settle()
        return two.far.reads

    assert reads(2 * FEW) == [FEW, FEW]
    assert reads(2 * FEW) == [2 * FEW]
    for _ in range(A_WHILE - 1):
        assert reads(100) == [100]
    assert reads(2 * FEW) == [2 * FEW]
    for _ in range(A_WHILE):
        assert reads(100) == [100]
    assert reads(2 * FEW) == [FEW, FEW]


def test_a_reset_is_a_loss(hand):
    near, far = over_loopback()
    teller = Teller()
    join(hand, near, teller)
    far.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
    far.close()
    hand.settle(lambda: teller.why_lost)
    assert teller.why_lost is not None
    assert teller.why_lost.check(ConnectionLost)


def test_a_turn_for_nothing_is_harmless(hand):
    near, far = sockets()
    teller = Teller()
    stream = join(hand, near, teller)
    assert isinstance(stream, PlainStream)
    assert stream.doRead() is None
    assert stream.doWrite() is None
    assert teller.told == ["made"]
    stream.abortConnection()
    assert stream.doRead() is None
    assert stream.doWrite() is None
    hand.settle()
    far.close()


class Raising(SynchronousTestCase):
    def test_what_is_raised_at_the_end_of_one_direction_is_logged_and_ends_the_other(self):
        class Oops(Exception):
            pass

        def oops() -> None:
            raise Oops

        for what in ("read lost", "write lost"):
            with by_hand() as hand:
                two = Two(hand, (None, None), Half(), Half()).meet()
                (two.far if what == "read lost" else two.near).on[what] = oops
                two.near.transport.loseWriteConnection()
                hand.settle()
                assert Oops in two.whys
                self.assertEqual(len(self.flushLoggedErrors(Oops)), 1)
                two.near.transport.abortConnection()
                two.far.transport.abortConnection()
                hand.settle()

"""Turns: what is written while a read is worked off leaves behind it, in one piece, and at once."""

from __future__ import annotations

from typing import Any

from twisted.internet.abstract import FileDescriptor
from twisted.internet.error import ConnectionLost
from twisted.internet.interfaces import IWriteDescriptor
from twisted.internet.testing import MemoryReactor
from zope.interface import implementer

from relay.transport.association import GATHERED_MAXIMUM, AssociationProtocol
from relay.transport.turn import TURN, Turn
from tests.transport.test_association import AssociationCase, Transport


class Whoever:
    """Notes when it is flushed."""

    def __init__(self, out: list[str], name: str) -> None:
        self.out = out
        self.name = name

    def flush(self) -> None:
        self.out.append(self.name)


def test_whoever_asked_is_flushed_behind_the_turn_in_order():
    turn = Turn()
    out: list[str] = []
    with turn:
        assert turn.is_on
        turn.flush_later(Whoever(out, "a"))
        turn.flush_later(Whoever(out, "b"))
        assert out == []
    assert out == ["a", "b"]
    assert not turn.is_on


def test_a_turn_within_a_turn_is_part_of_it():
    turn = Turn()
    out: list[str] = []
    with turn:
        with turn:
            turn.flush_later(Whoever(out, "a"))
        assert out == []
    assert out == ["a"]


def test_what_flushing_brings_about_is_flushed_too():
    turn = Turn()
    out: list[str] = []

    class Busy(Whoever):
        def flush(self):
            super().flush()
            turn.flush_later(Whoever(out, "b"))

    with turn:
        turn.flush_later(Busy(out, "a"))
    assert out == ["a", "b"]


def test_a_turn_that_fails_is_over_and_flushed():
    turn = Turn()
    out: list[str] = []
    try:
        with turn:
            turn.flush_later(Whoever(out, "a"))
            raise ValueError
    except ValueError:
        pass
    assert out == ["a"]
    assert not turn.is_on


@implementer(IWriteDescriptor)
class Descriptor(Transport):
    """A transport that can be told to send; `sends` is what it answers."""

    def __init__(self, sends: Any = None) -> None:
        super().__init__()
        self.told: list[int] = []
        self.sends = sends

    def doWrite(self) -> Any:
        self.told.append(len(self.value()))
        return self.sends

    def connectionLost(self, reason: Any) -> None:
        """It has gone."""

    def fileno(self) -> int:
        return -1

    def logPrefix(self) -> str:
        return "-"


class Gathering(AssociationCase):
    def test_all_that_is_written_in_a_turn_is_one_write(self):
        association = self.established()
        with TURN:
            association.write([b"a", b"b"])
            association.write([b"c"])
            self.assertEqual(self.transport.given, [])
        self.assertEqual(self.transport.given, [b"abc"])

    def test_outside_of_a_turn_each_write_is_its_own(self):
        association = self.established()
        association.write([b"a"])
        association.write([b"b"])
        self.assertEqual(self.transport.given, [b"a", b"b"])

    def test_no_more_is_gathered_than_the_transport_should_hear_of(self):
        association = self.established()
        with TURN:
            association.write([bytes(GATHERED_MAXIMUM - 1)])
            self.assertEqual(self.transport.given, [])
            association.write([b"x"])
            self.assertEqual(len(self.transport.given), 1)
            association.write([b"y"])
        self.assertEqual(self.transport.given[1:], [b"y"])

    def test_what_was_gathered_leaves_before_a_close(self):
        association = self.established()
        with TURN:
            association.write([b"the end"])
            association.close()
        self.assertEqual(self.transport.given, [b"the end"])
        self.assertTrue(self.transport.disconnecting)

    def test_what_was_gathered_does_not_outlive_a_drop(self):
        association = self.established()
        with TURN:
            association.write([b"half"])
            association.drop()
        self.assertEqual(self.transport.given, [])

    def test_nothing_is_written_to_a_connection_that_was_lost_in_the_turn(self):
        association = self.established()
        with TURN:
            association.write([b"late"])
            self.lose(association)
        self.assertEqual(self.transport.given, [])


class AtOnce(AssociationCase):
    def setUp(self) -> None:
        super().setUp()
        self.transport = self.descriptor = Descriptor()

    def test_what_is_written_is_sent_without_waiting_for_the_reactor(self):
        self.established().write([b"abc"])
        self.assertEqual(self.descriptor.told[-1], len(self.descriptor.value()))

    def test_to_a_full_transport_it_is_the_reactor_who_says_when(self):
        association = self.established()
        association.pauseProducing()
        before = len(self.descriptor.told)
        association.write([b"abc"])
        self.assertEqual(len(self.descriptor.told), before)
        association.resumeProducing()
        association.write([b"abc"])
        self.assertEqual(len(self.descriptor.told), before + 1)

    def test_a_transport_that_is_disconnecting_is_left_to_the_reactor(self):
        association = self.established()
        before = len(self.descriptor.told)
        self.descriptor.disconnecting = True
        association.write([b"abc"])
        self.assertEqual(len(self.descriptor.told), before)

    def test_a_failure_is_left_to_the_reactor(self):
        self.descriptor.sends = ConnectionLost()
        self.established().write([b"abc"])
        self.assertEqual(self.user.told, [])


class Socket(FileDescriptor):
    """A socket of Twisted's, save that it takes what the test says: bytes a time, or a failure."""

    def __init__(self) -> None:
        super().__init__(reactor=MemoryReactor())
        self.connected = 1
        self.sent: list[bytes] = []
        self.takes: int | Exception = 100_000

    def writeSomeData(self, data: bytes) -> int | Exception:
        """Take some of it."""
        if isinstance(self.takes, Exception):
            return self.takes
        self.sent.append(bytes(data[: self.takes]))
        return len(self.sent[-1])

    def fileno(self) -> int:
        return -1

    @property
    def waits(self) -> bool:
        """Whether the reactor is to say when more can be sent."""
        return self in self.reactor.getWriters()


class Straight(AssociationCase):
    """On a plain socket what it takes at once costs the reactor nothing."""

    def setUp(self) -> None:
        super().setUp()
        self.transport = self.socket = Socket()  # type: ignore[assignment]

    def connected(self) -> AssociationProtocol:
        association = AssociationProtocol(self.clock, 30.0)
        association.start(self.user, 16384, is_requestor=False)
        association.makeConnection(self.socket)
        return association

    def test_what_a_clear_socket_takes_is_all_there_is_to_it(self):
        self.connected().write([b"abc"])
        self.assertEqual((self.socket.sent, self.socket.waits), ([b"abc"], False))

    def test_what_it_leaves_follows_in_order_when_it_takes_more(self):
        association = self.connected()
        self.socket.takes = 2
        association.write([b"abcdef"])
        association.write([b"gh"])
        while self.socket.waits:
            self.socket.doWrite()
        self.assertEqual(b"".join(self.socket.sent), b"abcdefgh")

    def test_behind_what_is_unsent_nothing_goes_straight_until_all_has_left(self):
        association = self.connected()
        self.socket.takes = 0
        association.write([bytes(100_000)])
        self.assertEqual(self.user.told, ["full"])
        self.socket.takes = 200_000
        self.socket.doWrite()
        self.assertEqual(self.user.told, ["full", "drained"])
        self.socket.sent.clear()
        association.write([b"abc"])
        self.assertEqual((self.socket.sent, self.socket.waits), ([b"abc"], False))

    def test_a_failure_is_seen_by_the_reactor(self):
        association = self.connected()
        self.socket.takes = ConnectionLost()
        association.write([b"abc"])
        self.assertTrue(self.socket.waits)
        self.assertIsInstance(self.socket.doWrite(), ConnectionLost)

    def test_a_socket_that_is_disconnecting_is_left_to_the_reactor(self):
        association = self.connected()
        self.socket.disconnecting = 1
        association.write([b"abc"])
        self.assertEqual(self.socket.sent, [])

"""The carrier of an association: what it does with its transport, and with time."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.error import ConnectionDone, ConnectionLost
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase

from relay.transport.association import CLOSING_TIMEOUT, FLUSHING_TIMEOUT, AssociationProtocol
from relay.wire.pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Fragments
from relay.wire.state import State
from relay.wire.upperlayer import Loss
from tests import vectors
from tests.network import HIGH_WATER, Network, Sole
from tests.peers import Peer
from tests.vectors import p_data, pdv

ARTIM = 30.0
ACCEPTANCE = AssociateAC.decode(vectors.ASSOCIATE_AC[6:])
REQUEST = AssociateRQ.decode(vectors.ASSOCIATE_RQ[6:])


class User:
    """Writes down what the association tells it."""

    def __init__(self) -> None:
        self.told: list[Any] = []

    def associate_indication(self, request: AssociateRQ) -> None:
        self.told.append("associate?")

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        self.told.append("associate!")

    def data_indication(self, fragments: Fragments) -> None:
        self.told.append(fragments)

    def release_indication(self) -> None:
        self.told.append("release?")

    def release_confirmation(self) -> None:
        self.told.append("release!")

    def abort_indication(self, loss: Loss) -> None:
        self.told.append(f"lost: {loss}")

    def full(self) -> None:
        self.told.append("full")

    def drained(self) -> None:
        self.told.append("drained")


class Transport(StringTransport):
    """One that is not over TCP, and keeps what it is given as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.given: list[bytes] = []
        self.is_aborted = False

    def write(self, data: bytes) -> None:
        self.given.append(data)
        super().write(data)

    def abortConnection(self) -> None:
        self.is_aborted = True


class AssociationCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.clock, self.user, self.transport = Clock(), User(), Transport()

    def association(self, artim: float = ARTIM) -> AssociationProtocol:
        """An acceptor's association whose connection is made."""
        association = AssociationProtocol(self.clock, artim)
        association.start(self.user, 16384, is_requestor=False)
        association.makeConnection(self.transport)
        association.layer.connected()
        return association

    def established(self, artim: float = ARTIM) -> AssociationProtocol:
        """The same, accepted."""
        association = self.association(artim)
        association.dataReceived(vectors.ASSOCIATE_RQ)
        association.layer.accept(ACCEPTANCE, REQUEST)
        self.transport.given.clear()
        self.user.told.clear()
        return association

    def lose(self, association: AssociationProtocol) -> None:
        association.connectionLost(Failure(ConnectionDone()))


class Carrying(AssociationCase):
    def test_what_comes_goes_to_the_user(self):
        self.association().dataReceived(vectors.ASSOCIATE_RQ)
        self.assertEqual(self.user.told, ["associate?"])

    def test_one_buffer_is_written_without_a_copy(self):
        data = bytes(1000)
        self.established().write([data])
        self.assertIs(self.transport.given[0], data)

    def test_several_buffers_leave_in_one_write(self):
        self.established().write([b"one", memoryview(b"two")])
        self.assertEqual(self.transport.given, [b"onetwo"])

    def test_a_message_is_framed(self):
        association = self.established()
        association.command(1, b"COMMAND!")
        self.assertEqual(self.transport.given, [p_data(pdv(1, 3, b"COMMAND!"))])
        association.dataReceived(p_data(pdv(3, 2, b"PIXELS")))
        association.fragments(1, self.user.told[0])
        self.assertEqual(self.transport.given[1], p_data(pdv(1, 2, b"PIXELS")))

    def test_a_socket_is_told_not_to_wait_and_to_notice_a_dead_peer(self):
        network, peer = Network(), Peer()
        association = AssociationProtocol(network, ARTIM)
        association.start(self.user, 16384, is_requestor=False)
        network.listening[1] = Sole(association)
        network.join(peer, 1)
        (end,) = [each for each in network.ends if each.protocol is association]
        self.assertEqual(end.options, {"no delay", "keep alive"})

    def test_its_end_is_told_with_its_reason(self):
        association = self.established()
        reason = Failure(ConnectionLost())
        self.assertNoResult(association.closed)
        association.connectionLost(reason)
        self.successResultOf(association.closed)
        self.assertIs(association.why_lost, reason)
        self.assertEqual(self.user.told, ["lost: connection closed"])


class Pressure(AssociationCase):
    def test_the_transport_says_when_it_is_full_and_when_it_is_not(self):
        association = self.established()
        self.assertIs(self.transport.producer, association)
        producer: Any = self.transport.producer
        producer.pauseProducing()
        producer.resumeProducing()
        self.assertEqual(self.user.told, ["full", "drained"])

    def test_before_there_is_a_user_nobody_is_told(self):
        association = AssociationProtocol(self.clock, ARTIM)
        association.pauseProducing()
        association.resumeProducing()
        association.stopProducing()
        self.assertEqual(self.user.told, [])

    def test_reading_stops_and_goes_on(self):
        association = self.established()
        association.pause()
        self.assertEqual(self.transport.producerState, "paused")
        association.resume()
        self.assertEqual(self.transport.producerState, "producing")

    def test_over_a_connection_that_nobody_reads_it_is_full_beyond_the_high_water_mark(self):
        network, peer = Network(), Peer()
        association = AssociationProtocol(network, ARTIM)
        association.start(self.user, 16384, is_requestor=False)
        network.listening[1] = Sole(association)
        network.join(peer, 1)
        peer.transport.pauseProducing()
        association.write([bytes(HIGH_WATER)])
        self.assertEqual(self.user.told, [])
        association.write([b"more"])
        self.assertEqual(self.user.told, ["full"])


class Time(AssociationCase):
    def test_who_asks_for_nothing_is_dropped_when_artim_is_up(self):
        self.association()
        self.clock.advance(ARTIM - 1)
        self.assertFalse(self.transport.is_aborted)
        self.clock.advance(1)
        self.assertTrue(self.transport.is_aborted)

    def test_a_request_stops_artim(self):
        self.association().dataReceived(vectors.ASSOCIATE_RQ)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_who_does_not_close_in_the_end_has_little_time(self):
        association = self.established()
        association.layer.abort()
        self.clock.advance(CLOSING_TIMEOUT)
        self.assertTrue(self.transport.is_aborted)

    def test_and_no_more_of_it_than_artim_is(self):
        association = self.established(artim=0.5)
        association.layer.abort()
        self.clock.advance(0.5)
        self.assertTrue(self.transport.is_aborted)

    def test_a_connection_that_is_gone_leaves_no_timer(self):
        association = self.association()
        association.drop_in(5)
        self.lose(association)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_of_two_times_to_drop_it_the_later_one_counts(self):
        association = self.established()
        association.drop_in(1)
        association.drop_in(5)
        self.clock.advance(4)
        self.assertFalse(self.transport.is_aborted)
        self.clock.advance(1)
        self.assertTrue(self.transport.is_aborted)


class Closing(AssociationCase):
    def test_closing_waits_for_what_was_written_and_not_for_its_producer(self):
        association = self.established()
        association.close()
        self.assertTrue(self.transport.disconnecting)
        self.assertIsNone(self.transport.producer)
        self.assertFalse(self.transport.is_aborted)

    def test_closing_does_not_wait_for_ever(self):
        self.established().close()
        self.clock.advance(FLUSHING_TIMEOUT)
        self.assertTrue(self.transport.is_aborted)

    def test_closing_twice_is_closing_once(self):
        association = self.established()
        association.close()
        self.clock.advance(FLUSHING_TIMEOUT - 1)
        association.close()
        self.clock.advance(1)
        self.assertTrue(self.transport.is_aborted)

    def test_what_is_gone_is_neither_closed_nor_dropped(self):
        association = self.established()
        self.lose(association)
        association.close()
        association.drop()
        self.assertFalse(self.transport.disconnecting)
        self.assertFalse(self.transport.is_aborted)
        self.assertEqual(self.clock.getDelayedCalls(), [])

    def test_what_was_never_connected_is_neither_closed_nor_dropped(self):
        association = AssociationProtocol(self.clock, ARTIM)
        association.start(self.user, 16384, is_requestor=True)
        association.close()
        association.drop()
        self.assertEqual(self.clock.getDelayedCalls(), [])
        self.assertIs(association.layer.state, State.IDLE)

    def test_in_the_middle_of_a_pdu_an_abort_is_the_end_of_the_connection(self):
        association = self.established()
        half = p_data(pdv(3, 2, b"PIXELS"))[:-2]
        association.dataReceived(half)
        association.fragments(1, self.user.told[0])
        self.transport.given.clear()
        association.layer.abort()
        self.assertEqual(self.transport.given, [])
        self.assertTrue(self.transport.is_aborted)

    def test_between_pdus_an_abort_is_sent(self):
        self.established().layer.abort()
        self.assertEqual(self.transport.given, [Abort().encode()])


class Handle(Transport):
    """A transport over a socket."""

    def __init__(self, handle: object) -> None:
        super().__init__()
        self.handle = handle

    def getHandle(self) -> object:
        return self.handle


class Wrapped(Transport):
    """A transport over another one, as TLS is: its own handle is not the socket."""

    def __init__(self, transport: object) -> None:
        super().__init__()
        self.transport = transport

    def getHandle(self) -> object:
        return object()


class Silence(AssociationCase):
    def setUp(self) -> None:
        super().setUp()
        self.near, self.far = socket.socketpair()
        self.addCleanup(self.near.close)
        self.addCleanup(self.far.close)
        self.near.setblocking(False)

    def is_silent(self) -> bool:
        return self._over(Handle(self.near))

    def _over(self, transport: Transport) -> bool:
        self.transport = transport
        association = self.established()
        plain = association.is_silent()
        self.transport = Wrapped(transport)
        wrapped = self.established().is_silent()
        self.assertEqual(plain, wrapped)
        return plain

    def test_where_nothing_is_there_it_is_silent(self):
        self.assertTrue(self.is_silent())

    def test_where_something_is_there_it_is_not_and_the_thing_stays(self):
        self.far.send(b"x")
        self.assertFalse(self.is_silent())
        self.assertEqual(self.near.recv(10), b"x")

    def test_where_the_peer_has_closed_it_is_not(self):
        self.far.close()
        self.assertFalse(self.is_silent())

    def test_where_the_socket_is_broken_it_is_not(self):
        self.near.close()
        self.assertFalse(self.is_silent())

    def test_where_there_is_no_socket_it_is_taken_for_silent(self):
        self.assertTrue(self._over(Transport()))

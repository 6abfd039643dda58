"""What is alike whether a stream is plain or over TLS: bytes, pressure, producers, ends."""

from __future__ import annotations

import random
import socket
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import IPushProducer, ITCPTransport
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from relay.transport.appetite import LITTLE, LYING_MAXIMUM, READ_LIMIT, Appetite
from relay.transport.securing import Server
from relay.transport.stream import WRITE_LIMIT, IPromptTransport
from relay.transport.tls import client_security, server_options
from tests.transport.hand import Two, by_hand, digest, noise, over_loopback
from tests.transport.tls_bed import HOST, Pki

MIB = 1024 * 1024


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(params=["plain", "secure"])
def two(request, pki) -> Iterator[Two]:
    securities: Any = (None, None)
    if request.param == "secure":
        server = Server.of(server_options(pki.server()))
        securities = client_security(attrs.evolve(pki.client(), certificate=None), HOST), server
    with by_hand() as hand:
        yield Two(hand, securities)


# bytes


def test_it_is_a_transport_like_any_other(two):
    stream = two.meet().near.transport
    for interface in (ITCPTransport, IPromptTransport):
        assert interface.providedBy(stream)
        verifyObject(interface, stream)


def test_what_is_written_is_at_the_peer_before_the_reactor_turns(two):
    two.meet()
    two.near.transport.write(b"at once")
    assert two.hand.getWriters() == []
    two.far.transport.doRead()
    assert two.far.heard == b"at once"


def test_bytes_are_the_same_both_ways_at_once_though_sockets_are_tiny(two):
    # Writers block in the middle of records all the time, while both ends go on reading.
    two.meet(tiny=True)
    ways = [(two.near, two.far, noise(3 * MIB, 1)), (two.far, two.near, noise(3 * MIB, 2))]
    sizes = random.Random(3)
    for sender, _, data in ways:
        rest = memoryview(data)
        while rest:
            size = sizes.choice([1, 100, 16_384, 16_396, 70_000, 300_000])
            sender.transport.write(bytes(rest[:size]))
            rest = rest[size:]
    two.hand.settle()
    for _, receiver, data in ways:
        assert digest(receiver.heard) == digest(data)


def test_bytes_are_the_same_where_each_read_is_answered_in_the_midst_of_it(two):
    # Each end writes what it reads, on and on: reads and blocked writes take turns on one socket.
    two.meet(tiny=True)
    data = noise(2 * MIB, 4)
    sent = [0]

    def echo() -> None:
        two.far.transport.write(bytes(two.far.heard[sent[0] :]))
        sent[0] = len(two.far.heard)

    two.far.on["data"] = echo
    two.near.transport.write(data)
    two.hand.settle()
    assert digest(two.near.heard) == digest(data)


def test_several_are_written_in_order(two):
    two.meet().near.transport.writeSequence([b"one", b"two"])
    two.near.transport.write(b"three")
    two.hand.settle()
    assert two.far.heard == b"onetwothree"


@pytest.mark.parametrize("data", [bytearray(b"x"), memoryview(b"x"), "x"])
def test_what_could_change_before_it_has_left_is_not_taken(two, data):
    with pytest.raises(TypeError):
        two.meet().near.transport.write(data)


def test_writing_nothing_is_nothing(two):
    two.meet().near.transport.write(b"")
    two.hand.settle()
    assert two.far.reads == []


def test_of_what_went_in_part_little_more_is_kept_than_what_is_left(two):
    two.meet(pair=over_loopback())
    two.far.transport.pauseProducing()
    two.near.transport.write(bytes(64 * MIB))
    two.near.transport.write(b"the end")
    left, kept = [], []
    two.far.transport.resumeProducing()
    while two.near.transport._offered or two.near.transport._behind:
        offered = two.near.transport._offered
        left.append(len(offered))
        kept.append(memoryview(memoryview(offered).obj).nbytes)
        two.hand.iterate(0)
    assert any(left)
    assert all(whole <= 2 * part for whole, part in zip(kept, left, strict=True))


# fairness


def test_a_turn_reads_no_more_than_its_share(two):
    two.meet(pair=over_loopback())
    two.far.transport.pauseProducing()
    two.near.transport.write(bytes(2 * MIB))
    two.hand.settle()
    two.far.transport.resumeProducing()
    two.hand.settle()
    assert sum(two.far.reads) == 2 * MIB
    assert max(two.far.reads) <= READ_LIMIT


def test_a_turn_reads_little_while_much_lies_with_others(two):
    two.meet(pair=over_loopback())
    appetite = two.far.transport.appetite = Appetite()
    appetite.lay_down(LYING_MAXIMUM + 1)
    two.near.transport.write(bytes(2 * MIB))
    two.hand.settle(lambda: sum(two.far.reads) == 2 * MIB)
    assert max(two.far.reads) <= LITTLE


def test_what_was_read_last_lies_until_it_is_read_on_or_all_is_over(two):
    two.meet(pair=over_loopback())
    transport = two.far.transport
    appetite = transport.appetite = Appetite()
    two.near.transport.write(b"pixels")
    two.hand.settle()
    for end in (transport.resumeProducing, transport.abortConnection):
        transport.pauseProducing()
        transport.pauseProducing()
        assert appetite.lying == len(b"pixels")
        end()
        two.hand.settle()
        assert appetite.lying == 0


def test_who_writes_without_end_in_one_turn_fills_the_transport_though_the_peer_takes_all(two):
    two.meet(pair=over_loopback())
    two.near.transport.registerProducer(two.near, True)
    written = 0
    while "pause" not in two.near.told:
        two.near.transport.write(bytes(65536))
        two.far.transport.doRead()
        two.far.transport.doRead()
        written += 65536
        assert written < 2 * WRITE_LIMIT
    two.hand.settle()
    assert two.near.told[-1] == "resume"
    assert len(two.far.heard) == written


# pressure


def test_it_is_full_beyond_the_high_water_mark_and_drained_when_all_has_gone(two):
    two.meet(tiny=True)
    stream = two.near.transport
    two.far.transport.pauseProducing()
    stream.registerProducer(two.near, True)
    two.near.told.clear()
    while not two.near.told:
        stream.write(bytes(8192))
    assert two.near.told == ["pause"]
    two.hand.settle()
    assert two.near.told == ["pause"]
    two.far.transport.resumeProducing()
    two.hand.settle()
    assert two.near.told == ["pause", "resume"]
    stream.unregisterProducer()
    two.far.transport.pauseProducing()
    stream.write(bytes(MIB))
    assert two.near.told == ["pause", "resume"]


def test_below_the_mark_nobody_is_told(two):
    two.meet(tiny=True).far.transport.pauseProducing()
    two.near.transport.registerProducer(two.near, True)
    two.near.told.clear()
    two.near.transport.write(bytes(60_000))
    two.hand.settle()
    assert two.near.told == []


def test_whom_nobody_reads_stops_sending_and_goes_on_when_it_is_read(two):
    two.meet()
    two.far.transport.pauseProducing()
    two.near.transport.write(b"wait")
    two.hand.settle()
    assert two.far.heard == b""
    two.far.transport.resumeProducing()
    two.hand.settle()
    assert two.far.heard == b"wait"


def test_who_pauses_in_the_midst_of_a_read_is_told_no_more_of_that_turn(two):
    two.meet(pair=over_loopback())
    two.far.on["data"] = lambda: two.far.transport.pauseProducing()
    two.near.transport.write(bytes(2 * MIB))
    two.hand.settle()
    assert len(two.far.reads) == 1
    while len(two.far.heard) < 2 * MIB:
        two.far.transport.resumeProducing()
        two.hand.settle()


def test_a_pull_producer_is_asked_again_whenever_all_has_gone(two):
    two.meet()
    left = [b"one", b"two", b"three"]

    def more() -> None:
        if left:
            two.near.transport.write(left.pop(0))
        else:
            two.near.transport.unregisterProducer()

    two.near.on["resume"] = more
    two.near.transport.registerProducer(two.near, False)
    two.hand.settle()
    assert two.far.heard == b"onetwothree"


def test_there_is_one_producer_at_a_time_and_none_once_it_is_lost(two):
    stream = two.meet().near.transport
    stream.registerProducer(two.near, True)
    with pytest.raises(RuntimeError):
        stream.registerProducer(two.near, True)
    stream.abortConnection()
    two.hand.settle()
    assert two.near.told[-2:] == ["stop", "lost"]
    stream.registerProducer(two.near, True)
    assert two.near.told[-1] == "stop"
    assert IPushProducer.providedBy(stream)


# ends


def test_closing_waits_until_all_has_left_and_both_know_it_for_a_good_end(two):
    two.meet(tiny=True)
    two.near.transport.write(bytes(MIB))
    two.near.transport.loseConnection()
    two.hand.settle()
    assert len(two.far.heard) == MIB
    assert two.whys == (ConnectionDone, ConnectionDone)
    assert two.near.told.count("lost") == two.far.told.count("lost") == 1


def test_who_closes_hears_no_more(two):
    two.meet()
    two.near.transport.loseConnection()
    two.far.transport.write(b"too late")
    two.hand.settle()
    assert two.near.heard == b""
    assert two.whys[0] is ConnectionDone


def test_what_is_written_behind_a_close_does_no_harm(two):
    two.meet()
    two.near.transport.loseConnection()
    two.near.transport.write(b"too late")
    two.far.transport.pauseProducing()
    two.hand.settle()
    two.near.transport.write(b"much too late")
    two.near.transport.loseWriteConnection()
    two.far.transport.resumeProducing()
    two.hand.settle()
    assert two.whys == (ConnectionDone, ConnectionDone)
    assert bytes(two.far.heard) in (b"", b"too late")


def test_ends_let_go_of_their_protocols(two):
    two.meet()
    stream = two.near.transport
    stream.loseConnection()
    two.hand.settle()
    assert stream.protocol is None


def test_what_is_written_to_a_connection_that_is_lost_goes_nowhere(two):
    stream = two.meet().near.transport
    stream.abortConnection()
    stream.write(b"x")
    two.hand.settle()
    stream.write(b"x")
    stream.loseConnection()
    stream.abortConnection()
    stream.resumeProducing()
    two.hand.settle()
    assert two.near.told.count("lost") == 1
    assert two.far.heard == b""
    assert two.hand.getDelayedCalls() == []


def test_an_abort_is_a_reset_and_what_had_not_left_is_dropped(two):
    two.meet(pair=over_loopback())
    two.far.transport.pauseProducing()
    two.near.transport.write(bytes(16 * MIB))
    two.hand.settle()
    two.near.transport.abortConnection()
    two.hand.settle(lambda: two.near.why_lost)
    assert two.near.why_lost is not None
    two.far.transport.resumeProducing()
    two.hand.settle()
    assert two.whys == (ConnectionAborted, ConnectionLost)
    assert len(two.far.heard) < 16 * MIB


def test_an_abort_by_the_protocol_ends_the_turn(two):
    two.meet(pair=over_loopback())
    two.far.on["data"] = lambda: two.far.transport.abortConnection()
    two.near.transport.write(bytes(2 * MIB))
    two.near.transport.loseConnection()
    two.hand.settle()
    assert len(two.far.reads) == 1
    assert two.whys[1] is ConnectionAborted


def test_a_peer_that_is_gone_is_noticed_by_writing_but_not_in_the_midst_of_it(two):
    two.meet(pair=over_loopback())
    two.near.transport.pauseProducing()
    two.far.transport.abortConnection()
    two.hand.settle(lambda: two.far.why_lost)
    two.near.transport.write(b"x")
    two.near.transport.write(b"y")
    assert two.near.why_lost is None
    two.hand.settle()
    assert two.whys[0] is ConnectionLost


def test_the_addresses_of_both_ends_are_known_also_when_they_are_lost(two):
    two.meet(pair=over_loopback())
    near, far = two.near.transport, two.far.transport
    assert near.getHost() == far.getPeer()
    near.loseConnection()
    two.hand.settle()
    assert near.getPeer() == far.getHost()
    assert near.getPeer().host == "127.0.0.1"


def test_options_of_tcp_are_set_and_are_harmless_elsewhere(two):
    two.meet(pair=over_loopback())
    stream = two.near.transport
    for enabled in (True, False):
        stream.setTcpNoDelay(enabled)
        stream.setTcpKeepAlive(enabled)
        assert stream.getTcpNoDelay() is stream.getTcpKeepAlive() is enabled
    other = Two(two.hand, two.securities).meet()
    other.near.transport.setTcpNoDelay(True)


def test_it_is_silent_until_something_is_there_or_it_ends(two):
    two.meet()
    assert two.near.transport.is_silent()
    two.far.transport.write(b"x")
    assert not two.near.transport.is_silent()
    two.hand.settle()
    assert two.near.transport.is_silent()
    two.handles[1].shutdown(socket.SHUT_WR)
    assert not two.near.transport.is_silent()


def test_the_log_is_told_whose_it_is(two):
    assert two.meet().near.transport.logPrefix() == "Teller"


# what a protocol raises


class Raising(SynchronousTestCase):
    """What a protocol raises is logged, and loses that connection alone."""

    def raising(self, securities: Any) -> None:
        class Oops(Exception):
            pass

        def oops() -> None:
            raise Oops

        with by_hand() as hand:
            two, other = Two(hand, securities), Two(hand, securities)
            other.meet()
            two.far.on["data"] = oops
            two.meet().near.transport.write(b"x")
            hand.settle()
            assert two.far.why_lost is not None
            self.assertIs(two.far.why_lost.type, Oops)
            self.assertIsNotNone(two.near.why_lost)
            self.assertEqual(len(self.flushLoggedErrors(Oops)), 1)
            other.near.transport.write(b"x")
            hand.settle()
            self.assertEqual(other.far.heard, b"x")

    def test_in_the_clear(self):
        self.raising((None, None))

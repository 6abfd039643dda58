"""Lanes: messages leave one after another, whole, and a full sink stops whoever fills it."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.delivery import Delivery
from relay.bridge.lane import Lane
from relay.bridge.pressure import HELD_MAXIMUM, Valve
from relay.wire.command import CommandField as F
from relay.wire.reader import LAST
from tests.doubles import Peer, cancel, read, request
from tests.vectors import p_data, pdv

ECHO = request(F.C_ECHO_RQ, 7, dataset=False)
STORE = request(F.C_STORE_RQ, 8)


def part(body, last=False):
    (only,) = read(p_data(pdv(1, LAST if last else 0, body)))
    return only


@pytest.fixture
def out():
    """The transcript."""
    return []


@pytest.fixture
def sink(out):
    return Peer("sink", out)


@pytest.fixture
def lane(sink):
    return Lane(sink)


@pytest.fixture
def source(out):
    return Peer("source", out)


@pytest.fixture
def valve(source):
    return Valve(source)


def whole(out, done="done"):
    """A message without a dataset that notes when it is done."""
    return Delivery(ECHO, ended=True, done=lambda: out.append(done))


# leaving


def test_the_first_in_line_leaves_at_once_and_is_done(lane, out):
    delivery = whole(out)
    assert not delivery.is_sent
    lane.enter(delivery, 3)
    assert out == ["sink 3: C-ECHO-RQ 7", "done"]
    assert delivery.is_sent
    assert lane.is_idle


def test_a_dataset_leaves_as_it_comes_and_the_message_is_done_with_its_last_fragment(lane, out):
    delivery = Delivery(STORE, ended=False, done=lambda: out.append("done"))
    lane.enter(delivery, 5)
    delivery.add(part(b"PIX"))
    assert out == ["sink 5: C-STORE-RQ 8 +", "sink 5: PIX~"]
    assert not lane.is_idle
    assert lane.current is delivery
    delivery.add(part(b"ELS", last=True))
    assert out[2:] == ["sink 5: ELS", "done"]
    assert lane.is_idle
    assert lane.current is None


def test_a_message_waits_for_the_one_that_is_leaving_and_holds_what_comes(lane, out):
    first = Delivery(STORE, ended=False)
    second = Delivery(STORE, ended=False)
    lane.enter(first, 1)
    lane.enter(second, 3)
    second.add(part(b"AB"))
    second.add(part(b"CD"))
    assert second.is_waiting
    assert not second.is_sent
    first.add(part(b"X", last=True))
    assert out == [
        "sink 1: C-STORE-RQ 8 +",
        "sink 1: X",
        "sink 3: C-STORE-RQ 8 +",
        "sink 3: AB~",
        "sink 3: CD~",
    ]
    second.add(part(b"EF", last=True))
    assert out[-1] == "sink 3: EF"
    assert lane.is_idle


def test_what_waited_whole_leaves_whole_and_in_order(lane, out):
    first = Delivery(STORE, ended=False, done=lambda: out.append("first"))
    lane.enter(first, 1)
    lane.enter(whole(out, "second"), 1)
    lane.enter(whole(out, "third"), 1)
    del out[:]
    first.add(part(b"X", last=True))
    assert [each for each in out if not each.startswith("sink 1: C-ECHO")] == [
        "sink 1: X",
        "second",
        "third",
        "first",
    ]


def test_a_thousand_messages_that_waited_do_not_nest(lane, out):
    first = Delivery(STORE, ended=False)
    lane.enter(first, 1)
    count = sys.getrecursionlimit() * 2
    for _ in range(count):
        lane.enter(whole(out), 1)
    first.add(part(b"X", last=True))
    assert out.count("done") == count
    assert lane.is_idle


def test_a_message_may_enter_while_another_is_done(lane, out):
    last = whole(out, "last")
    lane.enter(Delivery(ECHO, ended=True, done=lambda: lane.enter(last, 5)), 3)
    assert out == ["sink 3: C-ECHO-RQ 7", "sink 5: C-ECHO-RQ 7", "last"]


def test_the_size_of_a_message_is_that_of_its_dataset(lane):
    delivery = Delivery(STORE, ended=False)
    delivery.add(part(b"AB"))
    lane.enter(delivery, 1)
    delivery.add(part(b"CDE", last=True))
    assert delivery.size == 5


# being dropped


def test_a_dropped_message_is_done_when_all_of_it_has_come(out):
    delivery = Delivery(STORE, ended=False, done=lambda: out.append("done"))
    delivery.add(part(b"AB"))
    delivery.drop()
    delivery.add(part(b"CD"))
    assert out == []
    delivery.add(part(b"EF", last=True))
    assert out == ["done"]


def test_a_whole_message_is_done_when_it_is_dropped(out):
    whole(out).drop()
    assert out == ["done"]


def test_a_message_that_has_left_may_be_dropped_to_do_something_else_in_the_end(lane, out):
    delivery = Delivery(STORE, ended=False, done=lambda: out.append("sent"))
    lane.enter(delivery, 1)
    lane.close()
    delivery.done = lambda: out.append("drained")
    delivery.drop()
    delivery.add(part(b"X", last=True))
    assert out == ["sink 1: C-STORE-RQ 8 +", "drained"]


def test_it_is_known_of_a_dropped_message_that_it_had_been_sent(lane):
    delivery = Delivery(STORE, ended=False)
    lane.enter(delivery, 1)
    lane.close()
    assert delivery.is_sent


def test_a_message_without_anybody_to_tell_is_done_silently(lane, out):
    lane.enter(Delivery(cancel(7), ended=True), 1)
    assert out == ["sink 1: C-CANCEL-RQ 7"]


# holding


def test_a_message_that_waits_stops_its_source_beyond_what_is_held(source, valve):
    delivery = Delivery(STORE, ended=False, valve=valve)
    delivery.add(part(bytes(HELD_MAXIMUM - 12)))
    assert not source.is_paused
    delivery.add(part(b"X"))
    assert source.is_paused


def test_fragments_without_bytes_are_held_for_what_they_cost(source, valve):
    delivery = Delivery(STORE, ended=False, valve=valve)
    for _ in range(HELD_MAXIMUM // 12 + 1):
        delivery.add(part(b""))
    assert source.is_paused


def test_a_source_reads_on_when_what_it_waited_for_leaves(lane, source, valve):
    delivery = Delivery(STORE, ended=False, valve=valve)
    delivery.add(part(bytes(HELD_MAXIMUM + 1)))
    lane.enter(delivery, 1)
    assert not source.is_paused


def test_a_source_reads_on_when_what_it_waited_for_is_dropped(source, valve):
    delivery = Delivery(STORE, ended=False, valve=valve)
    delivery.add(part(bytes(HELD_MAXIMUM + 1)))
    delivery.drop()
    assert not source.is_paused
    delivery.add(part(bytes(HELD_MAXIMUM + 1)))
    assert not source.is_paused


def test_messages_of_one_source_are_held_within_one_bound(source, valve):
    size = HELD_MAXIMUM // 4
    deliveries = [Delivery(ECHO, ended=True, valve=valve) for _ in range(5)]
    for delivery in deliveries:
        delivery.hold(size)
    assert source.is_paused
    deliveries[0].drop()
    assert not source.is_paused


def test_the_relays_own_message_holds_nobody_up():
    delivery = Delivery(ECHO, ended=True)
    delivery.hold(HELD_MAXIMUM + 1)
    delivery.drop()


# a full sink


def test_a_full_sink_stops_whoever_is_filling_it(lane, source, valve):
    lane.enter(Delivery(STORE, ended=False, valve=valve), 1)
    lane.full()
    assert source.is_paused
    lane.drained()
    assert not source.is_paused


def test_a_full_sink_stops_whoever_comes_next(lane, source, valve):
    lane.full()
    assert not source.is_paused
    lane.enter(Delivery(STORE, ended=False, valve=valve), 1)
    assert source.is_paused


def test_many_small_messages_into_a_full_sink_keep_their_source_stopped(lane, source, valve, out):
    lane.full()
    for _ in range(5):
        lane.enter(Delivery(ECHO, ended=True, valve=valve), 1)
    assert source.is_paused
    assert out.count("source resumed") == 0
    lane.drained()
    assert not source.is_paused


def test_a_sink_may_say_that_it_is_full_with_every_write(lane, source, valve, out):
    lane.enter(Delivery(STORE, ended=False, valve=valve), 1)
    lane.full()
    lane.full()
    assert out.count("source paused") == 1
    lane.drained()
    assert not source.is_paused


def test_a_sink_that_is_full_of_the_relays_own_messages_stops_nobody(lane, out):
    lane.full()
    lane.enter(whole(out), 1)
    lane.drained()
    assert out == ["sink 1: C-ECHO-RQ 7", "done"]


def test_a_full_sink_takes_what_was_read_already(lane, valve, out):
    delivery = Delivery(STORE, ended=False, valve=valve)
    lane.enter(delivery, 1)
    lane.full()
    delivery.add(part(b"AB", last=True))
    assert "sink 1: AB" in out


# ends


def test_what_a_lost_source_had_in_line_is_forgotten(lane, valve, out):
    first = Delivery(STORE, ended=False)
    lane.enter(first, 1)
    lane.enter(Delivery(ECHO, ended=True, valve=valve), 3)
    assert lane.forget(valve)
    first.add(part(b"X", last=True))
    assert out == ["sink 1: C-STORE-RQ 8 +", "sink 1: X"]


def test_what_a_lost_source_had_answered_in_full_still_leaves(lane, valve, out):
    first = Delivery(STORE, ended=False)
    lane.enter(first, 1)
    lane.enter(Delivery(ECHO, ended=True, valve=valve, outlives_source=True), 3)
    lane.enter(Delivery(STORE, ended=False, valve=valve, outlives_source=True), 3)
    assert lane.forget(valve)
    first.add(part(b"X", last=True))
    assert out == ["sink 1: C-STORE-RQ 8 +", "sink 1: X", "sink 3: C-ECHO-RQ 7"]


def test_a_message_half_written_cannot_be_forgotten(lane, valve):
    lane.enter(Delivery(STORE, ended=False, valve=valve), 1)
    assert not lane.forget(valve)


def test_an_idle_lane_has_nothing_to_forget(lane, valve):
    assert lane.forget(valve)


def test_a_lost_source_is_not_resumed(lane, source, valve, out):
    lane.full()
    lane.enter(Delivery(ECHO, ended=True, valve=valve), 1)
    lane.forget(valve)
    lane.drained()
    assert "source resumed" not in out


def test_a_closed_lane_drops_what_is_in_line_and_what_comes(lane, out):
    first = Delivery(STORE, ended=False, done=lambda: out.append("first"))
    lane.enter(first, 1)
    lane.enter(whole(out, "second"), 1)
    del out[:]
    lane.close()
    lane.enter(whole(out, "third"), 1)
    first.add(part(b"X", last=True))
    assert out == ["second", "third", "first"]
    assert lane.is_idle


def test_a_closed_lane_leaves_nobody_stopped(lane, source, valve):
    lane.full()
    lane.enter(Delivery(STORE, ended=False, valve=valve), 1)
    lane.close()
    assert not source.is_paused


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from(["enter", "add", "end"]))))
def test_messages_are_never_interleaved_and_none_is_lost(steps):
    sink = Peer("sink", [])  # holds the lane to whole messages, one after another
    lane, open_, ended = Lane(sink), {}, 0
    for who, step in steps:
        if step == "enter" and who not in open_:
            open_[who] = Delivery(STORE, ended=False)
            lane.enter(open_[who], 2 * who + 1)
        elif step == "add" and who in open_:
            open_[who].add(part(b"%d" % who))
        elif step == "end" and who in open_:
            open_.pop(who).add(part(b"%d" % who, last=True))
            ended += 1
    for who in list(open_):
        open_.pop(who).add(part(b"%d" % who, last=True))
        ended += 1
    assert lane.is_idle
    assert len(sink.got) == ended
    for message in sink.got:
        assert set(message.dataset) == {ord("0") + message.context_id // 2}

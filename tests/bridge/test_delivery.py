"""Deliveries: a message leaves as it comes and, where it was recorded, once more elsewhere."""

from __future__ import annotations

import pytest

from relay.bridge.delivery import Delivery
from relay.bridge.lane import Lane
from relay.bridge.pressure import Valve
from relay.wire.command import CommandField as F
from relay.wire.reader import LAST
from tests.doubles import Peer, Shelf, read, request, some_budget
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
def first(out):
    return Lane(Peer("first", out))


@pytest.fixture
def second(out):
    return Lane(Peer("second", out))


@pytest.fixture
def budget():
    return some_budget()


@pytest.fixture
def store(out, budget):
    """A recorded C-STORE; it notes when it is done, its source when it is stopped."""
    valve = Valve(Peer("source", out))
    return Delivery(
        STORE, ended=False, valve=valve, record=budget.record(), done=lambda: out.append("done")
    )


def test_a_rewound_message_leaves_from_its_first_byte_and_goes_on_as_it_comes(
    store, first, second, out
):
    first.enter(store, 1)
    store.add(part(b"PI"))
    store.rewind()
    store.add(part(b"XE"))
    del out[:]
    second.enter(store, 3)
    store.add(part(b"LS", last=True))
    assert out == [
        "second 3: C-STORE-RQ 8 +",
        "second 3: PI~",
        "second 3: XE~",
        "second 3: LS",
        "done",
    ]


def test_a_message_that_had_left_in_full_is_done_again_when_it_has_left_again(
    store, first, second, out
):
    first.enter(store, 1)
    store.add(part(b"PIXELS", last=True))
    assert store.is_complete
    store.done = lambda: out.append("done again")
    store.rewind()
    assert not store.is_complete
    second.enter(store, 3)
    assert out[-3:] == ["second 3: C-STORE-RQ 8 +", "second 3: PIXELS", "done again"]
    assert store.is_complete


def test_a_message_without_a_dataset_can_be_rewound_as_it_is(first, second, out):
    echo = Delivery(ECHO, ended=True)
    first.enter(echo, 1)
    assert echo.can_be_rewound
    echo.rewind()
    second.enter(echo, 3)
    assert out == ["first 1: C-ECHO-RQ 7", "second 3: C-ECHO-RQ 7"]


def test_a_message_of_which_nothing_came_yet_can_be_rewound(store, first, second, out):
    first.enter(store, 1)
    store.rewind()
    second.enter(store, 3)
    store.add(part(b"X", last=True))
    assert out[-2:] == ["second 3: X", "done"]


def test_a_message_without_a_record_cannot_be_rewound(first):
    delivery = Delivery(STORE, ended=False)
    first.enter(delivery, 1)
    delivery.add(part(b"PI"))
    assert not delivery.can_be_rewound


def test_nor_can_one_that_was_dropped(store, first):
    first.enter(store, 1)
    store.drop()
    assert not store.can_be_rewound


def test_nothing_more_leaves_by_the_lane_that_failed(store, first, out):
    first.enter(store, 1)
    store.add(part(b"PI"))
    store.rewind()
    assert first.is_idle
    del out[:]
    store.add(part(b"XELS", last=True))
    assert out == []


def test_what_waits_for_its_first_lane_is_held_and_not_recorded(store, budget, first):
    store.add(part(b"PI"))
    assert budget.used_memory == 0
    first.enter(store, 1)
    assert budget.used_memory > 0


def test_a_replay_into_a_full_lane_goes_on_when_it_drains(store, first, second, out):
    first.enter(store, 1)
    store.add(part(b"PI"))
    store.rewind()
    second.full()
    second.enter(store, 3)
    store.add(part(b"XELS", last=True))
    assert out[-1] == "second 3: C-STORE-RQ 8 +"
    assert store.is_replaying
    assert not store.is_complete
    second.drained()
    assert out[-3:] == ["second 3: PI~", "second 3: XELS", "done"]


def test_a_replay_does_not_stop_its_source_until_it_has_caught_up(store, first, second, out):
    first.enter(store, 1)
    store.add(part(b"PI"))
    store.rewind()
    second.full()
    second.enter(store, 3)
    assert "source paused" not in out
    second.drained()
    second.full()
    assert out[-1] == "source paused"


def test_a_record_that_is_too_long_is_let_go_of_while_the_message_streams_on(first, out):
    budget = some_budget(window=0, disk=3)
    delivery = Delivery(STORE, ended=False, record=budget.record())
    first.enter(delivery, 1)
    delivery.add(part(b"PI"))
    assert delivery.can_be_rewound
    delivery.add(part(b"XE"))
    delivery.add(part(b"LS", last=True))
    assert not delivery.can_be_rewound
    assert budget.used_disk == 0
    assert out[-1] == "first 1: LS"


def test_without_a_source_to_stop_a_record_may_be_too_long_while_it_waits(first, second):
    budget = some_budget(window=0, disk=3)
    delivery = Delivery(STORE, ended=False, record=budget.record())
    first.enter(delivery, 1)
    delivery.add(part(b"PI"))
    delivery.rewind()
    delivery.add(part(b"XE", last=True))
    second.enter(delivery, 1)
    assert second.sink.got[-1].dataset == b"PIXE"


def test_a_record_that_is_lost_says_so_when_it_should_be_played(first, second, out):
    shelf = Shelf()
    budget = some_budget(window=0)
    budget.overflow = lambda: shelf
    delivery = Delivery(STORE, ended=False, record=budget.record())
    first.enter(delivery, 1)
    delivery.add(part(b"PI"))
    delivery.rewind()
    shelf.content.clear()
    assert not delivery.is_broken
    delivery.broken = lambda: out.append("broken")
    second.enter(delivery, 3)
    assert out[-1] == "broken"
    assert delivery.is_broken


def test_a_lost_record_of_nobodys_concern_ends_quietly(first, second):
    shelf = Shelf()
    budget = some_budget(window=0)
    budget.overflow = lambda: shelf
    delivery = Delivery(STORE, ended=False, record=budget.record())
    first.enter(delivery, 1)
    delivery.add(part(b"PI"))
    delivery.rewind()
    shelf.content.clear()
    second.enter(delivery, 3)
    assert second.sink.got[-1].dataset == b""


def test_what_is_dropped_is_taken_up_to_a_bound_and_then_said_to_be_too_much_once(store, out):
    store.drop(patience=4, too_much=lambda: out.append("too much"))
    store.add(part(b"PIXE"))
    assert out == []
    store.add(part(b"L"))
    store.add(part(b"S", last=True))
    assert out == ["too much"], "who sent too much is told nothing more"


def test_what_is_dropped_without_a_bound_is_taken_whatever_it_is(store, out):
    store.drop()
    store.add(part(b"PIXELS", last=True))
    assert out == ["done"]


def test_dropping_again_does_not_forget_the_bound(store, out):
    store.drop(patience=1, too_much=lambda: out.append("too much"))
    store.drop()
    store.add(part(b"PI"))
    assert out == ["too much"]


def test_no_byte_of_a_message_shows_in_a_repr(budget):
    delivery = Delivery(b"DOE^JANE", ended=False, record=budget.record())
    delivery.add(part(b"DOE^JOHN"))
    assert "DOE" not in repr(delivery)

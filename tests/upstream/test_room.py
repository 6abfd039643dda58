"""How many associations an upstream bears: less when it says so, more by and by."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.upstream.room import RAISE_AFTER, Room

events = st.lists(
    st.tuples(st.floats(0, 30), st.one_of(st.none(), st.integers(0, 12))),
    max_size=60,
)


def test_it_begins_with_as_many_as_it_was_said_to_bear():
    assert Room(4).maximum == 4


def test_congestion_lowers_it_to_those_that_live():
    room = Room(8)
    room.congested(0.0, living=3)
    assert room.maximum == 3


def test_but_not_below_one():
    room = Room(8)
    room.congested(0.0, living=0)
    assert room.maximum == 1


def test_congestion_never_raises_it():
    room = Room(8)
    room.congested(0.0, living=2)
    room.congested(1.0, living=5)
    assert room.maximum == 2


def test_success_raises_it_by_one_after_a_time_without_congestion():
    room = Room(8)
    room.congested(100.0, living=2)
    assert not room.answered(100.0 + RAISE_AFTER - 0.1)
    assert room.answered(100.0 + RAISE_AFTER)
    assert room.maximum == 3
    assert not room.answered(100.0 + RAISE_AFTER + 1)
    assert room.answered(100.0 + 2 * RAISE_AFTER)
    assert room.maximum == 4


def test_time_alone_does_not_raise_it():
    room = Room(8)
    room.congested(0.0, living=2)
    assert room.answered(1000.0)
    assert room.maximum == 3


@given(st.integers(1, 8), events)
def test_it_is_never_more_than_it_was_said_to_bear_and_never_less_than_one(most, happened):
    room, now = Room(most), 0.0
    for after, living in happened:
        now += after
        before = room.maximum
        if living is None:
            raised = room.answered(now)
            assert room.maximum == before + raised
        else:
            room.congested(now, living)
            assert room.maximum <= before
        assert 1 <= room.maximum <= most

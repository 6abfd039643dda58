"""How many associations there may be: in all, on a listener, of an AE title."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.downstream.census import Census
from relay.policy.admission import TOO_MANY, UNAVAILABLE
from relay.policy.tally import Tally


@given(st.integers(1, 5), st.integers(0, 10))
def test_there_is_room_up_to_the_limit(limit, come):
    census = Census(limit)
    expected = [None if each < limit else TOO_MANY for each in range(come)]
    assert [census.enter("CT1") for _ in range(come)] == expected


@given(st.integers(1, 4), st.integers(1, 4), st.lists(st.integers(0, 1), max_size=10))
def test_a_census_within_another_counts_in_both(own, all_together, visits):
    whole = Census(all_together)
    inner = [Census(own, within=whole), Census(own, within=whole)]
    for place, which in enumerate(visits):
        refusal = inner[which].enter("CT1")
        assert whole.count == place + 1
        has_room = inner[which].count <= own and whole.count <= all_together
        assert refusal is (None if has_room else TOO_MANY)
    for which in visits:
        inner[which].leave("CT1")
    assert [each.count for each in (whole, *inner)] == [0, 0, 0]


def test_an_ae_title_has_its_limit_over_all_listeners_and_leaves_the_others_theirs():
    whole = Census(100, titles=Tally(2))
    here, there = Census(100, within=whole), Census(100, within=whole)
    assert here.enter("CT1") is there.enter("CT1") is None
    assert here.enter("CT1") is TOO_MANY
    assert here.enter("CT2") is None
    here.leave("CT1")
    there.leave("CT1")
    assert here.enter("CT1") is None


def test_where_something_is_short_whoever_there_would_be_room_for_is_to_come_again():
    is_short = [False]
    whole = Census(3, is_short=lambda: is_short[0])
    inner = Census(2, within=whole)
    assert inner.enter("CT1") is None
    is_short[0] = True
    assert inner.enter("CT1") is UNAVAILABLE
    assert inner.enter("CT1") is TOO_MANY
    is_short[0] = False
    inner.leave("CT1")
    inner.leave("CT1")
    assert inner.enter("CT1") is None

"""Too much is too much until it is well below the limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.policy.highwater import WELL_BELOW, HighWater


def test_what_is_about_the_limit_does_not_go_to_and_fro():
    mark = HighWater(1600)
    sizes = (1600, 1601, 1550, 1700, 1501, 1500, 1550, 1600, 1601)
    assert [mark.look(each) for each in sizes] == [
        *(False, True, False, False, False, True, False, False, True)
    ]
    assert mark.is_over


@given(st.integers(16, 10**12), st.lists(st.floats(0, 2), max_size=50))
def test_above_the_limit_it_is_over_and_well_below_it_is_not(limit, shares):
    mark = HighWater(limit)
    for share in shares:
        size, before = int(limit * share), mark.is_over
        assert mark.look(size) == (mark.is_over is not before)
        if size > limit:
            assert mark.is_over
        elif size <= limit * WELL_BELOW:
            assert not mark.is_over
        else:
            assert mark.is_over is before


def test_without_a_limit_nothing_is_too_much():
    mark = HighWater(0)
    assert not mark.look(10**15)
    assert not mark.is_over

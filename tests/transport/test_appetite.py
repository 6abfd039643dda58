"""How much is read at a time, by what lies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.transport.appetite import LITTLE, LYING_MAXIMUM, READ_LIMIT, Appetite


def test_with_nothing_lying_as_much_is_read_as_may_be():
    assert Appetite().size == READ_LIMIT
    assert Appetite(100_000).size == 100_000


def test_once_too_much_lies_little_is_read_until_it_has_gone():
    appetite = Appetite()
    appetite.lay_down(LYING_MAXIMUM)
    assert appetite.size == READ_LIMIT
    appetite.lay_down(1)
    assert appetite.size == LITTLE
    appetite.take_up(1)
    assert appetite.size == READ_LIMIT


@pytest.mark.parametrize("most", [16 * 1024, LITTLE])
def test_who_reads_little_anyway_reads_no_more_for_that(most):
    appetite = Appetite(most)
    appetite.lay_down(2 * LYING_MAXIMUM)
    assert appetite.size == most


@given(st.integers(0, 2000))
def test_many_connections_lie_within_the_bound_and_a_little_of_each(count):
    appetite, sizes = Appetite(), []
    for _ in range(count):
        sizes.append(appetite.size)
        appetite.lay_down(sizes[-1])
    assert appetite.lying <= LYING_MAXIMUM + READ_LIMIT + LITTLE * count
    for each in sizes:
        appetite.take_up(each)
    assert (appetite.lying, appetite.size) == (0, READ_LIMIT)

"""Each may do so much in a second, all of it at once if it likes; nothing is kept of the idle."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.rates import Buckets

NOW = 1_700_000_000.0
"""As clocks have it: with few digits left behind the point."""

steps = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from([0.0, 0.001, 0.01, 0.1, 0.3, 1.0, 2.5])),
    max_size=200,
)


@pytest.mark.parametrize("rate", [1, 2, 3, 7, 100, 100_000])
def test_a_second_s_worth_may_be_at_once_and_is_there_again_after_a_second(rate):
    buckets = Buckets(rate)
    for now in (NOW, NOW + 1, NOW + 3):
        assert all(buckets.take("a", now) for _ in range(rate))
        assert not buckets.take("a", now)
        assert buckets.take("b", now)


@pytest.mark.parametrize("rate", [1, 10, 1000])
def test_who_keeps_to_the_rate_is_never_refused(rate):
    buckets = Buckets(rate)
    assert all(buckets.take("a", NOW + each / rate) for each in range(5 * rate))


@given(st.integers(1, 10), steps)
def test_no_name_does_more_than_its_rate_and_a_second_s_worth(rate, steps):
    buckets, now = Buckets(rate), NOW
    done: dict[str, deque[float]] = {name: deque() for name in "abc"}
    for name, later in steps:
        now += later
        if buckets.take(name, now):
            done[name].append(now)
        for times in done.values():
            recent = [each for each in times if each > now - 3.0]
            assert len(recent) <= 3 * rate + rate


@given(st.integers(1, 10), steps)
def test_whoever_has_done_less_than_that_in_a_second_is_not_refused(rate, steps):
    buckets, now = Buckets(rate), NOW
    done: dict[str, deque[float]] = {name: deque() for name in "abc"}
    for name, later in steps:
        now += later
        recent = sum(each > now - 1.001 for each in done[name])
        took = buckets.take(name, now)
        if took:
            done[name].append(now)
        assert took or recent > 0


@given(st.integers(1, 5), st.lists(st.tuples(st.integers(0, 50), st.floats(0, 0.5)), max_size=100))
def test_there_are_no_more_entries_than_have_been_taken_from_within_a_second(rate, steps):
    buckets, now = Buckets(rate), NOW
    last: dict[str, float] = {}
    for number, later in steps:
        now += later
        if buckets.take(str(number), now):
            last[str(number)] = now
        assert len(buckets) <= sum(each >= now - 1.001 for each in last.values())


def test_a_flood_from_everywhere_is_forgotten_within_a_second_of_its_end():
    buckets = Buckets(100)
    for number in range(10_000):
        buckets.take(f"{number}", NOW + number / 100_000)
    assert buckets.take("a", NOW + 1.2)
    assert len(buckets) == 1


def test_a_clock_that_is_set_back_keeps_nobody_out():
    buckets = Buckets(1)
    assert buckets.take("a", NOW)
    assert buckets.take("b", NOW + 0.5)
    assert buckets.take("a", NOW - 3600)
    assert not buckets.take("a", NOW - 3600)
    assert buckets.take("b", NOW - 3600)


def test_without_a_rate_nothing_is_refused_and_nothing_kept():
    buckets = Buckets()
    assert all(buckets.take("a", NOW) for _ in range(1000))
    assert len(buckets) == 0

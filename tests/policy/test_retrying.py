"""The retry budget of a pool: a burst, then a rate, then nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.policy.retrying import RetryBudget


def test_a_burst_is_sent_again_at_once():
    budget = RetryBudget(rate=10.0, burst=3)
    assert [budget.pause(0.0) for _ in range(3)] == [0.0, 0.0, 0.0]


def test_past_the_burst_each_retry_waits_for_its_turn():
    budget = RetryBudget(rate=10.0, burst=1)
    assert [budget.pause(0.0) for _ in range(4)] == [0.0, 0.1, 0.2, 0.3]


def test_one_that_would_wait_too_long_is_not_sent_again_and_does_not_count():
    budget = RetryBudget(rate=1.0, burst=1, longest=2.0)
    pauses = [budget.pause(0.0) for _ in range(6)]
    assert pauses == [0.0, 1.0, 2.0, None, None, None]
    assert budget.pause(1.0) == 2.0


def test_time_fills_it_up_to_the_burst_and_no_further():
    budget = RetryBudget(rate=10.0, burst=2)
    assert [budget.pause(0.0) for _ in range(2)] == [0.0, 0.0]
    assert [budget.pause(1000.0) for _ in range(3)] == [0.0, 0.0, 0.1]


def test_a_rate_of_nothing_means_no_retry_at_all():
    assert RetryBudget(rate=0.0, burst=100).pause(0.0) is None


def test_a_clock_that_begins_anywhere_gives_no_more_than_the_burst():
    budget = RetryBudget(rate=10.0, burst=1)
    assert [budget.pause(1e9) for _ in range(2)] == [0.0, 0.1]


@given(
    st.sampled_from([0.5, 1.0, 50.0]),
    st.integers(1, 10),
    st.sampled_from([0.0, 1.0, 30.0]),
    st.lists(st.sampled_from([0.0, 0.01, 0.5, 3.0, 100.0]), max_size=60),
)
def test_in_no_span_of_time_are_there_more_than_the_burst_and_the_rate(
    rate, burst, longest, passing
):
    budget = RetryBudget(rate, burst, longest)
    now, moments = 0.0, []
    for seconds in passing:
        now += seconds
        pause = budget.pause(now)
        if pause is not None:
            assert 0.0 <= pause <= longest
            moments.append(now + pause)
    for first, begin in enumerate(moments):
        for last in range(first, len(moments)):
            assert last - first + 1 <= burst + rate * (moments[last] - begin) + 1e-6

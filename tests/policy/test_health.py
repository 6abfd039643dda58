"""Health: what ejects an upstream, what brings it back, and how long each takes."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from relay.policy.health import LEAST_SHARE, TIME_CONSTANT, Health, Judgement


def well(**settings):
    return Health(Judgement(**settings))


def facts(health, now):
    return health.is_out, health.is_down


def ejected(now=0.0, **settings):
    health = well(failures=1, **settings)
    assert health.failed(now)
    return health


# --- failures


def test_at_first_it_is_well():
    health = well()
    assert facts(health, 0.0) == (False, False)
    assert health.latency(0.0) == 0.0
    assert health.share(0.0) == 1.0


def test_the_third_failure_in_a_row_ejects():
    health = well()
    assert [health.failed(now) for now in (0.0, 100.0, 200.0)] == [False, False, True]
    assert facts(health, 200.0) == (True, False)
    assert health.out_since == 200.0


def test_an_answer_ends_the_row():
    health = well()
    for now in range(0, 1000, 100):
        assert not health.failed(now)
        assert not health.failed(now)
        health.answered(now, 0.1)
    assert not health.is_out


def test_too_large_a_share_of_failures_ejects_without_a_row():
    health = well(failures=100, rate=0.5, least=10)
    told = []
    for _ in range(5):
        health.answered(0.0, 0.1)
        told.append(health.failed(0.0))
    assert told == [False, False, False, False, True]


def test_a_share_below_the_rate_is_borne():
    health = well(failures=100, rate=0.5, least=10)
    for _ in range(100):
        health.answered(0.0, 0.1)
        health.answered(0.0, 0.1)
        assert not health.failed(0.0)


def test_a_few_operations_are_no_rate():
    health = well(failures=100, rate=0.5, least=10)
    assert not any(health.failed(0.0) for _ in range(9))
    assert health.failed(0.0)


def test_old_operations_count_for_less_and_less():
    health = well(failures=100, rate=0.5, least=10)
    assert not any(health.failed(0.0) for _ in range(9))
    assert not any(health.failed(10 * TIME_CONSTANT) for _ in range(9))


def test_old_success_does_not_cover_new_failures():
    health = well(failures=100, rate=0.5, least=10)
    for _ in range(100):
        health.answered(0.0, 0.1)
    later = 5 * TIME_CONSTANT
    assert [health.failed(later) for _ in range(10)] == [False] * 9 + [True]


def test_what_fails_while_it_is_out_changes_nothing():
    health = ejected(now=5.0)
    assert not health.failed(6.0)
    assert (health.out_since, health.retry_at) == (5.0, 6.0)


def test_an_answer_does_not_bring_it_back():
    health = ejected()
    health.answered(100.0, 0.1)
    assert health.is_out


def test_after_a_return_the_row_and_the_rate_begin_anew():
    health = well(failures=3, least=3)
    for now in (0.0, 0.0, 0.0):
        health.failed(now)
    health.returned(1.0)
    assert [health.failed(1.0) for _ in range(3)] == [False, False, True]


# --- not to be reached


def test_one_that_cannot_be_reached_is_out_at_once():
    health = well()
    assert health.unreachable(3.0)
    assert facts(health, 3.0) == (True, True)
    assert (health.out_since, health.retry_at) == (3.0, 4.0)


def test_one_ejected_that_cannot_be_reached_is_down_and_was_out_before():
    health = ejected(now=5.0)
    assert not health.unreachable(5.5)
    assert facts(health, 5.5) == (True, True)
    assert (health.out_since, health.retry_at) == (5.0, 6.0)


def test_each_vain_try_doubles_the_time_to_the_next_up_to_the_longest():
    health = well(shortest=1.0, longest=10.0)
    health.unreachable(0.0)
    waits = []
    for _ in range(6):
        now = health.retry_at
        assert not health.unreachable(now)
        waits.append(health.retry_at - now)
    assert waits == [2.0, 4.0, 8.0, 10.0, 10.0, 10.0]
    assert health.out_since == 0.0


def test_callers_that_hear_of_it_together_do_not_double_the_time():
    health = well()
    for now in (0.0, 0.1, 0.2, 0.9):
        health.unreachable(now)
    assert health.retry_at == 1.0


def test_after_a_return_it_is_not_down():
    health = well()
    health.unreachable(0.0)
    health.returned(1.0)
    assert facts(health, 1.0) == (False, False)


# --- the time of an ejection


def test_an_ejection_soon_after_a_return_takes_twice_as_long_up_to_the_longest():
    health = ejected(shortest=1.0, longest=10.0)
    times = []
    for _ in range(5):
        now = health.retry_at
        health.returned(now)
        health.failed(now + 9.0)
        times.append(health.retry_at - (now + 9.0))
    assert times == [2.0, 4.0, 8.0, 10.0, 10.0]


def test_an_ejection_long_after_a_return_is_short_again():
    health = ejected(shortest=1.0, longest=10.0)
    health.returned(1.0)
    health.failed(2.0)
    assert health.retry_at == 4.0
    health.returned(4.0)
    health.failed(14.0)
    assert health.retry_at == 15.0


def test_a_shortest_time_is_never_longer_than_the_longest():
    assert ejected(shortest=5.0, longest=2.0).retry_at == 2.0


def test_a_return_of_one_that_is_well_is_no_return():
    health = well()
    health.failed(0.0)
    health.failed(0.0)
    health.returned(0.0)
    assert health.share(0.0) == 1.0
    assert health.failed(0.0)


# --- slow start


def test_its_share_grows_by_and_by_after_a_return():
    health = ejected(slow_start=10.0)
    assert health.share(50.0) == 1.0
    health.returned(100.0)
    shares = [health.share(now) for now in (99.0, 100.0, 105.0, 110.0, 1000.0)]
    assert shares == pytest.approx([LEAST_SHARE, LEAST_SHARE, 0.55, 1.0, 1.0])


def test_a_slow_start_ends_when_it_goes_out_again():
    health = ejected(slow_start=10.0)
    health.returned(100.0)
    health.unreachable(101.0)
    assert health.share(101.0) == 1.0


def test_without_a_slow_start_it_has_its_share_at_once():
    health = ejected(slow_start=0.0)
    health.returned(1.0)
    assert health.share(1.0) == 1.0


# --- latency


def test_latency_is_a_mean_in_which_the_new_weighs_more_than_the_old():
    health = well()
    health.answered(0.0, 1.0)
    assert health.latency(0.0) == 1.0
    health.answered(0.0, 3.0)
    assert health.latency(0.0) == 2.0
    health.answered(3 * TIME_CONSTANT, 8.0)
    assert 7.0 < health.latency(3 * TIME_CONSTANT) < 8.0


def test_latency_is_forgotten_in_silence():
    health = well()
    health.answered(0.0, 1.0)
    assert health.latency(TIME_CONSTANT) == pytest.approx(0.368, abs=0.001)
    assert health.latency(100 * TIME_CONSTANT) < 1e-12


def test_a_failure_is_no_latency():
    health = well()
    health.answered(0.0, 1.0)
    health.failed(0.0)
    assert health.latency(0.0) == 1.0


class HealthMachine(RuleBasedStateMachine):
    """Any history, beside a count of our own of what has happened."""

    now = 0.0
    in_a_row = 0
    answers = 0
    failures = 0
    was_out = False
    returned_at: float | None = None
    ejection = 0.0

    @initialize(
        failures=st.integers(1, 5),
        rate=st.sampled_from([0.1, 0.5, 1.0]),
        least=st.integers(1, 12),
        shortest=st.sampled_from([0.5, 1.0, 4.0]),
        longest=st.sampled_from([4.0, 30.0]),
        slow_start=st.sampled_from([0.0, 10.0]),
    )
    def begin(self, **settings):
        self.judgement = Judgement(**settings)
        self.health = Health(self.judgement)

    def went_out(self):
        """Hold the ejection against the one before it."""
        judgement, returned_at = self.judgement, self.returned_at
        doubles = returned_at is not None and self.now - returned_at < judgement.longest
        self.ejection = min(2 * self.ejection if doubles else judgement.shortest, judgement.longest)
        self.was_out = True
        assert self.health.out_since == self.now
        assert self.health.retry_at == self.now + self.ejection

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 20.0, 40.0, 1000.0]))
    def time_passes(self, seconds):
        self.now += seconds

    @rule(seconds=st.floats(0.0, 100.0))
    def answered(self, seconds):
        self.health.answered(self.now, seconds)
        self.in_a_row = 0
        self.answers += 1

    @rule()
    def failed(self):
        before = self.health.retry_at
        newly = self.health.failed(self.now)
        if self.was_out:
            assert not newly
            assert self.health.retry_at == before
            return
        self.in_a_row += 1
        self.failures += 1
        in_a_row = self.in_a_row >= self.judgement.failures
        could_be_often = self.answers + self.failures >= self.judgement.least - 1e-6
        assert newly or not in_a_row
        assert in_a_row or could_be_often or not newly
        if newly:
            self.went_out()
            assert not self.health.is_down

    @rule()
    def unreachable(self):
        before = self.health.retry_at
        newly = self.health.unreachable(self.now)
        assert newly is not self.was_out
        assert self.health.is_down
        if newly:
            self.went_out()
        elif self.now >= before:
            self.ejection = min(2 * self.ejection, self.judgement.longest)
            assert self.health.retry_at == self.now + self.ejection
        else:
            assert self.health.retry_at == before

    @rule()
    def returned(self):
        self.health.returned(self.now)
        if self.was_out:
            self.was_out, self.returned_at = False, self.now
            self.in_a_row = self.answers = self.failures = 0

    @precondition(lambda self: self.was_out)
    @rule()
    def the_next_try_is_due(self):
        self.now = max(self.now, self.health.retry_at)

    @invariant()
    def it_is_out_from_an_ejection_to_a_return_and_at_no_other_time(self):
        assert self.health.is_out is self.was_out
        assert self.health.is_out is self.was_out
        assert self.was_out or not self.health.is_down

    @invariant()
    def numbers_keep_their_bounds(self):
        assert LEAST_SHARE <= self.health.share(self.now) <= 1.0
        assert 0.0 <= self.health.latency(self.now) <= 100.0 * (1 + 1e-9)
        if self.was_out:
            most = max(self.judgement.longest, 0.0)
            assert self.health.retry_at <= self.now + most


TestHealthMachine = HealthMachine.TestCase
TestHealthMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

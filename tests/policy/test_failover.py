"""Failover: what may be sent again after which failures, and where."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.failover import (
    MOST_FAILURES,
    MOST_OVERDUE,
    MOST_UPSTREAMS,
    REPEATABLE,
    Choice,
    Failure,
    after,
)
from relay.policy.leasing import HOLDS
from relay.wire.command import CommandField as F

LOST_A, LOST_B = Failure("a"), Failure("b")


@pytest.mark.parametrize("field", sorted(HOLDS))
def test_only_what_may_be_repeated_without_harm_is_sent_again(field):
    assert (after(field, [LOST_A]) is not None) == (field in REPEATABLE)
    assert {F.C_ECHO_RQ, F.C_STORE_RQ, F.C_FIND_RQ} == REPEATABLE


def test_what_was_lost_on_the_way_goes_elsewhere():
    assert after(F.C_STORE_RQ, [LOST_A]) == Choice(avoid=frozenset({"a"}))


def test_what_may_have_been_performed_goes_to_the_same_upstream_first():
    again = after(F.C_STORE_RQ, [Failure("a", is_ambiguous=True)])
    assert again == Choice(prefer="a", fresh=True)


def test_what_may_have_been_performed_goes_elsewhere_when_the_same_upstream_fails_again():
    twice = [Failure("a", is_ambiguous=True)] * 2
    assert after(F.C_STORE_RQ, twice) == Choice(avoid=frozenset({"a"}))


def test_silence_is_not_waited_for_twice_at_the_same_upstream():
    silent = Failure("a", is_overdue=True, is_ambiguous=True)
    assert after(F.C_STORE_RQ, [silent]) == Choice(avoid=frozenset({"a"}))


def test_silence_costs_its_caller_two_time_outs_at_most():
    assert after(F.C_STORE_RQ, [Failure("a", is_overdue=True)] * 2) is None


def test_what_was_closed_while_it_rested_is_replaced_at_the_same_upstream():
    stale = Failure("a", is_stale=True, is_ambiguous=True)
    assert after(F.C_STORE_RQ, [stale]) == Choice(prefer="a", fresh=True)


def test_what_was_closed_while_it_rested_is_no_failure_of_its_upstream():
    stale_b = Failure("b", is_stale=True)
    assert after(F.C_STORE_RQ, [LOST_A, stale_b]) == Choice("b", frozenset({"a"}), fresh=True)
    assert after(F.C_STORE_RQ, [stale_b, LOST_A]) == Choice(avoid=frozenset({"a"}))


@pytest.mark.row(73)
def test_what_two_upstreams_failed_on_is_not_tried_on_a_third():
    assert after(F.C_STORE_RQ, [LOST_A, LOST_B]) is None


def test_a_pool_of_one_has_its_tries_too():
    assert after(F.C_STORE_RQ, [LOST_A] * 2) == Choice(avoid=frozenset({"a"}))
    assert after(F.C_STORE_RQ, [LOST_A] * 3) is None


failures = st.builds(Failure, st.sampled_from("abcd"), st.booleans(), st.booleans(), st.booleans())


@given(st.lists(failures, min_size=1, max_size=6))
def test_there_is_an_end_to_it_and_who_is_preferred_is_not_avoided(seen):
    counted = [each.upstream for each in seen if not each.is_stale]
    choice = after(F.C_STORE_RQ, seen)
    if not seen[-1].is_stale:
        overdue = sum(each.is_overdue for each in seen)
        ends = len(set(counted)) >= MOST_UPSTREAMS or len(counted) >= MOST_FAILURES
        ends = ends or overdue >= MOST_OVERDUE
        assert (choice is None) == ends
    if choice is not None:
        assert choice.prefer not in choice.avoid
        assert choice.avoid <= set(counted)
        assert choice.fresh == (choice.prefer is not None)

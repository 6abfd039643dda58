"""Balancing: least loaded first, failing last, none left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.policy.balancing import Load, least_loaded


def load(upstream, busy=0, failing=False, last_chosen=0):
    return Load(upstream, busy, failing, last_chosen)


def test_the_least_loaded_comes_first():
    assert least_loaded([load("a", 2), load("b", 0), load("c", 1)]) == ["b", "c", "a"]


def test_one_that_fails_comes_last_however_idle():
    assert least_loaded([load("a", 0, failing=True), load("b", 9)]) == ["b", "a"]


def test_of_equals_the_one_that_was_chosen_longest_ago_comes_first():
    loads = [load("a", last_chosen=7), load("b", last_chosen=3), load("c", last_chosen=5)]
    assert least_loaded(loads) == ["b", "c", "a"]


def test_the_preferred_one_comes_first_whatever_its_load():
    loads = [load("a"), load("b", 9, failing=True), load("c")]
    assert least_loaded(loads, prefer="b") == ["b", "a", "c"]


def test_a_preference_for_one_that_is_not_there_changes_nothing():
    assert least_loaded([load("a", 1), load("b", 0)], prefer="z") == ["b", "a"]


def test_an_empty_pool_has_no_order():
    assert least_loaded([]) == []


def test_equal_load_is_spread_evenly():
    chosen, last = [], {"a": 0, "b": 0, "c": 0}
    for turn in range(1, 10):
        first = least_loaded(load(name, last_chosen=when) for name, when in last.items())[0]
        chosen.append(first)
        last[first] = turn
    assert chosen == ["a", "b", "c"] * 3


@given(
    st.dictionaries(st.sampled_from("abcd"), st.tuples(st.integers(0, 5), st.booleans())),
    st.none() | st.sampled_from("abcd"),
)
def test_every_upstream_is_tried_once(facts, prefer):
    loads = [load(name, busy, failing) for name, (busy, failing) in facts.items()]
    assert sorted(least_loaded(loads, prefer)) == sorted(facts)

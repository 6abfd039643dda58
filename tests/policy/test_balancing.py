"""Balancing: each balancer against its definition, and the well before those that are out."""

from __future__ import annotations

from collections import Counter
from math import floor
from random import Random
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.balancing import (
    BALANCERS,
    Candidate,
    Hash,
    LeastLoaded,
    PrimaryBackup,
    RoundRobin,
    ranked,
)

CALLING = b"CT_1            "
CALLERS = [f"DEVICE_{number}".encode() for number in range(3000)]

facts: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "weight": st.integers(1, 1000),
        "tier": st.integers(0, 3),
        "operations": st.integers(0, 3),
        "size": st.integers(0, 2),
        "latency": st.floats(0.0, 10.0),
        "share": st.floats(0.1, 1.0),
        "is_down": st.booleans(),
        "is_ejected": st.booleans(),
        "out_since": st.floats(0.0, 3.0),
    }
)
pools = st.dictionaries(st.sampled_from("abcdef"), facts).map(
    lambda pool: [Candidate(name, **its) for name, its in pool.items()]
)
seeds = st.integers(0, 2**32).map(Random)


def candidates(names, **its: Any):
    return [Candidate(name, **its) for name in names]


def weighted(**weights):
    return [Candidate(name, weight) for name, weight in weights.items()]


def names(order):
    return "".join(each.upstream for each in order)


def load(candidate):
    its = candidate
    return its.operations / its.share, its.size / its.share, its.latency


# --- what they have in common


@pytest.mark.parametrize("name", BALANCERS)
@given(pool=pools, random=seeds, callers=st.lists(st.binary(max_size=16), max_size=5))
def test_every_upstream_is_in_the_order_once(name, pool, random, callers):
    balancer = BALANCERS[name](random)
    for calling in callers:
        order = balancer.order(pool, calling)
        assert sorted(names(order)) == sorted(names(pool))
        for each in order[:1]:
            balancer.chosen(each.upstream)


@pytest.mark.parametrize("name", BALANCERS)
@given(pool=pools, seed=st.integers(0, 2**32))
def test_to_look_changes_nothing(name, pool, seed):
    def orders(looks):
        random = Random(seed)
        balancer = BALANCERS[name](random)
        for _ in range(looks):
            balancer.order(pool, CALLING)
        random.seed(seed)
        return balancer.order(pool, CALLING)

    assert orders(0) == orders(3)


def test_the_names_are_those_of_the_documentation():
    assert list(BALANCERS) == ["least-loaded", "round-robin", "primary-backup", "hash"]


def test_each_pool_has_a_balancer_of_its_own():
    for make in BALANCERS.values():
        assert make(Random(1)) is not make(Random(1))


# --- least loaded


@given(pools, seeds)
def test_the_first_is_never_worse_than_both_random_choices(pool, random):
    """It is better than or equal to one other at least, whichever two were drawn."""
    order = LeastLoaded(random).order(pool, CALLING)
    if len(order) > 1:
        assert load(order[0]) <= max(map(load, order[1:]))


@given(pools, seeds)
def test_behind_the_first_they_follow_by_load(pool, random):
    rest = [load(each) for each in LeastLoaded(random).order(pool, CALLING)[1:]]
    assert rest == sorted(rest)


@given(facts, facts, seeds)
def test_of_two_the_better_comes_first(one, other, random):
    pool = [Candidate("a", **one), Candidate("b", **other)]
    order = LeastLoaded(random).order(pool, CALLING)
    assert load(order[0]) <= load(order[1])


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"operations": 1, "size": 9, "latency": 9.0}, {"operations": 2}),
        ({"size": 1, "latency": 9.0}, {"size": 2}),
        ({"latency": 0.1}, {"latency": 0.2}),
        ({"operations": 2}, {"operations": 1, "share": 0.25}),
        ({"operations": 1, "size": 2}, {"operations": 1, "size": 1, "share": 0.25}),
    ],
)
def test_operations_count_before_bytes_and_bytes_before_latency(better, worse):
    pool = [Candidate("worse", **worse), Candidate("better", **better)]
    for seed in range(20):
        order = LeastLoaded(Random(seed)).order(pool, CALLING)
        assert [each.upstream for each in order] == ["better", "worse"]


def test_of_many_it_is_the_better_of_two_random_choices_and_not_always_the_best():
    pool = [Candidate(str(number), operations=number) for number in range(10)]
    balancer = LeastLoaded(Random(1))
    firsts = Counter(balancer.order(pool, CALLING)[0].operations for _ in range(9000))
    # of the 45 pairs it is the better one in 9, 8, ... and never the last
    for number in range(10):
        assert firsts[number] == pytest.approx(200 * (9 - number), abs=150)
    assert firsts[9] == 0


def test_equal_load_is_spread_evenly_at_every_place():
    balancer = LeastLoaded(Random(1))
    pool = candidates("abc", operations=2)
    orders = [names(balancer.order(pool, CALLING)) for _ in range(6000)]
    for place in range(3):
        counted = Counter(order[place] for order in orders)
        assert all(counted[name] == pytest.approx(2000, abs=150) for name in "abc")


def test_load_that_is_counted_is_spread_evenly():
    balancer = LeastLoaded(Random(1))
    loads: Counter[str] = Counter()
    for _ in range(3000):
        pool = [Candidate(name, operations=loads[name]) for name in "abc"]
        loads[balancer.order(pool, CALLING)[0].upstream] += 1
    assert all(loads[name] == pytest.approx(1000, abs=10) for name in "abc")


# --- round robin


def turns(balancer, pool, count, out=""):
    """Who is chosen in each of `count` turns, while some are out."""
    chosen = []
    for _ in range(count):
        first = next(each for each in balancer.order(pool, CALLING) if each.upstream not in out)
        balancer.chosen(first.upstream)
        chosen.append(first.upstream)
    return "".join(chosen)


def test_equal_weights_take_turns_in_the_order_of_the_list():
    assert turns(RoundRobin(), candidates("abc"), 7) == "abcabca"


def test_turns_are_mixed_as_nginx_mixes_them():
    assert turns(RoundRobin(), weighted(a=5, b=1, c=1), 7) == "aabacaa"


@given(
    st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1), st.integers(1, 3)
)
def test_over_a_cycle_each_has_exactly_its_share(weights, cycles):
    pool, total = weighted(**weights), sum(weights.values())
    balancer = RoundRobin()
    for _ in range(cycles):
        assert Counter(turns(balancer, pool, total)) == weights


@given(st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 30), min_size=1), st.data())
def test_at_no_turn_is_one_further_from_its_share_than_a_whole_turn(weights, data):
    pool, total = weighted(**weights), sum(weights.values())
    count = data.draw(st.integers(1, total))
    taken = Counter(turns(RoundRobin(), pool, count))
    for name, weight in weights.items():
        assert abs(taken[name] - count * weight / total) < len(weights)


def test_one_that_starts_slowly_has_a_share_of_its_weight():
    slow = [Candidate("a", 4), Candidate("b", 4, share=0.25)]
    assert Counter(turns(RoundRobin(), slow, 50)) == {"a": 40, "b": 10}


def test_a_call_that_another_rule_decided_costs_nobody_a_turn():
    balancer, pool = RoundRobin(), candidates("ab")
    assert turns(balancer, pool, 1) == "a"
    balancer.order(pool, CALLING)  # and then affinity chose
    assert turns(balancer, pool, 1) == "b"


def test_a_choice_from_a_pool_that_it_has_left_changes_nothing():
    balancer = RoundRobin()
    balancer.order(candidates("ab"), CALLING)
    balancer.chosen("z")
    assert turns(balancer, candidates("ab"), 4) == "abab"


def test_while_one_is_out_the_others_keep_their_shares():
    balancer, pool = RoundRobin(), weighted(a=5, b=2, c=1)
    turns(balancer, pool, 20, out="a")
    assert Counter(turns(balancer, pool, 300, out="a")) == {"b": 200, "c": 100}


@given(
    st.dictionaries(st.sampled_from("abcde"), st.integers(1, 20), min_size=2),
    st.integers(0, 500),
    st.data(),
)
def test_one_that_returns_does_not_get_the_turns_that_it_missed(weights, missed, data):
    pool, total = weighted(**weights), sum(weights.values())
    out = data.draw(st.sampled_from(sorted(weights)))
    balancer = RoundRobin()
    turns(balancer, pool, data.draw(st.integers(0, total)))
    turns(balancer, pool, missed, out)
    taken = Counter(turns(balancer, pool, total))
    assert taken[out] <= weights[out] + len(weights)


# --- tiers


@given(pools, seeds)
def test_a_lower_tier_comes_first(pool, random):
    tiers = [each.tier for each in PrimaryBackup(random).order(pool, CALLING)]
    assert tiers == sorted(tiers)


@given(pools, seeds)
def test_nobody_comes_before_a_well_one_of_an_earlier_tier(pool, random):
    order = ranked(PrimaryBackup(random).order(pool, CALLING), most_ejected=1.0)
    tiers = [each.tier for each in order if not (each.is_down or each.is_ejected)]
    assert tiers == sorted(tiers)
    assert all(not (each.is_down or each.is_ejected) for each in order[: len(tiers)])


def test_a_tier_is_ordered_by_load():
    pool = [
        Candidate("a", tier=1),
        Candidate("b", tier=0, operations=3),
        Candidate("c", tier=0, operations=2),
        Candidate("d", tier=2),
    ]
    for seed in range(20):
        assert names(PrimaryBackup(Random(seed)).order(pool, CALLING)) == "cbad"


def test_equals_of_a_tier_take_their_share():
    balancer = PrimaryBackup(Random(1))
    pool = [Candidate("a"), Candidate("b"), Candidate("c", tier=1)]
    firsts = Counter(balancer.order(pool, CALLING)[0].upstream for _ in range(2000))
    assert firsts == {"a": pytest.approx(1000, abs=100), "b": pytest.approx(1000, abs=100)}


# --- hash


def owners(pool):
    return {calling: Hash().order(pool, calling)[0].upstream for calling in CALLERS}


@pytest.mark.parametrize(
    ("calling", "order"),
    [
        (b"CT_1", "pacs_b pacs_a pacs_ä"),
        (b"MR_1", "pacs_b pacs_ä pacs_a"),
        (b"US_1", "pacs_a pacs_b pacs_ä"),
        (b"", "pacs_ä pacs_a pacs_b"),
    ],
)
def test_the_order_of_a_caller_is_the_same_in_every_process(calling, order):
    pool = [Candidate("pacs_a"), Candidate("pacs_b", 2), Candidate("pacs_ä")]
    assert " ".join(each.upstream for each in Hash().order(pool, calling)) == order


def test_one_that_is_taken_away_moves_its_own_callers_only():
    before, after = owners(candidates("abcd")), owners(candidates("abd"))
    moved = {calling for calling in CALLERS if before[calling] != after[calling]}
    assert moved == {calling for calling in CALLERS if before[calling] == "c"}
    assert set(Counter(after[calling] for calling in moved)) == {"a", "b", "d"}


@given(pools, st.binary(max_size=16), st.data())
def test_without_one_the_others_keep_their_order(pool, calling, data):
    without = data.draw(st.sampled_from([None, *pool]))
    order = Hash().order(pool, calling)
    left = Hash().order([each for each in pool if each is not without], calling)
    assert left == [each for each in order if each is not without]


def test_callers_are_as_many_as_the_weights_say():
    counted = Counter(owners(weighted(a=1, b=2, c=3)).values())
    assert counted == {
        "a": pytest.approx(500, abs=100),
        "b": pytest.approx(1000, abs=120),
        "c": pytest.approx(1500, abs=120),
    }


def test_a_larger_weight_takes_callers_and_gives_none_away():
    before, after = owners(weighted(a=1, b=1, c=1)), owners(weighted(a=1, b=2, c=1))
    moved = [calling for calling in CALLERS if before[calling] != after[calling]]
    assert moved
    assert {after[calling] for calling in moved} == {"b"}


@given(pools, st.binary(max_size=16))
def test_neither_load_nor_a_slow_start_moves_a_caller(pool, calling):
    idle = [Candidate(each.upstream, each.weight) for each in pool]
    assert names(Hash().order(pool, calling)) == names(Hash().order(idle, calling))


@pytest.mark.parametrize("padded", [b"CT_1", CALLING, b" CT_1", b"CT_1\0\0\0"])
def test_padding_does_not_move_a_caller(padded):
    pool = candidates("abcdefgh")
    assert Hash().order(pool, padded) == Hash().order(pool, b"CT_1")


# --- ranked: health, avoidance, preference


def ejected(names, since=0.0):
    return candidates(names, is_ejected=True, out_since=since)


def test_well_ones_come_before_ejected_ones_before_those_that_are_down():
    order = [*candidates("a", is_down=True), *ejected("b"), *candidates("cd")]
    assert names(ranked(order)) == "cdba"


def test_those_to_avoid_come_last_whatever_the_others_are():
    order = [*candidates("abc"), *ejected("de"), *candidates("f", is_down=True)]
    assert names(ranked(order, avoid={"a", "d"})) == "bcefad"


def test_the_preferred_one_comes_first_of_its_kind():
    order = [*candidates("abc"), *ejected("de"), *candidates("f", is_down=True)]
    assert names(ranked(order, prefer="c")) == "cabdef"
    assert names(ranked(order, prefer="e")) == "abcedf"
    assert names(ranked(order, prefer="f")) == "abcdef"


def test_a_preference_does_not_outweigh_avoidance():
    assert names(ranked(candidates("abc"), prefer="a", avoid={"a", "b"})) == "cab"


def test_names_that_are_not_there_change_nothing():
    assert names(ranked(candidates("abc"), prefer="z", avoid=["y"])) == "abc"


def test_an_empty_pool_has_no_order():
    assert ranked([]) == []


def test_of_too_many_ejected_ones_those_that_went_first_stay_out():
    order = [*ejected("a", 3.0), *ejected("b", 1.0), *ejected("c", 2.0), *candidates("d")]
    assert names(ranked(order, most_ejected=0.5)) == "adbc"
    assert names(ranked(order, most_ejected=0.25)) == "acdb"
    assert names(ranked(order, most_ejected=0.0)) == "abcd"


def test_those_that_are_down_use_up_the_share_and_are_not_limited_by_it():
    order = [*candidates("ab", is_down=True), *ejected("c"), *candidates("d")]
    assert names(ranked(order, most_ejected=0.5)) == "cdab"
    assert names(ranked(order, most_ejected=0.75)) == "dcab"
    assert names(ranked(order, most_ejected=0.0)) == "cdab"


def test_one_that_is_down_and_ejected_is_down():
    order = [*candidates("a", is_down=True, is_ejected=True), *ejected("b")]
    assert names(ranked(order, most_ejected=0.5)) == "ba"
    order += [*candidates("cd")]
    assert names(ranked(order, most_ejected=0.5)) == "cdba"


def test_a_share_that_is_a_whole_number_of_upstreams_is_that_number():
    order = [
        *ejected([f"out{number}" for number in range(29)]),
        *candidates("abcdefg" * 10, tier=1),
    ]
    assert len(order) == 99
    order += [Candidate("last", tier=1)]
    assert [each.tier for each in ranked(order, most_ejected=0.29)] == [1] * 71 + [0] * 29


@given(pools, st.sampled_from("abcz"), st.frozensets(st.sampled_from("abcz")), st.floats(0.0, 1.0))
def test_a_ranking_keeps_everybody_and_the_order_of_likes(pool, prefer, avoid, most):
    order = ranked(pool, prefer, avoid, most)
    assert sorted(names(order)) == sorted(names(pool))
    places = {each.upstream: place for place, each in enumerate(order)}
    for first, one in enumerate(pool):
        for other in pool[first + 1 :]:
            if attrs.evolve(one, upstream="") == attrs.evolve(other, upstream=""):
                are_alike = (one.upstream in avoid) == (other.upstream in avoid)
                if are_alike and other.upstream != prefer and not one.is_ejected:
                    assert places[one.upstream] < places[other.upstream]


@given(pools, st.floats(0.0, 1.0))
def test_no_more_than_the_share_counts_as_ejected_and_those_the_longest_ejected(pool, most):
    order = ranked(pool, most_ejected=most)
    down = [each for each in pool if each.is_down]
    ejected = [each for each in pool if each.is_ejected and not each.is_down]
    counted = min(len(ejected), max(0, floor(most * len(pool) + 1e-9) - len(down)))
    begin = len(pool) - len(down) - counted
    passing, out = order[:begin], order[begin : begin + counted]
    assert (
        sorted(each.out_since for each in out)
        == sorted(each.out_since for each in ejected)[:counted]
    )
    for group in (passing, out, order[begin + counted :]):
        assert group == [each for each in pool if each in group]
    assert order[begin + counted :] == down

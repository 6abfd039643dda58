"""Counts by name stay within their limit, and keep nothing of those who have left."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from relay.policy.tally import Tally

names = st.sampled_from("abc")


@given(st.integers(1, 3), st.lists(st.tuples(names, st.booleans())))
def test_a_name_has_room_up_to_the_limit_whatever_others_do(limit, steps):
    tally = Tally(limit)
    model: Counter[str] = Counter()
    for name, comes in steps:
        if comes:
            model[name] += 1
            assert tally.enter(name) == (model[name] <= limit)
        elif model[name]:
            model[name] -= 1
            tally.leave(name)
        assert tally.of(name) == model[name]
        assert len(tally) == len(+model)


def test_without_a_limit_nothing_is_counted():
    tally = Tally()
    assert all(tally.enter("a") for _ in range(1000))
    assert len(tally) == 0
    tally.leave("a")

"""Lines of the log that somebody may cause: so many at once, so many a second, and a count."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from relay.policy.lines import OTHERS, PERIOD, Lines, Rate


def lines(at_once: int = 3, per_second: float = 1.0, most: int = 1024) -> Lines:
    return Lines(Rate(at_once, per_second), most)


def told(its: Lines, whom: str, now: float, times: int) -> int:
    return sum(its.may(whom, now) for _ in range(times))


def test_so_many_are_told_at_once_and_no_more():
    assert told(lines(), "a", 0.0, 10) == 3


def test_what_one_uses_up_is_nobody_elses():
    its = lines()
    told(its, "a", 0.0, 10)
    assert told(its, "b", 0.0, 10) == 3


def test_each_second_brings_one_more_up_to_so_many_at_once():
    its = lines()
    told(its, "a", 0.0, 10)
    assert told(its, "a", 2.0, 10) == 2
    assert told(its, "a", 1000.0, 10) == 3


def test_a_clock_that_is_put_back_takes_nothing_away():
    its = lines()
    assert told(its, "a", 1000.0, 1) == 1
    assert told(its, "a", 0.0, 10) == 2
    assert told(its, "a", 1.0, 10) == 1


def test_those_that_were_left_out_are_told_once_a_minute_after_the_first():
    its = lines()
    assert its.due is None
    told(its, "a", 5.0, 10)
    told(its, "b", 6.0, 3)
    assert its.due == 5.0 + PERIOD
    assert its.left_out(its.due - 0.1) == []
    assert its.left_out(its.due) == [("a", 7)]
    assert its.due is None
    assert its.left_out() == []


def test_they_are_counted_anew_after_they_were_told():
    its = lines(per_second=0.01)
    told(its, "a", 0.0, 10)
    its.left_out(PERIOD)
    told(its, "a", 61.0, 2)
    assert its.due == 61.0 + PERIOD
    assert its.left_out() == [("a", 2)]


def test_all_are_told_whether_it_is_time_or_not():
    its = lines()
    told(its, "b", 0.0, 4)
    told(its, "a", 1.0, 5)
    assert its.left_out() == [("b", 1), ("a", 2)]


def test_those_who_are_too_many_to_be_known_share_what_one_may_have():
    its = lines(most=2)
    for known in ("a", "b"):
        assert told(its, known, 0.0, 1) == 1
    assert [its.may(each, 0.0) for each in "cdefg"] == [True, True, True, False, False]
    assert told(its, "a", 0.0, 10) == 2
    assert its.left_out()[0] == (OTHERS, 2)


def test_one_who_has_recovered_makes_room_for_another():
    its = lines(most=2)
    told(its, "a", 0.0, 1)
    told(its, "b", 1.0, 1)
    assert told(its, "c", 3.0, 10) == 3
    assert len(its) == 2
    # That "b" was here before is known as long as it matters.
    assert told(its, "b", 3.0, 10) == 3


def test_one_of_whom_there_is_something_to_tell_is_not_forgotten():
    its = lines(most=1)
    told(its, "a", 0.0, 4)
    assert told(its, "b", 50.0, 10) == 3
    assert its.left_out(50.0) == []
    assert its.left_out() == [("a", 1), (OTHERS, 7)]


NAMES = st.sampled_from("abcde")
STEPS = st.lists(st.tuples(NAMES, st.sampled_from([0.0, 0.01, 0.5, 3.0, 100.0])), max_size=80)


@given(st.integers(1, 5), st.sampled_from([0.01, 0.5, 1.0, 50.0]), st.integers(1, 6), STEPS)
def test_in_no_span_of_time_has_anybody_more_than_the_burst_and_the_rate(
    at_once, per_second, most, steps
):
    its = lines(at_once, per_second, most)
    now = 0.0
    asked: Counter[str] = Counter()
    moments: dict[str, list[float]] = {}
    for whom, seconds in steps:
        now += seconds
        its.left_out(now)
        asked[whom] += 1
        if its.may(whom, now):
            moments.setdefault(whom, []).append(now)
    assert len(its) <= most
    for of_one in moments.values():
        # One who is not always known by name has a share in the others', too.
        buckets = 1 if most >= len(asked) else 2
        for first, begin in enumerate(of_one):
            for last in range(first, len(of_one)):
                bound = at_once + per_second * (of_one[last] - begin) + 1e-6
                assert last - first + 1 <= buckets * bound


@given(st.integers(1, 5), st.integers(1, 6), STEPS)
def test_every_line_is_told_or_counted(at_once, most, steps):
    its = lines(at_once, most=most)
    now, said, counted = 0.0, 0, 0
    for whom, seconds in steps:
        now += seconds
        said += its.may(whom, now)
        counted += sum(count for _, count in its.left_out(now))
        assert its.due is None or now < its.due <= now + PERIOD
    counted += sum(count for _, count in its.left_out())
    assert said + counted == len(steps)
    assert its.due is None

"""Who serves whom, and whether there is room for one more."""

from __future__ import annotations

from relay.workers.guests import Guest, Guests


def guests(*ready: int, most: int = 100, by_door: tuple[int, ...] = (100,)) -> Guests:
    made = Guests(most, by_door)
    for each in ready:
        made.opens(each)
    return made


def enters(made: Guests, number: int, door: int = 0) -> int:
    """Somebody comes, and is served by the first in order."""
    worker = made.order()[0]
    made.enter(number, Guest(worker, door, made.has_room(door)))
    return worker


def test_it_is_each_worker_s_turn_where_all_have_as_many():
    made = guests(1, 2, 3)
    assert [enters(made, number) for number in range(6)] == [1, 2, 3, 1, 2, 3]


def test_turns_go_on_where_callers_leave_at_once():
    made = guests(1, 2, 3)
    for number, worker in enumerate((1, 2, 3, 1)):
        assert enters(made, number) == worker
        made.leave(number)


def test_the_worker_with_the_fewest_callers_is_first():
    made = guests(1, 2, 3)
    for number in range(6):
        enters(made, number)
    made.leave(1)
    assert made.order() == [2, 1, 3]
    assert enters(made, 6) == 2


def test_nobody_comes_to_a_worker_that_is_not_ready_or_leaves():
    made = guests(1, 2)
    made.closes(2)
    assert [enters(made, number) for number in range(2)] == [1, 1]
    assert guests().order() == []


def test_whom_a_leaving_worker_has_still_counts_until_it_is_gone():
    made = guests(1, 2, most=2)
    enters(made, 0)
    enters(made, 1)
    made.closes(2)
    assert not made.has_room(0)
    made.gone(2)
    assert made.has_room(0)
    assert made.served_by(2) == 0
    assert len(made) == 1


def test_there_is_room_for_as_many_as_there_may_be_in_all_and_by_each_door():
    made = guests(1, 2, most=3, by_door=(2, 3))
    assert made.has_room(0)
    enters(made, 0)
    enters(made, 1)
    assert not made.has_room(0)
    assert made.has_room(1)
    enters(made, 2, door=1)
    assert not made.has_room(1)


def test_who_is_one_too_many_takes_nobody_s_room_when_another_leaves():
    made = guests(1, most=1)
    enters(made, 0)
    enters(made, 1)
    made.leave(0)
    assert made.has_room(0)


def test_one_that_has_left_already_is_no_news():
    made = guests(1)
    enters(made, 0)
    made.gone(1)
    made.leave(0)
    assert made.served_by(1) == 0

"""Who is granted what, and who is asked to give back."""

from __future__ import annotations

import pytest

from relay.workers.allowance import PATIENCE
from relay.workers.sharing import Sharing, Step, What, share
from tests.workers.test_sharing_machine import Sharers


def joined(maximum: int, of: int) -> Sharing:
    sharing = Sharing(maximum, of)
    for worker in range(1, of + 1):
        sharing.join(worker)
    return sharing


def granted(worker: int) -> Step:
    return Step(worker, What.GRANTED)


def asked(worker: int) -> Step:
    return Step(worker, What.ASKED)


def unasked(worker: int) -> Step:
    return Step(worker, What.UNASKED)


@pytest.mark.parametrize("whole", [0, 1, 2, 3, 7, 64])
@pytest.mark.parametrize("of", [1, 2, 3, 5])
def test_shares_are_the_whole_and_as_equal_as_can_be(whole, of):
    shares = [share(whole, number, of) for number in range(1, of + 1)]
    assert sum(shares) == whole
    assert max(shares) - min(shares) <= 1


def test_workers_start_with_equal_shares():
    sharing = joined(5, 3)
    assert [sharing.granted(each) for each in (1, 2, 3)] == [2, 2, 1]
    assert sharing.free == 0


def test_what_is_free_is_granted_at_once():
    sharing = Sharing(4, 2)
    sharing.join(1)
    assert sharing.wishes(1, 3) == [granted(1)]
    assert sharing.granted(1) == 3


def test_another_one_is_asked_where_nothing_is_free_and_what_it_gives_back_is_granted():
    sharing = joined(2, 2)
    assert sharing.wishes(1, 2) == [asked(2)]
    assert sharing.gives_back(2) == [granted(1)]


def test_the_one_with_most_is_asked_first_and_who_is_busy_makes_it_the_next_one_s_turn():
    sharing = joined(5, 3)
    assert sharing.wishes(3, 2) == [asked(1)]
    assert sharing.is_busy(1) == [asked(2)]
    assert sharing.is_busy(2) == []
    assert sharing.gives_back(2) == [granted(3), unasked(1)]


def test_the_wish_that_has_waited_longest_is_met_first():
    sharing = joined(3, 3)
    sharing.wishes(2, 2)
    sharing.wishes(3, 2)
    assert sharing.gives_back(1)[0] == granted(2)


def test_a_wish_that_is_changed_keeps_its_place():
    sharing = joined(3, 3)
    sharing.wishes(2, 2)
    sharing.wishes(3, 2)
    sharing.wishes(2, 3)
    assert sharing.gives_back(1)[0] == granted(2)


def test_who_has_given_one_back_to_another_one_s_wish_waits_behind_it():
    sharing = joined(2, 3)
    sharing.wishes(1, 2)
    sharing.wishes(3, 1)
    assert sharing.gives_back(1)[0] == granted(3)


def test_nobody_is_asked_any_more_for_a_wish_that_is_withdrawn():
    sharing = joined(2, 2)
    sharing.wishes(1, 2)
    assert sharing.wishes(1, 0) == [unasked(2)]


def test_who_wishes_itself_is_not_asked_by_one_that_has_as_many():
    sharing = joined(2, 2)
    sharing.wishes(1, 2)
    assert sharing.wishes(2, 2) == [unasked(2)]


def test_who_wishes_itself_is_asked_by_one_that_has_nothing():
    sharing = joined(2, 3)
    sharing.wishes(1, 2)
    sharing.wishes(2, 2)
    assert sharing.wishes(3, 1) == [asked(1)]


def test_what_a_worker_had_that_is_gone_is_granted_to_others():
    sharing = joined(2, 2)
    sharing.wishes(2, 2)
    assert sharing.gone(1) == [granted(2)]
    assert sharing.join(1) == 0


def test_who_says_that_it_is_busy_when_it_is_not_asked_any_more_owes_nothing():
    sharing = joined(2, 2)
    assert sharing.is_busy(1) == []
    assert sharing.wishes(2, 2) == [asked(1)]


def test_workers_that_never_have_enough_take_turns():
    crowd = Sharers()
    crowd.start(maximum=2, of=3)
    for worker in crowd.workers.values():
        for _ in range(2):
            worker.asks()
    served = dict.fromkeys(crowd.workers, 0)
    for _ in range(30):
        crowd.settle()
        crowd.clock.advance(PATIENCE)
        for number, worker in crowd.workers.items():
            served[number] += worker.leased
            for _ in range(worker.leased):
                worker.is_done()
                worker.asks()
    assert min(served.values()) >= 10

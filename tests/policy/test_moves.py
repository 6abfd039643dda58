"""Which move a sub-operation belongs to."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from relay.policy.moves import AFTERLIFE, MOST_MOVES, Moves

ARCHIVES = frozenset({"PACS_A", "PACS_B"})


@pytest.fixture
def moves():
    return Moves()


def begun(moves, destination="CT_1", calling="WS", message_id=7, now=0.0, archives=ARCHIVES):
    move = moves.begin(destination, calling, message_id, "RELAY", archives, now)
    assert move is not None
    return move


def test_a_move_is_found_by_what_the_archive_was_shown(moves):
    move = begun(moves)
    assert moves.find("PACS_A", "RELAY", move.sent_id, 0.0) is move
    assert (move.destination, move.calling, move.message_id) == ("CT_1", "WS", 7)


def test_moves_with_the_same_message_id_get_different_ones(moves):
    first, second = begun(moves), begun(moves, "CT_2")
    assert first.sent_id != second.sent_id
    assert moves.find("PACS_B", "RELAY", second.sent_id, 0.0) is second


def test_a_move_is_found_by_an_archive_that_gives_itself_for_the_originator(moves):
    move = begun(moves)
    assert moves.find("PACS_A", "PACS_A", move.sent_id, 0.0) is move
    assert moves.find("PACS_A", "PACS_B", move.sent_id, 0.0) is None


def test_another_originator_archive_or_number_is_of_no_move(moves):
    its = begun(moves).sent_id
    assert moves.find("PACS_A", "WS", its, 0.0) is None
    assert moves.find("OTHER", "RELAY", its, 0.0) is None
    assert moves.find("PACS_A", "RELAY", its + 1, 0.0) is None


def test_what_has_ended_is_remembered_for_a_while(moves):
    move = begun(moves)
    moves.end(move, 10.0)
    moves.end(move, 50.0)
    assert moves.find("PACS_A", "RELAY", move.sent_id, 10.0 + AFTERLIFE - 1) is move
    assert moves.find("PACS_A", "RELAY", move.sent_id, 10.0 + AFTERLIFE) is None


def test_the_end_of_what_is_forgotten_is_no_news(moves):
    move = begun(moves)
    moves.end(move, 0.0)
    assert moves.awaited("PACS_A", 2 * AFTERLIFE) == ()
    moves.end(move, 2 * AFTERLIFE)
    assert moves.awaited("PACS_A", 2 * AFTERLIFE) == ()


def test_an_archive_that_says_nothing_is_known_by_its_one_destination(moves):
    assert moves.sole("PACS_A", 0.0) is None
    first = begun(moves)
    begun(moves, archives=frozenset({"OTHER"}), destination="CT_9")
    assert moves.sole("PACS_A", 0.0) is first
    begun(moves, "CT_1")
    assert moves.sole("PACS_A", 0.0) is first
    begun(moves, "CT_2")
    assert moves.sole("PACS_A", 0.0) is None


def test_one_under_way_comes_before_what_is_over(moves):
    over = begun(moves)
    moves.end(over, 1.0)
    assert moves.sole("PACS_A", 2.0) is over
    other = begun(moves, "CT_2", now=2.0)
    assert moves.sole("PACS_A", 3.0) is other


def test_one_that_was_never_answered_may_be_under_way_still(moves):
    given_up = begun(moves)
    moves.end(given_up, 1.0, is_answered=False)
    other = begun(moves, "CT_2", now=2.0)
    assert moves.sole("PACS_A", 3.0) is None
    assert moves.sole("PACS_A", 1.0 + AFTERLIFE) is other


def test_one_that_never_left_is_not_known(moves):
    move = begun(moves)
    moves.call_off(move)
    assert moves.find("PACS_A", "RELAY", move.sent_id, 0.0) is None
    assert moves.awaited("PACS_A", 0.0) == ()
    moves.call_off(move)
    moves.end(move, 0.0)
    assert begun(moves).sent_id != move.sent_id


def test_what_an_archive_does_say_must_be_so(moves):
    first, second = begun(moves), begun(moves)
    assert moves.sole("PACS_A", 0.0, "RELAY") is first
    assert moves.sole("PACS_A", 0.0, None, second.sent_id) is second
    assert moves.sole("PACS_A", 0.0, "OTHER") is None
    assert moves.sole("PACS_A", 0.0, None, second.sent_id + 1) is None


def test_all_destinations_of_an_archive_are_awaited_the_oldest_first(moves):
    begun(moves, "CT_2")
    begun(moves, "CT_1")
    begun(moves, "CT_2")
    assert moves.awaited("PACS_A", 0.0) == ("CT_2", "CT_1")
    assert moves.awaited("OTHER", 0.0) == ()


def test_the_destination_of_what_is_over_is_awaited_only_while_nothing_is_under_way(moves):
    over = begun(moves, "CT_1")
    moves.end(over, 1.0)
    assert moves.awaited("PACS_A", 2.0) == ("CT_1",)
    other = begun(moves, "CT_2", now=2.0)
    assert moves.awaited("PACS_A", 3.0) == ("CT_2",)
    moves.end(other, 4.0)
    assert moves.awaited("PACS_A", 5.0) == ("CT_1", "CT_2")


def test_there_are_as_many_moves_as_message_ids(moves):
    all_of_them = [begun(moves) for _ in range(MOST_MOVES)]
    assert {each.sent_id for each in all_of_them} == set(range(1, MOST_MOVES + 1))
    assert moves.begin("CT_1", "WS", 1, "RELAY", ARCHIVES, 0.0) is None
    moves.end(all_of_them[99], 0.0)
    assert begun(moves, now=AFTERLIFE).sent_id == all_of_them[99].sent_id


def test_a_move_may_leave_at_once_where_there_is_nobody_to_tell(moves):
    told = []
    moves.announce(begun(moves), lambda: told.append("it may"))
    assert told == ["it may"]


def test_processes_draw_message_ids_that_are_no_other_processes():
    processes: Any = [Moves(number, 3) for number in (1, 2, 3)]
    drawn = [{begun(each).sent_id for _ in range(MOST_MOVES // 3)} for each in processes]
    assert set.union(*drawn) == set(range(1, MOST_MOVES + 1))
    assert processes[0].begin("CT_1", "WS", 1, "RELAY", ARCHIVES, 0.0) is None


def test_a_move_that_is_learnt_is_found_as_if_it_were_its_own():
    here, there = Moves(1, 2), Moves(2, 2)
    move = begun(there)
    here.learn(move)
    its = move.sent_id
    assert here.known(its) is move
    assert here.find("PACS_A", "RELAY", its, 0.0) is move
    assert here.awaited("PACS_A", 0.0) == ("CT_1",)
    assert begun(here).sent_id != its


def test_what_is_learnt_takes_the_place_of_what_had_its_message_id_before():
    here, there = Moves(1, 2), Moves(2, 2)
    before = begun(there)
    here.learn(before)
    here.end(before, 0.0)
    after = begun(Moves(2, 2), "CT_2")
    here.learn(after)
    assert after.sent_id == before.sent_id
    assert here.find("PACS_A", "RELAY", after.sent_id, AFTERLIFE) is after


def test_all_that_is_remembered_can_be_told(moves):
    under_way, answered, left, forgotten = (begun(moves) for _ in range(4))
    moves.end(forgotten, 0.0)
    moves.end(answered, AFTERLIFE)
    moves.end(left, AFTERLIFE, is_answered=False)
    assert moves.standing(AFTERLIFE) == [(under_way, None), (answered, True), (left, False)]


class MovesMachine(RuleBasedStateMachine):
    """Moves begin, end and are forgotten, whatever the order."""

    def __init__(self):
        super().__init__()
        self.moves, self.now = Moves(), 0.0
        self.under_way: list = []
        self.over: dict = {}

    @rule(destination=st.sampled_from("abc"), archive=st.sampled_from("xy"))
    def begin(self, destination, archive):
        self.under_way.append(
            begun(self.moves, destination, now=self.now, archives=frozenset(archive))
        )

    @rule(which=st.integers(0, 9))
    def end(self, which):
        if which < len(self.under_way):
            move = self.under_way.pop(which)
            self.moves.end(move, self.now)
            self.over[move] = self.now

    @rule(seconds=st.sampled_from([1.0, AFTERLIFE / 2, AFTERLIFE]))
    def wait(self, seconds):
        self.now += seconds

    @invariant()
    def each_is_found_until_its_time_is_over_and_nobody_elses(self):
        alive = self.under_way + [m for m, at in self.over.items() if self.now - at < AFTERLIFE]
        assert len({each.sent_id for each in alive}) == len(alive)
        for each in alive:
            (archive,) = each.archives
            assert self.moves.find(archive, "RELAY", each.sent_id, self.now) is each
        for archive in "xy":
            its = [each for each in alive if archive in each.archives]
            awaited = [each for each in its if each in self.under_way] or its
            destinations = {each.destination for each in awaited}
            assert set(self.moves.awaited(archive, self.now)) == destinations
            sole = self.moves.sole(archive, self.now)
            assert sole is None or (sole in alive and archive in sole.archives)


TestMoves = MovesMachine.TestCase

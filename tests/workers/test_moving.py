"""C-MOVEs of all workers are known to each, and end for each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest
from twisted.internet.defer import Deferred
from twisted.internet.task import Clock

from relay.policy.moves import AFTERLIFE, Move, Moves
from relay.workers import words
from relay.workers.moving import How, Ledger, Replica, decode, encode
from relay.workers.post import ANSWER_TIMEOUT, Postbox

ARCHIVES = frozenset({"PACS_A", "PACS_B"})


def begun(moves: Moves, destination: str = "CT_1", now: float = 0.0) -> Move:
    move = moves.begin(destination, "WS", 7, "RELAY", ARCHIVES, now)
    assert move is not None
    return move


@attrs.define
class Told:
    """What the first process is told, as a transcript."""

    said: list[Any] = attrs.field(factory=list)

    def begun(self, move: Move, then: Callable[[], None]) -> None:
        self.said.append(("begun", move.sent_id, then))

    def over(self, move: Move, how: How) -> None:
        self.said.append((how, move.sent_id))


def replica(number: int = 1, told: Told | None = None) -> Replica:
    return Replica(number, 3, announcer=told or Told())


def test_a_move_is_the_same_after_it_was_text():
    move = begun(Moves())
    assert attrs.asdict(decode(encode(move))) == attrs.asdict(move)


def test_a_move_leaves_when_the_first_process_says_so():
    told, may_leave = Told(), list[str]()
    here = replica(told=told)
    move = begun(here)
    here.announce(move, lambda: may_leave.append("now"))
    ((_, sent_id, then),) = told.said
    assert (sent_id, may_leave) == (move.sent_id, [])
    then()
    assert may_leave == ["now"]


def test_ends_of_its_own_moves_are_told_and_those_of_others_are_not():
    told = Told()
    here, there = replica(1, told), replica(2)
    answered, left, called_off = begun(here), begun(here), begun(here)
    here.end(answered, 0.0)
    here.end(left, 0.0, is_answered=False)
    here.call_off(called_off)
    assert told.said == [
        (How.ANSWERED, answered.sent_id),
        (How.LEFT, left.sent_id),
        (How.CALLED_OFF, called_off.sent_id),
    ]
    other = begun(there)
    here.hear(encode(other))
    here.hear_of_end(other.sent_id, How.ANSWERED, 0.0)
    assert len(told.said) == 3


@pytest.mark.parametrize("how", How)
def test_a_move_of_another_worker_is_over_as_it_is_there(how):
    here, there = replica(1), replica(2)
    other = begun(there)
    here.hear(encode(other))
    assert here.sole("PACS_A", 0.0) is not None
    here.hear_of_end(other.sent_id, how, 0.0)
    found = here.find("PACS_A", "RELAY", other.sent_id, 0.0)
    assert (found is None) is (how is How.CALLED_OFF)
    assert here.find("PACS_A", "RELAY", other.sent_id, AFTERLIFE) is None


def test_the_end_of_a_move_that_is_not_known_is_no_news():
    here = replica()
    here.hear_of_end(4, How.CALLED_OFF, 0.0)
    here.hear_of_end(4, How.ANSWERED, 0.0)
    assert here.standing(0.0) == []


# the first process


def test_a_ledger_tells_what_there_is_and_how_it_ended():
    ledger, there = Ledger(3), replica(2)
    moves = [begun(there) for _ in range(4)]
    for each in moves:
        ledger.begun(encode(each))
    for each, how in zip(moves, How, strict=False):
        ledger.over(each.sent_id, how, 0.0)
    ledger.over(4242, How.LEFT, 0.0)
    ends = {move.sent_id: how for move, how in ledger.standing(0.0)}
    assert ends == {
        moves[0].sent_id: How.ANSWERED,
        moves[1].sent_id: How.LEFT,
        moves[3].sent_id: None,
    }


def test_moves_of_a_worker_that_is_gone_are_over_and_others_are_not():
    ledger, workers = Ledger(3), [replica(number) for number in (1, 2, 3)]
    moves = [begun(each) for each in workers for _ in range(2)]
    for each in moves:
        ledger.begun(encode(each))
    ledger.over(moves[2].sent_id, How.ANSWERED, 0.0)
    assert ledger.gone(2, 0.0) == [moves[3].sent_id]
    under_way = [move.sent_id for move, how in ledger.standing(0.0) if how is None]
    assert sorted(under_way) == sorted(moves[each].sent_id for each in (0, 1, 4, 5))


@attrs.define(eq=False)
class Post:
    """A postbox, and what it says to whom."""

    clock: Clock = attrs.field(factory=Clock)
    said: list[tuple[object, ...]] = attrs.field(factory=list)
    answers: list[Deferred] = attrs.field(factory=list)
    box: Postbox = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.box = Postbox(3, self.clock, self.say)

    def say(self, but: int, what: object, **values: object) -> list[Deferred]:
        self.said.append((but, what, *values.values()))
        if what is not words.Known:
            return []
        self.answers = [Deferred(), Deferred()]
        return list(self.answers)


@pytest.fixture
def post() -> Post:
    return Post()


def test_a_move_may_leave_when_all_others_know_of_it(post):
    text = encode(begun(replica(2)))
    answered: list[object] = []
    post.box.begun(2, text).addCallback(answered.append)
    assert post.said == [(2, words.Known, text)]
    post.answers[0].callback({})
    assert answered == []
    post.answers[1].errback(ConnectionError())
    assert answered == [{}]
    assert post.clock.getDelayedCalls() == []


def test_a_worker_that_does_not_answer_is_not_waited_for(post):
    answered: list[object] = []
    post.box.begun(2, encode(begun(replica(2)))).addCallback(answered.append)
    post.clock.advance(ANSWER_TIMEOUT)
    assert answered == [{}]


def test_ends_are_told_to_all_others(post):
    move = begun(replica(2))
    post.box.begun(2, encode(move))
    post.box.over(2, move.sent_id, How.ANSWERED)
    assert post.said[1:] == [(2, words.Over, move.sent_id, "answered")]
    assert [how for _, how in post.box.standing()] == [How.ANSWERED]


def test_what_a_worker_that_is_gone_has_begun_is_over_for_all_others(post):
    move = begun(replica(2))
    post.box.begun(2, encode(move))
    post.box.gone(2)
    assert post.said[1:] == [(2, words.Over, move.sent_id, "left")]

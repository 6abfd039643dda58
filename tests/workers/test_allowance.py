"""A worker's share: more is wished for, and given back when it is really free."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.task import Clock

from relay.workers.allowance import PATIENCE, Share


@attrs.define(eq=False)
class Holder:
    """Associations as a keeper has them, set by hand; and the first process, as a transcript."""

    clock: Clock = attrs.field(factory=Clock)
    held: int = 0
    wanted: int = 0
    resting: int = 0
    looks: int = 0
    said: list[object] = attrs.field(factory=list)
    share: Share = attrs.field(init=False)

    def has(self, granted: int, **values: int) -> Holder:
        for name, value in values.items():
            setattr(self, name, value)
        self.share = Share(self.clock, self, granted)
        self.share.hold(self)
        return self

    def let_go(self) -> bool:
        if self.resting:
            self.resting -= 1
            self.said.append("let go")
            return True
        return False

    def look_again(self) -> None:
        self.looks += 1
        self.share.tend()

    def wish(self, total: int) -> None:
        self.said.append(total)

    def give_back(self) -> None:
        self.said.append("back")

    def busy(self) -> None:
        self.said.append("busy")

    def since(self) -> list[object]:
        said, self.said = self.said, []
        return said


@pytest.fixture
def holder() -> Holder:
    return Holder()


def test_what_is_lacking_is_wished_for_once_and_the_wish_is_withdrawn(holder):
    holder.has(1, held=1, wanted=3)
    holder.share.tend()
    holder.share.tend()
    assert holder.since() == [3]
    holder.wanted = 1
    holder.share.tend()
    assert holder.since() == [0]


def test_a_grant_is_there_to_be_used_at_once(holder):
    holder.has(1, held=1, wanted=2)
    holder.share.grant()
    assert (holder.share.most, holder.looks) == (2, 1)
    assert holder.since() == []


def test_what_is_not_in_use_is_given_back_at_once(holder):
    holder.has(2, held=1, wanted=1)
    holder.share.ask()
    assert holder.since() == ["back"]
    assert holder.share.most == holder.share.granted == 1
    assert holder.clock.getDelayedCalls() == []


def test_what_rests_is_let_go_and_given_back_when_it_is_closed(holder):
    holder.has(1, held=1, resting=1)
    holder.share.ask()
    assert holder.since() == ["let go"]
    assert holder.share.most == 0
    holder.held = 0
    holder.share.tend()
    assert holder.since() == ["back"]


def test_where_all_are_in_use_that_is_said_and_one_is_given_back_when_it_is_free(holder):
    holder.has(2, held=2, wanted=2)
    holder.share.ask()
    holder.share.tend()
    assert holder.since() == ["busy"]
    holder.held = holder.wanted = 1
    holder.share.tend()
    assert holder.since() == ["back"]


def test_what_takes_too_long_to_close_is_said_to_be_busy(holder):
    holder.has(1, held=1, resting=1)
    holder.share.ask()
    holder.since()
    holder.clock.advance(PATIENCE)
    assert holder.since() == ["busy"]


def test_those_who_wait_here_come_first_for_a_while_only(holder):
    holder.has(1, held=1, wanted=2)
    holder.share.ask()
    assert not holder.share.is_due
    holder.clock.advance(PATIENCE)
    assert holder.share.is_due
    holder.held = 0
    holder.share.tend()
    assert not holder.share.is_due


def test_who_is_not_asked_any_more_has_all_that_it_was_granted(holder):
    holder.has(1, held=1, wanted=1)
    holder.share.ask()
    assert holder.share.most == 0
    holder.share.unask()
    assert holder.share.most == 1
    assert holder.clock.getDelayedCalls() == []


def test_who_has_nothing_and_who_owes_one_already_are_asked_in_vain(holder):
    holder.has(0)
    holder.share.ask()
    holder.share.unask()
    assert holder.since() == []
    holder.has(1, held=1, wanted=1)
    holder.share.ask()
    holder.share.ask()
    assert holder.since() == ["busy"]

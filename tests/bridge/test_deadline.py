"""A time-out that is set with every operation, and the one call that is kept for it."""

from __future__ import annotations

import pytest

from relay.bridge.deadline import Deadline
from tests.doubles import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def said() -> list[str]:
    return []


def test_it_comes_once_when_its_time_is_up(clock: Clock, said: list[str]) -> None:
    timer = Deadline(clock).set(5, lambda: said.append("due"))
    clock.advance(4.9)
    assert timer.active() and not said
    clock.advance(0.1)
    assert said == ["due"] and not timer.active()
    clock.advance(60)
    assert said == ["due"]


def test_what_was_lifted_does_not_come(clock: Clock, said: list[str]) -> None:
    deadline = Deadline(clock)
    deadline.set(5, lambda: said.append("due")).cancel()
    assert not deadline.active()
    clock.advance(60)
    assert not said and not clock.getDelayedCalls()


@pytest.mark.parametrize("delay", [1, 5, 9])
def test_set_again_it_comes_at_the_later_time_alone_be_it_sooner_or_not(
    clock: Clock, said: list[str], delay: float
) -> None:
    deadline = Deadline(clock)
    deadline.set(5, lambda: said.append("first"))
    clock.advance(0.5)
    deadline.cancel()
    deadline.set(delay, lambda: said.append("second"))
    clock.advance(delay - 0.1)
    assert not said
    clock.advance(0.1)
    assert said == ["second"]
    clock.advance(60)
    assert said == ["second"]


def test_however_often_it_is_set_one_call_is_kept_and_its_end_takes_that_back(
    clock: Clock, said: list[str]
) -> None:
    deadline = Deadline(clock)
    for _ in range(3):
        deadline.set(5, lambda: said.append("due"))
        deadline.cancel()
        assert len(clock.getDelayedCalls()) == 1
    deadline.end()
    deadline.end()
    assert not clock.getDelayedCalls()


def test_it_can_be_set_by_what_comes(clock: Clock, said: list[str]) -> None:
    deadline = Deadline(clock)
    deadline.set(5, lambda: deadline.set(5, lambda: said.append("second")))
    clock.advance(5)
    assert deadline.active() and not said
    clock.advance(5)
    assert said == ["second"]

"""A valve: a source reads on when the last cause to stop it is gone, and is never left stopped."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.pressure import HELD_MAXIMUM, Valve


@attrs.define
class Tap:
    """A source that insists on being paused and resumed in turn."""

    paused: bool = False
    turns: int = 0

    def pause(self) -> None:
        assert not self.paused
        self.paused, self.turns = True, self.turns + 1

    def resume(self) -> None:
        assert self.paused
        self.paused, self.turns = False, self.turns + 1


@pytest.fixture
def tap():
    return Tap()


@pytest.fixture
def valve(tap):
    return Valve(tap)


def test_a_valve_is_open_until_there_is_a_cause(tap, valve):
    assert valve.is_open
    valve.close("a cause")
    assert not valve.is_open
    assert tap.paused


def test_a_source_reads_on_when_the_last_cause_is_gone(tap, valve):
    valve.close("one")
    valve.close("another")
    valve.open("one")
    assert tap.paused
    valve.open("another")
    assert valve.is_open
    assert not tap.paused


def test_closing_or_opening_twice_is_harmless(tap, valve):
    valve.open("never closed")
    valve.close("a cause")
    valve.close("a cause")
    valve.open("a cause")
    valve.open("a cause")
    assert tap.turns == 2


def test_what_is_held_stops_the_source_only_beyond_the_maximum(tap, valve):
    valve.hold(HELD_MAXIMUM)
    assert not tap.paused
    valve.hold(1)
    assert tap.paused
    valve.let_out(1)
    assert not tap.paused


def test_many_small_messages_that_are_held_stop_the_source_as_one_large_one_does(tap, valve):
    for _ in range(HELD_MAXIMUM // 100 + 1):
        valve.hold(100)
    assert tap.paused


def test_a_source_that_is_stopped_twice_over_waits_for_both(tap, valve):
    valve.hold(HELD_MAXIMUM + 1)
    valve.close("a full sink")
    valve.let_out(HELD_MAXIMUM + 1)
    assert tap.paused
    valve.open("a full sink")
    assert not tap.paused


def test_a_retired_source_is_read_from_whatever_the_causes_were(tap, valve):
    valve.close("one")
    valve.hold(HELD_MAXIMUM + 1)
    valve.retire()
    assert not tap.paused


def test_retiring_an_open_source_does_nothing_and_late_openings_do_nothing_more(tap, valve):
    valve.retire()
    assert tap.turns == 0
    valve.close("one")
    valve.retire()
    valve.open("one")
    assert tap.turns == 2


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 3))))
def test_a_source_is_paused_exactly_while_there_is_a_cause(steps):
    tap = Tap()
    valve = Valve(tap)
    causes: set[int] = set()
    for closes, cause in steps:
        (valve.close if closes else valve.open)(cause)
        (causes.add if closes else causes.discard)(cause)
        assert tap.paused == bool(causes) == (not valve.is_open)

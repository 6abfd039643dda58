"""Outcome: the first cause of an end counts, an upstream is named once."""

from __future__ import annotations

from relay.bridge.outcome import End, Outcome


def test_the_first_cause_of_the_end_counts():
    outcome = Outcome()
    outcome.finish(End.ABORTED_BY_RELAY, "a protocol error")
    outcome.finish(End.LOST, "connection closed")
    assert (outcome.end, outcome.why) == (End.ABORTED_BY_RELAY, "a protocol error")


def test_an_end_needs_no_reason():
    outcome = Outcome()
    outcome.finish(End.RELEASED)
    assert (outcome.end, outcome.why) == (End.RELEASED, "")


def test_an_upstream_is_named_once_and_in_the_order_of_service():
    outcome = Outcome()
    for upstream in ("b", "a", "b"):
        outcome.went_by(upstream)
    assert outcome.upstreams == ["b", "a"]


def test_a_crossing_that_has_not_ended_has_counted_nothing():
    outcome = Outcome()
    assert outcome.end is None
    assert not outcome.operations
    assert (outcome.failed, outcome.bytes_up, outcome.bytes_down, outcome.odd) == (0, 0, 0, 0)

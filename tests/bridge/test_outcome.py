"""Outcome: the first cause of an end counts, an upstream is named once."""

from __future__ import annotations

from relay.bridge.outcome import MOST_OBJECTS, MOST_STATUSES, OTHER_STATUSES, End, Outcome


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


def test_statuses_are_counted_and_so_many_kinds_of_them():
    outcome = Outcome()
    for status in (0, 0xA700, 0):
        outcome.told(status)
    assert outcome.statuses == {0: 2, 0xA700: 1}
    for status in range(0xC000, 0xC000 + 2 * MOST_STATUSES):
        outcome.told(status)
    assert len(outcome.statuses) == MOST_STATUSES + 1
    assert outcome.statuses[OTHER_STATUSES] == MOST_STATUSES + 2
    assert sum(outcome.statuses.values()) == 3 + 2 * MOST_STATUSES


def test_who_and_what_is_named_as_the_log_may_name_it():
    outcome = Outcome(identify=lambda raw: f"<{len(raw)}>")
    outcome.shown(b"ann")
    for uid in (b"1.2", b"1.3", b"", b"1.2.3.4"):
        outcome.failed_on(uid)
    assert outcome.user == "<3>"
    assert list(outcome.objects) == ["<3>", "<7>"]


def test_so_many_objects_are_named_and_no_more():
    outcome = Outcome(identify=bytes.hex)
    for number in range(2 * MOST_OBJECTS):
        outcome.failed_on(b"1.%d" % number)
    assert list(outcome.objects) == [(b"1.%d" % each).hex() for each in range(MOST_OBJECTS)]


def test_nobody_is_named_unless_it_is_said_how():
    outcome = Outcome()
    outcome.shown(b"ann")
    outcome.failed_on(b"1.2")
    assert (outcome.user, outcome.objects) == (None, {})

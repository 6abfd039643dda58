"""The line of a crossing: the same in words and in fields."""

from __future__ import annotations

import json

import pytest

from relay.bridge.outcome import End, Outcome
from relay.journal.crossings import Crossing
from relay.journal.plain import plain
from relay.wire.command import CommandField

NOON = 1_800_000_000.0


def crossing(outcome: Outcome) -> Crossing:
    if outcome.end is None:
        outcome.finish(End.RELEASED)
    return Crossing("192.0.2.7", "tls", NOON, 2.06, outcome)


@pytest.fixture
def busy() -> Outcome:
    outcome = Outcome("CT1", "RELAY", ["b", "a"], failed=1, resent=2, ambiguous=1, odd=3)
    outcome.operations.update({CommandField.C_STORE_RQ: 3, CommandField.N_EVENT_REPORT_RQ: 1})
    outcome.bytes_up, outcome.bytes_down = 5000, 10
    for status in (0, 0, 0xB000, 0xA700, 0):
        outcome.told(status)
    outcome.note("pool archive cannot be reached")
    outcome.identify = bytes.hex
    outcome.shown(b"ann")
    outcome.failed_on(b"1.2")
    return outcome


def test_a_crossing_in_words(busy):
    assert crossing(busy).words() == (
        "'CT1' at 192.0.2.7 called 'RELAY': released; 3 C-STORE, 1 N-EVENT-REPORT, "
        "1 answered A700, 1 answered B000, 2 sent again (1 perhaps performed), "
        "1 failed (pool archive cannot be reached), with 312e32, 3 of odd length; "
        "5000 bytes up, 10 down; by b, a for user 616e6e; 2.1 s"
    )


def test_a_crossing_in_fields(busy):
    assert crossing(busy).fields() == {
        "event": "crossing",
        "peer": "192.0.2.7",
        "listener": "tls",
        "calling": "CT1",
        "called": "RELAY",
        "user": "616e6e",
        "end": "released",
        "why": "",
        "operations": {"C-STORE": 3, "N-EVENT-REPORT": 1},
        "statuses": {"0000": 3, "B000": 1, "A700": 1},
        "failed": 1,
        "reasons": ["pool archive cannot be reached"],
        "objects": ["312e32"],
        "resent": 2,
        "ambiguous": 1,
        "odd": 3,
        "bytes_up": 5000,
        "bytes_down": 10,
        "upstreams": ["b", "a"],
        "begun": "2027-01-15T08:00:00.000Z",
        "seconds": 2.06,
    }


def test_a_crossing_of_nothing_in_words():
    outcome = Outcome("A", "B")
    outcome.finish(End.ABORTED_BY_RELAY, "protocol error: no")
    assert crossing(outcome).words() == (
        "'A' at 192.0.2.7 called 'B': aborted by the relay: protocol error: no; nothing; "
        "0 bytes up, 0 down; no upstream; 2.1 s"
    )


@pytest.mark.parametrize("end", End, ids=lambda each: each.name)
def test_each_end_has_a_name_that_programs_may_rely_on(end):
    outcome = Outcome("A", "B")
    outcome.finish(end)
    name = crossing(outcome).fields()["end"]
    assert name in {"released", "rejected", "aborted", "lost", "aborted_by_relay", "stopped"}


def test_names_that_break_lines_break_none():
    outcome = Outcome("A\r\nfake", "B\x1b[2J")
    assert crossing(outcome).words().isprintable()


def test_all_fields_are_what_json_knows(busy):
    fields = crossing(busy).fields()
    assert json.loads(json.dumps(fields)) == plain(fields) == fields

"""The figures as JSON."""

from __future__ import annotations

import json

from benchmarks.record import written
from tests.benchmarks import runs


def said(run):
    return json.loads(written(run))


def test_a_run_says_when_and_on_what_it_was_taken():
    about = said(runs.run())
    del about["cases"]
    assert about == {
        "date": "2026-01-02",
        "command": "python -m benchmarks",
        "rounds": 3,
        "versions": ["a machine"],
        "left out": ["left out: x"],
    }


def test_every_round_is_there_beside_what_they_come_to():
    few = said(runs.run())["cases"]["few"]
    assert (few["title"], few["notes"]) == ("objects", ["so it is"])
    relay = few["ways"]["relay"]
    assert relay["batch"]["count"] == 1000
    assert relay["rounds"][1] == {"seconds": 3.0, "cpu": 0.5, "p50": 0.001, "p99": 0.002}
    assert relay["figures"]["MB/s"] == {"middle": 333.33, "least": 250.0, "most": 500.0}


def test_what_is_wanted_is_there_with_what_was_found():
    few = said(runs.run())["cases"]["few"]
    assert few["wanted"][0] == {
        "title": "CPU s/GB, relay / HAProxy",
        "wanted": "at most 1",
        "found": {"middle": 0.5, "least": 0.5, "most": 0.5},
        "met": True,
    }


def test_what_nobody_has_is_null():
    few = said(runs.run([runs.DIRECT]))["cases"]["few"]
    assert few["ways"]["direct, TLS"]["figures"]["CPU s/GB"] is None
    assert few["ways"]["direct, TLS"]["peak"] is None
    assert few["wanted"][0]["found"] is None
    assert few["wanted"][0]["met"] is None

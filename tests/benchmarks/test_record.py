"""The figures as JSON."""

from __future__ import annotations

import json

from benchmarks.case import Case
from benchmarks.record import Run, written
from benchmarks.result import CPU_PER_GB, Result, Round
from benchmarks.sending import Batch
from benchmarks.wanted import Ratio, at_most

BATCH = Batch(1000, 1_000_000, 16384)
CASE = Case("objects", BATCH, (), 1, wanted=(Ratio(CPU_PER_GB, at_most(1)),), notes=("so",))


def result(name, cpu):
    return Result(name, BATCH, [Round(2.0, each, 0.1, 0.2) for each in cpu], peak=1)


def test_a_run_says_on_what_it_was_taken_and_holds_every_round():
    run = Run("2026-01-02", "python -m benchmarks", 2, ["a machine"], ["left out: x"])
    run.cases["few"] = CASE, [result("relay", [1.0, 3.0]), result("HAProxy", [2.0, 2.0])]
    said = json.loads(written(run))
    assert [said[key] for key in ("date", "rounds", "versions", "left out")] == [
        "2026-01-02",
        2,
        ["a machine"],
        ["left out: x"],
    ]
    few = said["cases"]["few"]
    assert (few["title"], few["notes"]) == ("objects", ["so"])
    assert few["ways"]["relay"]["batch"]["count"] == 1000
    assert [each["cpu"] for each in few["ways"]["relay"]["rounds"]] == [1.0, 3.0]
    assert few["ways"]["relay"]["figures"]["CPU s/GB"] == {
        "middle": 2.0,
        "least": 1.0,
        "most": 3.0,
    }
    assert few["wanted"] == [
        {
            "title": "CPU s/GB, relay / HAProxy",
            "wanted": "at most 1",
            "found": {"middle": 1.0, "least": 0.5, "most": 1.5},
            "met": True,
        }
    ]


def test_what_nobody_has_is_null():
    run = Run("2026-01-02", "python -m benchmarks", 1, [], [])
    run.cases["few"] = CASE, [Result("direct", BATCH, [Round(2.0, None, 0.1, 0.2)])]
    few = json.loads(written(run))["cases"]["few"]
    assert few["ways"]["direct"]["figures"]["CPU s/GB"] is None
    assert few["ways"]["direct"]["peak"] is None
    assert few["wanted"][0]["met"] is None

"""The figures of a run as JSON: what a table says, and each round."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import attrs

from benchmarks.case import Case
from benchmarks.result import METRICS, Result
from benchmarks.spread import Spread
from benchmarks.wanted import Verdict, verdicts


@attrs.frozen
class Run:
    """All that a run has measured, by the names of its cases, and on what and when it was.

    `date` as ISO 8601; `command`: with what it was run; `left_out`: why who is not in it.
    """

    date: str
    command: str
    rounds: int
    versions: Sequence[str]
    left_out: Sequence[str]
    cases: dict[str, tuple[Case, Sequence[Result]]] = attrs.field(factory=dict)


def written(run: Run) -> str:
    """The run as the text of a JSON file, figures to five digits."""
    return json.dumps(_short(record(run)), indent=1) + "\n"


def record(run: Run) -> dict[str, Any]:
    """The run as what JSON can hold. Sizes are in bytes, times in seconds unless a name says it."""
    return {
        "date": run.date,
        "command": run.command,
        "rounds": run.rounds,
        "versions": list(run.versions),
        "left out": list(run.left_out),
        "cases": {name: _case(*each) for name, each in run.cases.items()},
    }


def _case(case: Case, results: Sequence[Result]) -> dict[str, Any]:
    return {
        "title": case.title,
        "notes": list(case.notes),
        "ways": {each.name: _result(each) for each in results},
        "wanted": [_verdict(each) for each in verdicts(case.wanted, results)],
    }


def _result(result: Result) -> dict[str, Any]:
    return {
        "batch": attrs.asdict(result.batch),
        "figures": {each.name: _spread(Spread.of(each.figures(result))) for each in METRICS},
        "peak": result.peak,
        "idle": result.idle,
        "used": result.used,
        "rounds": [attrs.asdict(each) for each in result.rounds],
    }


def _verdict(verdict: Verdict) -> dict[str, Any]:
    return {
        "title": verdict.title,
        "wanted": str(verdict.bound),
        "found": _spread(verdict.spread),
        "met": verdict.met,
    }


def _spread(spread: Spread | None) -> dict[str, float] | None:
    return None if spread is None else attrs.asdict(spread)


def _short(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _short(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_short(each) for each in value]
    return float(f"{value:.5g}") if isinstance(value, float) else value

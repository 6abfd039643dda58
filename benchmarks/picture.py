"""The figures of a run as a picture: how the relay stands to HAProxy, and what is wanted of it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import attrs
import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.case import Case
from benchmarks.record import Run
from benchmarks.result import (
    CPU_PER_1000,
    CPU_PER_GB,
    OBJECTS_PER_S,
    Metric,
    Result,
    ratios,
)
from benchmarks.spread import Spread, number
from benchmarks.wanted import HAPROXY, RELAY, Bound, Ratio

# The same figures make the same file: no date, no ids by chance, and text that is text.
STYLE: dict[Any, Any] = {
    "svg.hashsalt": "relay",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
}
METADATA = {"Date": None, "Creator": None}

# Objects of one size: what is wanted for each thousand is wanted for each gigabyte.
COST = (CPU_PER_GB, CPU_PER_1000)
PACE = (OBJECTS_PER_S,)

INK, GRID, MET, NOT_MET = "#222222", "#bbbbbb", "#1b7837", "#b2182b"


@attrs.frozen
class Point:
    """How the relay stands to HAProxy in a case, and what is wanted there, if anything is."""

    title: str
    spread: Spread
    bound: Bound | None

    @property
    def colour(self) -> str:
        """Green where what is wanted was met, red where not, and black where nothing is."""
        if self.bound is None:
            return INK
        return MET if self.bound.holds(self.spread.middle) else NOT_MET


def points(run: Run, metrics: Sequence[Metric]) -> list[Point]:
    """A point for each case in which both were measured, by the first of `metrics`."""
    found = (_point(name, *each, metrics) for name, each in run.cases.items())
    return [each for each in found if each is not None]


def draw(run: Run, path: Path) -> None:
    """Write a picture of a run, as SVG."""
    cost, pace = points(run, COST), points(run, PACE)
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(9, 1.4 + 0.34 * len(cost)), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        _plot(left, cost, "CPU, relay / HAProxy (less is better)")
        _plot(right, pace, "objects/s, relay / HAProxy (more is better)")
        left.invert_yaxis()
        figure.savefig(path, format="svg", metadata=METADATA)
    _without_trailing_spaces(path)


def _point(
    name: str, case: Case, results: Sequence[Result], metrics: Sequence[Metric]
) -> Point | None:
    found = {each.name: each for each in results}
    if not {RELAY, HAPROXY} <= found.keys():
        return None
    spread = Spread.of(ratios(metrics[0], found[RELAY], found[HAPROXY]))
    return None if spread is None else Point(name, spread, _bound(case, metrics))


def _bound(case: Case, metrics: Collection[Metric]) -> Bound | None:
    """What is wanted of the relay's ratio to HAProxy by any of `metrics`."""
    return next(
        (
            each.bound
            for each in case.wanted
            if isinstance(each, Ratio)
            and each.metric in metrics
            and (each.of, each.over) == (RELAY, HAPROXY)
        ),
        None,
    )


def _plot(axes: Axes, found: Sequence[Point], title: str) -> None:
    axes.set_title(title, fontsize=10)
    axes.axvline(1.0, color=GRID, linewidth=1, zorder=0)
    for at, each in enumerate(found):
        spread = each.spread
        axes.plot((spread.least, spread.most), (at, at), color=each.colour, linewidth=2)
        axes.plot(spread.middle, at, "o", color=each.colour, markersize=6)
        axes.annotate(
            number(spread.middle),
            (spread.most, at),
            (6, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=each.colour,
        )
        if each.bound is not None:
            axes.plot(each.bound.limit, at, "|", color=INK, markersize=14, markeredgewidth=2)
    axes.set_yticks(range(len(found)), [each.title for each in found])
    axes.set_xlim(left=0)
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel("bar: wanted; line: least to most of all rounds", fontsize=8)


def _without_trailing_spaces(path: Path) -> None:
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join(line.rstrip() for line in lines) + "\n", "utf-8")

"""Figures that are wanted of the relay, and whether a run has met them. Nothing fails by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import attrs

from benchmarks.result import Metric, Result, ratios
from benchmarks.spread import Spread, number

RELAY = "relay"
HAPROXY = "HAProxy"

Results = Mapping[str, Result]


@attrs.frozen
class Bound:
    """The most that is wanted, or the least."""

    limit: float
    most: bool = True

    def holds(self, figure: float) -> bool:
        """Tell whether a figure is within the bound."""
        return figure <= self.limit if self.most else figure >= self.limit

    def __str__(self) -> str:
        return f"at {'most' if self.most else 'least'} {self.limit:g}"


def at_most(limit: float) -> Bound:
    """No more than this is wanted."""
    return Bound(limit)


def at_least(limit: float) -> Bound:
    """No less than this is wanted."""
    return Bound(limit, most=False)


class Wanted(Protocol):
    """A figure that is wanted: what it is, within what bound, and how a run's results make it."""

    @property
    def bound(self) -> Bound: ...

    @property
    def title(self) -> str: ...

    def figures(self, results: Results) -> Sequence[float]:
        """The figure in each round; KeyError for a way that was left out."""


@attrs.frozen
class Ratio:
    """How a way stands to another one by a metric."""

    metric: Metric
    bound: Bound
    over: str = HAPROXY
    of: str = RELAY

    @property
    def title(self) -> str:
        return f"{self.metric.name}, {self.of} / {self.over}"

    def figures(self, results: Results) -> Sequence[float]:
        return ratios(self.metric, results[self.of], results[self.over])


@attrs.frozen
class Peak:
    """The peak of resident memory in MB, beside so many bytes that are wanted to be there."""

    bound: Bound
    beside: int = 0
    of: str = RELAY

    @property
    def title(self) -> str:
        window = f" beside a replay window of {number(self.beside / 1e6)} MB" if self.beside else ""
        return f"peak MB, {self.of}{window}"

    def figures(self, results: Results) -> Sequence[float]:
        peak = results[self.of].peak
        return [] if peak is None else [(peak - self.beside) / 1e6]


@attrs.frozen
class Growth:
    """What each active association more adds to the peak of resident memory, in MB."""

    bound: Bound
    of: str
    over: str

    @property
    def title(self) -> str:
        return f"peak MB for each association more, {self.of} over {self.over}"

    def figures(self, results: Results) -> Sequence[float]:
        many, few = results[self.of], results[self.over]
        if many.peak is None or few.peak is None:
            return []
        more = many.batch.associations - few.batch.associations
        return [(many.peak - few.peak) / more / 1e6]


@attrs.frozen
class Idle:
    """What each association that rests adds to resident memory, in KB; `used`: after an object."""

    bound: Bound
    of: str = RELAY
    used: bool = False

    @property
    def title(self) -> str:
        return f"KB for each idle association, {self.of}{', after an object' * self.used}"

    def figures(self, results: Results) -> Sequence[float]:
        result = results[self.of]
        return [each / 1e3 for each in (result.used if self.used else result.idle)]


@attrs.frozen
class Verdict:
    """What a wanted figure has come to; `spread` is None where it was not measured."""

    title: str
    bound: Bound
    spread: Spread | None

    @property
    def met(self) -> bool | None:
        """Whether the median is within the bound; None where nothing was measured."""
        return None if self.spread is None else self.bound.holds(self.spread.middle)

    @property
    def answer(self) -> str:
        """The same in words."""
        return {True: "met", False: "not met", None: "not measured"}[self.met]

    def __str__(self) -> str:
        found = "" if self.spread is None else f" {self.spread},"
        return f"{self.title}: {self.bound} wanted,{found} {self.answer}"


def verdicts(wanted: Sequence[Wanted], results: Sequence[Result]) -> list[Verdict]:
    """What each wanted figure has come to."""
    found = {each.name: each for each in results}
    return [_verdict(each, found) for each in wanted]


def _verdict(wanted: Wanted, results: Results) -> Verdict:
    try:
        figures = wanted.figures(results)
    except KeyError:
        figures = ()
    return Verdict(wanted.title, wanted.bound, Spread.of(figures))

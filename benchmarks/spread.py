"""Medians, percentiles and spreads, and how they are written."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median

import attrs

NOTHING = "-"


@attrs.frozen
class Spread:
    """The median of figures, and the least and the most of them."""

    middle: float
    least: float
    most: float

    @classmethod
    def of(cls, figures: Sequence[float]) -> Spread | None:
        """The spread of figures; None where there are none."""
        return cls(median(figures), min(figures), max(figures)) if figures else None

    def __str__(self) -> str:
        if self.least == self.most:
            return number(self.middle)
        return f"{number(self.middle)} ({number(self.least)}-{number(self.most)})"


def percentile(figures: Sequence[float], share: float) -> float:
    """The least of `figures` that at least `share` of them, above 0 up to 1, do not exceed."""
    return sorted(figures)[math.ceil(share * len(figures)) - 1]


def number(figure: float) -> str:
    """Three digits, or all those before the point."""
    digits = next((each for each, limit in enumerate((100, 10, 1)) if abs(figure) >= limit), 3)
    return f"{figure:.{digits}f}"

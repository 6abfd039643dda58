"""Medians and percentiles, and how they are written."""

from __future__ import annotations

import pytest

from benchmarks.spread import Spread, number, percentile


def test_a_spread_is_the_median_with_the_least_and_the_most():
    assert Spread.of([9.0, 1.0, 2.0]) == Spread(2.0, 1.0, 9.0)
    assert str(Spread.of([9.0, 1.0, 2.0])) == "2.00 (1.00-9.00)"


def test_figures_that_are_all_the_same_have_no_spread_to_write():
    assert str(Spread.of([2.0])) == "2.00"


def test_without_figures_there_is_no_spread():
    assert Spread.of([]) is None


@pytest.mark.parametrize(
    ("share", "wanted"), [(0.01, 1), (0.5, 50), (0.501, 51), (0.99, 99), (0.991, 100), (1.0, 100)]
)
def test_a_percentile_is_the_least_figure_that_so_many_do_not_exceed(share, wanted):
    assert percentile(range(100, 0, -1), share) == wanted


def test_of_few_figures_a_high_percentile_is_the_most():
    assert percentile([3.0, 1.0], 0.99) == 3.0
    assert percentile([3.0], 0.5) == 3.0


@pytest.mark.parametrize(
    ("figure", "written"),
    [(0.12345, "0.123"), (1.2345, "1.23"), (12.345, "12.3"), (1234.5, "1234"), (-1.2345, "-1.23")],
)
def test_three_digits_are_written_or_all_before_the_point(figure, written):
    assert number(figure) == written

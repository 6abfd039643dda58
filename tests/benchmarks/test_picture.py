"""The picture: which points are in it, and that the same figures make the same file."""

from __future__ import annotations

from xml.etree import ElementTree

import attrs
import pytest

from benchmarks.picture import COST, MET, NOT_MET, PACE, draw, points
from benchmarks.result import CPU_PER_1000, CPU_PER_GB
from benchmarks.spread import Spread
from benchmarks.wanted import Ratio, at_least, at_most
from tests.benchmarks import runs


def wanting(*wanted):
    return runs.run(case=attrs.evolve(runs.CASE, wanted=wanted))


def test_a_case_has_a_point_with_its_spread_and_what_is_wanted():
    (cost,), (pace,) = points(runs.run(), COST), points(runs.run(), PACE)
    assert (cost.title, cost.spread, cost.bound) == ("few", Spread(0.5, 0.5, 0.5), at_most(1.0))
    assert (pace.spread, pace.bound) == (Spread(1 / 3, 0.25, 0.5), at_least(0.95))
    assert (cost.colour, pace.colour) == (MET, NOT_MET)


def test_what_is_wanted_for_each_thousand_is_wanted_for_each_gigabyte():
    (point,) = points(wanting(Ratio(CPU_PER_1000, at_most(4.0))), COST)
    assert point.bound == at_most(4.0)


@pytest.mark.parametrize(
    "wanted", [(), (Ratio(CPU_PER_GB, at_most(1), over="pynetdicom"),)], ids=["none", "other"]
)
def test_what_is_wanted_of_others_is_no_mark(wanted):
    (point,) = points(wanting(*wanted), COST)
    assert point.bound is None
    assert point.colour not in (MET, NOT_MET)


@pytest.mark.parametrize("there", [[runs.RELAY], [runs.HAPROXY, runs.DIRECT]])
def test_a_case_without_both_has_no_point(there):
    assert points(runs.run(there), COST) == []


def test_the_same_figures_make_the_same_file_with_text_that_can_be_read(tmp_path):
    files = [tmp_path / "one.svg", tmp_path / "two.svg"]
    for path in files:
        draw(runs.run(), path)
    one, two = (path.read_bytes() for path in files)
    assert one == two
    said = [
        each.text for each in ElementTree.fromstring(one).iter("{http://www.w3.org/2000/svg}text")
    ]
    assert {"few", "0.500", "0.333"} <= set(said)


def test_a_run_without_points_has_an_empty_picture(tmp_path):
    draw(runs.run([runs.DIRECT]), tmp_path / "empty.svg")
    assert (tmp_path / "empty.svg").stat().st_size

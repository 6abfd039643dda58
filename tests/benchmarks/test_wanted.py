"""What is wanted, and whether it was met."""

from __future__ import annotations

import pytest

from benchmarks.result import CPU_PER_GB, OBJECTS_PER_S, Result, Round
from benchmarks.sending import Batch
from benchmarks.wanted import Growth, Idle, Peak, Ratio, at_least, at_most, verdicts

MB = 1_000_000


def result(name, seconds=(), cpu=(), count=1000, **known):
    batch = Batch(count, MB, 16384, associations=known.pop("associations", 1))
    rounds = [Round(s, c, 0.0, 0.0) for s, c in zip(seconds, cpu or [None] * 9, strict=False)]
    return Result(name, batch, rounds, **known)


RELAY = result(
    "relay", [2.0, 3.0, 4.0], [0.125, 0.375, 0.5], peak=80 * MB, idle=[60e3], used=[70e3]
)
HAPROXY = result("HAProxy", [1.0, 1.0, 1.0], [0.25, 0.25, 0.25])
DIRECT = result("direct", [4.0, 4.0, 4.0])
FEW = result("pynetdicom", [1.0, 1.0, 1.0], [1.0, 1.0, 1.0], count=125)
CROWD = result("crowd", associations=11, peak=83 * MB)
ALL = [RELAY, HAPROXY, DIRECT, FEW, CROWD]


def verdict(wanted, results=ALL):
    (found,) = verdicts([wanted], results)
    return found


@pytest.mark.parametrize(
    ("bound", "met"),
    [(at_most(1.5), True), (at_most(1.4), False), (at_least(1.5), True), (at_least(1.6), False)],
)
def test_the_median_of_the_rounds_ratios_is_held_against_the_bound(bound, met):
    found = verdict(Ratio(CPU_PER_GB, bound))
    assert (found.spread.least, found.spread.middle, found.spread.most) == (0.5, 1.5, 2.0)
    assert found.met is met


def test_a_batch_that_is_smaller_is_compared_by_what_it_costs_for_each_object():
    assert verdict(Ratio(CPU_PER_GB, at_most(1), over="pynetdicom")).spread.middle == 0.375 / 8


def test_pace_may_be_compared_with_nobody_in_the_middle_and_cost_may_not():
    assert verdict(Ratio(OBJECTS_PER_S, at_least(1), over="direct")).met
    assert verdict(Ratio(CPU_PER_GB, at_least(1), over="direct")).met is None


def test_the_peak_is_beside_what_is_wanted_to_be_there():
    assert verdict(Peak(at_most(64))).met is False
    assert verdict(Peak(at_most(64), beside=16 * MB)).met is True


def test_growth_is_for_each_association_more():
    assert verdict(Growth(at_most(0.3), of="crowd", over="relay")).spread.middle == 0.3


def test_what_rests_is_told_in_kb():
    assert verdict(Idle(at_most(60))).spread.middle == 60.0
    assert verdict(Idle(at_most(60), used=True)).spread.middle == 70.0


@pytest.mark.parametrize(
    "wanted",
    [
        Ratio(CPU_PER_GB, at_most(1)),
        Peak(at_most(64)),
        Growth(at_most(1), of="crowd", over="relay"),
        Idle(at_most(60)),
    ],
)
def test_what_was_left_out_is_neither_met_nor_not(wanted):
    found = verdict(wanted, [CROWD])
    assert found.met is None
    assert str(found).endswith(f"{wanted.bound} wanted, not measured")


def test_a_verdict_says_what_was_wanted_and_what_was_found():
    assert str(verdict(Ratio(CPU_PER_GB, at_most(0.9)))) == (
        "CPU s/GB, relay / HAProxy: at most 0.9 wanted, 1.50 (0.500-2.00), not met"
    )

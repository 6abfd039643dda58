"""The table: what the figures of several rounds come to."""

from __future__ import annotations

import attrs
import pytest

from benchmarks.cases import Case, Result
from benchmarks.processes import Batch
from benchmarks.sender import Address
from benchmarks.table import table
from benchmarks.ways import Way

CASE = Case("objects", Batch(10, 1000, 16384), 1)
ADDRESS = Address(104, "ARCHIVE")
DIRECT = Result(Way("direct, TLS", ADDRESS), seconds=[4.0, 9.0, 4.0])
RELAY = Result(Way("relay", ADDRESS, 1), seconds=[2.0, 3.0, 4.0], cpu=[0.1, 0.1, 0.1], peak=2**20)
OTHER = Result(Way("HAProxy", ADDRESS, 2), seconds=[1.0, 1.0, 1.0], cpu=[0.2] * 3, peak=2**20)


def lines(case):
    return [line.strip() for line in table(case, [DIRECT, RELAY, OTHER]).splitlines()]


def test_the_relays_pace_is_compared_round_by_round():
    assert lines(CASE)[-2:] == [
        "relay / direct, TLS: objects/s 2.00 (1.00-3.00)",
        "relay / HAProxy: CPU 0.50, objects/s 0.333 (0.250-0.500)",
    ]


@pytest.mark.parametrize(("wanted", "said"), [(2.0, "met"), (2.1, "not met")])
def test_a_pace_that_is_wanted_is_of_direct_alone(wanted, said):
    ratios = lines(attrs.evolve(CASE, wanted=wanted))[-2:]
    assert ratios[0].endswith(f"; at least {wanted} wanted: {said}")
    assert "wanted" not in ratios[1]


def test_what_else_there_is_to_know_stands_between_figures_and_ratios():
    assert lines(attrs.evolve(CASE, notes=("this", "that")))[5:7] == ["this", "that"]

"""The table: what the figures of several rounds come to."""

from __future__ import annotations

import attrs
import pytest

from benchmarks.result import OBJECTS_PER_S
from benchmarks.table import table
from benchmarks.wanted import Ratio, at_least
from tests.benchmarks.runs import CASE, DIRECT, HAPROXY, RELAY

BARE = attrs.evolve(CASE, notes=(), wanted=())


def lines(case, results=(DIRECT, RELAY, HAPROXY)):
    return [line.strip() for line in table(case, results).splitlines()]


def test_a_way_has_a_line_with_the_medians_of_its_rounds():
    heading, headings, direct, relay = lines(BARE)[:4]
    assert heading == "objects, 1000 a round"
    assert headings.split("  ")[0] == "objects"
    assert headings.endswith("objects/s  p50 ms  p99 ms  peak MiB")
    assert direct.split() == [
        *("direct,", "TLS", "1000", "-", "-"),
        *("250", "(111-250)", "250", "(111-250)", "1.00", "2.00", "-"),
    ]
    assert relay.split()[:4] == ["relay", "1000", "0.500", "0.500"]
    assert relay.split()[-1] == "1.00"


def test_the_relay_is_compared_round_by_round():
    assert lines(BARE)[-2:] == [
        "relay / direct, TLS: objects/s 2.00 (1.00-3.00)",
        "relay / HAProxy: CPU 0.500, objects/s 0.333 (0.250-0.500)",
    ]


@pytest.mark.parametrize(("least", "said"), [(2.0, "met"), (2.1, "not met")])
def test_what_is_wanted_comes_last(least, said):
    wanted = (Ratio(OBJECTS_PER_S, at_least(least), over="direct, TLS"),)
    assert lines(attrs.evolve(BARE, wanted=wanted))[-1] == (
        f"objects/s, relay / direct, TLS: at least {least:g} wanted, 2.00 (1.00-3.00), {said}"
    )


def test_what_else_there_is_to_know_stands_between_figures_and_ratios():
    assert lines(attrs.evolve(BARE, notes=("this", "that")))[5:7] == ["this", "that"]


def test_without_the_relay_nothing_is_compared():
    assert len(lines(BARE, (DIRECT, HAPROXY))) == 4


def test_associations_that_rest_have_a_column_of_their_own():
    resting = attrs.evolve(RELAY, idle=[50_000.0], used=[70_000.0])
    said = lines(BARE, (DIRECT, resting))
    assert said[1].endswith("KB each idle  KB after an object")
    assert [line.split()[-2:] for line in said[2:4]] == [["-", "-"], ["50.0", "70.0"]]

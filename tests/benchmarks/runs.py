"""Runs that never were: figures that are easy to reckon with."""

from __future__ import annotations

from benchmarks.case import Case
from benchmarks.record import Run
from benchmarks.result import CPU_PER_GB, OBJECTS_PER_S, Result, Round
from benchmarks.sending import Batch
from benchmarks.wanted import Ratio, at_least, at_most

BATCH = Batch(1000, 1_000_000, 16384)
WANTED = (Ratio(CPU_PER_GB, at_most(1.0)), Ratio(OBJECTS_PER_S, at_least(0.95)))
CASE = Case("objects", BATCH, (), 1, WANTED, notes=("so it is",))
MIB = 2**20


def result(name, seconds, cpu=None, peak=None):
    """A way with a round for each of `seconds`, which cost `cpu` seconds each."""
    return Result(name, BATCH, [Round(each, cpu, 0.001, 0.002) for each in seconds], peak)


DIRECT = result("direct, TLS", [4.0, 9.0, 4.0])
RELAY = result("relay", [2.0, 3.0, 4.0], 0.5, MIB)
HAPROXY = result("HAProxy", [1.0, 1.0, 1.0], 1.0, MIB)


def run(results=(DIRECT, RELAY, HAPROXY), case=CASE):
    """A run of one case, which is called few."""
    made = Run("2026-01-02", "python -m benchmarks", 3, ["a machine"], ["left out: x"])
    made.cases["few"] = case, results
    return made

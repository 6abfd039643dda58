"""What the process asks of its memory; each case in a process of its own, since it is for good."""

from __future__ import annotations

import os
import subprocess
import sys

FAULTS = """
import resource
from relay import memory
{first}
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
def take():
    # As two reads of a large object: one block is still held while the other is taken.
    first = b"x" * 300_000
    return first + first
for _ in range(10):
    take()
before = faults()
for _ in range(100):
    take()
print(faults() - before)
"""


def said_by(program: str, **environment: str) -> str:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("MALLOC_")}
    run = [sys.executable, "-c", program]
    env = {**ours, **environment}
    return subprocess.run(run, capture_output=True, text=True, check=True, env=env).stdout.strip()


def test_blocks_of_a_read_are_taken_again_and_again_without_asking_the_kernel() -> None:
    pages = 100 * 900_000 // 4096
    assert int(said_by(FAULTS.format(first="assert memory.keep_blocks()"))) < pages / 20


def test_who_has_said_otherwise_in_the_environment_is_heeded() -> None:
    program = "from relay import memory; print(memory.keep_blocks())"
    assert said_by(program, MALLOC_TRIM_THRESHOLD_="131072") == "False"
    assert said_by(program) == "True"


def test_what_was_made_at_the_start_is_not_looked_through_for_garbage() -> None:
    program = "import gc; from relay import memory; memory.settle(); print(gc.get_freeze_count())"
    assert int(said_by(program)) > 1_000


def test_what_nobody_uses_is_given_back_when_it_is_asked_for() -> None:
    program = """
from relay import memory, process
memory.keep_blocks()
kept = [bytes(3000) for _ in range(30_000)]
full = process.resident()
kept = kept[::50]  # what is left in between keeps the heap from ending sooner
assert process.resident() > full - 10 * 2**20
assert memory.give_back()
print(full - process.resident())
"""
    assert int(said_by(program)) > 60 * 2**20

"""What processes cost: all of a program's processes together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.usage import cpu_seconds, family, memory, peak_memory

ROOT = Path(__file__).resolve().parents[2]
MIB = 2**20
PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdin=subprocess.PIPE)
print(child.pid, flush=True)
sys.stdin.read()
child.communicate()
"""
CHILD = """
import sys, time
held = bytearray(64 * 2**20)
while time.process_time() < 0.2: pass
print("busy no more", flush=True)
sys.stdin.read()
"""
CLOCKS = """
import os, time
from benchmarks.usage import cpu_seconds
print(time.process_time(), cpu_seconds(os.getpid()), time.process_time())
"""


@pytest.fixture
def pair():
    """The ids of a parent that does nothing and of its child, which has worked for a while."""
    command = [sys.executable, "-c", PARENT, CHILD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin and parent.stdout
        child = int(parent.stdout.readline())
        parent.stdout.readline()
        yield parent.pid, child
        parent.stdin.close()


def test_a_process_costs_what_it_and_its_children_cost(pair):
    parent, child = pair
    assert list(family(parent)) == [parent, child]
    assert cpu_seconds(parent) > cpu_seconds(child) >= 0.2
    for each in (memory, peak_memory):
        assert each(parent) > each(child) > 64 * MIB


def test_the_clock_of_a_process_is_the_one_that_it_has_itself():
    command = [sys.executable, "-c", CLOCKS]
    said = subprocess.run(command, stdout=subprocess.PIPE, check=True, cwd=ROOT).stdout
    before, told, after = map(float, said.split())
    assert 0 < before <= told <= after


def test_a_process_that_has_gone_has_no_clock():
    with subprocess.Popen([sys.executable, "-c", ""]) as gone:
        gone.wait()
    with pytest.raises(OSError):
        cpu_seconds(gone.pid)

"""What a process has cost so far, with its children, as the operating system tells it.

A program that works in several processes is known by the first of them, and costs what all cost
together. A child that has ended is no longer counted: programs that fork for each caller would
look cheap, and none that is measured here does.
"""

from __future__ import annotations

import ctypes
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_LIBC = ctypes.CDLL(None)


def cpu_seconds(pid: int) -> float:
    """User and system time of a process and its children, with all threads.

    By the clock that POSIX has for it, which is finer than the 10 ms of proc(5)'s ticks.
    ProcessLookupError when the process has gone.
    """
    return sum(map(_cpu_seconds, family(pid)))


def peak_memory(pid: int) -> int:
    """The most memory that a process and each of its children has had resident, in bytes."""
    return sum(_status(each, "VmHWM") for each in family(pid))


def memory(pid: int) -> int:
    """The memory that a process and its children have resident, in bytes."""
    return sum(_status(each, "VmRSS") for each in family(pid))


def family(pid: int) -> Iterator[int]:
    """A process, its children, and theirs."""
    yield pid
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(FileNotFoundError):  # of a thread that has just ended
            for child in map(int, path.read_text().split()):
                yield from family(child)


def _cpu_seconds(pid: int) -> float:
    clock = ctypes.c_int()
    if number := _LIBC.clock_getcpuclockid(pid, ctypes.byref(clock)):
        raise OSError(number, os.strerror(number))
    return time.clock_gettime(clock.value)


def _status(pid: int, name: str) -> int:
    found = (line.split() for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    return next(int(words[1]) * 1024 for words in found if words[0] == f"{name}:")

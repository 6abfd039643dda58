"""What a process has cost so far, as Linux tells it (proc(5))."""

from __future__ import annotations

import os
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid: int) -> float:
    """User and system time of a process with all its threads, to a tick (usually 10 ms)."""
    fields = _read(pid, "stat").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def peak_memory(pid: int) -> int:
    """The most memory that a process has had resident, in bytes."""
    return _status(pid, "VmHWM")


def memory(pid: int) -> int:
    """The memory that a process has resident, in bytes."""
    return _status(pid, "VmRSS")


def _status(pid: int, name: str) -> int:
    found = (line.split() for line in _read(pid, "status").splitlines())
    return next(int(words[1]) * 1024 for words in found if words[0] == f"{name}:")


def _read(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/{name}").read_text()

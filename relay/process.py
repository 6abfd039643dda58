"""What the process has of what the system gives it: memory, and descriptors.

Each is None where the system does not tell.
"""

from __future__ import annotations

import os
import resource
from pathlib import Path

_STATM = Path("/proc/self/statm")
_DESCRIPTORS = Path("/proc/self/fd")
_RESIDENT = 1
"""Its second number: pages (proc(5))."""


def resident() -> int | None:
    """Bytes of memory that are resident."""
    try:
        pages = int(_STATM.read_bytes().split()[_RESIDENT])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def descriptors() -> int | None:
    """How many are open."""
    try:
        # Looking takes one more.
        return len(os.listdir(_DESCRIPTORS)) - 1
    except OSError:
        return None


def descriptor_limit() -> int | None:
    """How many may be open; None, too, where there is no limit."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return None if limit == resource.RLIM_INFINITY else limit

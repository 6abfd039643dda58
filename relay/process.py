"""What the process has of what the system gives it: memory, and descriptors.

Each is None where the system does not tell.
"""

from __future__ import annotations

import os
from pathlib import Path

_STATM = Path("/proc/self/statm")
_RESIDENT = 1
"""Its second number: pages (proc(5))."""


def resident() -> int | None:
    """Bytes of memory that are resident."""
    try:
        pages = int(_STATM.read_bytes().split()[_RESIDENT])
    except OSError:
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")

"""What the process asks of its memory: before it works, once, to keep what it will need again.

A read of much takes a block that the C library (glibc) gets from the system and gives back, time
and again, and each time the kernel has to clear every page of it: a tenth of all the CPU that a
large object takes. Told where to draw the line, it keeps such blocks for the next read. And what
was made at the start lives as long as the process: no need to look through it for garbage.

Whoever sets MALLOC_MMAP_THRESHOLD_ or MALLOC_TRIM_THRESHOLD_ in the environment knows better.
"""

from __future__ import annotations

import ctypes
import gc
import os

# From malloc.h: they are no part of any Python module.
_TRIM_THRESHOLD = -1
_MMAP_THRESHOLD = -3

LARGEST_KEPT = 4 * 1024 * 1024
"""Bytes of a block that is kept: larger than what is read at once, unless `read_size` is."""

MOST_KEPT = 64 * 1024 * 1024
"""Bytes that are kept at the end of the heap, at most, once they are free."""

_SETTINGS = {
    "MALLOC_MMAP_THRESHOLD_": (_MMAP_THRESHOLD, LARGEST_KEPT),
    "MALLOC_TRIM_THRESHOLD_": (_TRIM_THRESHOLD, MOST_KEPT),
}


def keep_blocks() -> bool:
    """Have large blocks kept; whether the C library can do that, and nobody has said otherwise."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None or any(name in os.environ for name in _SETTINGS):
        return False
    return all(mallopt(which, size) == 1 for which, size in _SETTINGS.values())


def give_back() -> bool:
    """Give back to the system what is kept and not used; whether the C library can do that."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is None:
        return False
    trim(ctypes.c_size_t(0))
    return True


def settle() -> None:
    """The process is built: keep blocks, and spare the garbage collection what is there by now."""
    keep_blocks()
    gc.collect()
    gc.freeze()

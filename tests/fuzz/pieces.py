"""Cutting the rest of an input as its beginning says: a byte of choices, and four of lengths."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import cycle

HEAD = 5
"""Bytes in front of what is cut."""

LONGEST = 256
"""Bytes of a piece whose length is said to be 0."""


def pieces(raw: bytes, lengths: bytes) -> Iterator[bytes]:
    """The bytes cut to such lengths, by turns."""
    at = 0
    for length in cycle(lengths):
        if at >= len(raw):
            return
        yield raw[at : at + (length or LONGEST)]
        at += length or LONGEST

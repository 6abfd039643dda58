"""What may stand in a line of the log: printable text of a bounded length, numbers, tables of them.

A peer chooses its name and address, and an archive its words. Nothing of that may begin a line of
its own, move the cursor of whoever reads the log, or fill a disk.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from enum import Enum
from itertools import islice
from typing import TypeAlias

Plain: TypeAlias = bool | int | float | str | list["Plain"] | dict[str, "Plain"] | None

LONGEST_TEXT = 1000
"""Characters of a text; what is longer is cut."""

MOST_ITEMS = 100
"""Of a list or a table; more are left out."""

DEEPEST = 4
"""Lists and tables within each other; what is below is left out."""

_CUT = "..."


def printable(text: str, longest: int = LONGEST_TEXT) -> str:
    r"""The text with what is not printable escaped (\r, \x1b, \u2028), cut after `longest`
    characters."""
    if not text.isprintable():
        # Cut first: an escape is longer than what it stands for.
        text = "".join(map(_escaped, islice(text, longest + 1)))
    return text if len(text) <= longest else text[:longest] + _CUT


def _escaped(character: str) -> str:
    return character if character.isprintable() else repr(character)[1:-1]


def plain(value: object, deepest: int = DEEPEST) -> Plain:
    """The value as JSON has it. Objects that are neither text, number, enum, list nor table are
    left out, as None: their repr is for nobody."""
    if isinstance(value, Enum):
        value = value.value
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return printable(value)
    if deepest and isinstance(value, Mapping):
        return _table(value, deepest - 1)
    if deepest and isinstance(value, list | tuple | set | frozenset):
        return _list(value, deepest - 1)
    return None


def _table(values: Mapping[object, object], deepest: int) -> dict[str, Plain]:
    items = islice(values.items(), MOST_ITEMS)
    return {printable(str(key)): plain(value, deepest) for key, value in items}


def _list(values: Iterable[object], deepest: int) -> list[Plain]:
    return [plain(value, deepest) for value in islice(values, MOST_ITEMS)]

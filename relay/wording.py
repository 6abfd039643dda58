"""Plain text for a terminal: columns, indents, keys of the configuration as a file has them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from textwrap import wrap
from typing import TypeAlias

WIDTH = 80
"""Of running text, in characters."""

_TIED = "\N{NO-BREAK SPACE}"

Row: TypeAlias = tuple[str, ...]


def columns(rows: Iterable[Row]) -> Iterator[str]:
    """The rows, all of one length, with their cells one below the other."""
    rows = list(rows)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()


def indented(lines: Iterable[str]) -> Iterator[str]:
    """The lines, each behind two spaces."""
    return (f"  {line}" for line in lines)


def listed(before: str, names: Iterable[str]) -> list[str]:
    """The names, separated by commas, in lines that are not too long: no name is torn apart."""
    text = before + ", ".join(each.replace(" ", _TIED) for each in names)
    lines = wrap(text, WIDTH, subsequent_indent=4 * " ", break_on_hyphens=False)
    return [each.replace(_TIED, " ") for each in lines]


def toml(value: object) -> str:
    """A text, a number, an array or a table of them, as a file would have it."""
    if isinstance(value, Mapping):
        return f"{{ {', '.join(f'{toml(key)} = {toml(each)}' for key, each in value.items())} }}"
    if isinstance(value, tuple):
        return f"[{', '.join(map(toml, value))}]"
    return json.dumps(value, ensure_ascii=False)


def keys(section: object, *names: str) -> str:
    """Those of these keys that a section of the configuration has, with their values."""
    values = ((name, getattr(section, name)) for name in names)
    return ", ".join(f"{name} = {toml(value)}" for name, value in values if value is not None)

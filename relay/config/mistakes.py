"""Mistakes in a configuration, and how they are put into words: where, what found, what expected.

A check raises `Unexpected` and knows nothing of the place; the reader adds the place and makes a
`Mistake` of it.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable
from difflib import get_close_matches

import attrs

# One step on the way to a value: a key of a table, or an index of an array.
Step = str | int

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+", re.ASCII)
_LONGEST_QUOTE = 60


@attrs.define(eq=False)
class Unexpected(ValueError):
    """A value is not as it should be.

    `found` and `expected` are phrases, `nearest` a known name that may have been meant, `below` the
    way from the checked value to the wrong one inside it.
    """

    found: str
    expected: str
    nearest: str | None = None
    below: tuple[Step, ...] = ()


@attrs.frozen
class Mistake:
    """One mistake: the key's path (or the place in the file), what was found, what was expected."""

    key: str
    found: str
    expected: str
    nearest: str | None = None

    def __str__(self) -> str:
        """One line, for whoever wrote the file."""
        hint = f"; did you mean {self.nearest}?" if self.nearest else ""
        return f"{self.key}: found {self.found}, expected {self.expected}{hint}"


class ConfigurationError(Exception):
    """A configuration that cannot be used. Its text has one line for each mistake."""

    mistakes: tuple[Mistake, ...]

    def __init__(self, mistakes: Iterable[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__(self.mistakes)

    def __str__(self) -> str:
        return "\n".join(map(str, self.mistakes))


def path_of(steps: Iterable[Step]) -> str:
    """The path as a reader of TOML would write it: `listener[0].tls`, `upstream."a b".address`."""
    parts = (f"[{step}]" if isinstance(step, int) else f".{_key(step)}" for step in steps)
    return "".join(parts).removeprefix(".")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name that looks most like this one, if any does."""
    close = get_close_matches(name, sorted(known), n=1)
    return close[0] if close else None


def one_of(names: Iterable[str]) -> str:
    """The names as one phrase, in order."""
    return f"one of {', '.join(sorted(names))}"


def describe(value: object) -> str:
    """A phrase for a value out of a TOML file: its type and, where short, itself."""
    match value:
        case bool():
            return f"the boolean {str(value).lower()}"
        case int():
            # Python refuses to write numbers of thousands of digits
            return f"the integer {value}" if abs(value) < 10**30 else "an enormous integer"
        case float():
            return f"the number {value}"
        case str():
            return f"the string {quoted(value)}"
        case dict():
            return "a table"
        case list() | tuple():
            return "an array" if value else "an empty array"
        case datetime.datetime() | datetime.date() | datetime.time():
            return f"the date or time {value.isoformat()}"
        case _:
            return f"the {type(value).__name__} {quoted(str(value))}"


def quoted(text: str, longest: int = _LONGEST_QUOTE) -> str:
    """The text in quotes, on one line, and cut where it has more than so many characters."""
    if len(text) > longest:
        text = f"{text[: longest - 1]}…"
    return json.dumps(text, ensure_ascii=not text.isprintable())


def _key(name: str) -> str:
    return name if _BARE_KEY.fullmatch(name) else quoted(name)

"""The kinds of checks that values.py is made of. Each can say what it expects."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from .mistakes import Unexpected, describe, nearest, one_of, quoted


@attrs.frozen
class Check:
    """A validator for one value. None, where a field allows it, passes."""

    expected: str
    holds: Callable[[Any], bool]

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: Any) -> None:
        """Raise `Unexpected` unless the value holds."""
        if value is not None and not self.holds(value):
            raise Unexpected(describe(value), self.expected)


@attrs.frozen
class Names:
    """A validator for arrays of names: at least one, none twice, and each as `holds` wants it.

    `meant` knows what a wrong one may have been meant to be.
    """

    expected: str
    element: str
    holds: Callable[[str], bool]
    meant: Callable[[str], str | None] = lambda _: None

    def __call__(
        self, instance: object, attribute: attrs.Attribute[Any], value: Sequence[object] | None
    ) -> None:
        """Raise `Unexpected` for an empty array, a group of them for wrong elements."""
        if value is None:
            return
        if not value:
            raise Unexpected("an empty array", self.expected)
        if wrong := list(self._wrong(value)):
            raise ExceptionGroup(self.expected, wrong)

    def wrong_at(self, below: tuple[str, ...], value: object) -> Iterator[Unexpected]:
        """What is wrong with a value of a table, which may be of any type."""
        if not isinstance(value, list | tuple) or not value:
            yield Unexpected(describe(value), self.expected, below=below)
            return
        for each in self._wrong(value):
            each.below = (*below, *each.below)
            yield each

    def _wrong(self, names: Sequence[object]) -> Iterator[Unexpected]:
        for index, name in enumerate(names):
            if not isinstance(name, str) or not self.holds(name):
                meant = self.meant(name) if isinstance(name, str) else None
                yield Unexpected(describe(name), self.element, meant, (index,))
            elif name in names[:index]:
                yield Unexpected(f"{describe(name)} again", "each once", below=(index,))


@attrs.frozen
class NamesBy:
    """A validator for tables of arrays of names, at least one; `key` checks each key of it."""

    expected: str
    key: Check
    names: Names

    def __call__(
        self,
        instance: object,
        attribute: attrs.Attribute[Any],
        value: Mapping[str, object] | None,
    ) -> None:
        """Raise `Unexpected` for an empty table, a group of them for all that is wrong in it."""
        if value is not None:
            _check_table(self.expected, value, self._wrong)

    def _wrong(self, table: Mapping[str, object]) -> Iterator[Unexpected]:
        for key, names in table.items():
            if not self.key.holds(key):
                yield Unexpected(f"the key {quoted(key)}", self.key.expected, below=(key,))
            yield from self.names.wrong_at((key,), names)


@attrs.frozen
class OneOf:
    """A validator for names out of a few."""

    known: Collection[str]

    @property
    def expected(self) -> str:
        """All of them."""
        return one_of(self.known)

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: str) -> None:
        """Raise `Unexpected`, with the nearest one, unless the value is one of them."""
        if value not in self.known:
            raise Unexpected(describe(value), self.expected, nearest(value, self.known))


@attrs.frozen
class Numbers:
    """A validator for tables of integers between these two, by name."""

    expected: str
    low: int
    high: int

    def __call__(
        self,
        instance: object,
        attribute: attrs.Attribute[Any],
        value: Mapping[str, object] | None,
    ) -> None:
        """Raise a group of `Unexpected` for all that are not."""
        if wrong := list(self._wrong(value or {})):
            raise ExceptionGroup(self.expected, wrong)

    def _wrong(self, numbers: Mapping[str, object]) -> Iterator[Unexpected]:
        for name, number in numbers.items():
            if type(number) is not int or not self.low <= number <= self.high:
                expected = f"an integer from {self.low} to {self.high}"
                yield Unexpected(describe(number), expected, below=(name,))


@attrs.frozen
class Titles:
    """A validator for a string, as `holds` wants it, or a table of AE titles by AE titles.

    `title` checks each AE title of a table; `known` are words that the string may be, if any.
    """

    expected: str
    holds: Callable[[str], bool]
    title: Check
    known: Collection[str] = ()

    def __call__(self, instance: object, attribute: attrs.Attribute[Any], value: object) -> None:
        """Raise `Unexpected` for a string or an empty table, a group of them for a table."""
        if isinstance(value, Mapping):
            _check_table(self.expected, value, self._wrong)
        elif isinstance(value, str) and not self.holds(value):
            raise Unexpected(describe(value), self.expected, nearest(value, self.known))

    def _wrong(self, table: Mapping[str, object]) -> Iterator[Unexpected]:
        for key, value in table.items():
            if not self.title.holds(key):
                yield Unexpected(f"the key {quoted(key)}", self.title.expected, below=(key,))
            if not isinstance(value, str) or not self.title.holds(value):
                yield Unexpected(describe(value), self.title.expected, below=(key,))


def integer(low: int, high: int, unit: str) -> Check:
    """A check for integers between these two."""
    return Check(f"an integer from {low} to {high} ({unit})", lambda value: low <= value <= high)


def some(what: str) -> Check:
    """A check for tables that must not be missing."""
    return Check(f"at least one {what}", bool)


def _check_table(
    expected: str,
    table: Mapping[str, object],
    wrong_in: Callable[[Mapping[str, object]], Iterator[Unexpected]],
) -> None:
    if not table:
        raise Unexpected("an empty table", expected)
    if wrong := list(wrong_in(table)):
        raise ExceptionGroup(expected, wrong)

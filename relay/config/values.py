"""What a single value may be: the validators of model.py. Each can say what it expects."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any

import attrs

from relay.policy.affinity import AFFINITIES
from relay.policy.balancing import BALANCERS
from relay.policy.services import SERVICES

from .mistakes import Unexpected, describe, nearest, one_of

MOST_ASSOCIATIONS = 100_000
_DAY = 86_400
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", re.ASCII)
_UID = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)+", re.ASCII)


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
    """A validator for arrays of names: at least one, none twice, and each as `holds` wants it."""

    expected: str
    element: str
    holds: Callable[[str], bool]
    known: frozenset[str] = frozenset()

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

    def _wrong(self, names: Sequence[object]) -> Iterator[Unexpected]:
        for index, name in enumerate(names):
            if not isinstance(name, str) or not self.holds(name):
                meant = nearest(name, self.known) if isinstance(name, str) else None
                yield Unexpected(describe(name), self.element, meant, (index,))
            elif name in names[:index]:
                yield Unexpected(f"{describe(name)} again", "each name once", below=(index,))


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


def integer(low: int, high: int, unit: str) -> Check:
    """A check for integers between these two."""
    return Check(f"an integer from {low} to {high} ({unit})", lambda value: low <= value <= high)


def some(what: str) -> Check:
    """A check for tables that must not be missing."""
    return Check(f"at least one {what}", bool)


def _is_ae_title(text: str) -> bool:
    return len(text) <= 16 and _is_ae_text(text) and text == text.strip(" ")


def _is_ae_text(text: str) -> bool:
    # the default repertoire without backslash and control characters (PS3.5 table 6.2-1, AE)
    return text != "" and text.isascii() and text.isprintable() and "\\" not in text


def _is_host(text: str) -> bool:
    return bool(_HOST_NAME.fullmatch(text)) or _is_ip_address(text)


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_service(text: str) -> bool:
    return text in SERVICES or bool(_UID.fullmatch(text))


ae_title = Check(
    "an AE title: 1 to 16 printable ASCII characters, no backslash, no space at either end",
    _is_ae_title,
)
ae_pattern = Check('a pattern for AE titles, such as "CT*"', _is_ae_text)
host = Check("a host name or an IP address", _is_host)
pool_name = Check("the name of a pool", bool)

# What is not a number (nan) is not between any two.
seconds = Check(f"a number from 0 to {_DAY} (seconds)", lambda value: 0 <= value <= _DAY)
some_seconds = Check(f"a number above 0, up to {_DAY} (seconds)", lambda value: 0 < value <= _DAY)

port = integer(1, 65_535, "a port")
associations = integer(1, MOST_ASSOCIATIONS, "associations")
idle_associations = integer(0, MOST_ASSOCIATIONS, "associations, at most max_associations")
warm_associations = integer(0, MOST_ASSOCIATIONS, "associations, at most max_associations")
waiting = integer(1, MOST_ASSOCIATIONS, "who may wait")
operations = integer(1, 64, "operations; 1: one after the other")
failures = integer(1, 1000, "failures in a row")
size = integer(0, 1_000_000_000_000_000, "bytes")
pdu_length = integer(4096, 16_777_216, "bytes; 0, for no limit, is never announced")
rate = integer(0, 1_000_000_000, "bytes per second; 0: off")
share = Check("a number from 0 to 1 (a share)", lambda value: 0 <= value <= 1)
some_share = Check("a number above 0, up to 1 (a share)", lambda value: 0 < value <= 1)
retries = Check(
    "a number from 0 to 1000000 (per second; 0: nothing is sent again)",
    lambda value: 0 <= value <= 1_000_000,
)

balance = OneOf(BALANCERS)
affinity = OneOf(AFFINITIES)
on_failure = OneOf(("abort", "status"))
weights = Numbers('a table such as { "pacs-a" = 2, "pacs-b" = 1 }', 1, 1000)
tiers = Numbers('a table such as { "pacs-a" = 0, "pacs-b" = 1 }', 0, 100)

upstream_names = Names("names of upstreams", "the name of an upstream", bool)
service_names = Names(
    "names of services or UIDs; leave the key out for all",
    f"a UID or {one_of(SERVICES)}",
    _is_service,
    SERVICES,
)

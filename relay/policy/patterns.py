"""What a configuration says of whole kinds: patterns for names, and networks for addresses.

Patterns are those of file names (`fnmatch.fnmatchcase`): `*`, `?`, `[...]`, and case matters.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network

WILD = frozenset("*?[")
"""What makes a pattern of a name."""


def fits(name: str, patterns: Iterable[str]) -> bool:
    """Whether a name fits one of the patterns."""
    return any(fnmatchcase(name, each) for each in patterns)


def any_fits(names: Iterable[str], patterns: Iterable[str]) -> bool:
    """Whether one of the names does."""
    patterns = tuple(patterns)
    return any(fits(each, patterns) for each in names)


def is_in(address: str, networks: Iterable[Network]) -> bool:
    """Whether an address is in one of the networks.

    An IPv4 address that is written as one of IPv6 (RFC 4291 2.5.5.2) is the IPv4 address. What is
    no address is in no network.
    """
    try:
        # An IPv6 address may name its interface.
        its = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(its, "ipv4_mapped", None)
    return any((mapped or its) in each for each in networks)


def may_meet(pattern: str, others: Iterable[str]) -> bool:
    """Whether a name may fit this pattern and one of the others, as far as that is easy to tell: of
    two patterns that are both more than a name it is taken for granted."""
    return any(
        fnmatchcase(pattern, each)
        or fnmatchcase(each, pattern)
        or bool(WILD & set(pattern) and WILD & set(each))
        for each in others
    )


def overlap(those: Collection[Network] | None, others: Collection[Network] | None) -> bool:
    """Whether an address may be in networks of both; None: any address is."""
    if those is None or others is None:
        return True
    pairs = ((one, other) for one in those for other in others if one.version == other.version)
    return any(one.overlaps(other) for one, other in pairs)

"""What a configuration says of whole kinds: patterns for names, and networks for addresses.

Patterns are those of file names (`fnmatch.fnmatchcase`): `*`, `?`, `[...]`, and case matters.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import TypeAlias

Network: TypeAlias = IPv4Network | IPv6Network


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

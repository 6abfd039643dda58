"""Checks of tables as a whole: keys that belong together, names that refer to other tables.

They take the tables as they were in the file: a mistake in one key, or in another table, must not
hide the next one. So what has the wrong type is passed over here, and said elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from OpenSSL import SSL

from relay.policy.balancing import BALANCERS
from relay.policy.leasing import Reuse

from .checks import name_of, pem
from .listeners import around_allow, of_allow
from .mistakes import Step, Unexpected, describe, nearest
from .model import (
    Allow,
    ClientTLS,
    Configuration,
    Failover,
    Listener,
    Log,
    Outside,
    Pool,
    RelaySection,
    ServerTLS,
    Upstream,
)
from .raw import Table, array_in, table_in
from .routes import around_routes
from .validators import Check

# Pairs of keys: the first is at most, or at least, the second.
_AT_MOST: Mapping[type, Sequence[tuple[str, str]]] = {
    Upstream: [("max_idle", "max_associations"), ("warm", "max_associations")],
    Failover: [("window", "memory")],
}
_AT_LEAST: Mapping[type, Sequence[tuple[str, str]]] = {
    Upstream: [("eject_longest", "eject_shortest")],
}
# A table of numbers by upstream, and the balancers that look at it.
_LOOKED_AT_BY = {"weights": {"hash", "round-robin"}, "tiers": {"primary-backup"}}


def together(kind: type, table: Table, folder: Path) -> Iterator[Unexpected]:
    """What is wrong with this table of the file as a whole, for the class that it becomes."""
    yield from _bounds(kind, table)
    if kind is Configuration:
        yield from _references(table)
        yield from around_routes(table)
    elif kind is RelaySection:
        yield from _workers_by_sockets(table)
    elif kind is Listener:
        yield from around_allow(table)
    elif kind is Allow:
        yield from of_allow(table)
    elif kind is Log:
        yield from _key_without_hash(table)
    elif kind is Upstream:
        yield from _warm_ones_rest(table)
    elif kind is Pool:
        yield from _of_another_balancer(table)
    elif kind in {ServerTLS, ClientTLS}:
        yield from _certificate_with_key(kind, table, folder)
        yield from _certificates_of_whom(kind, table)


def _bounds(kind: type, table: Table) -> Iterator[Unexpected]:
    for key, bound in _AT_MOST.get(kind, ()):
        number, most = _number(kind, table, key), _number(kind, table, bound)
        if number is not None and most is not None and number > most:
            yield Unexpected(describe(number), f"at most {most}, which is {bound}", below=(key,))
    for key, bound in _AT_LEAST.get(kind, ()):
        number, least = _number(kind, table, key), _number(kind, table, bound)
        if number is not None and least is not None and number < least:
            yield Unexpected(describe(number), f"at least {least}, which is {bound}", below=(key,))


def _number(kind: type[Any], table: Table, key: str) -> float | None:
    """What is written for this key, or its default, where it is a number that the key takes."""
    field = attrs.fields_dict(kind)[key]
    number = table.get(key, field.default)
    is_number = isinstance(number, int | float) and not isinstance(number, bool)
    assert isinstance(field.validator, Check)
    return number if is_number and field.validator.holds(number) else None


def _workers_by_sockets(table: Table) -> Iterator[Unexpected]:
    """What a worker is handed are sockets, which Twisted's transports do not take over."""
    workers = _number(RelaySection, table, "workers")
    if workers and table.get("transport") == "twisted":
        found = f'"twisted" where workers is {workers}'
        yield Unexpected(found, '"socket", or workers = 0', below=("transport",))


def _key_without_hash(table: Table) -> Iterator[Unexpected]:
    """A key is for the hash: whoever gives one wants identities hashed."""
    identities = table.get("identities", attrs.fields(Log).identities.default)
    if "key_file" in table and identities in ("none", "plain"):
        found = f'key_file where identities is "{identities}"'
        yield Unexpected(found, 'identities = "hashed", or no key_file', below=("key_file",))


def _warm_ones_rest(table: Table) -> Iterator[Unexpected]:
    """What is kept warm is idle, save where no association rests but for its first use."""
    warm, idle = _number(Upstream, table, "warm"), _number(Upstream, table, "max_idle")
    pools = table.get("reuse", Reuse.ALWAYS.value) == Reuse.ALWAYS.value
    if pools and warm is not None and idle is not None and warm > idle:
        yield Unexpected(describe(warm), f"at most {idle}, which is max_idle", below=("warm",))


def _of_another_balancer(table: Table) -> Iterator[Unexpected]:
    balance = table.get("balance", attrs.fields(Pool).balance.default)
    for key, balancers in _LOOKED_AT_BY.items():
        if key in table and isinstance(balance, str) and balance in BALANCERS.keys() - balancers:
            found = f'{key} where balance is "{balance}"'
            meant = " or ".join(f'"{each}"' for each in sorted(balancers))
            yield Unexpected(found, f"balance = {meant}, or no {key}", below=(key,))


def _certificate_with_key(kind: type, table: Table, folder: Path) -> Iterator[Unexpected]:
    names = {"certificate", "key"}
    if kind is ClientTLS and len(missing := names - table.keys()) == 1:
        yield Unexpected("nothing", "certificate and key, or neither", below=tuple(missing))
    given = [table.get(name) for name in sorted(names)]
    if all(isinstance(name, str) for name in given):
        yield from _matching(*(folder / str(name) for name in given))


def _certificates_of_whom(kind: type, table: Table) -> Iterator[Unexpected]:
    """Who asks for certificates has to say whose are to be believed."""
    asked = table.get("client_certificates")
    if asked in ("required", "wanted") and "client_ca" not in table:
        found = f'"{asked}" without client_ca'
        yield Unexpected(found, 'client_ca beside it, or "none"', below=("client_certificates",))
    if kind is ServerTLS and "crl" in table and "client_ca" not in table:
        yield Unexpected("crl without client_ca", "client_ca beside it, or no crl", below=("crl",))


def _matching(certificate: Path, key: Path) -> Iterator[Unexpected]:
    try:
        pem(Outside.CERTIFICATE, certificate)
        pem(Outside.KEY, key)
    except Unexpected:
        return  # said already, about that file alone
    context = SSL.Context(SSL.TLS_METHOD)
    try:
        context.use_certificate_chain_file(str(certificate))
        context.use_privatekey_file(str(key))
        context.check_privatekey()
    except SSL.Error:
        found = f"{name_of(key)}, which belongs to another certificate"
        yield Unexpected(found, "the key of the certificate", below=("key",))


def _references(document: Table) -> Iterator[Unexpected]:
    upstreams, pools = table_in(document, "upstream"), table_in(document, "pool")
    named = [
        (("pool", pool, "upstreams", index), name)
        for pool in pools
        for index, name in enumerate(array_in(table_in(pools, pool), "upstreams"))
    ]
    served = [
        (("route", index, "pool"), route["pool"])
        for index, route in enumerate(array_in(document, "route"))
        if isinstance(route, Mapping) and "pool" in route
    ]
    yield from _known("upstream", "pool", upstreams, named)
    yield from _known("pool", "route", pools, served)
    for pool in pools:
        yield from _of_the_pool(pool, table_in(pools, pool), upstreams)


def _of_the_pool(name: str, pool: Table, upstreams: Table) -> Iterator[Unexpected]:
    """Weights and tiers are for upstreams of the pool, a misspelt one's true name included."""
    named = [each for each in array_in(pool, "upstreams") if isinstance(each, str)]
    members = {each if each in upstreams else nearest(each, upstreams) or each for each in named}
    for key in _LOOKED_AT_BY:
        for each in table_in(pool, key):
            if named and each not in {*named, *members}:
                meant = nearest(each, members)
                expected = f"the name of one of its upstreams: {', '.join(sorted(members))}"
                yield Unexpected(describe(each), expected, meant, ("pool", name, key, each))


def _known(
    what: str, user: str, known: Table, used: Sequence[tuple[tuple[Step, ...], Any]]
) -> Iterator[Unexpected]:
    """Each use has to be of a known name, and each known name in use."""
    if not known or not used:
        return  # what is missing altogether was said
    unused = set(known)
    for below, name in used:
        if not isinstance(name, str) or name == "":
            continue  # said already, about that value alone
        meant = name if name in known else nearest(name, known)
        unused.discard(meant or name)
        if meant != name:
            expected = f"the name of one of the [{what}.NAME] tables"
            yield Unexpected(describe(name), expected, meant, below)
    for name in sorted(unused):
        found = f"{'an' if what[0] in 'aeiou' else 'a'} {what} that no {user} uses"
        yield Unexpected(found, f"a {user} that names it, or no such table", below=(what, name))

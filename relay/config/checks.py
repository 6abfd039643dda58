"""Checks that reach beyond one value: files, endpoint descriptions, keys that belong together.

Files are loaded by OpenSSL just as the relay will load them, so that a mistake shows before any
port opens. The checks on tables take them as they were in the file: a mistake in one key, or in
another table, must not hide the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import attrs
from OpenSSL import SSL, crypto
from twisted.internet.endpoints import serverFromString
from twisted.internet.protocol import Factory

from .mistakes import Step, Unexpected, describe, nearest, quoted
from .model import ClientTLS, Configuration, Outside, ServerTLS, Upstream
from .values import MOST_ASSOCIATIONS

Table = Mapping[str, Any]

_KINDS = {"tcp", "tcp6", "unix", "systemd"}
EXPECTED: Mapping[Outside, str] = {
    Outside.ENDPOINT: 'a Twisted endpoint (tcp, tcp6, unix, systemd) such as "tcp:port=11112"',
    Outside.CERTIFICATE: "a PEM file with a certificate, its chain behind it",
    Outside.KEY: "a PEM file with a private key, without a passphrase",
    Outside.AUTHORITIES: "a PEM file with certificates of authorities",
}


@attrs.define
class _Recorder:
    """Stands in for a reactor: notes where an endpoint would listen, and opens nothing."""

    where: int | str | None = None

    def listenTCP(self, port: int, factory: Factory, **_: object) -> None:
        """Note the port."""
        self.where = port

    def listenUNIX(self, address: str, factory: Factory, **_: object) -> None:
        """Note the path."""
        self.where = address


def endpoint(text: str) -> None:
    """Raise `Unexpected` unless Twisted can listen by this description, as far as one can tell."""
    try:
        where = _where(text)
    except LookupError as error:
        raise Unexpected(describe(text), "a socket that systemd has passed on") from error
    except (ValueError, TypeError, AttributeError, RuntimeError) as error:
        # all of these come from Twisted's parser, for one wrong description or another
        raise Unexpected(describe(text), EXPECTED[Outside.ENDPOINT]) from error
    if where == "":
        raise Unexpected(describe(text), "a path behind unix:")
    if isinstance(where, int) and not 0 <= where <= 65535:
        raise Unexpected(describe(text), "a port from 0 to 65535 (0: any that is free)")


def _where(text: str) -> int | str | None:
    kind = text.partition(":")[0]
    if kind not in _KINDS:
        # the others bring TLS, a protocol or a terminal of their own
        raise ValueError(kind)
    recorder = _Recorder()
    made = serverFromString(recorder, text)
    if kind != "systemd":  # which would take the socket over
        made.listen(Factory())
    return recorder.where


def _load_key(path: Path) -> None:
    # an encrypted key fails; without a passphrase given OpenSSL would ask the terminal for one
    crypto.load_privatekey(crypto.FILETYPE_PEM, path.read_bytes(), b"")


def _load_chain(path: Path) -> None:
    SSL.Context(SSL.TLS_METHOD).use_certificate_chain_file(str(path))


def _load_authorities(path: Path) -> None:
    SSL.Context(SSL.TLS_METHOD).load_verify_locations(str(path))


_LOADERS: Mapping[Outside, Callable[[Path], None]] = {
    Outside.CERTIFICATE: _load_chain,
    Outside.KEY: _load_key,
    Outside.AUTHORITIES: _load_authorities,
}


def pem(kind: Outside, path: Path) -> None:
    """Raise `Unexpected` unless the file can be read and OpenSSL takes it for what it should be."""
    name, expected = _name(path), EXPECTED[kind]
    try:
        path.read_bytes()
        _LOADERS[kind](path)
    except OSError as error:
        raise Unexpected(f"{name}, which cannot be read ({error.strerror})", expected) from error
    except (SSL.Error, crypto.Error) as error:
        why = error.args[0][0][2]  # of the first (library, function, reason)
        raise Unexpected(f"{name}, which does not load ({why})", expected) from error


def _name(path: Path) -> str:
    return quoted(str(path), longest=4096)


def together(kind: type, table: Table, folder: Path) -> Iterator[Unexpected]:
    """What is wrong with this table of the file as a whole, for the class that it becomes."""
    if kind is Configuration:
        yield from _references(table)
    elif kind is Upstream:
        yield from _idle_within_associations(table)
    elif kind in {ServerTLS, ClientTLS}:
        yield from _certificate_with_key(kind, table, folder)


def _idle_within_associations(table: Table) -> Iterator[Unexpected]:
    default = attrs.fields(Upstream).max_associations.default
    idle, most = table.get("max_idle"), table.get("max_associations", default)
    if type(idle) is int and type(most) is int and 0 < most < idle <= MOST_ASSOCIATIONS:
        expected = f"at most {most}, which is max_associations"
        yield Unexpected(describe(idle), expected, below=("max_idle",))


def _certificate_with_key(kind: type, table: Table, folder: Path) -> Iterator[Unexpected]:
    names = {"certificate", "key"}
    if kind is ClientTLS and len(missing := names - table.keys()) == 1:
        yield Unexpected("nothing", "certificate and key, or neither", below=tuple(missing))
    given = [table.get(name) for name in sorted(names)]
    if all(isinstance(name, str) for name in given):
        yield from _matching(*(folder / str(name) for name in given))


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
        found = f"{_name(key)}, which belongs to another certificate"
        yield Unexpected(found, "the key of the certificate", below=("key",))


def _references(document: Table) -> Iterator[Unexpected]:
    upstreams, pools = _table(document, "upstream"), _table(document, "pool")
    named = [
        (("pool", pool, "upstreams", index), name)
        for pool in pools
        for index, name in enumerate(_array(_table(pools, pool), "upstreams"))
    ]
    served = [
        (("route", index, "pool"), route["pool"])
        for index, route in enumerate(_array(document, "route"))
        if isinstance(route, Mapping) and "pool" in route
    ]
    yield from _known("upstream", "pool", upstreams, named)
    yield from _known("pool", "route", pools, served)


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


def _table(table: Table, key: str) -> Table:
    value = table.get(key)
    return value if isinstance(value, Mapping) else {}


def _array(table: Table, key: str) -> list[Any]:
    value = table.get(key)
    return value if isinstance(value, list) else []

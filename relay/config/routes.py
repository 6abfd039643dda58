"""What routes ask of other tables: listeners by name, certificates, a place for commitments.

The aliases of C-MOVE destinations are here too, since an archive's associations come back to them.
As in tables.py, what is wrong by itself is passed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase

from relay.policy.services import service_of

from .mistakes import Unexpected, describe, nearest
from .raw import Table, array_in, table_in, tables_in, texts_in
from .values import ae_title

_COMMITMENT = "storage-commitment"


def around_routes(document: Table) -> Iterator[Unexpected]:
    """What is wrong between the routes of this document and its other tables."""
    listeners = tables_in(document, "listener")
    yield from _each_name_once(listeners)
    for index, route in enumerate(tables_in(document, "route")):
        at = ("route", index)
        yield from _at(at, _known_listeners(route, listeners))
        yield from _at(at, _certificates_asked_for(route, listeners))
        if "commitment" not in document:
            yield from _at(at, _commitments_find_back(route))
    for name, pool in table_in(document, "pool").items():
        if isinstance(pool, Mapping):
            yield from _at(("pool", name), _aliases(pool, document))


def _at(place: tuple[str | int, ...], wrong: Iterable[Unexpected]) -> Iterator[Unexpected]:
    for each in wrong:
        each.below = (*place, *each.below)
        yield each


def _each_name_once(listeners: list[Table]) -> Iterator[Unexpected]:
    names = [each.get("name") for each in listeners]
    for index, name in enumerate(names):
        if isinstance(name, str) and name in names[:index]:
            below = ("listener", index, "name")
            yield Unexpected(f"{describe(name)} again", "a name of its own", below=below)


def _known_listeners(route: Table, listeners: list[Table]) -> Iterator[Unexpected]:
    names = _names(listeners)
    for index, name in enumerate(array_in(route, "listeners")):
        if listeners and isinstance(name, str) and name and name not in names:
            expected = "the name of one of the [[listener]] tables, which is its key name"
            yield Unexpected(describe(name), expected, nearest(name, names), ("listeners", index))


def _names(listeners: list[Table]) -> set[str]:
    return {each["name"] for each in listeners if isinstance(each.get("name"), str)}


def _certificates_asked_for(route: Table, listeners: list[Table]) -> Iterator[Unexpected]:
    """Where no caller is asked for a certificate the route would never fit."""
    those = _listeners_of(route, listeners)
    if "certificates" in route and those and not any(asks(each) for each in those):
        found = "certificates, and no listener of this route that asks callers for one"
        expected = "tls with client_ca there, or no certificates"
        yield Unexpected(found, expected, below=("certificates",))


def _listeners_of(route: Table, listeners: list[Table]) -> list[Table]:
    """The route's listeners, a misspelt one's true name included."""
    if "listeners" not in route:
        return listeners
    names = _names(listeners)
    written = texts_in(route, "listeners")
    meant = [each if each in names else nearest(each, names) for each in written]
    return [each for each in listeners if "name" in each and each["name"] in meant]


def asks(listener: Table) -> bool:
    """Whether a listener asks callers for a certificate."""
    tls = table_in(listener, "tls")
    return "client_ca" in tls and tls.get("client_certificates") != "none"


def _commitments_find_back(route: Table) -> Iterator[Unexpected]:
    """A report calls the AE title that was shown, which does not say whose it is."""
    shown = route.get("show_calling")
    if isinstance(shown, str | Mapping) and shown and _carries_commitments(route):
        found = f"show_calling for {_COMMITMENT}, and no [commitment]"
        expected = f"[commitment] with a database, or services without {_COMMITMENT}"
        yield Unexpected(found, expected, below=("show_calling",))


def _carries_commitments(route: Table) -> bool:
    services = texts_in(route, "services")
    return "services" not in route or any(
        _COMMITMENT in {each, service_of(each)} for each in services
    )


def _aliases(pool: Table, document: Table) -> Iterator[Unexpected]:
    """An archive calls the alias: a route has to be there for it."""
    title = table_in(document, "relay").get("ae_title")
    called = [each.get("called", title) for each in tables_in(document, "route")]
    if not all(isinstance(each, str) for each in called):
        return  # said already; any of them might have been the one
    plain = [each for each in called if not set("*?[") & set(each)]
    for name, alias in table_in(pool, "move_destination").items():
        if isinstance(alias, str) and ae_title.holds(alias) and not _fits(alias, called):
            expected = "an AE title that some route has as called"
            below = ("move_destination", name)
            yield Unexpected(describe(alias), expected, nearest(alias, plain), below)


def _fits(alias: str, called: list[str]) -> bool:
    return not called or any(fnmatchcase(alias, each) for each in called)

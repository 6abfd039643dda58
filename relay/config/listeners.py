"""What the allow list of a listener asks of the listener: lists by which nobody could come in.

As in tables.py, what is wrong by itself is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from .mistakes import Unexpected
from .raw import Table, table_in
from .routes import asks

_UNIX = "unix:"


def around_allow(listener: Table) -> Iterator[Unexpected]:
    """What is wrong between the allow list of this listener and its other keys."""
    allow, endpoint = table_in(listener, "allow"), listener.get("endpoint")
    if "certificates" in allow and not asks(listener):
        found = "certificates, and a listener that asks callers for none"
        expected = "tls with client_ca there, or no certificates"
        yield Unexpected(found, expected, below=("allow", "certificates"))
    if "networks" in allow and isinstance(endpoint, str) and endpoint.startswith(_UNIX):
        found = "networks, and an endpoint whose callers have no address"
        expected = "a tcp: or tcp6: endpoint, or no networks"
        yield Unexpected(found, expected, below=("allow", "networks"))


def of_allow(allow: Table) -> Iterator[Unexpected]:
    """Without any list all would be let in, and whoever wrote the table hardly wants that."""
    if not allow:
        expected = "at least one of calling, called, networks, certificates, or no such table"
        yield Unexpected("an empty table", expected)

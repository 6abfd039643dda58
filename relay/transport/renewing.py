"""TLS that is made again from its files, while connections go on.

A context cannot be changed once it has made a connection, and what is established keeps its own.
So to renew is to make all contexts anew and, only if every one of them could be made, to put them
where the next connections look for theirs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import attrs

from relay.config import Configuration
from relay.transport.tls import client_security, server_security


class Holder(Protocol):
    """Makes connections by the `security` that it has at the time."""

    security: Any


@attrs.define(eq=False)
class Renewal:
    """All who hold some, and how it is made."""

    _held: list[tuple[Holder, Callable[[], Any]]] = attrs.field(factory=list)

    def hold(self, holder: Holder, make: Callable[[], Any]) -> None:
        """From now on what this one holds is renewed, too."""
        self._held.append((holder, make))

    def renew(self) -> int:
        """Have all hold what is made of the files as they are now; how many there are.

        Raises `relay.transport.tls.Unusable`, and nothing has changed then.
        """
        made = [make() for _, make in self._held]
        for (holder, _), security in zip(self._held, made, strict=True):
            holder.security = security
        return len(made)


def rehearse(configuration: Configuration) -> int:
    """Make all that a configuration asks for, and drop it; how many there are.

    Raises `relay.transport.tls.Unusable`.
    """
    servers = [each.tls for each in configuration.listeners if each.tls is not None]
    clients = [each for each in configuration.upstreams.values() if each.tls is not None]
    for server in servers:
        server_security(server)
    for client in clients:
        assert client.tls is not None
        client_security(client.tls, client.address.host)
    return len(servers) + len(clients)

"""What a configuration says, as frozen classes. docs/configuration.md explains each key.

Times are seconds, lengths are bytes. A key of the file has its field's name, save for `listener`,
`upstream`, `pool` and `route`, which are written one by one. Every field checks its own value, also
when an instance is made by hand. What needs the world outside (files, endpoint descriptions) or
several keys is checked when a file is read (checks.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Annotated

import attrs

from . import values
from .mistakes import Unexpected, describe

# In a field's metadata: its key in the file, where that is not the field's name.
KEY = "key"

ADDRESS = 'an address like "PACS_A@pacs.example.org:104" or "PACS_A@[::1]:104"'
_ADDRESS = re.compile(
    r"(?P<ae>.+)@(\[(?P<six>[^]]*:[^]]*)\]|(?P<host>[^@:[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII
)


class Outside(Enum):
    """What a value has to stand up to outside its file."""

    ENDPOINT = auto()
    CERTIFICATE = auto()
    KEY = auto()
    AUTHORITIES = auto()


@attrs.frozen
class Address:
    """Where an upstream listens, and the AE title to call it by."""

    ae_title: str = attrs.field(validator=values.ae_title)
    host: str = attrs.field(validator=values.host)
    port: int = attrs.field(validator=values.port)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read "AE@host:port"; an IPv6 address stands in brackets. Raises `Unexpected`."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise Unexpected(describe(text), ADDRESS)
        return cls(found["ae"], found["six"] or found["host"], int(found["port"]))

    def __str__(self) -> str:
        """The text that `parse` reads."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}"


@attrs.frozen
class RelaySection:
    """The relay as a whole. `max_associations` counts those of all listeners together."""

    ae_title: str = attrs.field(validator=values.ae_title)
    max_associations: int = attrs.field(default=500, validator=values.associations)
    shutdown_grace: float = attrs.field(default=10.0, validator=values.seconds)


@attrs.frozen
class ServerTLS:
    """TLS of a listener. With `client_ca` a caller has to show a certificate from there."""

    certificate: Annotated[Path, Outside.CERTIFICATE]
    key: Annotated[Path, Outside.KEY]
    client_ca: Annotated[Path, Outside.AUTHORITIES] | None = None
    handshake_timeout: float = attrs.field(default=10.0, validator=values.some_seconds)


@attrs.frozen
class Listener:
    """A port with its rules. `artim` is the timer of PS3.8 9.1.5, `max_pdu` that of PS3.8 D.1."""

    endpoint: Annotated[str, Outside.ENDPOINT]
    tls: ServerTLS | None = None
    max_pdu: int = attrs.field(default=131_072, validator=values.pdu_length)
    max_associations: int | None = attrs.field(default=None, validator=values.associations)
    artim: float = attrs.field(default=30.0, validator=values.some_seconds)
    minimum_rate: int = attrs.field(default=100, validator=values.rate)
    stall_timeout: float = attrs.field(default=60.0, validator=values.some_seconds)
    idle_timeout: float = attrs.field(default=0.0, validator=values.seconds)


@attrs.frozen
class ClientTLS:
    """TLS towards an upstream. Without `ca` the platform's authorities are trusted."""

    ca: Annotated[Path, Outside.AUTHORITIES] | None = None
    certificate: Annotated[Path, Outside.CERTIFICATE] | None = None
    key: Annotated[Path, Outside.KEY] | None = None
    server_name: str | None = attrs.field(default=None, validator=values.host)


@attrs.frozen
class Upstream:
    """Whoever the relay calls: an archive, a RIS, a modality."""

    address: Address
    tls: ClientTLS | None = None
    max_associations: int = attrs.field(default=4, validator=values.associations)
    max_idle: int = attrs.field(validator=values.idle_associations)
    idle_timeout: float = attrs.field(default=30.0, validator=values.seconds)
    connect_timeout: float = attrs.field(default=10.0, validator=values.some_seconds)
    response_timeout: float = attrs.field(default=60.0, validator=values.some_seconds)
    stall_timeout: float = attrs.field(default=60.0, validator=values.some_seconds)
    max_pdu: int = attrs.field(default=131_072, validator=values.pdu_length)
    linger: float = attrs.field(default=2.0, validator=values.seconds)

    @max_idle.default
    def _as_many_as_there_may_be(self) -> int:
        return min(4, self.max_associations)


@attrs.frozen
class Pool:
    """Equivalent upstreams that share load."""

    upstreams: tuple[str, ...] = attrs.field(validator=values.upstream_names)


@attrs.frozen
class Route:
    """Which pool serves what; the first route that fits wins.

    `called` and `calling` are patterns as of `fnmatch.fnmatchcase`, `called` None stands for the
    relay's own AE title. `services` are names of relay.policy.services or UIDs, None is all.
    """

    pool: str = attrs.field(validator=values.pool_name)
    called: str | None = attrs.field(default=None, validator=values.ae_pattern)
    calling: str = attrs.field(default="*", validator=values.ae_pattern)
    services: tuple[str, ...] | None = attrs.field(default=None, validator=values.service_names)


@attrs.frozen
class Configuration:
    """All that a configuration file says; upstreams and pools by their names."""

    relay: RelaySection
    listeners: tuple[Listener, ...] = attrs.field(
        validator=values.some("[[listener]]"), metadata={KEY: "listener"}
    )
    upstreams: Mapping[str, Upstream] = attrs.field(
        validator=values.some("[upstream.NAME]"), metadata={KEY: "upstream"}
    )
    pools: Mapping[str, Pool] = attrs.field(
        validator=values.some("[pool.NAME]"), metadata={KEY: "pool"}
    )
    routes: tuple[Route, ...] = attrs.field(
        validator=values.some("[[route]]"), metadata={KEY: "route"}
    )

"""The relay as it is run for real: twistd, a TOML file, a port of loopback, a log that is read."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import attrs

from tests.interop.pki import Pki
from tests.interop.server import LOOPBACK, PATIENCE_S, POLL_S, Server

AE_TITLE = "RELAY"

TWISTD = (str(Path(sys.executable).with_name("twistd")), "--nodaemon", "--pidfile=")

CANARY = "CANARY-OF-INTEROP"
"""A patient's id in objects that are sent, and a user's secret."""

NEVER_LOGGED = ("Traceback (most recent call last)", "Unhandled", CANARY, "CompressedSamples")
"""What a log never holds, whatever peers did: complaints, and what identifies patients."""


class RelayComplained(Exception):
    """The relay ended by itself, or its log holds what it never should."""


@attrs.frozen
class Upstream:
    """An archive on loopback behind TLS, as the relay is told of it; its pool has its name.

    `keys` and `pool` are further keys of the two tables.
    """

    ae_title: str
    port: int
    tls: bool = True
    keys: Mapping[str, Any] = attrs.field(factory=dict, eq=False)
    pool: Mapping[str, Any] = attrs.field(factory=dict, eq=False)

    @property
    def name(self) -> str:
        """What the upstream and its pool are called in the configuration."""
        return self.ae_title.lower()

    def toml(self, ca: Path) -> Iterable[str]:
        """Yield the tables of the upstream and of the pool that holds nothing else."""
        address = {"address": f"{self.ae_title}@{LOOPBACK}:{self.port}"}
        tls = {"tls": {"ca": str(ca)}} if self.tls else {}
        keys = {"max_associations": 16, **self.keys}
        yield from table(f"[upstream.{self.name}]", {**address, **tls, **keys})
        yield from table(f"[pool.{self.name}]", {"upstreams": [self.name], **self.pool})


UNHURRIED: Mapping[str, Any] = {"associations_per_second": 0, "handshakes_per_second": 0}
"""Of a relay whose callers are all of one address, which real ones are not."""

UNASKED: Mapping[str, Any] = {"echo_after": 0.0}
"""Of an upstream that tells what it heard: it hears no C-ECHO of the relay's own."""


def modality(ae_title: str, port: int, **keys: Any) -> Upstream:
    """Return a modality as an upstream: without TLS, and none of its associations is kept."""
    return Upstream(ae_title, port, tls=False, keys={"reuse": "never", **keys})


@attrs.frozen
class Route:
    """Which upstream serves callers of an AE title, for all services or some.

    Without `called` the route is for callers of the relay's own AE title. `keys` are further keys
    of its table.
    """

    upstream: Upstream
    called: str | None = None
    services: Sequence[str] = ()
    keys: Mapping[str, Any] = attrs.field(factory=dict)

    def toml(self) -> Iterable[str]:
        """Yield the table of the route."""
        called = {} if self.called is None else {"called": self.called}
        services = {"services": list(self.services)} if self.services else {}
        pool = {"pool": self.upstream.name}
        yield from table("[[route]]", {**called, **services, **pool, **self.keys})


@attrs.define
class Relay(Server):
    """The relay under test. Leaving its context fails where it gave cause for complaint.

    With a `secure` port it has a second listener there, with TLS, for archives that call back.
    `tables` are further tables of its configuration, as TOML, `keys` further keys of the relay's
    own.
    """

    name: ClassVar[str] = "relay"
    pki: Pki
    routes: Sequence[Route]
    secure: int = attrs.field(kw_only=True, default=0)
    tables: str = attrs.field(kw_only=True, default="")
    keys: Mapping[str, Any] = attrs.field(kw_only=True, factory=dict)

    @property
    def config(self) -> Path:
        """The configuration file, written at each start."""
        return self.folder / "relay.toml"

    def command(self) -> Sequence[str]:
        return [*TWISTD, "relay", "--config", str(self.config)]

    def prepare(self) -> None:
        self.config.write_text("\n".join(self._toml()) + "\n")

    def stop(self) -> None:
        """End the relay; raises RelayComplained when it gave cause for it."""
        ended = self.ends_within(0)
        Server.stop(self)
        log = self.log.read_text("utf-8", "replace")
        if ended or any(words in log for words in NEVER_LOGGED):
            raise RelayComplained(log)

    @contextmanager
    def tells_of(self, calling: str, called: str) -> Iterator[list[str]]:
        """Wait in the end until associations of these AE titles, made meanwhile, are logged.

        What the log says of them, a line each, is added to what is given.
        """
        lines: list[str] = []
        before = len(self._told(calling, called))
        yield lines
        deadline = time.monotonic() + PATIENCE_S
        while not (new := self._told(calling, called)[before:]):
            assert time.monotonic() < deadline, f"no association of {calling} with {called}"
            assert not self.ends_within(POLL_S)
        lines += new

    def _told(self, calling: str, called: str) -> list[str]:
        whose = f"'{calling}' at {LOOPBACK} called '{called}': "
        log = self.log.read_text("utf-8", "replace")
        return [line.partition(whose)[2] for line in log.splitlines() if whose in line]

    def _toml(self) -> Iterable[str]:
        yield from table("[relay]", {"ae_title": AE_TITLE, **UNHURRIED, **self.keys})
        yield from self._listeners()
        for upstream in dict.fromkeys(route.upstream for route in self.routes):
            yield from upstream.toml(self.pki.ca)
        for route in self.routes:
            yield from route.toml()
        yield self.tables

    def _listeners(self) -> Iterable[str]:
        yield from table("[[listener]]", {"endpoint": _endpoint(self.port)})
        if self.secure:
            tls = {"certificate": str(self.pki.certificate), "key": str(self.pki.key)}
            yield from table("[[listener]]", {"endpoint": _endpoint(self.secure), "tls": tls})


def table(header: str, values: Mapping[str, Any]) -> Iterable[str]:
    """Yield a table of TOML. Its values are booleans, numbers, strings, lists and tables."""
    yield header
    yield from (f"{key} = {_value(value)}" for key, value in values.items())


def _value(value: Any) -> str:
    """What is used of values is written as in JSON, save for a table within a table."""
    if isinstance(value, Mapping):
        pairs = (f"{json.dumps(key)} = {_value(each)}" for key, each in value.items())
        return f"{{ {', '.join(pairs)} }}"
    return json.dumps(value)


def _endpoint(port: int) -> str:
    return f"tcp:port={port}:interface={LOOPBACK}"

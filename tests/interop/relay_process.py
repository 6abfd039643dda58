"""The relay as it is run for real: twistd, a TOML file, a port of loopback, a log that is read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from tests.interop.pki import Pki
from tests.interop.server import LOOPBACK, Server

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
    """An archive on loopback behind TLS, as the relay is told of it; its pool has its name."""

    ae_title: str
    port: int

    @property
    def name(self) -> str:
        """What the upstream and its pool are called in the configuration."""
        return self.ae_title.lower()

    def toml(self, ca: Path) -> Iterable[str]:
        """Yield the tables of the upstream and of the pool that holds nothing else."""
        yield f"[upstream.{self.name}]"
        yield f"address = {_quoted(f'{self.ae_title}@{LOOPBACK}:{self.port}')}"
        yield f"tls = {{ ca = {_quoted(str(ca))} }}"
        yield "max_associations = 16"
        yield f"[pool.{self.name}]"
        yield f"upstreams = [{_quoted(self.name)}]"


@attrs.frozen
class Route:
    """Which upstream serves callers of an AE title, for all services or some.

    Without `called` the route is for callers of the relay's own AE title.
    """

    upstream: Upstream
    called: str | None = None
    services: Sequence[str] = ()

    def toml(self) -> Iterable[str]:
        """Yield the table of the route."""
        yield "[[route]]"
        if self.called is not None:
            yield f"called = {_quoted(self.called)}"
        if self.services:
            yield f"services = [{', '.join(map(_quoted, self.services))}]"
        yield f"pool = {_quoted(self.upstream.name)}"


@attrs.define
class Relay(Server):
    """The relay under test. Leaving its context fails where it gave cause for complaint."""

    name: ClassVar[str] = "relay"
    pki: Pki
    routes: Sequence[Route]

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

    def _toml(self) -> Iterable[str]:
        yield f"[relay]\nae_title = {_quoted(AE_TITLE)}"
        yield f"[[listener]]\nendpoint = {_quoted(f'tcp:port={self.port}:interface={LOOPBACK}')}"
        for upstream in dict.fromkeys(route.upstream for route in self.routes):
            yield from upstream.toml(self.pki.ca)
        for route in self.routes:
            yield from route.toml()


def _quoted(text: str) -> str:
    return json.dumps(text)

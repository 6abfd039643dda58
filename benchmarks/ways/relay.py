"""The relay itself, as users run it: twistd, a configuration file, limits and a log."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import attrs

from benchmarks.processes import Door
from benchmarks.sender import Address
from benchmarks.ways.way import ARCHIVE, Stage, Way
from tests.interop.relay_process import AE_TITLE, Relay, table
from tests.interop.server import LOOPBACK, held_port

FEWEST = 16
"""Associations that the archive is said to bear, at least."""

SPARE = 8
"""Those that one round still has open do not keep the next one from opening its own."""


UNLIMITED: Mapping[str, Any] = {
    "max_per_ae_title": 0,
    "max_per_address": 0,
    "associations_per_second": 0,
    "handshakes_per_second": 0,
}
"""All callers are one, as modalities are not."""


@attrs.frozen
class OurRelay:
    """The relay before one archive, or before a pool of its `doors`.

    `relay` and `failover` are keys of these tables of its configuration; all others have their
    defaults, save for the limits that so many associations need. `secure`: by TLS from the sender,
    too. However many processes it works in, they are counted together.
    """

    relay: Mapping[str, Any] = attrs.field(factory=dict)
    failover: Mapping[str, Any] = attrs.field(factory=dict)
    secure: bool = False
    doors: Sequence[Door] = (Door.TLS,)

    def missing(self) -> None:
        return None

    @contextmanager
    def open(self, stage: Stage) -> Iterator[Way]:
        with (
            held_port() as port,
            _Process(stage.folder, stage.pki, (), kind=self, stage=stage, secure=port) as relay,
        ):
            ca = str(stage.pki.ca) if self.secure else None
            address = Address(relay.secure if self.secure else relay.port, AE_TITLE, ca)
            yield Way(address, relay.process.pid)

    def toml(self, stage: Stage) -> Iterable[str]:
        """Yield all of the configuration but its listeners."""
        most = {"max_associations": 2 * stage.associations} if stage.associations > 200 else {}
        yield from table("[relay]", {"ae_title": AE_TITLE, **UNLIMITED, **most, **self.relay})
        for door in self.doors:
            yield from table(f"[upstream.{_name(door)}]", self._upstream(stage, door))
        yield from table("[pool.archive]", {"upstreams": [_name(door) for door in self.doors]})
        yield from table("[[route]]", {"pool": "archive"})
        yield from table("[failover]", self.failover)

    def _upstream(self, stage: Stage, door: Door) -> Mapping[str, Any]:
        return {
            "address": f"{ARCHIVE}@{LOOPBACK}:{stage.archive[door]}",
            "tls": {"ca": str(stage.pki.ca)},
            "max_associations": max(FEWEST, stage.associations + SPARE),
        }


@attrs.define
class _Process(Relay):
    kind: OurRelay = attrs.field(kw_only=True)
    stage: Stage = attrs.field(kw_only=True)

    def prepare(self) -> None:
        lines = [*self._listeners(), *self.kind.toml(self.stage)]
        self.config.write_text("\n".join(lines) + "\n")


def _name(door: Door) -> str:
    return door.name.lower()

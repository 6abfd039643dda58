"""No one in the middle."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from benchmarks.processes import Door
from benchmarks.sender import Address
from benchmarks.ways.way import ARCHIVE, Stage, Way


@attrs.frozen
class Direct:
    """From the sender to the archive, by TLS or without."""

    tls: bool = True

    def missing(self) -> None:
        return None

    @contextmanager
    def open(self, stage: Stage) -> Iterator[Way]:
        door = Door.TLS if self.tls else Door.PLAIN
        ca = str(stage.pki.ca) if self.tls else None
        yield Way(Address(stage.archive[door], ARCHIVE, ca))

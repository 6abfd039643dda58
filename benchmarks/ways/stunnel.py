"""stunnel, which wraps TCP in TLS."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.processes import Door
from benchmarks.sender import Address
from benchmarks.ways.way import ARCHIVE, Stage, Way
from tests.interop.peers import Stunnel
from tests.interop.server import find_program


class ByStunnel:
    """stunnel to the archive by TLS, with its defaults."""

    def missing(self) -> str | None:
        return None if find_program("stunnel4", "stunnel") else "stunnel4"

    @contextmanager
    def open(self, stage: Stage) -> Iterator[Way]:
        target = stage.archive[Door.TLS]
        with Stunnel(stage.folder, stage.pki, target, ARCHIVE, client=True) as stunnel:
            yield Way(Address(stunnel.port, ARCHIVE), stunnel.process.pid)

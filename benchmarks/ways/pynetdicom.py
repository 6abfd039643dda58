"""A relay as it is written with pynetdicom, where one wants to have one soon."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

import attrs

from benchmarks.processes import Door
from benchmarks.sender import Address
from benchmarks.ways.way import ARCHIVE, Stage, Way
from tests.interop.server import Server

SCRIPT = Path(__file__).resolve().parents[1] / "pynetdicom_relay.py"


class ByPynetdicom:
    """benchmarks/pynetdicom_relay.py, in a process of its own, to the archive by TLS."""

    def missing(self) -> str | None:
        return None if find_spec("pynetdicom") else "pynetdicom"

    @contextmanager
    def open(self, stage: Stage) -> Iterator[Way]:
        with _Process(stage.folder, stage) as relay:
            yield Way(Address(relay.port, ARCHIVE), relay.process.pid)


@attrs.define
class _Process(Server):
    name: ClassVar[str] = "pynetdicom"
    stage: Stage

    def command(self) -> Sequence[str]:
        target = self.stage.archive[Door.TLS]
        return [sys.executable, str(SCRIPT), str(self.port), str(target), str(self.stage.pki.ca)]

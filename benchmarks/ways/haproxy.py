"""HAProxy, which forwards bytes and knows no DICOM."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

import attrs

from benchmarks.processes import Door
from benchmarks.sender import Address
from benchmarks.ways.way import ARCHIVE, Stage, Way
from tests.interop.server import LOOPBACK, Server, find_program, program


@attrs.frozen
class HAProxy:
    """HAProxy to the archive by TLS, or to several `doors` of it, where the fewest callers are.

    Its buffers are as large as it has them by default, or of `buffers` bytes. `secure`: by TLS from
    the sender, too.
    """

    buffers: int | None = None
    secure: bool = False
    doors: Sequence[Door] = (Door.TLS,)

    def missing(self) -> str | None:
        return None if find_program("haproxy") else "haproxy"

    @contextmanager
    def open(self, stage: Stage) -> Iterator[Way]:
        with _Process(stage.folder, self, stage) as haproxy:
            ca = str(stage.pki.ca) if self.secure else None
            yield Way(Address(haproxy.port, ARCHIVE, ca), haproxy.process.pid)


@attrs.define
class _Process(Server):
    name: ClassVar[str] = "haproxy"
    kind: HAProxy
    stage: Stage

    @property
    def _config(self) -> Path:
        return self.folder / "haproxy.cfg"

    def command(self) -> Sequence[str]:
        return [program("haproxy"), "-db", "-f", str(self._config)]

    def prepare(self) -> None:
        self._config.write_text("\n".join(self._lines()) + "\n")

    def _lines(self) -> Iterator[str]:
        if self.kind.buffers:
            yield f"global\n    tune.bufsize {self.kind.buffers}"
        yield "defaults\n    mode tcp\n    balance leastconn"
        yield "    timeout connect 10s\n    timeout client 1m\n    timeout server 1m"
        yield f"listen relay\n    bind {LOOPBACK}:{self.port}{self._identity()}"
        trust = f"ssl verify required verifyhost localhost ca-file {self.stage.pki.ca}"
        for door in self.kind.doors:
            yield f"    server {door.name} {LOOPBACK}:{self.stage.archive[door]} {trust}"

    def _identity(self) -> str:
        """What its TLS end towards the sender shows, from one file."""
        if not self.kind.secure:
            return ""
        pki, both = self.stage.pki, self.folder / "haproxy.pem"
        both.write_text(pki.certificate.read_text() + pki.key.read_text())
        return f" ssl crt {both}"

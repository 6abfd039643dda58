"""The ways from the sender to the archive: direct, through this relay, through something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

import attrs

from benchmarks.sender import Address
from tests.interop.pki import Pki
from tests.interop.relay_process import AE_TITLE, Relay, Route, Upstream
from tests.interop.server import LOOPBACK, Server, find_program, program

ARCHIVE = "ARCHIVE"


@attrs.frozen
class Way:
    """A way to the archive; `pid` is of the process in the middle, where there is one."""

    name: str
    address: Address
    pid: int | None = None


@attrs.define
class HAProxy(Server):
    """HAProxy forwarding TCP to the archive by TLS, with its defaults."""

    name: ClassVar[str] = "haproxy"
    pki: Pki
    archive: int

    def command(self) -> Sequence[str]:
        return [program("haproxy"), "-db", "-f", str(self.folder / "haproxy.cfg")]

    def prepare(self) -> None:
        secure = f"ssl verify required verifyhost localhost ca-file {self.pki.ca}"
        (self.folder / "haproxy.cfg").write_text(
            f"""\
defaults
    mode tcp
    timeout connect 10s
    timeout client 1m
    timeout server 1m
listen relay
    bind {LOOPBACK}:{self.port}
    server archive {LOOPBACK}:{self.archive} {secure}
"""
        )


def left_out() -> list[str]:
    """What is not installed, and so not measured: names of Debian's packages."""
    return [name for name in ("haproxy",) if not find_program(name)]


@contextmanager
def ways(folder: Path, pki: Pki, archive: int) -> Iterator[list[Way]]:
    """All ways to the archive on a port of loopback; each process in the middle is a new one."""
    direct = Way("direct, TLS", Address(archive, ARCHIVE, str(pki.ca)))
    with ExitStack() as stack:
        route = Route(Upstream(ARCHIVE, archive))
        relay = stack.enter_context(Relay(folder / "relay", pki, [route]))
        found = [direct, Way("relay", Address(relay.port, AE_TITLE), relay.process.pid)]
        if HAProxy.name not in left_out():
            haproxy = stack.enter_context(HAProxy(folder / "haproxy", pki, archive))
            found.append(Way("HAProxy", Address(haproxy.port, ARCHIVE), haproxy.process.pid))
        yield found

"""A ward behind its relay: archives know nobody there but the relay, and call back that.

As in site.py the ward speaks to the relay's first listener without TLS, and the archive's side to
the second one with TLS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import attrs

from tests.interop.archive import Archive
from tests.interop.doors import Door, run_tool
from tests.interop.orthanc import Orthanc
from tests.interop.peers import DcmQrScp, StoreScp, Stunnel
from tests.interop.pki import Pki
from tests.interop.relay_process import (
    AE_TITLE,
    UNASKED,
    Relay,
    Route,
    Upstream,
    modality,
    table,
)
from tests.interop.server import held_port
from tests.interop.site import OFF, library

ALIAS = "R_CT1"
"""What archives have to call CT1, where they know the relay by an alias for it."""

WORKSTATION = "WORKSTATION"
PACS = "PACS"
"""Another AE title by which the ward calls Orthanc."""

KNOWN = (AE_TITLE, ALIAS)


@attrs.frozen(kw_only=True)
class Ward:
    """Modalities. One hesitates for a second after each object; one is so old that it takes only
    the default transfer syntax."""

    ct1: StoreScp
    ct2: StoreScp
    slow: StoreScp
    old: StoreScp
    scanner: Archive
    console: Archive


@attrs.frozen(kw_only=True)
class Archives:
    """All of them hold the same, or are told by a script what they hold."""

    qrscp: DcmQrScp
    orthanc: Orthanc
    archive: Archive


@attrs.frozen
class Behind:
    """The ward, the archives, and the relay."""

    pki: Pki
    ward: Ward
    archives: Archives
    relay: Relay

    def inward(self, called: str) -> Door:
        """Where the ward calls the relay."""
        return Door(self.relay.port, called)

    def outward(self, called: str = AE_TITLE) -> Door:
        """Where the archive's side calls the relay."""
        return Door(self.relay.secure, called, self.pki.client_context())

    def forget(self) -> None:
        """Have the ends in this process forget what they heard."""
        for each in (self.ward.scanner, self.ward.console, self.archives.archive):
            each.forget()


@contextmanager
def running_behind(folder: Path, pki: Pki) -> Iterator[Behind]:
    """Run a ward behind its relay, with everything that it writes in `folder`."""
    with ExitStack() as stack:
        yield _Builder(folder, pki, stack).all()


class _Builder:
    """Starts everybody, the ends first: these have to know the relay's ports before it runs."""

    def __init__(self, folder: Path, pki: Pki, stack: ExitStack) -> None:
        self._folder, self._pki, self._stack = folder, pki, stack
        ports = [stack.enter_context(held_port()) for _ in range(4)]
        self._clear, self._secure, self._tunnel, self._off = ports

    def all(self) -> Behind:
        ward = Ward(
            ct1=self._start(StoreScp(self._folder / "ct1", "CT1")),
            ct2=self._start(StoreScp(self._folder / "ct2", "CT2")),
            slow=self._start(StoreScp(self._folder / "slow", "SLOW", hesitation=1)),
            old=self._start(StoreScp(self._folder / "old", "OLD", syntaxes="+xi")),
            scanner=self._start(Archive(ae_title="SCANNER")),
            console=self._start(Archive(ae_title="CONSOLE")),
        )
        archives = Archives(
            qrscp=self._qrscp(), orthanc=self._orthanc(), archive=self._start(Archive(self._pki))
        )
        relay = self._relay([*self._to_archives(archives), *self._to_ward(ward)])
        # dcmqrscp has no TLS of its own.
        tunnel = Stunnel(
            self._folder / "tunnel", self._pki, self._secure, "CT1", client=True, held=self._tunnel
        )
        self._start(tunnel)
        return Behind(self._pki, ward, archives, relay)

    def _qrscp(self) -> DcmQrScp:
        destinations = dict.fromkeys(KNOWN, self._tunnel)
        return self._filled(DcmQrScp(self._folder / "qrscp", ("QRSCP",), destinations), "QRSCP")

    def _orthanc(self) -> Orthanc:
        secure = dict.fromkeys(KNOWN, self._secure)
        orthanc = Orthanc(self._folder / "orthanc", self._pki, "ORTHANC", secure=secure)
        self._start(orthanc)
        front = Stunnel(self._folder / "filling", self._pki, orthanc.port, "ORTHANC", client=True)
        with front:
            self._fill(front.port, "ORTHANC")
        return orthanc

    def _filled(self, peer: DcmQrScp, title: str) -> DcmQrScp:
        self._start(peer)
        self._fill(peer.port, title)
        return peer

    def _fill(self, port: int, title: str) -> None:
        files = library(self._folder / "slices")
        assert run_tool(Door(port, title), "dcmsend", files=files).status == 0

    def _relay(self, routes: list[Route]) -> Relay:
        return self._start(
            Relay(
                self._folder / "relay",
                self._pki,
                routes,
                held=self._clear,
                secure=self._secure,
                tables="\n".join(_tables()),
            )
        )

    def _to_archives(self, archives: Archives) -> Iterator[Route]:
        """dcmqrscp sees who calls; the others see the relay, whoever calls."""
        front = Stunnel(self._folder / "front", self._pki, archives.qrscp.port, "QRSCP")
        pool = {"move_destination": "rewrite"}
        mask = {"show_calling": AE_TITLE}
        orthanc = Upstream("ORTHANC", archives.orthanc.port, pool=pool)
        archive = Upstream("ARCHIVE", archives.archive.port, keys=UNASKED, pool=pool)
        yield Route(Upstream("QRSCP", self._start(front).port, pool=pool), "QRSCP")
        yield Route(orthanc, "ORTHANC", keys=mask)
        yield Route(orthanc, PACS, keys=mask)
        yield Route(archive, "ARCHIVE", keys=mask)

    def _to_ward(self, ward: Ward) -> Iterator[Route]:
        for peer in attrs.astuple(ward, recurse=False):
            yield Route(modality(peer.ae_title, peer.port), peer.ae_title)
        yield Route(modality(OFF, self._off), OFF)

    def _start(self, peer: _P) -> _P:
        return self._stack.enter_context(peer)


_P = TypeVar("_P", Archive, DcmQrScp, Orthanc, Relay, StoreScp, Stunnel)


def _tables() -> Iterable[str]:
    """The archives once more, by aliases; and where storage commitment is written down."""
    yield from table("[commitment]", {"database": "commitment.sqlite"})
    for name in ("qrscp", "orthanc"):
        pool = f"{name}-by-alias"
        aliases = {"upstreams": [name], "move_destination": {"CT1": ALIAS}}
        yield from table(f"[pool.{pool}]", aliases)
        yield from table("[[route]]", {"pool": pool, "called": by_alias(name.upper())})
    yield from table("[[route]]", {"pool": "ct1", "called": ALIAS})


def by_alias(archive: str) -> str:
    """Return what the ward calls an archive where destinations have aliases."""
    return f"{archive}_ALIAS"

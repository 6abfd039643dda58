"""A site: a ward, an archive's side, and between them one relay that carries both ways.

The ward speaks to the relay's first listener and is called by it, all without TLS; the archive's
side is called by TLS, and calls the second listener by TLS. Who of it has none gets it by stunnel.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import attrs

from tests.interop.archive import Archive
from tests.interop.doors import Door, run_tool
from tests.interop.objects import bundled_path, ct_slices
from tests.interop.orthanc import Orthanc
from tests.interop.peers import DcmQrScp, StoreScp, Stunnel
from tests.interop.pki import Pki
from tests.interop.printing import DcmPrScp
from tests.interop.relay_process import UNASKED, Relay, Route, Upstream, modality
from tests.interop.server import held_port
from tests.interop.worklist import WlmScpFs, write_worklist

OFF = "OFF"
"""A modality that is switched off."""

WARD = ("CT1", "CT2", "CONSOLE", "STATION", "VIEWER", OFF)
"""Those whom archives know, by the relay's address."""

ARCHIVES = ("QRSCP", "ORTHANC", "ARCHIVE", "WORKLIST")
"""Those whom the ward knows, by the relay's address."""

STRAIGHT = "STRAIGHT"
"""How archives call CT1 without the relay, and how STATION calls CONSOLE."""

LIBRARY = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "test-SR.dcm")
"""What is in an archive before it is asked, with SLICES more of the first one's study."""

SLICES = 4
ITEMS = 10
"""How long worklists are."""

CT_STUDY = "1.3.6.1.4.1.5962.1.2.1.20040119072730.12322"


@attrs.frozen(kw_only=True)
class Ward:
    """Two modalities that are stored to, one that does everything, and stations of their own."""

    ct1: StoreScp
    ct2: StoreScp
    console: Archive
    station: DcmQrScp
    viewer: Orthanc
    camera: DcmPrScp


@attrs.frozen(kw_only=True)
class Archives:
    """The archive's side, with the RIS and a printer."""

    qrscp: DcmQrScp
    orthanc: Orthanc
    archive: Archive
    worklist: WlmScpFs
    printer: DcmPrScp


@attrs.frozen
class Site:
    """Both, and the relay. `tunnel` puts on TLS for those of the archive's side without it."""

    pki: Pki
    ward: Ward
    archives: Archives
    relay: Relay
    tunnel: Stunnel

    def inward(self, called: str) -> Door:
        """Where the ward calls the relay."""
        return Door(self.relay.port, called)

    def outward(self, called: str) -> Door:
        """Where the archive's side calls the relay, if it speaks TLS."""
        return Door(self.relay.secure, called, self.pki.client_context())

    def tunnelled(self, called: str) -> Door:
        """Where the archive's side calls the relay, if it doesn't."""
        return Door(self.tunnel.port, called)


@contextmanager
def running_site(folder: Path, pki: Pki) -> Iterator[Site]:
    """Run a site, with everything that it writes in `folder`."""
    with ExitStack() as stack:
        yield _Builder(folder, pki, stack).site()


def library(folder: Path) -> tuple[Path, ...]:
    """Return the objects of LIBRARY, and those that are made in `folder`."""
    return (*map(bundled_path, LIBRARY), *ct_slices(folder, SLICES))


class _Builder:
    """Starts a site, its ends first: these have to know the relay's ports before it runs."""

    def __init__(self, folder: Path, pki: Pki, stack: ExitStack) -> None:
        self._folder, self._pki, self._stack = folder, pki, stack
        ports = [stack.enter_context(held_port()) for _ in range(4)]
        self._clear, self._secure, self._tunnel, self._off = ports

    def site(self) -> Site:
        ward = self._ward()
        archives = self._archives(ward)
        off = Route(modality(OFF, self._off), OFF)
        routes = [*self._to_archives(archives), *_to_ward(ward), off]
        folder = self._folder / "relay"
        relay = self._start(Relay(folder, self._pki, routes, held=self._clear, secure=self._secure))
        # What it asks as soon as it runs is whether STATION answers by the relay's second listener.
        tunnel = self._stunnel("tunnel", self._secure, "STATION", client=True, held=self._tunnel)
        return Site(self._pki, ward, archives, relay, tunnel)

    def _ward(self) -> Ward:
        known = dict.fromkeys(ARCHIVES, self._clear)
        console = self._start(Archive(ae_title="CONSOLE"))
        return Ward(
            ct1=self._start(StoreScp(self._folder / "ct1", "CT1")),
            ct2=self._start(StoreScp(self._folder / "ct2", "CT2")),
            console=console,
            station=self._dcmqrscp("STATION", {**known, STRAIGHT: console.port}),
            viewer=self._orthanc("VIEWER", known, tls=False),
            camera=self._start(DcmPrScp(self._folder / "camera", "CAMERA")),
        )

    def _archives(self, ward: Ward) -> Archives:
        straight = {STRAIGHT: ward.ct1.port}
        secure = dict.fromkeys(WARD, self._secure)
        items = self._folder / "orthanc-worklist"
        write_worklist(items, ITEMS)
        return Archives(
            qrscp=self._dcmqrscp("QRSCP", {**dict.fromkeys(WARD, self._tunnel), **straight}),
            orthanc=self._orthanc("ORTHANC", straight, secure=secure, worklist=items),
            archive=self._start(Archive(self._pki)),
            worklist=self._start(WlmScpFs(self._folder / "worklist", items=ITEMS)),
            printer=self._start(DcmPrScp(self._folder / "printer")),
        )

    def _dcmqrscp(self, title: str, destinations: Mapping[str, int]) -> DcmQrScp:
        peer = self._start(DcmQrScp(self._folder / title, (title,), destinations))
        files = library(self._folder / "slices")
        assert run_tool(Door(peer.port, title), "dcmsend", files=files).status == 0
        return peer

    def _orthanc(self, title: str, destinations: Mapping[str, int], **options: Any) -> Orthanc:
        folder = self._folder / title
        return self._start(Orthanc(folder, self._pki, title, destinations, calls=True, **options))

    def _stunnel(self, name: str, target: int, echo: str, **options: Any) -> Stunnel:
        return self._start(Stunnel(self._folder / name, self._pki, target, echo, **options))

    def _to_archives(self, archives: Archives) -> Iterator[Route]:
        """Routes to the archive's side, by stunnel to those without TLS."""
        orthanc, archive = archives.orthanc, archives.archive
        plain = (archives.qrscp.port, archives.worklist.port, archives.printer.port)
        yield Route(Upstream("ORTHANC", orthanc.port), "ORTHANC")
        yield Route(Upstream("ARCHIVE", archive.port, keys=UNASKED), "ARCHIVE")
        for title, port in zip(("QRSCP", "WORKLIST", "PRINTER"), plain, strict=True):
            front = self._stunnel(f"front-{title}", port, title)
            yield Route(Upstream(title, front.port), title)

    def _start(self, peer: _P) -> _P:
        return self._stack.enter_context(peer)


_P = TypeVar("_P", Archive, DcmPrScp, DcmQrScp, Orthanc, Relay, StoreScp, Stunnel, WlmScpFs)


def _to_ward(ward: Ward) -> Iterator[Route]:
    ports = {
        "CT1": ward.ct1.port,
        "CT2": ward.ct2.port,
        "CONSOLE": ward.console.port,
        "STATION": ward.station.port,
        "VIEWER": ward.viewer.port,
        "CAMERA": ward.camera.port,
    }
    for title, port in ports.items():
        yield Route(modality(title, port), title)

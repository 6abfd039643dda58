"""DCMTK's tools through the relay to Orthanc behind DICOM TLS: as if they called it themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest

from tests.interop.doors import Door, Doors, Outcome, run_tool, run_tool_into
from tests.interop.objects import bundled_path, ct_slices
from tests.interop.orthanc import Orthanc
from tests.interop.peers import StoreScp, Stunnel
from tests.interop.pki import Pki
from tests.interop.relay_process import Relay, Route, Upstream

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

DESTINATION = "DEST"
LIBRARY = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "rtplan.dcm",
    "examples_palette.dcm",
    "examples_jpeg2k.dcm",
    "test-SR.dcm",
)
"""What Orthanc holds before it is asked, with SLICES more of the first one's study."""

SLICES = 8
SENT = [
    ((), ("CT_small.dcm", "rtplan.dcm", "test-SR.dcm")),
    (("+C",), ("MR_small_implicit.dcm", "examples_palette.dcm")),
    (("-xd",), ("image_dfl.dcm",)),
    (("-xr",), ("SC_rgb_rle.dcm",)),
    (("-xv",), ("examples_jpeg2k.dcm",)),
    (("-xy",), ("examples_ybr_color.dcm",)),
]
"""Options of storescu, and the objects that are sent with them."""

STUDIES = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k")
CT_STUDY = (*STUDIES, "StudyInstanceUID=1.3.6.1.4.1.5962.1.2.1.20040119072730.12322")
RLE_STUDY = (*STUDIES, "StudyInstanceUID=1.3.6.1.4.1.5962.1.2.4.20040826185059.5457")
J2K_STUDY = (*STUDIES, "StudyInstanceUID=1.3.6.1.4.1.5962.1.2.13.20040826185059.5457")
SERIES = ("-k", "QueryRetrieveLevel=SERIES", "-k", "SeriesInstanceUID", "-k", "Modality")
QUERIES = {
    "studies": (*STUDIES, "StudyInstanceUID", "-k", "PatientName", "-k", "StudyDate"),
    "studies of a day": (*STUDIES, "StudyInstanceUID", "-k", "StudyDate=20040101-20041231"),
    "no study": (*STUDIES, "StudyInstanceUID", "-k", "PatientID=NOBODY-OF-THAT-ID"),
    "patients": (
        "-P",
        "-k",
        "QueryRetrieveLevel=PATIENT",
        "-k",
        "PatientName=*",
        "-k",
        "PatientID",
    ),
    "series": ("-S", *SERIES, "-k", "NumberOfSeriesRelatedInstances", "-k", "StudyInstanceUID"),
}


@attrs.frozen
class Peers:
    """Three Orthancs: one that is asked, two that are stored to."""

    library: Orthanc
    inbox: Orthanc
    twin: Orthanc


@attrs.frozen
class Tunnels:
    """Ports that take TLS off the two Orthancs to which tools without TLS speak directly."""

    library: int
    twin: int


@pytest.fixture(scope="module")
def destination(bed: Path) -> Iterator[StoreScp]:
    with StoreScp(bed / "orthanc-destination", DESTINATION) as peer:
        yield peer


@pytest.fixture(scope="module")
def peers(bed: Path, pki: Pki, destination: StoreScp) -> Iterator[Peers]:
    moves = {DESTINATION: destination.port}
    with ExitStack() as stack:
        titles = ("LIBRARY", "INBOX", "TWIN")
        orthancs = (Orthanc(bed / f"orthanc-{title}", pki, title, moves) for title in titles)
        yield Peers(*map(stack.enter_context, orthancs))


@pytest.fixture(scope="module")
def tunnels(bed: Path, pki: Pki, peers: Peers) -> Iterator[Tunnels]:
    library = Stunnel(bed / "stunnel-library", pki, peers.library.port, "LIBRARY", client=True)
    twin = Stunnel(bed / "stunnel-twin", pki, peers.twin.port, "TWIN", client=True)
    with library, twin:
        files = (*map(bundled_path, LIBRARY), *ct_slices(bed / "orthanc-slices", SLICES))
        assert run_tool(Door(library.port, "LIBRARY"), "dcmsend", files=files).status == 0
        yield Tunnels(library.port, twin.port)


@pytest.fixture(scope="module")
def relay(bed: Path, pki: Pki, peers: Peers) -> Iterator[Relay]:
    upstreams = [Upstream("LIBRARY", peers.library.port), Upstream("INBOX", peers.inbox.port)]
    routes = [Route(upstream, called=upstream.ae_title) for upstream in upstreams]
    with Relay(bed / "relay-orthanc", pki, routes) as running:
        yield running


@pytest.fixture
def library(tunnels: Tunnels, relay: Relay) -> Doors:
    return Doors(Door(tunnels.library, "LIBRARY"), Door(relay.port, "LIBRARY"))


@pytest.fixture
def empty(tunnels: Tunnels, relay: Relay) -> Doors:
    """Two Orthancs that hold the same: one is stored to directly, the other through the relay."""
    return Doors(Door(tunnels.twin, "TWIN"), Door(relay.port, "INBOX"))


@pytest.mark.shows("C-ECHO", "modality to archive", "DCMTK", "Orthanc")
def test_echoscu_is_answered(library: Doors):
    assert library.same(lambda door: run_tool(door, "echoscu", "--repeat", 5)).status == 0


@pytest.mark.shows("C-STORE", "modality to archive", "DCMTK", "Orthanc")
@pytest.mark.parametrize(("options", "names"), SENT)
def test_storescu_leads_to_what_it_leads_to_without_the_relay(
    empty: Doors, peers: Peers, options: tuple[str, ...], names: tuple[str, ...]
):
    files = tuple(map(bundled_path, names))
    sent = empty.same(lambda door: run_tool(door, "storescu", *options, files=files))
    assert sent.status == 0
    assert sent.said.count("Received Store Response (Success)") == len(files)
    assert peers.inbox.held_objects() == peers.twin.held_objects() != []


@pytest.mark.shows("C-STORE", "modality to archive", "DCMTK", "Orthanc")
def test_dcmsend_leads_to_what_it_leads_to_without_the_relay(empty: Doors, peers: Peers):
    files = tuple(map(bundled_path, LIBRARY))
    sent = empty.same(lambda door: run_tool(door, "dcmsend", files=files))
    assert sent.status == 0
    assert f"with status SUCCESS  : {len(files)}" in sent.said
    assert len(peers.inbox.held_objects()) >= len(files)
    assert peers.inbox.held_objects() == peers.twin.held_objects() != []


@pytest.mark.shows("C-FIND", "modality to archive", "DCMTK", "Orthanc")
@pytest.mark.parametrize("name", QUERIES)
def test_findscu_finds_what_it_finds_without_the_relay(library: Doors, tmp_path: Path, name: str):
    found = library.same(
        lambda door: run_tool_into(tmp_path, door, "findscu", "-X", *QUERIES[name])
    )
    assert found.status == 0
    assert bool(found.files) == (name != "no study")


@pytest.mark.shows("C-GET", "modality to archive", "DCMTK", "Orthanc")
@pytest.mark.parametrize("options", [(), ("+B",), ("+xi",)])
def test_getscu_gets_what_it_gets_without_the_relay(
    library: Doors, tmp_path: Path, options: tuple[str, ...]
):
    got = library.same(lambda door: run_tool_into(tmp_path, door, "getscu", *options, *CT_STUDY))
    assert got.status == 0
    assert len(got.files) == 1 + SLICES


def test_getscu_gets_a_compressed_object(library: Doors, tmp_path: Path):
    got = library.same(
        lambda door: run_tool_into(tmp_path, door, "getscu", "+xr", "+B", *RLE_STUDY)
    )
    assert got.status == 0
    assert len(got.files) == 1


def test_getscu_is_told_of_an_object_that_orthanc_cannot_convert(library: Doors, tmp_path: Path):
    """Orthanc accepts an uncompressed syntax for C-GET's contexts, and can't decode JPEG 2000."""
    got = library.same(lambda door: run_tool_into(tmp_path, door, "getscu", *J2K_STUDY))
    assert "Number of Failed Suboperations    : 1" in got.said
    assert not got.files


@pytest.mark.shows("C-MOVE", "modality to archive", "DCMTK", "Orthanc")
def test_movescu_moves_what_it_moves_without_the_relay(library: Doors, destination: StoreScp):
    def move(door: Door) -> Outcome:
        done = run_tool(door, "movescu", "-aem", DESTINATION, *CT_STUDY)
        return Outcome(done.status, done.said, destination.take())

    moved = library.same(move)
    assert moved.status == 0
    assert len(moved.files) == 1 + SLICES


def test_movescu_is_told_of_an_unknown_destination(library: Doors):
    told = library.same(lambda door: run_tool(door, "movescu", "-aem", "NOWHERE", *CT_STUDY))
    assert told.status != 0
    assert "UnableToProcess" in told.said

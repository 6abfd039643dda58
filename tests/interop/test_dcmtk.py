"""DCMTK's tools through the relay, to storescp and dcmqrscp: as if they called these themselves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.doors import Door, Doors, Outcome, run_tool, run_tool_into
from tests.interop.objects import bundled_path, ct_slices
from tests.interop.peers import DcmQrScp, StoreScp, Stunnel
from tests.interop.pki import Pki
from tests.interop.relay_process import Relay, Route, Upstream

pytestmark = pytest.mark.peers("dcmtk", "stunnel")

DESTINATION = "DEST"
LIBRARY = ("CT_small.dcm", "MR_small.dcm", "rtplan.dcm", "examples_palette.dcm", "test-SR.dcm")
"""What dcmqrscp holds before it is asked, with SLICES more of the first one's study."""

SLICES = 4

SENT = [
    ((), "CT_small.dcm"),
    ((), "MR_small_implicit.dcm"),
    (("+C",), "test-SR.dcm"),
    (("-R", "-xi"), "rtplan.dcm"),
    (("-xb",), "ExplVR_BigEnd.dcm"),
    (("-xd",), "image_dfl.dcm"),
    (("-xr",), "MR_small_RLE.dcm"),
    (("-xv",), "examples_jpeg2k.dcm"),
    (("-xy", "-pdu", "131072"), "examples_ybr_color.dcm"),
    (("-xt", "--max-send-pdu", "4096"), "MR_small_jpeg_ls_lossless.dcm"),
]
"""Options of storescu, and an object that is sent with them."""

SAME_UID = ("MR_small_implicit.dcm", "MR_small_RLE.dcm")
"""Objects whose UID another of those above has too: they would overwrite each other."""

STUDIES = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k")
ANY_STUDY = (*STUDIES, "StudyInstanceUID")
CT_STUDY = (*STUDIES, "StudyInstanceUID=1.3.6.1.4.1.5962.1.2.1.20040119072730.12322")


@pytest.fixture(scope="module")
def storescp(bed: Path, pki: Pki) -> Iterator[StoreScp]:
    with StoreScp(bed / "storescp", "STORESCP", pki) as peer:
        yield peer


@pytest.fixture(scope="module")
def destination(bed: Path) -> Iterator[StoreScp]:
    with StoreScp(bed / "dcmqrscp-destination", DESTINATION) as peer:
        yield peer


@pytest.fixture(scope="module")
def dcmqrscp(bed: Path, destination: StoreScp) -> Iterator[DcmQrScp]:
    moves = {DESTINATION: destination.port}
    with DcmQrScp(bed / "dcmqrscp", ("QRSCP", "INBOX"), moves) as peer:
        files = (*map(bundled_path, LIBRARY), *ct_slices(bed / "slices", SLICES))
        assert run_tool(Door(peer.port, "QRSCP"), "dcmsend", files=files).status == 0
        yield peer


@pytest.fixture(scope="module")
def tunnels(
    bed: Path, pki: Pki, storescp: StoreScp, dcmqrscp: DcmQrScp
) -> Iterator[tuple[Stunnel, Stunnel]]:
    """TLS taken off for callers of storescp, and TLS in front of dcmqrscp."""
    off = Stunnel(bed / "stunnel-off", pki, storescp.port, "STORESCP", client=True)
    front = Stunnel(bed / "stunnel-front", pki, dcmqrscp.port, "QRSCP")
    with off, front:
        yield off, front


@pytest.fixture(scope="module")
def relay(
    bed: Path, pki: Pki, storescp: StoreScp, tunnels: tuple[Stunnel, Stunnel]
) -> Iterator[Relay]:
    ports = {"STORESCP": storescp.port, "QRSCP": tunnels[1].port, "INBOX": tunnels[1].port}
    routes = [Route(Upstream(title, port), called=title) for title, port in ports.items()]
    with Relay(bed / "relay-dcmtk", pki, routes) as running:
        yield running


@pytest.fixture
def to_storescp(tunnels: tuple[Stunnel, Stunnel], relay: Relay) -> Doors:
    return Doors(Door(tunnels[0].port, "STORESCP"), Door(relay.port, "STORESCP"))


@pytest.fixture
def to_dcmqrscp(dcmqrscp: DcmQrScp, relay: Relay) -> Doors:
    return Doors(Door(dcmqrscp.port, "QRSCP"), Door(relay.port, "QRSCP"))


@pytest.fixture
def to_inbox(dcmqrscp: DcmQrScp, relay: Relay) -> Doors:
    """The AE title of dcmqrscp that is stored to, so that queries to the other stay as they are."""
    return Doors(Door(dcmqrscp.port, "INBOX"), Door(relay.port, "INBOX"))


@pytest.mark.shows("C-ECHO", "modality to archive", "DCMTK", "DCMTK")
def test_echoscu_is_answered_by_storescp(to_storescp: Doors):
    assert to_storescp.same(lambda door: run_tool(door, "echoscu")).status == 0


def test_echoscu_is_answered_many_times_on_one_association(to_storescp: Doors):
    outcome = to_storescp.same(lambda door: run_tool(door, "echoscu", "--repeat", 20))
    assert outcome.said.count("Received Echo Response (Success)") == 20


@pytest.mark.shows("C-ECHO", "modality to archive", "DCMTK", "DCMTK")
def test_echoscu_is_answered_by_dcmqrscp(to_dcmqrscp: Doors):
    assert to_dcmqrscp.same(lambda door: run_tool(door, "echoscu")).status == 0


@pytest.mark.shows("C-STORE", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.parametrize(("options", "name"), SENT)
def test_storescu_stores_in_storescp(
    to_storescp: Doors, storescp: StoreScp, options: tuple[str, ...], name: str
):
    def store(door: Door) -> Outcome:
        done = run_tool(door, "storescu", *options, files=(bundled_path(name),))
        return Outcome(done.status, done.said, storescp.take())

    outcome = to_storescp.same(store)
    assert outcome.status == 0
    assert len(outcome.files) == 1


@pytest.mark.shows("C-STORE", "modality to archive", "DCMTK", "DCMTK")
def test_dcmsend_stores_every_transfer_syntax_in_storescp(to_storescp: Doors, storescp: StoreScp):
    files = tuple(bundled_path(name) for _, name in SENT if name not in SAME_UID)

    def send(door: Door) -> Outcome:
        done = run_tool(door, "dcmsend", files=files)
        return Outcome(done.status, done.said, storescp.take())

    outcome = to_storescp.same(send)
    assert outcome.status == 0
    assert len(outcome.files) == len(files)


@pytest.mark.shows("C-STORE", "modality to archive", "DCMTK", "DCMTK")
def test_storescu_stores_in_dcmqrscp(to_inbox: Doors):
    files = tuple(map(bundled_path, LIBRARY))
    outcome = to_inbox.same(lambda door: run_tool(door, "storescu", files=files))
    assert outcome.status == 0
    assert outcome.said.count("Received Store Response (Success)") == len(files)


def test_dcmsend_stores_in_dcmqrscp(to_inbox: Doors):
    files = tuple(map(bundled_path, LIBRARY))
    outcome = to_inbox.same(lambda door: run_tool(door, "dcmsend", files=files))
    assert outcome.status == 0
    assert f"with status SUCCESS  : {len(files)}" in outcome.said


def test_storescu_fails_alike_where_the_archive_takes_no_compressed_object(to_inbox: Doors):
    """dcmqrscp takes the uncompressed syntaxes alone: storescu can't convert, and aborts."""
    file = bundled_path("examples_jpeg2k.dcm")
    outcome = to_inbox.same(lambda door: run_tool(door, "storescu", "-xv", files=(file,)))
    assert outcome.status != 0
    assert "Aborting Association" in outcome.said


@pytest.mark.shows("C-FIND", "modality to archive", "DCMTK", "DCMTK")
def test_findscu_finds_every_study(to_dcmqrscp: Doors, tmp_path: Path):
    outcome = to_dcmqrscp.same(
        lambda door: run_tool_into(
            tmp_path, door, "findscu", "-X", *ANY_STUDY, "-k", "PatientName", "-k", "StudyDate"
        )
    )
    assert outcome.status == 0
    assert len(outcome.files) == len(LIBRARY)


def test_findscu_finds_nothing(to_dcmqrscp: Doors, tmp_path: Path):
    key = ("-k", "PatientName=NOBODY^OF^THAT^NAME")
    outcome = to_dcmqrscp.same(
        lambda door: run_tool_into(tmp_path, door, "findscu", "-X", *ANY_STUDY, *key)
    )
    assert outcome.status == 0
    assert not outcome.files


def test_findscu_is_refused_a_worklist_by_an_archive_that_has_none(to_dcmqrscp: Doors):
    outcome = to_dcmqrscp.same(lambda door: run_tool(door, "findscu", "-W", "-k", "PatientName"))
    assert outcome.status != 0
    assert "No Acceptable Presentation Contexts" in outcome.said


@pytest.mark.shows("C-GET", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.parametrize("options", [(), ("+B",), ("+xi",), ("-pdu", "4096")])
def test_getscu_gets_a_study(to_dcmqrscp: Doors, tmp_path: Path, options: tuple[str, ...]):
    outcome = to_dcmqrscp.same(
        lambda door: run_tool_into(tmp_path, door, "getscu", *options, *CT_STUDY)
    )
    assert outcome.status == 0
    assert len(outcome.files) == 1 + SLICES


@pytest.mark.shows("C-MOVE", "modality to archive", "DCMTK", "DCMTK")
def test_movescu_moves_a_study_to_its_destination(to_dcmqrscp: Doors, destination: StoreScp):
    def move(door: Door) -> Outcome:
        done = run_tool(door, "movescu", "-aem", DESTINATION, *CT_STUDY)
        return Outcome(done.status, done.said, destination.take())

    outcome = to_dcmqrscp.same(move)
    assert outcome.status == 0
    assert len(outcome.files) == 1 + SLICES


def test_movescu_is_told_of_an_unknown_destination(to_dcmqrscp: Doors):
    outcome = to_dcmqrscp.same(lambda door: run_tool(door, "movescu", "-aem", "NOWHERE", *CT_STUDY))
    assert outcome.status != 0
    assert "MoveDestinationUnknown" in outcome.said

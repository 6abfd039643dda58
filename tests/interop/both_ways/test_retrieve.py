"""C-MOVE as it passes: what is moved comes back through the relay, on associations of its own."""

from __future__ import annotations

import pytest

from tests.interop.doors import Door, Outcome, run_tool
from tests.interop.peers import StoreScp
from tests.interop.site import CT_STUDY, OFF, SLICES, STRAIGHT, Site

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

STUDY = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={CT_STUDY}")


def move(door: Door, to: str, destination: StoreScp) -> Outcome:
    """Have the study moved to this AE title; return what came of it."""
    done = run_tool(door, "movescu", "-aem", to, *STUDY)
    return Outcome(done.status, done.said, destination.take())


def moved_as_if_straight(site: Site, archive: str) -> None:
    """Assert that CT1 gets by the relay what it gets from the archive itself."""
    straight = move(site.inward(archive), STRAIGHT, site.ward.ct1)
    with site.relay.tells_of(archive, "CT1") as crossings:
        assert move(site.inward(archive), "CT1", site.ward.ct1) == straight
    assert all(f"{1 + SLICES} C-STORE" in crossing for crossing in crossings)
    assert straight.status == 0
    assert len(straight.files) == 1 + SLICES


@pytest.mark.shows("C-MOVE", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.shows("C-STORE", "archive to modality", "DCMTK", "DCMTK")
def test_what_dcmqrscp_moves_comes_back_to_the_modality(site: Site):
    moved_as_if_straight(site, "QRSCP")


@pytest.mark.shows("C-MOVE", "modality to archive", "DCMTK", "Orthanc")
@pytest.mark.shows("C-STORE", "archive to modality", "Orthanc", "DCMTK")
def test_what_orthanc_moves_comes_back_to_the_modality(site: Site, filled: None):
    moved_as_if_straight(site, "ORTHANC")


@pytest.mark.parametrize("archive", ["QRSCP", "ORTHANC"])
def test_what_is_moved_to_another_modality_reaches_that_one(site: Site, filled: None, archive: str):
    moved = move(site.inward(archive), "CT2", site.ward.ct2)
    assert len(moved.files) == 1 + SLICES
    assert not site.ward.ct1.take()


@pytest.mark.shows("C-MOVE", "archive to modality", "DCMTK", "DCMTK")
@pytest.mark.shows("C-STORE", "modality to archive", "DCMTK", "pynetdicom")
def test_what_a_modality_moves_comes_back_to_the_archive(site: Site):
    console, archive = site.ward.console, site.archives.archive
    for to in (STRAIGHT, "ARCHIVE"):
        assert run_tool(site.tunnelled("STATION"), "movescu", "-aem", to, *STUDY).status == 0
    assert len(archive.heard) == 1 + SLICES
    assert {each.dataset for each in archive.heard} == {each.dataset for each in console.heard}
    assert {each.calling for each in archive.heard} == {"STATION"}


@pytest.mark.parametrize("archive", ["QRSCP", "ORTHANC"])
def test_what_is_moved_to_a_modality_that_is_switched_off_fails(
    site: Site, filled: None, archive: str
):
    with site.relay.tells_of(archive, OFF) as crossings:
        told = run_tool(site.inward(archive), "movescu", "-aem", OFF, *STUDY)
    assert told.status != 0
    assert "Move response with error status" in told.said
    (crossing,) = crossings
    assert crossing.startswith("rejected: (2,3,1)")

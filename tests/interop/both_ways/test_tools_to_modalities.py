"""The archive's side calls modalities: DCMTK's tools through the relay, as if straight to them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.interop.doors import Door, Doors, Outcome, run_tool, run_tool_into
from tests.interop.site import CT_STUDY, SLICES, Site, library

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

STUDY = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={CT_STUDY}")


@pytest.fixture
def station(site: Site) -> Doors:
    return Doors(Door(site.ward.station.port, "STATION"), site.tunnelled("STATION"))


@pytest.mark.shows("C-ECHO", "archive to modality", "DCMTK", "DCMTK")
def test_echoscu_is_answered(station: Doors):
    assert station.same(lambda door: run_tool(door, "echoscu", "--repeat", 5)).status == 0


@pytest.mark.shows("C-STORE", "archive to modality", "DCMTK", "DCMTK")
def test_storescu_stores_in_storescp(site: Site, tmp_path: Path):
    files = library(tmp_path)

    def store(door: Door) -> Outcome:
        done = run_tool(door, "storescu", files=files)
        return Outcome(done.status, done.said, site.ward.ct1.take())

    doors = Doors(Door(site.ward.ct1.port, "CT1"), site.tunnelled("CT1"))
    stored = doors.same(store)
    assert stored.status == 0
    assert len(stored.files) == len(files)


@pytest.mark.shows("C-FIND", "archive to modality", "DCMTK", "DCMTK")
def test_findscu_finds_a_study(station: Doors, tmp_path: Path):
    found = station.same(
        lambda door: run_tool_into(tmp_path, door, "findscu", "-X", *STUDY, "-k", "PatientName")
    )
    assert found.status == 0
    assert len(found.files) == 1


@pytest.mark.shows("C-GET", "archive to modality", "DCMTK", "DCMTK")
def test_getscu_gets_a_study(station: Doors, tmp_path: Path):
    got = station.same(lambda door: run_tool_into(tmp_path, door, "getscu", *STUDY))
    assert got.status == 0
    assert len(got.files) == 1 + SLICES


@pytest.mark.shows("C-FIND", "archive to modality", "DCMTK", "Orthanc")
@pytest.mark.shows("C-GET", "archive to modality", "DCMTK", "Orthanc")
def test_getscu_gets_a_study_from_orthanc_in_the_ward(site: Site, tmp_path: Path):
    straight = Door(site.ward.viewer.port, "VIEWER")
    site.ward.viewer.forget()
    assert run_tool(straight, "dcmsend", files=library(tmp_path / "slices")).status == 0
    doors, into = Doors(straight, site.tunnelled("VIEWER")), tmp_path / "got"
    into.mkdir()
    got = doors.same(lambda door: run_tool_into(into, door, "getscu", *STUDY))
    assert len(got.files) == 1 + SLICES
    found = doors.same(lambda door: run_tool_into(into, door, "findscu", "-X", *STUDY))
    assert len(found.files) == 1

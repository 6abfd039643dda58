"""Orthanc calls through the relay, from either bank: who is told to do so has it done."""

from __future__ import annotations

from typing import Any

import pytest

from tests.interop.orthanc import Orthanc
from tests.interop.site import CT_STUDY, ITEMS, SLICES, Site

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

STUDY = {"Level": "Study", "Query": {"StudyInstanceUID": CT_STUDY}}
STEPS = {"PatientName": "", "PatientID": "", "ScheduledProcedureStepSequence": [{"Modality": ""}]}


def stored_count(caller: Orthanc, called: str) -> int:
    """Have an Orthanc store the CT study; return how many objects it says it has stored."""
    (study,) = caller.tell("tools/find", STUDY)
    done: dict[str, Any] = caller.tell(f"modalities/{called}/store", study)
    assert done["FailedInstancesCount"] == 0
    return int(done["InstancesCount"])


@pytest.mark.shows("C-ECHO", "archive to modality", "Orthanc", "DCMTK")
def test_orthanc_has_its_echo_answered_by_a_modality(site: Site):
    assert site.archives.orthanc.tell("modalities/CT1/echo", {}) == {}


@pytest.mark.shows("C-ECHO", "modality to archive", "Orthanc", "DCMTK")
def test_orthanc_has_its_echo_answered_by_an_archive(site: Site):
    assert site.ward.viewer.tell("modalities/QRSCP/echo", {}) == {}


@pytest.mark.shows("C-STORE", "archive to modality", "Orthanc", "DCMTK")
def test_orthanc_stores_in_a_modality(site: Site, filled: None):
    assert stored_count(site.archives.orthanc, "CT1") == 1 + SLICES
    assert len(site.ward.ct1.take()) == 1 + SLICES


@pytest.mark.shows("C-FIND", "archive to modality", "Orthanc", "DCMTK")
@pytest.mark.shows("C-MOVE", "archive to modality", "Orthanc", "DCMTK")
@pytest.mark.shows("C-STORE", "modality to archive", "DCMTK", "Orthanc")
def test_orthanc_fetches_a_study_from_a_modality(site: Site):
    orthanc = site.archives.orthanc
    orthanc.forget()
    query = orthanc.tell("modalities/STATION/query", STUDY)["ID"]
    assert len(orthanc.ask(f"queries/{query}/answers")) == 1
    orthanc.tell(f"queries/{query}/retrieve", {"TargetAet": "ORTHANC"})
    assert len(orthanc.ask("instances")) == 1 + SLICES


@pytest.mark.shows("C-FIND", "modality to archive", "Orthanc", "DCMTK")
@pytest.mark.shows("C-MOVE", "modality to archive", "Orthanc", "DCMTK")
@pytest.mark.shows("C-STORE", "archive to modality", "DCMTK", "Orthanc")
@pytest.mark.shows("C-STORE", "modality to archive", "Orthanc", "Orthanc")
def test_orthanc_fetches_a_study_from_an_archive_and_stores_it_in_another(site: Site):
    viewer, orthanc = site.ward.viewer, site.archives.orthanc
    viewer.forget()
    query = viewer.tell("modalities/QRSCP/query", STUDY)["ID"]
    viewer.tell(f"queries/{query}/retrieve", {"TargetAet": "VIEWER"})
    assert len(viewer.ask("instances")) == 1 + SLICES
    orthanc.forget()
    assert stored_count(viewer, "ORTHANC") == 1 + SLICES
    assert orthanc.held_objects() == viewer.held_objects()


@pytest.mark.shows("C-FIND", "modality to archive", "Orthanc", "DCMTK")
def test_orthanc_finds_a_worklist(site: Site):
    assert len(site.ward.viewer.tell("modalities/WORKLIST/find-worklist", STEPS)) == ITEMS

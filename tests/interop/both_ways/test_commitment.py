"""Storage commitment: asked for by either bank, reported on the same association or a new one."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt

from tests.interop.archive import PATIENCE_S, Archive, Heard, Script
from tests.interop.caller import associated, encoded
from tests.interop.commitment import (
    ALL_STORED,
    INSTANCE,
    MODEL,
    REQUEST,
    SOME_FAILED,
    ask,
    report,
    transaction,
)
from tests.interop.objects import bundled_path
from tests.interop.site import Site

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")


def of_the_library() -> UID:
    """The SOP Instance UID of an object that archives hold."""
    return UID(dcmread(bundled_path("CT_small.dcm"), stop_before_pixels=True).SOPInstanceUID)


def told(who: Archive) -> Heard:
    """Return the report that comes to this end."""
    return who.told.get(timeout=PATIENCE_S)


@pytest.mark.shows("N-ACTION", "modality to archive", "pynetdicom", "Orthanc")
@pytest.mark.shows("N-EVENT-REPORT", "archive to modality", "Orthanc", "pynetdicom")
@pytest.mark.parametrize("is_stored", [True, False])
def test_orthanc_reports_to_the_modality_on_a_new_association(
    site: Site, filled: None, is_stored: bool
):
    about = transaction([of_the_library()] if is_stored else ())
    assert ask(site.inward("ORTHANC"), about, "CONSOLE") == 0x0000
    heard = told(site.ward.console)
    assert (heard.calling, heard.called) == ("ORTHANC", "CONSOLE")
    assert heard.fields["EventTypeID"] == str(ALL_STORED if is_stored else SOME_FAILED)
    assert str(about.TransactionUID).encode() in heard.dataset


@pytest.mark.shows("N-ACTION", "modality to archive", "pynetdicom", "pynetdicom")
@pytest.mark.shows("N-EVENT-REPORT", "archive to modality", "pynetdicom", "pynetdicom")
def test_an_archive_reports_on_the_association_of_the_request(site: Site):
    archive, about = site.archives.archive, transaction()
    archive.script = Script(answer=about)
    came: queue.Queue[Dataset] = queue.Queue()

    def on_report(event: Any) -> tuple[int, None]:
        came.put(event.event_information)
        return 0x0000, None

    handlers = [(evt.EVT_N_EVENT_REPORT, on_report)]
    door = site.inward("ARCHIVE")
    with associated(door, [MODEL], handlers=handlers, calling="CONSOLE") as association:
        assert association.send_n_action(about, REQUEST, *INSTANCE)[0].Status == 0x0000
        assert came.get(timeout=PATIENCE_S) == about
        assert archive.reports.get(timeout=PATIENCE_S)[0].Status == 0x0000


@pytest.mark.shows("N-ACTION", "modality to archive", "pynetdicom", "pynetdicom")
@pytest.mark.shows("N-EVENT-REPORT", "archive to modality", "pynetdicom", "pynetdicom")
@pytest.mark.parametrize("status", [0x0000, 0x0110])
def test_an_archive_reports_on_a_new_association(site: Site, status: int):
    archive, console, about = site.archives.archive, site.ward.console, transaction()
    archive.script, console.script = Script(reports=False), Script(status=status)
    assert ask(site.inward("ARCHIVE"), about, "CONSOLE") == 0x0000
    assert report(site.outward("CONSOLE"), about, "ARCHIVE") == status
    heard = told(console)
    assert (heard.calling, heard.called) == ("ARCHIVE", "CONSOLE")
    assert heard.dataset == archive.heard[0].dataset == encoded(about, implicit=True)


@pytest.mark.shows("N-ACTION", "modality to archive", "Orthanc", "pynetdicom")
@pytest.mark.shows("N-EVENT-REPORT", "archive to modality", "pynetdicom", "Orthanc")
def test_orthanc_as_a_modality_is_told_what_an_archive_reports(site: Site):
    viewer, archive = site.ward.viewer, site.archives.archive
    archive.script = Script(reports=False)
    about = orthanc_asks(viewer, "ARCHIVE", archive)
    assert report(site.outward("VIEWER"), about, "ARCHIVE") == 0x0000
    assert viewer.settled(f"storage-commitment/{about.TransactionUID}")["Status"] == "Success"


@pytest.mark.shows("N-ACTION", "archive to modality", "Orthanc", "pynetdicom")
@pytest.mark.shows("N-EVENT-REPORT", "modality to archive", "pynetdicom", "Orthanc")
def test_orthanc_as_an_archive_is_told_what_a_modality_reports(site: Site):
    orthanc, console = site.archives.orthanc, site.ward.console
    console.script = Script(reports=False)
    about = orthanc_asks(orthanc, "CONSOLE", console)
    assert report(site.inward("ORTHANC"), about, "CONSOLE") == 0x0000
    assert orthanc.settled(f"storage-commitment/{about.TransactionUID}")["Status"] == "Success"


def orthanc_asks(caller: Any, called: str, archive: Archive) -> Dataset:
    """Have an Orthanc ask for commitment; return the transaction as the archive heard of it."""
    about = transaction()
    (item,) = about.ReferencedSOPSequence
    said = [[item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID]]
    asked = caller.tell(f"modalities/{called}/storage-commitment", {"DicomInstances": said})
    about.TransactionUID = asked["ID"]
    (heard,) = archive.heard
    assert heard.service == "N-ACTION"
    assert asked["ID"].encode() in heard.dataset
    return about

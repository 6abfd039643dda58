"""The N-* services, in both directions, with pynetdicom on both banks."""

from __future__ import annotations

import queue
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import generate_uid
from pynetdicom import evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    BasicFilmSession,
    BasicGrayscalePrintManagementMeta,
    ModalityPerformedProcedureStep,
    Printer,
    PrinterInstance,
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from tests.interop.archive import PATIENCE_S, Archive, Script, sole
from tests.interop.caller import associated, encoded, identifier
from tests.interop.doors import Door

TAGS = [Tag("PrinterStatus"), Tag("PrinterName")]
COMMITMENT = (StorageCommitmentPushModel, StorageCommitmentPushModelInstance)


@pytest.mark.shows("N-CREATE", "modality to archive", "pynetdicom", "pynetdicom")
@pytest.mark.shows("N-SET", "modality to archive", "pynetdicom", "pynetdicom")
def test_n_create_and_n_set_carry_a_procedure_step(door: Door, archive: Archive):
    step, uid = identifier(PerformedProcedureStepID="1"), generate_uid()
    archive.script = Script(answer=identifier(PerformedProcedureStepStatus="IN PROGRESS"))
    with associated(door, [ModalityPerformedProcedureStep]) as association:
        created = association.send_n_create(step, ModalityPerformedProcedureStep, uid)
        changed = association.send_n_set(step, ModalityPerformedProcedureStep, uid)
    for status, answer in (created, changed):
        assert status.Status == 0x0000
        assert answer == archive.script.answer
    assert [request.service for request in archive.heard] == ["N-CREATE", "N-SET"]
    assert archive.heard[0].fields["AffectedSOPInstanceUID"] == uid
    assert archive.heard[1].fields["RequestedSOPInstanceUID"] == uid
    assert {request.dataset for request in archive.heard} == {encoded(step, implicit=True)}


@pytest.mark.parametrize("status", [0x0110, 0x0111, 0x0116, 0x0213])
def test_n_set_is_told_the_status_that_the_archive_said(door: Door, archive: Archive, status: int):
    archive.script = Script(status=status)
    step = identifier(PerformedProcedureStepID="1")
    with associated(door, [ModalityPerformedProcedureStep]) as association:
        told, _ = association.send_n_set(step, ModalityPerformedProcedureStep, generate_uid())
    assert told.Status == status


@pytest.mark.shows("N-GET", "modality to archive", "pynetdicom", "pynetdicom")
def test_n_get_asks_for_attributes_of_a_printer(door: Door, archive: Archive):
    """Printer is a SOP class of the meta SOP class that was negotiated, as is lawful for Print."""
    meta = BasicGrayscalePrintManagementMeta
    archive.script = Script(answer=identifier(PrinterStatus="NORMAL"))
    with associated(door, [meta]) as association:
        status, answer = association.send_n_get(TAGS, Printer, PrinterInstance, meta_uid=meta)
    assert status.Status == 0x0000
    assert answer == archive.script.answer
    assert sole(archive).fields["AttributeIdentifierList"] == str(TAGS)


@pytest.mark.shows("N-DELETE", "modality to archive", "pynetdicom", "pynetdicom")
def test_n_delete_deletes_a_film_session(door: Door, archive: Archive):
    meta, uid = BasicGrayscalePrintManagementMeta, generate_uid()
    with associated(door, [meta]) as association:
        assert association.send_n_delete(BasicFilmSession, uid, meta_uid=meta).Status == 0x0000
    assert sole(archive).service == "N-DELETE"
    assert sole(archive).fields["RequestedSOPInstanceUID"] == uid


@pytest.mark.shows("N-ACTION", "modality to archive", "pynetdicom", "pynetdicom")
@pytest.mark.shows("N-EVENT-REPORT", "archive to modality", "pynetdicom", "pynetdicom")
@pytest.mark.parametrize("answer", [0x0000, 0x0110])
def test_n_action_is_followed_by_n_event_report_on_the_same_association(
    door: Door, archive: Archive, answer: int
):
    told: queue.Queue[tuple[int, Dataset]] = queue.Queue()

    def on_report(event: Any) -> tuple[int, None]:
        told.put((event.request.EventTypeID, event.event_information))
        return answer, None

    archive.script = Script(answer=identifier(TransactionUID=generate_uid()))
    handlers = [(evt.EVT_N_EVENT_REPORT, on_report)]
    with associated(door, [StorageCommitmentPushModel], handlers=handlers) as association:
        status, _ = association.send_n_action(archive.script.answer, 1, *COMMITMENT)
        assert status.Status == 0x0000
        assert told.get(timeout=PATIENCE_S) == (1, archive.script.answer)
        assert archive.reports.get(timeout=PATIENCE_S)[0].Status == answer
    assert sole(archive).fields["ActionTypeID"] == "1"

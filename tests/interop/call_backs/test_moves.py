"""C-MOVE of archives that know nobody but the relay: objects find whom they were moved to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove,
)

from tests.interop.archive import Archive, Script
from tests.interop.behind import WORKSTATION, Behind, by_alias
from tests.interop.caller import QUERY, associated, ct_image, encoded, identifier, statuses
from tests.interop.doors import Door, Outcome, run_tool
from tests.interop.objects import bundled_path, fingerprint
from tests.interop.peers import StoreScp
from tests.interop.relay_process import AE_TITLE
from tests.interop.site import CT_STUDY, LIBRARY, OFF, SLICES, library

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

MOVE = StudyRootQueryRetrieveInformationModelMove
ARCHIVES = pytest.mark.parametrize("archive", ["QRSCP", "ORTHANC"])
UNKNOWN = "NOBODY"


def study_of(path: Path) -> str:
    """Return the Study Instance UID of a file."""
    return str(dcmread(path, stop_before_pixels=True).StudyInstanceUID)


def sop_instance_of(path: Path) -> str:
    """Return the SOP Instance UID of a file."""
    return str(dcmread(path, stop_before_pixels=True).SOPInstanceUID)


MR_STUDY, PLAN_STUDY, REPORT_STUDY = (study_of(bundled_path(name)) for name in LIBRARY[1:])


Datasets = Mapping[str, str]
"""Fingerprints by SOP Instance UID."""


@pytest.fixture(scope="module")
def studies(running: Behind, bed: Path) -> Mapping[str, Datasets]:
    """The datasets of each study as DCMTK sends them, which leaves out what it takes for padding:
    so archives were given them, and so they are stored here without the relay."""
    ct1, files = running.ward.ct1, library(bed / "studies")
    assert run_tool(Door(ct1.port, "CT1"), "dcmsend", files=files).status == 0
    stored, found = taken(ct1), dict[str, dict[str, str]]()
    for path in files:
        uid = sop_instance_of(path)
        found.setdefault(study_of(path), {})[uid] = stored[uid]
    return found


def move(behind: Behind, archive: str, to: str, study: str = CT_STUDY, *options: object) -> Outcome:
    """Have a study moved to this AE title by movescu."""
    level = ("-S", "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}")
    door = behind.inward(archive)
    return run_tool(door, "movescu", "-aem", to, *options, *level, calling=WORKSTATION)


def taken(modality: StoreScp) -> Datasets:
    """Return what a modality has got, and have it forget that."""
    stored = modality.take()
    return {name.partition(".")[2]: fingerprint(dataset) for name, dataset in stored.items()}


def wanted(study: str) -> Dataset:
    """Return the identifier that asks for a study."""
    return identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID=study)


@pytest.mark.shows("C-MOVE", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.shows("C-STORE", "archive to modality", "DCMTK", "DCMTK")
@ARCHIVES
def test_what_is_moved_reaches_its_destination_unchanged_and_nobody_else(
    behind: Behind, studies: Mapping[str, Datasets], archive: str
):
    modalities = {"CT1": behind.ward.ct1, "CT2": behind.ward.ct2}
    for title, modality in modalities.items():
        with behind.relay.tells_of(archive, AE_TITLE) as crossings:
            assert move(behind, archive, title).status == 0
        assert taken(modality) == studies[CT_STUDY]
        assert not any(map(taken, modalities.values()))
        assert all(f"{1 + SLICES} C-STORE" in crossing for crossing in crossings)


def moved_at_once(behind: Behind, archive: str, moves: Mapping[str, str]) -> None:
    """Have studies moved, by destination, all of them at the same time and each with success."""
    with ThreadPoolExecutor(len(moves)) as pool:
        asked = [pool.submit(move, behind, archive, *each) for each in moves.items()]
    assert [each.result().status for each in asked] == [0] * len(moves)


@ARCHIVES
def test_moves_at_once_each_reach_their_own_destination_unchanged(
    behind: Behind, studies: Mapping[str, Datasets], archive: str
):
    for each, other in ((CT_STUDY, MR_STUDY), (MR_STUDY, CT_STUDY), (REPORT_STUDY, CT_STUDY)):
        moved_at_once(behind, archive, {"CT1": each, "CT2": other})
        assert taken(behind.ward.ct1) == studies[each]
        assert taken(behind.ward.ct2) == studies[other]


@ARCHIVES
def test_many_moves_at_once_each_reach_their_own_destination(
    behind: Behind, studies: Mapping[str, Datasets], archive: str
):
    """The transfer syntax depends on who else is moved to, so bytes are not compared."""
    ward = behind.ward
    moves = {"CT1": CT_STUDY, "CT2": MR_STUDY, "SCANNER": PLAN_STUDY, "CONSOLE": CT_STUDY}
    for _ in range(2):
        moved_at_once(behind, archive, moves)
        assert taken(ward.ct1).keys() == studies[CT_STUDY].keys()
        assert taken(ward.ct2).keys() == studies[MR_STUDY].keys()
        assert sorted(heard_of(ward.scanner)) == sorted(studies[PLAN_STUDY])
        assert sorted(heard_of(ward.console)) == sorted(studies[CT_STUDY])
        behind.forget()


def heard_of(modality: Archive) -> list[str]:
    """Return the SOP Instance UIDs of what was stored in a modality."""
    return [each.fields["AffectedSOPInstanceUID"] for each in modality.heard]


@pytest.mark.shows("C-MOVE", "modality to archive", "pynetdicom", "DCMTK")
@pytest.mark.shows("C-STORE", "archive to modality", "DCMTK", "pynetdicom")
def test_the_originator_that_a_destination_sees_is_the_callers_own(behind: Behind):
    originators_are_the_callers(behind, "QRSCP")


@pytest.mark.shows("C-MOVE", "modality to archive", "pynetdicom", "Orthanc")
@pytest.mark.shows("C-STORE", "archive to modality", "Orthanc", "pynetdicom")
def test_the_originator_that_a_destination_sees_is_the_callers_own_where_it_is_masked(
    behind: Behind,
):
    originators_are_the_callers(behind, "ORTHANC")


def originators_are_the_callers(behind: Behind, archive: str) -> None:
    """Assert it, for moves of two callers; and that responses have the Message ID they wait for."""
    scanner = behind.ward.scanner
    answered: set[int] = set()

    def on_message(event: Any) -> None:
        answered.add(event.message.command_set.MessageIDBeingRespondedTo)

    options = {"handlers": [(evt.EVT_DIMSE_RECV, on_message)]}
    for calling, message_id in ((WORKSTATION, 4242), ("VIEWER", 17)):
        answered.clear()
        with associated(behind.inward(archive), [MOVE], calling=calling, **options) as association:
            asked = (wanted(CT_STUDY), "SCANNER", MOVE, message_id)
            final, _ = list(association.send_c_move(*asked))[-1]
        assert (final.Status, final.NumberOfCompletedSuboperations) == (0x0000, 1 + SLICES)
        assert answered == {message_id}
        heard = [(each.calling, each.called, *originator(each.fields)) for each in scanner.heard]
        assert heard == [(archive, "SCANNER", calling, str(message_id))] * (1 + SLICES)
        scanner.forget()


def originator(fields: Mapping[str, str]) -> tuple[str, str]:
    title = fields["MoveOriginatorApplicationEntityTitle"]
    return title.strip(), fields["MoveOriginatorMessageID"]


def test_movescu_cancels_a_move(behind: Behind):
    moved = move(behind, "QRSCP", "SLOW", CT_STUDY, "--cancel", 1)
    assert "Received Final Move Response (Cancel" in moved.said
    assert 0 < len(taken(behind.ward.slow)) < 1 + SLICES


@pytest.mark.shows("C-MOVE", "modality to archive", "pynetdicom", "pynetdicom")
@pytest.mark.shows("C-STORE", "archive to modality", "pynetdicom", "pynetdicom")
def test_a_move_is_cancelled_by_the_message_id_of_its_caller(behind: Behind):
    archive, images = behind.archives.archive, [ct_image(1000) for _ in range(3)]
    door = behind.outward()
    archive.script = Script(holdings=images, destinations={AE_TITLE: door}, waits_for_cancel=True)
    with associated(behind.inward("ARCHIVE"), [MOVE], calling=WORKSTATION) as association:
        responses = association.send_c_move(QUERY, "SCANNER", MOVE, msg_id=4242)
        first = [next(responses) for _ in range(3)]
        association.send_c_cancel(4242, query_model=MOVE)
        assert statuses([*first, *responses]) == [0xFF00] * 3 + [0xFE00]
    assert [each.fields["MoveDestination"] for each in archive.heard] == [AE_TITLE]
    assert archive.heard[0].calling == AE_TITLE
    heard = behind.ward.scanner.heard
    assert [each.dataset for each in heard] == [encoded(each, implicit=True) for each in images]


@pytest.mark.parametrize("archive", ["QRSCP", by_alias("QRSCP"), "ARCHIVE"])
def test_an_unknown_destination_is_answered_by_the_relay_and_logged_once(
    behind: Behind, archive: str
):
    asked = len(moves_that_dcmqrscp_was_asked_for(behind))
    with behind.relay.tells_of(WORKSTATION, archive) as crossings:
        told = move(behind, archive, UNKNOWN)
    assert told.status != 0
    assert "Received Final Move Response (Refused: MoveDestinationUnknown)" in told.said
    (crossing,) = crossings
    assert "1 failed (no way to the move destination)" in crossing
    assert not behind.archives.archive.heard
    assert len(moves_that_dcmqrscp_was_asked_for(behind)) == asked


def moves_that_dcmqrscp_was_asked_for(behind: Behind) -> list[str]:
    said = behind.archives.qrscp.log.read_text("latin-1").splitlines()
    return [line for line in said if "Received Move SCP" in line]


@ARCHIVES
@pytest.mark.parametrize("order", [("CT1", "OLD"), ("OLD", "CT1")])
def test_destinations_need_not_take_the_same_transfer_syntaxes(
    behind: Behind, archive: str, order: Sequence[str]
):
    modalities = {"CT1": behind.ward.ct1, "OLD": behind.ward.old}
    for to in order:
        assert move(behind, archive, to).status == 0
        assert len(taken(modalities[to])) == 1 + SLICES


@ARCHIVES
def test_destinations_at_once_need_not_take_the_same_transfer_syntaxes(
    behind: Behind, studies: Mapping[str, Datasets], archive: str
):
    for _ in range(2):
        moved_at_once(behind, archive, {"CT1": CT_STUDY, "OLD": CT_STUDY, "CT2": MR_STUDY})
        assert taken(behind.ward.ct1).keys() == studies[CT_STUDY].keys()
        assert taken(behind.ward.old).keys() == studies[CT_STUDY].keys()
        assert taken(behind.ward.ct2).keys() == studies[MR_STUDY].keys()


@ARCHIVES
def test_movescu_is_told_that_a_move_to_a_modality_that_is_switched_off_fails(
    behind: Behind, archive: str
):
    with behind.relay.tells_of(archive, AE_TITLE) as crossings:
        told = move(behind, archive, OFF)
    assert told.status != 0
    assert "Move response with error status" in told.said
    (crossing,) = crossings
    assert crossing.startswith("rejected: (2,3,1)")


def test_the_failed_sub_operations_to_a_modality_that_is_switched_off_are_counted(behind: Behind):
    with associated(behind.inward("QRSCP"), [MOVE], calling=WORKSTATION) as association:
        final, _ = list(association.send_c_move(wanted(CT_STUDY), OFF, MOVE))[-1]
    assert (final.Status, final.NumberOfFailedSuboperations) == (0xA702, 1 + SLICES)


def test_a_modality_that_is_switched_off_does_not_hinder_another_move(behind: Behind):
    images = [ct_image(1000) for _ in range(3)]
    behind.archives.archive.script = Script(
        holdings=images, destinations={AE_TITLE: behind.outward()}, waits_for_cancel=True
    )
    with ExitStack() as stack:
        moves = []
        for to in ("SCANNER", OFF):
            inward = behind.inward("ARCHIVE")
            its = stack.enter_context(associated(inward, [MOVE], calling=WORKSTATION))
            moves.append((its, its.send_c_move(QUERY, to, MOVE, msg_id=1)))
            assert statuses(islice(moves[-1][1], 3)) == [0xFF00] * 3
        ends = []
        for its, responses in moves:
            its.send_c_cancel(1, query_model=MOVE)
            ends += [final for final, _ in responses]
    assert [each.NumberOfFailedSuboperations for each in ends] == [0, 3]
    assert heard_of(behind.ward.scanner) == [each.SOPInstanceUID for each in images]


@ARCHIVES
def test_what_is_moved_to_an_alias_reaches_the_modality_of_that_alias(
    behind: Behind, studies: Mapping[str, Datasets], archive: str
):
    with behind.relay.tells_of(archive, "R_CT1") as crossings:
        assert move(behind, by_alias(archive), "CT1").status == 0
    assert taken(behind.ward.ct1) == studies[CT_STUDY]
    assert all(f"{1 + SLICES} C-STORE" in crossing for crossing in crossings)

"""C-FIND with pending responses and C-CANCEL, C-GET, C-MOVE, with pynetdicom on both banks."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom import build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    StudyRootQueryRetrieveInformationModelMove,
)

from tests.interop.archive import Archive, Script, sole
from tests.interop.caller import QUERY, associated, ct_image, encoded, explicit, statuses, studies
from tests.interop.doors import Door

FIND = StudyRootQueryRetrieveInformationModelFind
GET = StudyRootQueryRetrieveInformationModelGet
MOVE = StudyRootQueryRetrieveInformationModelMove


@pytest.mark.shows("C-FIND", "modality to archive", "pynetdicom", "pynetdicom")
def test_c_find_returns_every_pending_response(door: Door, archive: Archive):
    found = studies(50)
    archive.script = Script(holdings=found)
    with associated(door, [FIND]) as association:
        responses = list(association.send_c_find(QUERY, FIND))
    assert statuses(responses) == [0xFF00] * 50 + [0x0000]
    assert [dataset for _, dataset in responses[:-1]] == found
    assert sole(archive).service == "C-FIND"


def test_c_find_finds_nothing_where_the_archive_has_nothing(door: Door, archive: Archive):
    archive.script = Script(finds_nothing=True)
    with associated(door, [FIND]) as association:
        assert statuses(list(association.send_c_find(QUERY, FIND))) == [0x0000]


def test_c_cancel_reaches_the_archive_while_it_answers(door: Door, archive: Archive):
    archive.script = Script(holdings=studies(2), waits_for_cancel=True)
    with associated(door, [FIND]) as association:
        responses = association.send_c_find(QUERY, FIND, msg_id=11)
        first = [next(responses), next(responses)]
        association.send_c_cancel(11, query_model=FIND)
        assert statuses([*first, *responses]) == [0xFF00, 0xFF00, 0xFE00]


def test_an_association_serves_on_after_a_c_cancel(door: Door, archive: Archive):
    with associated(door, [FIND]) as association:
        archive.script = Script(holdings=studies(1), waits_for_cancel=True)
        responses = association.send_c_find(QUERY, FIND, msg_id=11)
        next(responses)
        association.send_c_cancel(11, query_model=FIND)
        assert statuses(list(responses)) == [0xFE00]
        archive.script = Script(holdings=studies(3))
        assert statuses(list(association.send_c_find(QUERY, FIND))) == [0xFF00] * 3 + [0x0000]


@pytest.mark.shows("C-GET", "modality to archive", "pynetdicom", "pynetdicom")
def test_c_get_brings_the_objects_down_on_the_same_association(door: Door, archive: Archive):
    images = [ct_image(60_000) for _ in range(5)]
    archive.script = Script(holdings=images)
    got: list[bytes] = []
    with retrieving(door, got, 0x0000) as association:
        responses = list(association.send_c_get(QUERY, GET))
    assert statuses(responses) == [0xFF00] * 5 + [0x0000]
    assert responses[-1][0].NumberOfCompletedSuboperations == 5
    assert got == list(map(encoded, images))


def test_c_get_tells_the_archive_what_the_caller_said_of_each_object(door: Door, archive: Archive):
    archive.script = Script(holdings=[ct_image(1000), ct_image(1000)])
    with retrieving(door, [], 0xA700) as association:
        final, _ = list(association.send_c_get(QUERY, GET))[-1]
    assert final.NumberOfFailedSuboperations == 2
    assert final.Status == 0xA702


@pytest.mark.shows("C-MOVE", "modality to archive", "pynetdicom", "pynetdicom")
def test_c_move_moves_to_the_destination_and_counts(
    door: Door, archive: Archive, destination: Archive
):
    images = [ct_image(1000) for _ in range(3)]
    archive.script = Script(holdings=images, destinations={"DEST": destination.port})
    with associated(door, [MOVE]) as association:
        responses = list(association.send_c_move(QUERY, "DEST", MOVE))
    assert statuses(responses) == [0xFF00] * 3 + [0x0000]
    assert responses[-1][0].NumberOfCompletedSuboperations == 3
    assert sole(archive).fields["MoveDestination"] == "DEST"
    assert [request.service for request in destination.heard] == ["C-STORE"] * 3


def test_c_move_is_told_of_an_unknown_destination(door: Door, archive: Archive):
    with associated(door, [MOVE]) as association:
        assert statuses(list(association.send_c_move(QUERY, "NOWHERE", MOVE))) == [0xA801]


def retrieving(door: Door, got: list[bytes], status: int) -> Any:
    """Return an association for C-GET; what comes is appended to `got` and answered `status`."""

    def on_store(event: Any) -> int:
        got.append(event.encoded_dataset(include_meta=False))
        return status

    return associated(
        door,
        contexts=[build_context(GET), explicit(CTImageStorage)],
        items=[build_role(CTImageStorage, scp_role=True)],
        handlers=[(evt.EVT_C_STORE, on_store)],
    )

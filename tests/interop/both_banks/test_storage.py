"""C-ECHO and C-STORE, with pynetdicom on both banks."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, MRImageStorage
from pynetdicom import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from tests.interop.archive import Archive, Script, sole
from tests.interop.caller import associated, ct_image, encoded, explicit, identifier
from tests.interop.doors import Door
from tests.interop.relay_process import Relay

FIND = StudyRootQueryRetrieveInformationModelFind
CALLERS = 8


@pytest.mark.shows("C-ECHO", "modality to archive", "pynetdicom", "pynetdicom")
def test_c_echo_is_answered_by_the_archive(door: Door, archive: Archive):
    with associated(door, [Verification]) as association:
        assert association.send_c_echo().Status == 0x0000
    assert sole(archive).service == "C-ECHO"


@pytest.mark.shows("C-STORE", "modality to archive", "pynetdicom", "pynetdicom")
def test_c_store_carries_the_object_and_says_who_calls(door: Door, archive: Archive):
    image = ct_image(200_000)
    with associated(door, contexts=[explicit(CTImageStorage)]) as association:
        assert association.send_c_store(image).Status == 0x0000
    stored = sole(archive)
    assert stored.fields["AffectedSOPInstanceUID"] == image.SOPInstanceUID
    assert stored.transfer_syntax == ExplicitVRLittleEndian
    assert stored.dataset == encoded(image)


@pytest.mark.parametrize("status", [0x0000, 0x0111, 0x0122, 0xA700, 0xA900, 0xB000, 0xC123])
def test_c_store_is_told_the_status_that_the_archive_said(
    door: Door, archive: Archive, status: int
):
    archive.script = Script(status=status)
    with associated(door, contexts=[explicit(CTImageStorage)]) as association:
        assert association.send_c_store(ct_image()).Status == status


def test_many_objects_cross_on_one_association_in_order(door: Door, archive: Archive):
    images = [ct_image(number * 1000) for number in range(20)]
    with associated(door, contexts=[explicit(CTImageStorage)]) as association:
        assert [association.send_c_store(image).Status for image in images] == [0x0000] * 20
    assert [request.dataset for request in archive.heard] == list(map(encoded, images))


def test_a_transfer_syntax_that_the_archive_refuses_is_refused(door: Door, archive: Archive):
    unknown = "1.2.826.0.1.3680043.9.3811.99"
    contexts = [build_context(MRImageStorage, unknown), explicit(CTImageStorage)]
    with associated(door, contexts=contexts) as association:
        assert [(cx.context_id, cx.result) for cx in association.rejected_contexts] == [(1, 4)]
        assert association.send_c_store(ct_image()).Status == 0x0000


def test_an_abstract_syntax_that_the_archive_refuses_is_refused(door: Door, archive: Archive):
    unknown = "1.2.826.0.1.3680043.9.3811.98"
    with associated(door, [unknown, Verification]) as association:
        assert [(cx.context_id, cx.result) for cx in association.rejected_contexts] == [(1, 3)]
        assert association.send_c_echo().Status == 0x0000


def test_an_object_reaches_an_archive_that_takes_small_pdus_only(relay: Relay, small: Archive):
    image = ct_image(300_001)
    for _ in range(2):
        with associated(Door(relay.port, "SMALL"), [CTImageStorage]) as association:
            assert association.send_c_store(image).Status == 0x0000
    assert [request.dataset[-300_002:] for request in small.heard] == [image.PixelData + b"\0"] * 2


def test_callers_side_by_side_each_get_their_own_answers(door: Door, archive: Archive):
    with ThreadPoolExecutor(CALLERS) as threads:
        asked = list(threads.map(lambda number: converse(door, number), range(CALLERS)))
    assert asked == [[f"{caller}-{turn}" for turn in range(5)] for caller in range(CALLERS)]
    stored = [request for request in archive.heard if request.service == "C-STORE"]
    assert len({request.dataset for request in stored}) == CALLERS * 5


def converse(door: Door, number: int) -> list[str]:
    """Store and ask five times in turn; return what was found, which is what was asked for."""
    found: list[str] = []
    with associated(door, [CTImageStorage, FIND]) as association:
        for turn in range(5):
            assert association.send_c_store(ct_image(30_000)).Status == 0x0000
            query = identifier(QueryRetrieveLevel="STUDY", StudyID=f"{number}-{turn}")
            (_, answer), (final, _) = association.send_c_find(query, FIND)
            assert final.Status == 0x0000
            found.append(answer.StudyID)
    return found

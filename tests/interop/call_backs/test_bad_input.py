"""What archives send that belongs to nothing: a failure each, and one line in the log."""

from __future__ import annotations

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove,
)

from tests.interop.archive import Script
from tests.interop.behind import WORKSTATION, Behind
from tests.interop.caller import QUERY, associated, ct_image, explicit, statuses
from tests.interop.commitment import report, transaction
from tests.interop.relay_process import AE_TITLE

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

MOVE = StudyRootQueryRetrieveInformationModelMove
NEVER_SENT = 65_000
"""A Message ID that no move has had so far."""


@pytest.fixture
def moving(behind: Behind) -> Behind:
    """An archive that moves to SCANNER, or has just done so: the relay takes objects of it."""
    destinations = {AE_TITLE: behind.outward()}
    behind.archives.archive.script = Script(holdings=[ct_image(10)], destinations=destinations)
    with associated(behind.inward("ARCHIVE"), [MOVE], calling=WORKSTATION) as association:
        responses = association.send_c_move(QUERY, "SCANNER", MOVE)
        assert statuses(responses) == [0xFF00, 0x0000]
    behind.forget()
    return behind


@pytest.mark.parametrize(
    "originator", [(AE_TITLE, NEVER_SENT), ("ARCHIVE", NEVER_SENT), ("STRANGER", 1)]
)
def test_an_object_of_a_move_that_nobody_asked_for_fails(
    moving: Behind, originator: tuple[str, int]
):
    with (
        moving.relay.tells_of("ARCHIVE", AE_TITLE) as crossings,
        associated(
            moving.outward(), contexts=[explicit(CTImageStorage)], calling="ARCHIVE"
        ) as association,
    ):
        title, message_id = originator
        named = {"originator_aet": title, "originator_id": message_id}
        for _ in range(2):
            assert association.send_c_store(ct_image(5000), **named).Status == 0x0110
    (crossing,) = crossings
    assert "2 failed (an object of no move that is known)" in crossing
    assert not moving.ward.scanner.heard


def test_an_object_that_names_no_move_goes_where_the_only_one_goes(moving: Behind):
    contexts = [explicit(CTImageStorage)]
    with associated(moving.outward(), contexts=contexts, calling="ARCHIVE") as association:
        assert association.send_c_store(ct_image(5000)).Status == 0x0000
    assert [each.service for each in moving.ward.scanner.heard] == ["C-STORE"]


def test_a_report_without_a_transaction_uid_fails(behind: Behind):
    about = transaction()
    del about.TransactionUID
    with behind.relay.tells_of("ARCHIVE", AE_TITLE) as crossings:
        assert report(behind.outward(), about, "ARCHIVE") == 0x0110
    (crossing,) = crossings
    assert "1 failed (a report of a storage commitment that nobody is known to have asked" in (
        crossing
    )


@pytest.mark.parametrize("uid", ["", "1." * 31 + "10"])
def test_a_report_with_no_true_transaction_uid_fails(behind: Behind, uid: str):
    about = transaction()
    about.TransactionUID = uid
    assert report(behind.outward(), about, "ARCHIVE") == 0x0110

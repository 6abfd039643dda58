"""Which AE titles an archive sees; and that nobody is sent back to itself."""

from __future__ import annotations

import pytest
from pydicom.uid import CTImageStorage
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from tests.interop.caller import associate, associated, ct_image, rejection
from tests.interop.doors import Door, run_tool
from tests.interop.gate import Gate
from tests.interop.objects import bundled_path
from tests.interop.relay_process import AE_TITLE

FILE = (bundled_path("CT_small.dcm"),)
ITSELF = "ARCHIVE"
"""How the archive behind the relay calls others."""


def titles(gate: Gate) -> list[tuple[str, str]]:
    """Return who asked the archive for something, by which AE titles."""
    return [(each.calling, each.called) for each in gate.archive.heard]


def store(door: Door, calling: str) -> None:
    """Store an object."""
    with associated(door, [CTImageStorage], calling=calling) as association:
        assert association.send_c_store(ct_image(1000)).Status == 0x0000


@pytest.mark.parametrize(
    ("called", "calling", "seen"),
    [
        ("MAPPED", "CT1", ("RELAY_CT1", ITSELF)),
        ("MAPPED", "CT2", ("RELAY_CT2", ITSELF)),
        ("MAPPED", "CT3", ("CT3", ITSELF)),
        ("FIXED", "CT1", (AE_TITLE, ITSELF)),
        (AE_TITLE, "CT1", ("CT1", ITSELF)),
        ("DEPT_A", "CT1", ("CT1", "DEPT_A")),
        ("DEPT_B", "CT1", ("CT1", "DEPT_B")),
    ],
)
def test_an_archive_sees_the_ae_titles_that_the_route_shows(
    gate: Gate, called: str, calling: str, seen: tuple[str, str]
):
    store(gate.door(called), calling)
    assert titles(gate) == [seen]


def test_callers_that_are_shown_as_others_do_not_take_those_others_associations(gate: Gate):
    for calling in ("CT1", "CT2", "CT3", "CT1", "RELAY_CT1"):
        store(gate.door("MAPPED"), calling)
    shown = ["RELAY_CT1", "RELAY_CT2", "CT3", "RELAY_CT1", "RELAY_CT1"]
    assert [calling for calling, _ in titles(gate)] == shown


@pytest.mark.peers("dcmtk")
def test_storescu_is_shown_as_the_table_says(gate: Gate):
    assert run_tool(gate.door("MAPPED"), "storescu", files=FILE, calling="CT1").status == 0
    assert titles(gate) == [("RELAY_CT1", ITSELF)]


def test_an_archive_that_would_store_in_itself_is_rejected(gate: Gate):
    association = associate(gate.door(AE_TITLE), [CTImageStorage], calling=ITSELF)
    assert rejection(association) == (1, 1, 3)
    assert not gate.archive.heard


def test_an_archive_that_would_store_in_itself_may_still_verify(gate: Gate):
    proposed = [CTImageStorage, Verification]
    with associated(gate.door(AE_TITLE), proposed, calling=ITSELF) as association:
        assert [each.abstract_syntax for each in association.accepted_contexts] == [Verification]
        (refused,) = association.rejected_contexts
        assert (refused.abstract_syntax, refused.result) == (CTImageStorage, 1)
        assert association.send_c_echo().Status == 0x0000
    assert not gate.ris.heard


@pytest.mark.peers("dcmtk")
def test_tools_that_call_as_the_archive_may_only_verify(gate: Gate):
    assert run_tool(gate.door(AE_TITLE), "echoscu", calling=ITSELF).status == 0
    told = run_tool(gate.door(AE_TITLE), "storescu", files=FILE, calling=ITSELF)
    assert told.status != 0
    assert "Calling AE Title Not Recognized" in told.said
    assert "C-STORE" not in [each.service for each in gate.archive.heard]

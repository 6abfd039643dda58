"""What may be proposed, by a pair of AE titles: the rest is refused one by one."""

from __future__ import annotations

import pytest
from pydicom.uid import (
    CTImageStorage,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    MRImageStorage,
)
from pynetdicom import build_context
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from tests.interop.caller import associate, associated, ct_image
from tests.interop.doors import run_tool
from tests.interop.gate import Gate
from tests.interop.objects import bundled_path

FILE = (bundled_path("CT_small.dcm"),)
FIND = StudyRootQueryRetrieveInformationModelFind
SYNTAX, TRANSFER_SYNTAXES = 3, 4
"""Results of presentation contexts (PS3.8 table 9-18)."""


def test_a_permitted_subset_passes_and_the_rest_is_refused_with_its_reason(gate: Gate):
    contexts = [
        build_context(CTImageStorage, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]),
        build_context(MRImageStorage, [ImplicitVRLittleEndian, JPEG2000Lossless]),
        build_context(FIND),
        build_context(Verification),
    ]
    with associated(gate.door("STRICT"), contexts=contexts, calling="CT1") as association:
        accepted = {
            each.abstract_syntax: each.transfer_syntax for each in association.accepted_contexts
        }
        syntaxes = [ExplicitVRLittleEndian]
        assert accepted == {CTImageStorage: syntaxes, Verification: syntaxes}
        refused = {each.abstract_syntax: each.result for each in association.rejected_contexts}
        assert refused == {MRImageStorage: TRANSFER_SYNTAXES, FIND: SYNTAX}
        assert association.send_c_store(ct_image(1000)).Status == 0x0000
    (heard,) = gate.archive.heard
    assert heard.transfer_syntax == ExplicitVRLittleEndian


def test_the_first_policy_that_fits_a_pair_of_ae_titles_decides(gate: Gate):
    proposed = [CTImageStorage, Verification]
    with associated(gate.door("STRICT"), proposed, calling="MR1") as association:
        (refused,) = association.rejected_contexts
        assert (refused.abstract_syntax, refused.result) == (CTImageStorage, SYNTAX)
        assert association.send_c_echo().Status == 0x0000
    with associated(gate.door("DEPT_A"), proposed, calling="MR1") as association:
        assert not association.rejected_contexts


def test_of_what_is_not_permitted_an_archive_hears_nothing(gate: Gate):
    association = associate(gate.door("STRICT"), [FIND, CTImageStorage], calling="MR1")
    assert not association.is_established
    assert [each.result for each in association.rejected_contexts] == [SYNTAX] * 2
    assert not gate.archive.heard


@pytest.mark.peers("dcmtk")
@pytest.mark.parametrize(("option", "is_stored"), [("-xi", False), ("-xe", True)])
def test_storescu_stores_by_a_permitted_transfer_syntax_only(
    gate: Gate, option: str, is_stored: bool
):
    told = run_tool(gate.door("STRICT"), "storescu", option, files=FILE, calling="CT1")
    assert (told.status == 0) is is_stored
    assert ("No Acceptable Presentation Contexts" in told.said) is not is_stored
    assert len(gate.archive.heard) == is_stored

"""What passes in the items of an association, with pynetdicom on both banks; and routes."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.uid import CTImageStorage, MRImageStorage, generate_uid
from pynetdicom import build_role
from pynetdicom.pdu_primitives import (
    AsynchronousOperationsWindowNegotiation,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityNegotiation,
)
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    ModalityWorklistInformationFind,
    StudyRootQueryRetrieveInformationModelFind,
    Verification,
)

from tests.interop.archive import Archive, Script
from tests.interop.caller import (
    QUERY,
    associate,
    associated,
    ct_image,
    rejection,
    statuses,
    studies,
)
from tests.interop.doors import Door
from tests.interop.relay_process import CANARY, Relay

TICKET = CANARY.encode()
FIND = StudyRootQueryRetrieveInformationModelFind


def test_user_identity_reaches_the_archive_and_its_answer_the_caller(door: Door, archive: Archive):
    archive.script = Script(identity=(True, b"a server's ticket"))
    with associated(door, [Verification], items=[kerberos()]) as association:
        assert association.acceptor.user_identity.server_response == b"a server's ticket"
        assert association.send_c_echo().Status == 0x0000
    assert archive.negotiated["identity"] == (3, TICKET, b"")


def test_user_name_and_passcode_reach_the_archive(door: Door, archive: Archive):
    item = UserIdentityNegotiation()
    item.user_identity_type = 2
    item.primary_field, item.secondary_field = b"user", TICKET
    with associated(door, [Verification], items=[item]) as association:
        assert association.send_c_echo().Status == 0x0000
    assert archive.negotiated["identity"] == (2, b"user", TICKET)


def test_a_user_whom_the_archive_refuses_is_refused(door: Door, archive: Archive):
    archive.script = Script(identity=(False, None))
    association = associate(door, [Verification], items=[kerberos()])
    assert rejection(association)
    assert not archive.heard


def test_two_users_never_share_an_association_of_the_archive(door: Door, archive: Archive):
    identities = []
    for ticket in (b"first", b"second", b"first"):
        with associated(door, [Verification], items=[kerberos(ticket)]) as association:
            identities.append(archive.negotiated.get("identity"))
            assert association.send_c_echo().Status == 0x0000
    assert identities == [(3, ticket, b"") for ticket in (b"first", b"second", b"first")]


def test_extended_negotiation_reaches_the_archive_and_its_answer_the_caller(
    door: Door, archive: Archive
):
    archive.script = Script(extended={FIND: b"\x01\x00"})
    item = SOPClassExtendedNegotiation()
    item.sop_class_uid, item.service_class_application_information = FIND, b"\x01\x01\x01"
    with associated(door, [FIND], items=[item]) as association:
        assert association.acceptor.sop_class_extended == {FIND: b"\x01\x00"}
    assert archive.negotiated["extended"] == {FIND: b"\x01\x01\x01"}


def test_common_extended_negotiation_reaches_the_archive(door: Door, archive: Archive):
    general: list[Any] = [MRImageStorage, generate_uid()]
    item = SOPClassCommonExtendedNegotiation()
    item.sop_class_uid, item.service_class_uid = CTImageStorage, "1.2.840.10008.4.2"
    item.related_general_sop_class_identification = general
    with associated(door, [CTImageStorage], items=[item]):
        assert archive.negotiated["common"] == {CTImageStorage: ("1.2.840.10008.4.2", general)}


@pytest.mark.parametrize("asked", [(5, 5), (0, 0), (1, 3)])
def test_a_window_of_asynchronous_operations_is_answered_with_no_more_than_was_proposed(
    door: Door, archive: Archive, asked: tuple[int, int]
):
    item = AsynchronousOperationsWindowNegotiation()
    item.maximum_number_operations_invoked, item.maximum_number_operations_performed = asked
    with associated(door, [Verification], items=[item]) as association:
        invoked, performed = association.acceptor.asynchronous_operations
        assert 1 <= invoked <= (asked[0] or 8)
        assert performed == 1
        assert AsynchronousOperationsWindowNegotiation in answered_items(association)
        assert association.send_c_echo().Status == 0x0000


@pytest.mark.parametrize("roles", [(True, True), (False, True), (True, False)])
def test_roles_are_answered_as_the_archive_answers_them(
    door: Door, archive: Archive, roles: tuple[bool, bool]
):
    role = build_role(CTImageStorage, *roles)
    with associated(door, [CTImageStorage], items=[role]) as association:
        (context,) = association.accepted_contexts
        assert (context.as_scu, context.as_scp) == roles


def test_storage_and_worklist_of_one_association_go_to_two_archives(
    relay: Relay, archive: Archive, ris: Archive
):
    door = Door(relay.port, "SPLIT")
    ris.script = Script(holdings=studies(3))
    with associated(door, [CTImageStorage, ModalityWorklistInformationFind]) as association:
        for _ in range(2):
            assert association.send_c_store(ct_image(1000)).Status == 0x0000
            found = association.send_c_find(QUERY, ModalityWorklistInformationFind)
            assert statuses(list(found)) == [0xFF00] * 3 + [0x0000]
    assert [request.service for request in archive.heard] == ["C-STORE"] * 2
    assert [request.service for request in ris.heard] == ["C-FIND"] * 2
    assert {request.called for request in archive.heard + ris.heard} == {"ARCHIVE", "RIS"}


def test_a_called_title_without_a_route_is_rejected_for_good(relay: Relay):
    association = associate(Door(relay.port, "NOBODY"), [Verification])
    assert rejection(association) == (1, 1, 7)


def answered_items(association: Any) -> set[type]:
    """Return the kinds of user information items that came with the A-ASSOCIATE-AC."""
    return {type(item) for item in association.acceptor.primitive.user_information}


def kerberos(ticket: bytes = TICKET) -> UserIdentityNegotiation:
    """Return a user identity that asks for an answer."""
    item = UserIdentityNegotiation()
    item.user_identity_type = 3
    item.primary_field = ticket
    item.positive_response_requested = True
    return item

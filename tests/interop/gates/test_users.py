"""Users: judged by the relay, shown to archives in its own name; never in its log (CANARY)."""

from __future__ import annotations

import pytest
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from tests.interop.caller import associate, associated, rejection
from tests.interop.doors import run_tool
from tests.interop.gate import PASSCODE, RELAYS_PASSCODE, RELAYS_USER, USER, Gate
from tests.interop.objects import bundled_path
from tests.interop.relay_process import CANARY

FILE = (bundled_path("CT_small.dcm"),)
RIGHT = (2, USER, PASSCODE)
WRONG = [
    (2, USER, f"{PASSCODE}!"),
    (2, f"{CANARY}-NOBODY", PASSCODE),
    (1, USER, ""),
    (3, USER, ""),
]


def shown(kind: int, user: str, passcode: str, is_asking: bool = False) -> UserIdentityNegotiation:
    """Return a user identity."""
    item = UserIdentityNegotiation()
    item.user_identity_type = kind
    item.primary_field, item.secondary_field = user.encode(), passcode.encode()
    item.positive_response_requested = is_asking
    return item


@pytest.mark.parametrize("is_asking", [True, False])
def test_a_user_of_the_file_is_let_in_and_the_archive_hears_nothing_of_it(
    gate: Gate, is_asking: bool
):
    items = [shown(*RIGHT, is_asking)]
    with associated(gate.door("RELAY", "users"), [Verification], items=items) as association:
        assert association.send_c_echo().Status == 0x0000
        answer = association.acceptor.user_identity
        assert (answer is not None) is is_asking
        assert answer is None or answer.server_response == b""
    assert gate.archive.heard
    assert "identity" not in gate.archive.negotiated


@pytest.mark.parametrize("wrong", [*WRONG, None], ids=lambda each: str(each and each[0]))
def test_anybody_else_is_rejected(gate: Gate, wrong: tuple[int, str, str] | None):
    items = [] if wrong is None else [shown(*wrong)]
    association = associate(gate.door("RELAY", "users"), [Verification], items=items)
    assert rejection(association) == (2, 2, 1)
    assert not gate.archive.heard


@pytest.mark.parametrize("listener", [None, "users"])
def test_an_archive_is_shown_the_relays_user_whoever_calls(gate: Gate, listener: str | None):
    door = gate.door("NAMED", listener)
    with associated(door, [Verification], items=[shown(*RIGHT)], calling="CT1") as association:
        assert association.send_c_echo().Status == 0x0000
    expected = (2, RELAYS_USER.encode(), RELAYS_PASSCODE.encode())
    assert gate.ris.negotiated.get("identity", expected) == expected
    assert gate.ris.heard


def test_an_archive_is_shown_the_relays_user_for_a_caller_who_shows_none(gate: Gate):
    with associated(gate.door("NAMED"), [Verification], calling="FRESH") as association:
        assert association.send_c_echo().Status == 0x0000
    expected = (2, RELAYS_USER.encode(), RELAYS_PASSCODE.encode())
    assert gate.ris.negotiated["identity"] == expected


@pytest.mark.peers("dcmtk")
@pytest.mark.parametrize(("passcode", "is_let_in"), [(PASSCODE, True), (f"{PASSCODE}?", False)])
def test_storescu_is_let_in_with_the_right_passcode(gate: Gate, passcode: str, is_let_in: bool):
    user = ("-usr", USER, "-pwd", passcode)
    told = run_tool(gate.door("RELAY", "users"), "storescu", *user, files=FILE)
    assert (told.status == 0) is is_let_in
    assert ("Association Rejected" in told.said) is not is_let_in
    assert len(gate.archive.heard) == is_let_in

"""Routes by where callers come from: their network, the listener, the certificate they show."""

from __future__ import annotations

import pytest
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from tests.interop.archive import Archive
from tests.interop.caller import associate, associated, rejection
from tests.interop.doors import Door
from tests.interop.gate import Gate
from tests.interop.pki import CLIENTS

WARD, ATTIC = CLIENTS


def reached(gate: Gate, door: Door, calling: str = "CT1") -> Archive:
    """Have a C-ECHO answered; return the one archive that heard of it."""
    with associated(door, [Verification], calling=calling) as association:
        assert association.send_c_echo().Status == 0x0000
    (archive,) = (each for each in (gate.archive, gate.ris) if each.heard)
    return archive


def refusal(door: Door, calling: str = "CT1") -> tuple[int, int, int]:
    """Ask for an association in vain; return the rejection."""
    return rejection(associate(door, [Verification], calling=calling))


def test_a_route_for_another_network_is_passed_over(gate: Gate):
    assert reached(gate, gate.door("NEAR")) is gate.archive


def test_a_caller_from_no_network_of_a_route_is_rejected(gate: Gate):
    assert refusal(gate.door("FAR")) == (1, 1, 3)


def test_a_listener_leads_to_its_own_archive(gate: Gate):
    assert reached(gate, gate.door("LISTENED", "ward")) is gate.archive
    gate.archive.forget()
    assert reached(gate, gate.door("LISTENED", "attic")) is gate.ris
    assert refusal(gate.door("LISTENED")) == (1, 1, 3)


def test_a_certificate_leads_to_its_own_archive(gate: Gate):
    assert reached(gate, gate.door("CARDED", "cards", WARD)) is gate.archive
    gate.archive.forget()
    assert reached(gate, gate.door("CARDED", "cards", ATTIC), "CT2") is gate.ris


def test_a_certificate_that_is_not_the_routes_does_not_help(gate: Gate):
    assert refusal(gate.door("CARDED", "cards", ATTIC), "CT1") == (1, 1, 3)
    assert reached(gate, gate.door("LISTENED", "cards", ATTIC), "CT1") is gate.ris


@pytest.mark.parametrize("listener", ["ward", None])
def test_without_a_certificate_no_route_by_certificates_fits(gate: Gate, listener: str | None):
    assert refusal(gate.door("CARDED", listener)) == (1, 1, 3)


def test_a_caller_without_a_certificate_does_not_get_in_where_one_is_asked_for(gate: Gate):
    association = associate(gate.door("CARDED", "cards"), [Verification])
    assert not association.is_established
    assert not gate.archive.heard

"""Allow lists with real peers: who may not come in is told so, or hung up on.

The relay serves by itself, and with workers, whose first process accepts.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import attrs
import pytest
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from tests.interop.archive import Archive
from tests.interop.caller import associate, associated, rejection
from tests.interop.doors import Door, run_tool
from tests.interop.pki import CLIENTS, Pki
from tests.interop.relay_process import AE_TITLE, UNASKED, Relay, Route, Upstream, table
from tests.interop.server import LOOPBACK, PATIENCE_S, held_port

WARD, ATTIC = CLIENTS

ALLOW: dict[str, dict[str, Any]] = {
    "listed": {
        "calling": ["CT?", "../x"],
        "called": [AE_TITLE, "PACS"],
        "networks": ["127.0.0.0/8"],
    },
    "elsewhere": {"networks": ["192.0.2.0/24"]},
    "bound": {"certificates": {"CT1": ["*.ward.example.org"], "CT2": [ATTIC]}},
}
"""The allow lists of listeners, by their names."""


@attrs.frozen
class Bed:
    """A relay with those listeners, and an archive behind it."""

    pki: Pki
    relay: Relay
    archive: Archive
    ports: dict[str, int]

    def door(self, listener: str, called: str = AE_TITLE, shown: str | None = None) -> Door:
        """Where to call by a listener, for pynetdicom with a certificate for a name."""
        tls = self.pki.client_context(shown) if listener == "bound" else None
        return Door(self.ports[listener], called, tls)

    def echoscu(self, listener: str, calling: str, shown: str | None = None) -> str:
        """What echoscu says, by TLS if it shows a certificate; nothing where all is well."""
        tls: tuple[object, ...] = ()
        if shown is not None:
            tls = ("+tls", *[self.pki.clients[shown]] * 2, "+cf", self.pki.ca)
        told = run_tool(self.door(listener), "echoscu", *tls, calling=calling)
        return told.said if told.status else ""


@pytest.fixture(scope="module", params=[0, 2], ids=["alone", "workers"])
def running(request: pytest.FixtureRequest, bed: Path, pki: Pki) -> Iterator[Bed]:
    with ExitStack() as stack:
        archive = stack.enter_context(Archive(pki))
        ports = {name: stack.enter_context(held_port()) for name in ALLOW}
        upstream = Upstream("ARCHIVE", archive.port, keys=UNASKED)
        relay = Relay(
            bed / f"allowing-{request.param}",
            pki,
            [Route(upstream, "*")],
            tables="\n".join(listeners(pki, ports)),
            keys={"workers": request.param},
        )
        yield Bed(pki, stack.enter_context(relay), archive, ports)


@pytest.fixture
def allowing(running: Bed) -> Bed:
    running.archive.forget()
    return running


def listeners(pki: Pki, ports: dict[str, int]) -> Iterator[str]:
    """The tables of listeners."""
    tls = {"certificate": str(pki.certificate), "key": str(pki.key), "client_ca": str(pki.ca)}
    for name, port in ports.items():
        secure = {"tls": tls} if name == "bound" else {}
        endpoint = f"tcp:port={port}:interface={LOOPBACK}"
        yield from table("[[listener]]", {"endpoint": endpoint, "allow": ALLOW[name], **secure})


def refusal(door: Door, calling: str) -> tuple[int, int, int]:
    """Ask for an association in vain; return the rejection."""
    return rejection(associate(door, [Verification], calling=calling))


def is_served(door: Door, calling: str) -> bool:
    with associated(door, [Verification], calling=calling) as association:
        return bool(association.send_c_echo().Status == 0x0000)


def test_who_is_listed_comes_in(allowing: Bed):
    assert is_served(allowing.door("listed"), "CT1")
    assert is_served(allowing.door("listed", "PACS"), "../x")


def test_who_is_not_listed_is_told_so(allowing: Bed):
    assert refusal(allowing.door("listed"), "MR1") == (1, 1, 3)
    assert refusal(allowing.door("listed", "RIS"), "CT1") == (1, 1, 7)
    with allowing.relay.tells_of("CT10", AE_TITLE) as lines:
        assert refusal(allowing.door("listed"), "CT10") == (1, 1, 3)
    assert lines[0].startswith("rejected: (1,1,3), allow.calling; ")
    assert not allowing.archive.heard


def test_who_is_from_elsewhere_is_hung_up_on_and_told_nothing(allowing: Bed):
    for _ in range(3):
        where = LOOPBACK, allowing.ports["elsewhere"]
        caller = socket.create_connection(where, timeout=PATIENCE_S)
        with caller, suppress(ConnectionResetError):
            assert caller.recv(1) == b""
    line = f"{LOOPBACK}: closed: no network that is allowed"
    assert line in allowing.relay.log.read_text("utf-8")
    assert is_served(allowing.door("listed"), "CT1")


def test_whose_certificate_is_its_own_comes_in(allowing: Bed):
    assert is_served(allowing.door("bound", shown=WARD), "CT1")
    assert is_served(allowing.door("bound", shown=ATTIC), "CT2")


@pytest.mark.parametrize(("calling", "shown"), [("CT1", ATTIC), ("CT2", WARD), ("CT3", WARD)])
def test_whose_certificate_is_anothers_is_told_so(allowing: Bed, calling: str, shown: str):
    assert refusal(allowing.door("bound", shown=shown), calling) == (1, 1, 3)
    assert not allowing.archive.heard


@pytest.mark.peers("dcmtk")
def test_echoscu_comes_in_where_it_is_listed(allowing: Bed):
    assert allowing.echoscu("listed", "CT1") == ""
    assert "Calling AE Title Not Recognized" in allowing.echoscu("listed", "MR1")
    assert allowing.echoscu("elsewhere", "CT1") != ""


@pytest.mark.peers("dcmtk")
def test_echoscu_comes_in_with_a_certificate_of_its_own(allowing: Bed):
    assert allowing.echoscu("bound", "CT1", WARD) == ""
    assert "Calling AE Title Not Recognized" in allowing.echoscu("bound", "CT1", ATTIC)
    assert "Calling AE Title Not Recognized" in allowing.echoscu("bound", "CT3", WARD)

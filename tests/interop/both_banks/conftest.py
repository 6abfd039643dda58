"""Archives by pynetdicom, the relay in front of them, and the two doors to the first of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.archive import Archive
from tests.interop.doors import Door
from tests.interop.pki import Pki
from tests.interop.relay_process import AE_TITLE, Relay, Route, Upstream

SMALL_PDU = 4096


@pytest.fixture(scope="session")
def running(pki: Pki) -> Iterator[Archive]:
    with Archive(pki) as archive:
        yield archive


@pytest.fixture(scope="session")
def running_ris(pki: Pki) -> Iterator[Archive]:
    with Archive(pki, "RIS") as ris:
        yield ris


@pytest.fixture(scope="session")
def running_small(pki: Pki) -> Iterator[Archive]:
    """An archive that takes no PDU over 4 KiB."""
    with Archive(pki, "SMALL", SMALL_PDU) as small:
        yield small


@pytest.fixture
def archive(running: Archive) -> Archive:
    running.forget()
    return running


@pytest.fixture
def ris(running_ris: Archive) -> Archive:
    running_ris.forget()
    return running_ris


@pytest.fixture
def small(running_small: Archive) -> Archive:
    running_small.forget()
    return running_small


@pytest.fixture
def destination() -> Iterator[Archive]:
    with Archive(ae_title="DEST") as archive:
        yield archive


@pytest.fixture(scope="session")
def relay(
    bed: Path, pki: Pki, running: Archive, running_ris: Archive, running_small: Archive
) -> Iterator[Relay]:
    archive, ris, small = (
        Upstream(peer.ae_title, peer.port) for peer in (running, running_ris, running_small)
    )
    routes = [
        Route(archive),
        Route(archive, "SPLIT", ["storage"]),
        Route(ris, "SPLIT", ["worklist"]),
        Route(small, "SMALL"),
    ]
    with Relay(bed / "relay-pynetdicom", pki, routes) as process:
        yield process


@pytest.fixture(params=["direct", "relay"])
def door(request: pytest.FixtureRequest, running: Archive, pki: Pki) -> Door:
    """Each way to the archive in turn."""
    if request.param == "direct":
        return Door(running.port, running.ae_title, pki.client_context())
    return Door(request.getfixturevalue("relay").port, AE_TITLE)

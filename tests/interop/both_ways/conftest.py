"""The site, which runs for the whole session; what its pynetdicom ends heard is forgotten."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.doors import run_tool
from tests.interop.pki import Pki
from tests.interop.site import LIBRARY, SLICES, Site, library, running_site


@pytest.fixture(scope="session")
def running(bed: Path, pki: Pki) -> Iterator[Site]:
    with running_site(bed / "site", pki) as site:
        yield site


@pytest.fixture
def site(running: Site) -> Site:
    running.ward.console.forget()
    running.archives.archive.forget()
    return running


@pytest.fixture
def filled(site: Site, tmp_path: Path) -> None:
    """Orthanc holds what the other archives hold; all of it came by the relay."""
    if len(site.archives.orthanc.ask("instances")) != len(LIBRARY) + SLICES:
        site.archives.orthanc.forget()
        sent = run_tool(site.inward("ORTHANC"), "dcmsend", files=library(tmp_path / "slices"))
        assert sent.status == 0

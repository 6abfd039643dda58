"""The ward behind its relay, for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.behind import Behind, running_behind
from tests.interop.pki import Pki


@pytest.fixture(scope="session")
def running(bed: Path, pki: Pki) -> Iterator[Behind]:
    with running_behind(bed / "behind", pki) as behind:
        yield behind


@pytest.fixture
def behind(running: Behind) -> Behind:
    running.forget()
    return running

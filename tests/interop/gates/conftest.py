"""The gate, for the whole session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.gate import Gate, running_gate
from tests.interop.pki import Pki


@pytest.fixture(scope="session")
def running(bed: Path, pki: Pki) -> Iterator[Gate]:
    with running_gate(bed / "gate", pki) as gate:
        yield gate


@pytest.fixture
def gate(running: Gate) -> Gate:
    running.archive.forget()
    running.ris.forget()
    return running

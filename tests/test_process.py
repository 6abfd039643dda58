"""What the process has of the system's."""

from __future__ import annotations

from pathlib import Path

import pytest

from relay import process

MIB = 2**20


def test_resident_memory_grows_by_what_is_taken():
    before = process.resident()
    assert before is not None
    taken = b"x" * (64 * MIB)
    after = process.resident()
    assert after is not None
    assert 48 * MIB < after - before < 96 * MIB
    del taken


def test_a_system_may_not_tell(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(process, "_STATM", Path("/nonexistent"))
    assert process.resident() is None

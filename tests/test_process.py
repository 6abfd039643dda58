"""What the process has of the system's."""

from __future__ import annotations

import os
import resource
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
    monkeypatch.setattr(process, "_DESCRIPTORS", Path("/nonexistent"))
    assert process.resident() is process.descriptors() is None


def test_descriptors_are_counted_as_they_are_opened_and_closed():
    before = process.descriptors()
    assert before is not None
    opened = [os.dup(1) for _ in range(10)]
    assert process.descriptors() == before + 10
    for each in opened:
        os.close(each)
    assert process.descriptors() == before


def test_there_may_be_a_limit_to_them_or_none(monkeypatch: pytest.MonkeyPatch):
    assert process.descriptor_limit() == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    infinite = resource.RLIM_INFINITY, resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda which: infinite)
    assert process.descriptor_limit() is None

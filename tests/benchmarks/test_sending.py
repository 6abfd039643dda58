"""What a sender makes of a batch."""

from __future__ import annotations

import attrs
import pytest

from benchmarks.archive import Stored
from benchmarks.sender import Address
from benchmarks.sending import Batch, leave, rest, send, wake

BATCH = Batch(3, 8192, 16384)


def stored(batch):
    return [Stored(batch.size, digest) for digest in batch.digests()]


@pytest.mark.parametrize(("alone", "callers"), [(False, 1), (True, 3)])
def test_objects_share_an_association_unless_they_are_alone(archive, alone, callers):
    batch = attrs.evolve(BATCH, alone=alone)
    sent = send(Address(archive.port, "ARCHIVE"), batch)
    assert archive.stored == stored(batch)
    assert archive.callers == callers
    assert len(sent.took) == batch.count
    assert 0 < sum(sent.took) <= sent.seconds


def test_many_associations_are_there_at_once_and_store_each_object_once(archive):
    batch = attrs.evolve(BATCH, count=20, associations=5)
    sent = send(Address(archive.port, "ARCHIVE"), batch)
    assert sorted(archive.stored, key=repr) == sorted(stored(batch), key=repr)
    assert archive.callers == archive.at_once == 5
    assert len(sent.took) == 20
    assert max(sent.took) <= sent.seconds


def test_associations_that_rest_are_there_until_they_leave(archive):
    batch = attrs.evolve(BATCH, associations=3)
    rest(Address(archive.port, "ARCHIVE"), batch)
    assert archive.wait_until(lambda: archive.now == 3)
    assert archive.stored == []
    assert len(wake(batch).took) == 3
    assert archive.stored == stored(batch)
    assert archive.now == 3
    leave()
    assert archive.wait_until(lambda: archive.now == 0)

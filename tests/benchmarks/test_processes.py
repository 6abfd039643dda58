"""What a sender makes of a batch."""

from __future__ import annotations

import attrs
import pytest

from benchmarks.archive import Archive, Stored
from benchmarks.processes import Batch, send
from benchmarks.sender import Address

BATCH = Batch(3, 8192, 16384)


class Counting(Archive):
    """An archive that knows how many have called."""

    callers = 0

    def _serve(self, connection):
        self.callers += 1
        super()._serve(connection)


@pytest.fixture
def archive():
    with Counting() as archive:
        yield archive


@pytest.mark.parametrize(("alone", "callers"), [(False, 1), (True, 3)])
def test_objects_share_an_association_unless_they_are_alone(archive, alone, callers):
    batch = attrs.evolve(BATCH, alone=alone)
    assert send(Address(archive.port, "ARCHIVE"), batch) > 0
    assert archive.stored == [Stored(batch.size, digest) for digest in batch.digests()]
    assert archive.callers == callers

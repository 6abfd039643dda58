"""What the tests of the benchmarks share: an archive that knows how many have called."""

from __future__ import annotations

import pytest

from benchmarks.archive import Archive


class Counting(Archive):
    """An archive that counts its callers, and how many there were at once."""

    callers = now = at_once = 0

    def _serve(self, connection):
        self._count(1)
        super()._serve(connection)
        self._count(-1)

    def _count(self, more):
        with self.changed:
            self.callers += more > 0
            self.now += more
            self.at_once = max(self.at_once, self.now)
            self.changed.notify_all()


@pytest.fixture
def archive():
    with Counting() as archive:
        yield archive

"""The relay that ours is compared with does its work, too."""

from __future__ import annotations

import attrs
import pytest

from benchmarks.archive import Stored
from benchmarks.processes import ArchiveProcess, Door
from benchmarks.sender import Refused
from benchmarks.sending import Batch, send
from benchmarks.ways.pynetdicom import ByPynetdicom
from benchmarks.ways.way import Stage
from tests.interop.pki import Pki
from tests.interop.server import held_port

BATCH = Batch(5, 40_001, 16384)


def test_what_it_passes_on_is_what_came(tmp_path):
    pki = Pki.write(tmp_path)
    with ArchiveProcess(pki) as archive:
        archive.hash_next(True)
        stage = Stage(tmp_path / "relay", pki, archive.ports, 3)
        with ByPynetdicom().open(stage) as way:
            for batch in (BATCH, attrs.evolve(BATCH, associations=3)):
                send(way.address, batch)
                came = archive.take(batch.count)
                wanted = [Stored(batch.size, digest) for digest in batch.digests()]
                assert sorted(came, key=repr) == sorted(wanted, key=repr)


def test_what_it_cannot_pass_on_is_not_answered_with_success(tmp_path):
    pki = Pki.write(tmp_path)
    with held_port() as nobody:
        stage = Stage(tmp_path / "relay", pki, {Door.TLS: nobody}, 1)
        with ByPynetdicom().open(stage) as way, pytest.raises(Refused):
            send(way.address, BATCH)

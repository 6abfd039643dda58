"""Many associations at once: by TLS and without, with large objects and refusals."""

from __future__ import annotations

import pytest

from benchmarks import pdus
from benchmarks.archive import Archive, Association, Stored
from benchmarks.crowd import store_all
from benchmarks.objects import Objects
from benchmarks.sender import Address, Refused
from tests.interop.pki import Pki

LARGE = Objects(5 * 2**20 + 1, 16384)
"""More than sockets hold, in more than one block."""


def digests(objects, count):
    return sorted(objects.digest(number) for number in range(count))


@pytest.mark.parametrize("secure", [False, True])
def test_every_byte_arrives_though_writes_are_blocked(tmp_path, secure):
    pki = Pki.write(tmp_path)
    with Archive(pki.server_context() if secure else None) as archive:
        address = Address(archive.port, "ARCHIVE", str(pki.ca) if secure else None)
        seconds, took = store_all(address, LARGE, range(7), 3)
    assert sorted(str(each.digest) for each in archive.stored) == digests(LARGE, 7)
    assert len(took) == 7
    assert seconds > 0


def test_there_may_be_more_associations_than_objects(archive):
    small = Objects(16, 16384)
    _, took = store_all(Address(archive.port, "ARCHIVE"), small, range(2), 5)
    assert len(took) == 2
    assert sorted(archive.stored, key=repr) == sorted(
        (Stored(16, small.digest(number)) for number in range(2)), key=repr
    )


def test_an_answer_other_than_success_is_told(archive, monkeypatch):
    response = pdus.c_store_rsp
    monkeypatch.setattr(pdus, "c_store_rsp", lambda request: response(request, 0xA700))
    with pytest.raises(Refused, match="A700"):
        store_all(Address(archive.port, "ARCHIVE"), Objects(16, 16384), range(2), 2)


def test_a_peer_that_leaves_is_told(archive, monkeypatch):
    monkeypatch.setattr(Association, "_stored", lambda self: self._connection.close())
    with pytest.raises(ConnectionError):
        store_all(Address(archive.port, "ARCHIVE"), Objects(16, 16384), range(2), 2)

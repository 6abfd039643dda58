"""Datasets stream: what has come has left, whatever their size; the slower side sets the pace.

Over real sockets, to an archive behind TLS. Sender and archive are the benchmarks': cheap enough
for gigabytes, and made of struct alone, so that nothing of relay/ judges the bytes.
"""

from __future__ import annotations

import itertools
import os
import select
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.archive import Archive, Stored
from benchmarks.objects import Objects
from benchmarks.pdus import P_DATA_HEADERS, PDU_HEADER
from benchmarks.sender import Address, Sender
from benchmarks.usage import peak_memory
from tests.interop.pki import Pki
from tests.interop.relay_process import AE_TITLE, Relay, Route, Upstream

KIB, MIB, GIB = 2**10, 2**20, 2**30

LARGE = int(os.environ.get("RELAY_LARGE_OBJECT_BYTES", 1 * GIB))
"""How large the large object is. 4295000000 is more than four bytes can count."""

MEMORY = 80_000_000
"""Bytes that the relay may have resident at its peak, whatever crosses."""

OFFERED = 256 * MIB
"""More than the kernel's buffers between sender and archive can hold of what the relay does not."""

HEADERS = P_DATA_HEADERS.size

STILL_S = 1.0
"""How long nothing has to move for a sender to count as stopped."""


@pytest.fixture
def archive(pki: Pki) -> Iterator[Archive]:
    with Archive(pki.server_context()) as archive:
        yield archive


@pytest.fixture
def relay(tmp_path: Path, pki: Pki, archive: Archive) -> Iterator[Relay]:
    """A relay of its own for each test: a peak of memory is the process's for good."""
    with Relay(tmp_path, pki, [Route(Upstream("ARCHIVE", archive.port))]) as relay:
        yield relay


@pytest.fixture(params=[16 * KIB, 128 * KIB], ids=["16 KiB", "128 KiB"])
def maximum(request: pytest.FixtureRequest) -> int:
    """How long the sender's PDUs are."""
    length: int = request.param
    return length


def call(relay: Relay, maximum: int) -> Sender:
    return Sender(Address(relay.port, AE_TITLE), maximum)


def fill(sender: Sender, buffers: Iterator[bytes | memoryview]) -> memoryview:
    """Send until no more is taken; return what is left of the buffer that was not."""
    for buffer in buffers:
        view = memoryview(buffer)
        while view:
            if not select.select([], [sender.connection], [], STILL_S)[1]:
                return view
            view = view[sender.connection.send(view) :]
    return memoryview(b"")


@pytest.mark.parametrize("beyond", [0, 5, 1001], ids=["whole PDUs", "half a header", "half a PDU"])
def test_half_a_dataset_is_upstream_before_the_other_half_is_sent(
    relay: Relay, archive: Archive, maximum: int, beyond: int
):
    objects = Objects(512 * KIB, maximum)
    (message,) = objects.message(1)
    pdus = 256 * KIB // maximum
    came = pdus * (maximum - 6) + max(0, beyond - HEADERS)
    half = PDU_HEADER.size + PDU_HEADER.unpack_from(message)[1] + pdus * (maximum + 6) + beyond
    with call(relay, maximum) as sender:
        sender.connection.sendall(message[:half])
        assert archive.wait_until(lambda: archive.seen >= came)
        assert archive.seen == came
        assert not archive.stored

        sender.connection.sendall(message[half:])
        sender.confirm(1)
    assert archive.stored == [Stored(objects.size, objects.digest(1))]


@pytest.mark.row(51)
def test_a_large_object_crosses_in_little_memory(relay: Relay, archive: Archive, maximum: int):
    objects = Objects(LARGE, maximum)
    with call(relay, maximum) as sender:
        sender.store(objects, 1)
    assert peak_memory(relay.process.pid) < MEMORY
    assert archive.stored == [Stored(LARGE, objects.digest(1))]


def test_an_upstream_that_does_not_read_stops_the_sender(
    relay: Relay, archive: Archive, maximum: int
):
    objects = Objects(OFFERED, maximum)
    buffers = objects.message(1)
    with call(relay, maximum) as sender:
        archive.reading.clear()
        rest = fill(sender, buffers)
        assert rest, "all of it went, and nobody read it"
        assert peak_memory(relay.process.pid) < MEMORY

        archive.reading.set()
        for buffer in itertools.chain([rest], buffers):
            sender.connection.sendall(buffer)
        sender.confirm(1)
    assert peak_memory(relay.process.pid) < MEMORY
    assert archive.stored == [Stored(OFFERED, objects.digest(1))]

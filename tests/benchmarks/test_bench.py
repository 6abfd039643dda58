"""A run: everybody in turn, and nothing counts where a byte is wrong."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager, suppress

import attrs
import pytest

from benchmarks.bench import Bench, WrongBytes
from benchmarks.case import Case, Contender
from benchmarks.processes import ArchiveProcess, Door
from benchmarks.sender import Address
from benchmarks.sending import Batch, sending
from benchmarks.ways.direct import Direct
from benchmarks.ways.way import ARCHIVE, Way
from tests.interop.pki import Pki

BATCH = Batch(4, 40_000, 16384)
SECURE, PLAIN = Contender("secure", Direct()), Contender("plain", Direct(tls=False), count=2)


class Absent(Direct):
    """A way that nobody can go."""

    def missing(self):
        return "something"


class Garbling:
    """Somebody in the middle who changes a byte, late in what is sent."""

    def missing(self):
        return None

    @contextmanager
    def open(self, stage):
        with socket.create_server(("127.0.0.1", 0)) as server:
            thread = threading.Thread(target=self._serve, args=(server, stage.archive[Door.PLAIN]))
            thread.start()
            yield Way(Address(server.getsockname()[1], ARCHIVE))
            thread.join()

    def _serve(self, server, target):
        near, _ = server.accept()
        with near, socket.create_connection(("127.0.0.1", target)) as far:
            back = threading.Thread(target=self._carry, args=(far, near))
            back.start()
            self._carry(near, far, 100_000)
            back.join()

    def _carry(self, source, sink, wrong=None):
        at = 0
        while data := bytearray(source.recv(4096)):
            if wrong is not None and at <= wrong < at + len(data):
                data[wrong - at] ^= 1
            at += len(data)
            with suppress(OSError):
                sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)


@pytest.fixture(scope="module")
def bench(tmp_path_factory):
    folder = tmp_path_factory.mktemp("bench")
    pki = Pki.write(folder)
    with sending() as sender, ArchiveProcess(pki) as archive:
        yield Bench(folder, pki, sender, archive)


def test_each_contender_sends_its_batch_in_each_round(bench):
    results = bench.measure(Case("some", BATCH, (SECURE, PLAIN), hashed=3), rounds=2)
    assert [(each.name, each.batch.count, len(each.rounds)) for each in results] == [
        ("secure", 4, 2),
        ("plain", 2, 2),
    ]
    for each in results:
        assert all(one.seconds > 0 and one.p50 <= one.p99 for one in each.rounds)


def test_who_is_absent_or_not_asked_for_is_left_out(bench):
    case = Case("some", BATCH, (SECURE, PLAIN, Contender("absent", Absent())), hashed=1)
    assert bench.contenders(case) == [SECURE, PLAIN]
    assert attrs.evolve(bench, names={"plain", "absent"}).contenders(case) == [PLAIN]


def test_a_case_may_need_fewer_rounds(bench):
    (result,) = bench.measure(Case("some", BATCH, (SECURE,), hashed=1, most=1), rounds=3)
    assert len(result.rounds) == 1


def test_associations_rest_and_store_afterwards(bench):
    batch = attrs.evolve(BATCH, associations=2)
    case = Case("some", batch, (SECURE,), hashed=2, resting=True)
    (result,) = attrs.evolve(bench, settled=0.0).measure(case, rounds=1)
    assert result.idle == result.used == [0.0]
    assert len(result.rounds) == 1


def test_one_byte_that_is_wrong_ends_the_run(bench):
    case = Case("some", BATCH, (Contender("garbling", Garbling()),), hashed=4)
    with pytest.raises(WrongBytes, match=r"garbling: 1 of 4 objects did not arrive .* 1 arrived"):
        bench.measure(case, rounds=1)

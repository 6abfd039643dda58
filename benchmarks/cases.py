"""What is sent, and how it is measured: all ways in turn, round after round, in one run."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import attrs

from benchmarks.archive import Stored
from benchmarks.processes import ArchiveProcess, Batch, DelayProcess, send
from benchmarks.usage import cpu_seconds, peak_memory
from benchmarks.ways import Way, ways
from tests.interop.pki import Pki

KIB, MIB = 2**10, 2**20


class WrongBytes(Exception):
    """What arrived is not what was sent: no figure counts."""


@attrs.frozen
class Case:
    """A batch that is sent in each round, and how many of its objects are hashed beforehand.

    `notes`: what else there is to know of the figures. `one_way`: seconds that each byte takes to
    or from the archive. `wanted`: how many times as many objects a second as direct are wanted of
    the relay.
    """

    title: str
    batch: Batch
    hashed: int
    notes: tuple[str, ...] = ()
    one_way: float = 0.0
    wanted: float | None = None

    @property
    def size(self) -> int:
        """Bytes of datasets in a round."""
        return self.batch.count * self.batch.size


ALONE = "8 KiB objects, each on an association of its own"
IN_FULL = "direct, each has its TLS handshake in full; HAProxy resumes sessions"

CASES = {
    "64M": Case("64 MiB objects, 16 KiB PDUs", Batch(8, 64 * MIB, 16 * KIB), 4),
    "512K": Case("512 KiB objects, 16 KiB PDUs", Batch(1000, 512 * KIB, 16 * KIB), 200),
    "8K": Case("8 KiB objects, 16 KiB PDUs", Batch(5000, 8 * KIB, 16 * KIB), 1000),
    "association": Case(
        ALONE,
        Batch(1500, 8 * KIB, 16 * KIB, alone=True),
        hashed=100,
        notes=(IN_FULL,),
        wanted=1.5,
    ),
    "association-20ms": Case(
        f"{ALONE}, to an archive 20 ms away",
        Batch(50, 8 * KIB, 16 * KIB, alone=True),
        hashed=10,
        notes=(IN_FULL, "the TCP handshake with the archive is charged as a round trip"),
        one_way=0.010,
        wanted=4.0,
    ),
}


@attrs.define
class Result:
    """What a case took on one way, a figure for each round.

    `seconds` from first byte to last response; `cpu`: seconds that the process in the middle used;
    `peak`: the most memory that it had resident, in bytes. Direct there is nobody in the middle.
    """

    way: Way
    seconds: list[float] = attrs.field(factory=list)
    cpu: list[float] = attrs.field(factory=list)
    peak: int | None = None


@attrs.frozen
class Bench:
    """Where measuring is done: a folder for what the processes need, the sender, the archive."""

    folder: Path
    pki: Pki
    sender: ProcessPoolExecutor
    archive: ArchiveProcess

    def measure(self, case: Case, rounds: int) -> list[Result]:
        """Send a case by all ways in turn, `rounds` times. WrongBytes where any byte differs."""
        with self._line(case) as port, ways(self.folder, self.pki, port) as found:
            for way in found:
                self._compare(way, case)
            results = [Result(way) for way in found]
            for _ in range(rounds):
                for result in results:
                    self._round(result, case)
            return results

    @contextmanager
    def _line(self, case: Case) -> Iterator[int]:
        """The port by which the archive is reached, near or far."""
        if not case.one_way:
            yield self.archive.port
            return
        with DelayProcess(self.archive.port, case.one_way) as delay:
            yield delay.port

    def _compare(self, way: Way, case: Case) -> None:
        """Have every byte compared; nothing of this is measured."""
        batch = attrs.evolve(case.batch, count=case.hashed)
        self.archive.hash_next(True)
        self._send(way, batch, [Stored(batch.size, digest) for digest in batch.digests()])
        self.archive.hash_next(False)

    def _round(self, result: Result, case: Case) -> None:
        pid, batch = result.way.pid, case.batch
        before = cpu_seconds(pid) if pid else 0.0
        seconds = self._send(result.way, batch, [Stored(batch.size, None)] * batch.count)
        result.seconds.append(seconds)
        if pid:
            result.cpu.append(cpu_seconds(pid) - before)
            result.peak = peak_memory(pid)

    def _send(self, way: Way, batch: Batch, wanted: list[Stored]) -> float:
        seconds = self.sender.submit(send, way.address, batch).result()
        if self.archive.take() != wanted:
            raise WrongBytes(f"{way.name}: what arrived is not what was sent")
        return seconds

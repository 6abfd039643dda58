"""How it is measured: all ways in turn, round after round, in one run."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Container, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import attrs

from benchmarks import sending
from benchmarks.archive import Stored
from benchmarks.case import Case, Contender
from benchmarks.dataset import STUDY
from benchmarks.processes import ArchiveProcess, DelayProcess, Door
from benchmarks.result import Result, Round
from benchmarks.sending import Batch, Sent
from benchmarks.usage import cpu_seconds, memory, peak_memory
from benchmarks.ways.way import Stage, Way
from tests.interop.pki import Pki


class WrongBytes(Exception):
    """What arrived is not what was sent: no figure counts."""


@attrs.define
class _Lane:
    """A contender whose way is open, and what it has come to so far."""

    way: Way
    result: Result


@attrs.frozen
class Bench:
    """Where measuring is done: a folder for what the processes need, the sender, the archive.

    Contenders of other names than `names` are left out; None leaves nobody out. `settled`: after
    so many seconds an association at rest costs what it costs in the long run.
    """

    folder: Path
    pki: Pki
    sender: ProcessPoolExecutor
    archive: ArchiveProcess
    names: Container[str] | None = None
    settled: float = 3.0

    def measure(self, case: Case, rounds: int) -> list[Result]:
        """Send a case by all ways in turn, `rounds` times. WrongBytes where any byte differs."""
        with ExitStack() as stack:
            # A new folder: what somebody has left from another case is not to be found.
            folder = Path(stack.enter_context(TemporaryDirectory(dir=self.folder)))
            ports = stack.enter_context(self._ports(case))
            lanes = [
                self._open(stack, each, case, Stage(folder / str(number), self.pki, ports))
                for number, each in enumerate(self.contenders(case))
            ]
            self.archive.hash_next(False)
            if not case.resting:
                self._compare_all(lanes, case)
            for number in range(min(rounds, case.most or rounds)):
                for lane in lanes:
                    self._round(lane, case, (number + 1) * STUDY)
            if case.resting:
                # What rests is measured where nothing was before: memory that was used and is free
                # would be used again.
                self._compare_all(lanes, case)
            return [lane.result for lane in lanes]

    def contenders(self, case: Case) -> list[Contender]:
        """Those of a case who are there and asked for."""
        asked = (each for each in case.contenders if self.names is None or each.name in self.names)
        return [each for each in asked if each.kind.missing() is None]

    @contextmanager
    def _ports(self, case: Case) -> Iterator[Mapping[Door, int]]:
        """The ports by which the archive is reached, near or far."""
        if not case.one_way:
            yield self.archive.ports
            return
        with DelayProcess(self.archive.ports[Door.TLS], case.one_way) as delay:
            yield {**self.archive.ports, Door.TLS: delay.port}

    def _open(self, stack: ExitStack, contender: Contender, case: Case, stage: Stage) -> _Lane:
        batch = contender.batch(case.batch)
        stage = attrs.evolve(stage, associations=batch.associations)
        return _Lane(stack.enter_context(contender.kind.open(stage)), Result(contender.name, batch))

    def _compare_all(self, lanes: list[_Lane], case: Case) -> None:
        for lane in lanes:
            self._compare(lane, case)

    def _compare(self, lane: _Lane, case: Case) -> None:
        """Have every byte compared; nothing of this is measured."""
        batch = lane.result.batch
        count = min(case.hashed, batch.count)
        batch = attrs.evolve(batch, count=count, associations=min(count, batch.associations))
        self.archive.hash_next(True)
        self.sender.submit(sending.send, lane.way.address, batch).result()
        self._arrived(lane, [Stored(batch.size, digest) for digest in batch.digests()])
        self.archive.hash_next(False)

    def _round(self, lane: _Lane, case: Case, first: int) -> None:
        """Send a batch once; nothing that was sent before is sent again."""
        pid, result = lane.way.pid, lane.result
        batch = attrs.evolve(result.batch, first=first)
        before = cpu_seconds(pid) if pid else 0.0
        began = time.perf_counter()
        sent = (self._rest if case.resting else self._send)(lane, batch)
        self._arrived(lane, [Stored(batch.size, None)] * batch.count)
        seconds = time.perf_counter() - began if lane.way.early else sent.seconds
        cpu = cpu_seconds(pid) - before if pid else None
        result.rounds.append(Round.of(sent, seconds, cpu))
        result.peak = peak_memory(pid) if pid else None

    def _send(self, lane: _Lane, batch: Batch) -> Sent:
        return self.sender.submit(sending.send, lane.way.address, batch).result()

    def _rest(self, lane: _Lane, batch: Batch) -> Sent:
        """Open associations that rest, store the batch on them, and see what they take."""
        before = self._memory(lane)
        self.sender.submit(sending.rest, lane.way.address, batch).result()
        lane.result.idle.append((self._memory(lane) - before) / batch.associations)
        sent = self.sender.submit(sending.wake, batch).result()
        # Whoever stored an object may be about to store another one: let that pass.
        time.sleep(self.settled)
        lane.result.used.append((self._memory(lane) - before) / batch.associations)
        self.sender.submit(sending.leave).result()
        return sent

    def _memory(self, lane: _Lane) -> int:
        return memory(lane.way.pid) if lane.way.pid else 0

    def _arrived(self, lane: _Lane, wanted: list[Stored]) -> None:
        """See that all of it has come, and nothing else; in any order, where many send at once."""
        came, sent = Counter(self.archive.take(len(wanted))), Counter(wanted)
        if came != sent:
            strange, lost = (came - sent).total(), (sent - came).total()
            raise WrongBytes(
                f"{lane.result.name}: {lost} of {len(wanted)} objects did not arrive as they were"
                f" sent, and {strange} arrived that were not sent"
            )

"""Sender, archive and delay in processes of their own: none shares a core's time by chance."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import attrs

from benchmarks.archive import Archive, Stored
from benchmarks.delay import Delay
from benchmarks.objects import Objects
from benchmarks.sender import Address, Sender
from tests.interop.pki import Pki

_SPAWN = multiprocessing.get_context("spawn")


@attrs.frozen
class Batch:
    """Objects to be sent: how many, how large, in how long PDUs (bytes).

    All on one association, or, `alone`, each on one of its own.
    """

    count: int
    size: int
    maximum: int
    alone: bool = False

    def digests(self) -> list[str]:
        """What each of them hashes to."""
        objects = _objects(self.size, self.maximum)
        return [objects.digest(number) for number in range(self.count)]


def sending() -> ProcessPoolExecutor:
    """The process in which `send` is to run."""
    return ProcessPoolExecutor(1, _SPAWN)


def send(address: Address, batch: Batch) -> float:
    """Store a batch, one object after another; the seconds from first byte to last response.

    Where objects are alone these are the seconds from the first connection to the last release.
    """
    objects = _objects(batch.size, batch.maximum)
    if batch.alone:
        return _send_alone(address, batch, objects)
    with Sender(address, batch.maximum) as sender:
        began = time.perf_counter()
        for number in range(batch.count):
            sender.store(objects, number)
        return time.perf_counter() - began


def _send_alone(address: Address, batch: Batch, objects: Objects) -> float:
    began = time.perf_counter()
    for number in range(batch.count):
        with Sender(address, batch.maximum) as sender:
            sender.store(objects, number)
    return time.perf_counter() - began


@cache
def _objects(size: int, maximum: int) -> Objects:
    return Objects(size, maximum)


class _Serving:
    """A process that serves for as long as its context lasts; `port` is where it listens.

    It runs `target` with `args` and the end of a pipe, on which it first tells its port, and ends
    when it is told None.
    """

    port: int

    def __init__(self, target: Callable[..., None], *args: object) -> None:
        self._pipe, self._end = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=target, args=(*args, self._end), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        # With no other copy open, a process that dies is noticed.
        self._end.close()
        self.port = self._pipe.recv()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._pipe.send(None)
        self._process.join()


class ArchiveProcess(_Serving):
    """An archive behind TLS."""

    def __init__(self, pki: Pki) -> None:
        super().__init__(_serve, pki)

    def hash_next(self, wanted: bool) -> None:
        """Say whether what comes from now on is to be hashed."""
        self._pipe.send(wanted)
        self._pipe.recv()

    def take(self) -> list[Stored]:
        """What was stored since the last time."""
        self._pipe.send("take")
        stored: list[Stored] = self._pipe.recv()
        return stored


class DelayProcess(_Serving):
    """A delay of `one_way` seconds each way, before the port `target` of loopback."""

    def __init__(self, target: int, one_way: float) -> None:
        super().__init__(_delay, target, one_way)


def _serve(pki: Pki, pipe: Connection) -> None:
    with Archive(pki.server_context()) as archive:
        pipe.send(archive.port)
        while (asked := pipe.recv()) is not None:
            if isinstance(asked, bool):
                archive.hashes = asked
            pipe.send(list(archive.stored))
            archive.forget()


def _delay(target: int, one_way: float, pipe: Connection) -> None:
    with Delay(target, one_way) as delay:
        pipe.send(delay.port)
        pipe.recv()

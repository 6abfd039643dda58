"""Sender and archive in processes of their own, so that neither shares a core's time by chance."""

from __future__ import annotations

import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import attrs

from benchmarks.archive import Archive, Stored
from benchmarks.objects import Objects
from benchmarks.sender import Address, Sender
from tests.interop.pki import Pki

_SPAWN = multiprocessing.get_context("spawn")


@attrs.frozen
class Batch:
    """Objects to be sent on one association: how many, how large, in how long PDUs (bytes)."""

    count: int
    size: int
    maximum: int

    def digests(self) -> list[str]:
        """What each of them hashes to."""
        objects = _objects(self.size, self.maximum)
        return [objects.digest(number) for number in range(self.count)]


def sending() -> ProcessPoolExecutor:
    """The process in which `send` is to run."""
    return ProcessPoolExecutor(1, _SPAWN)


def send(address: Address, batch: Batch) -> float:
    """Store a batch, one object after another; the seconds from first byte to last response."""
    objects = _objects(batch.size, batch.maximum)
    with Sender(address, batch.maximum) as sender:
        began = time.perf_counter()
        for number in range(batch.count):
            sender.store(objects, number)
        return time.perf_counter() - began


@cache
def _objects(size: int, maximum: int) -> Objects:
    return Objects(size, maximum)


class ArchiveProcess:
    """An archive behind TLS, for as long as its context lasts; `port` is where it listens."""

    port: int

    def __init__(self, pki: Pki) -> None:
        self._pki = pki
        self._pipe, self._end = _SPAWN.Pipe()

    def __enter__(self) -> Self:
        self._process = _SPAWN.Process(target=_serve, args=(self._pki, self._end), daemon=True)
        self._process.start()
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

    def hash_next(self, wanted: bool) -> None:
        """Say whether what comes from now on is to be hashed."""
        self._pipe.send(wanted)
        self._pipe.recv()

    def take(self) -> list[Stored]:
        """What was stored since the last time."""
        self._pipe.send("take")
        stored: list[Stored] = self._pipe.recv()
        return stored


def _serve(pki: Pki, pipe: Connection) -> None:
    with Archive(pki.server_context()) as archive:
        pipe.send(archive.port)
        while (asked := pipe.recv()) is not None:
            if isinstance(asked, bool):
                archive.hashes = asked
            pipe.send(list(archive.stored))
            archive.forget()

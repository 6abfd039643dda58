"""Archives and delay in processes of their own: none shares a core's time by chance."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from enum import Enum, auto
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any, Self

from benchmarks.archive import PATIENCE_S, Archive, Stored
from benchmarks.delay import Delay
from tests.interop.pki import Pki

_SPAWN = multiprocessing.get_context("spawn")

SLOW_RATE = 4_000_000.0
"""What the slow archive takes of each association, in bytes per second."""


class Door(Enum):
    """A port of the archive. All but one are behind TLS; one is slow to read."""

    TLS = auto()
    SECOND = auto()
    THIRD = auto()
    SLOW = auto()
    PLAIN = auto()


class _Serving:
    """A process that serves for as long as its context lasts; `told` is what it says at first.

    It runs `target` with `args` and the end of a pipe, and ends when it is told None.
    """

    told: Any

    def __init__(self, target: Callable[..., None], *args: object) -> None:
        self._pipe, self._end = _SPAWN.Pipe()
        self._process = _SPAWN.Process(target=target, args=(*args, self._end), daemon=True)

    def __enter__(self) -> Self:
        self._process.start()
        # With no other copy open, a process that dies is noticed.
        self._end.close()
        self.told = self._pipe.recv()
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
    """An archive with several doors: what comes in by any of them is told together."""

    def __init__(self, pki: Pki) -> None:
        super().__init__(_serve, pki)

    @property
    def ports(self) -> Mapping[Door, int]:
        """The ports of its doors."""
        ports: Mapping[Door, int] = self.told
        return ports

    def hash_next(self, wanted: bool) -> None:
        """Say whether what comes from now on is to be hashed."""
        self._pipe.send(wanted)
        self._pipe.recv()

    def take(self, count: int) -> list[Stored]:
        """What was stored since the last time, as soon as that is `count` objects.

        Some in the middle answer before the archive does. Fewer where it takes for ever.
        """
        self._pipe.send(count)
        stored: list[Stored] = self._pipe.recv()
        return stored


class DelayProcess(_Serving):
    """A delay of `one_way` seconds each way, before the port `target` of loopback."""

    def __init__(self, target: int, one_way: float) -> None:
        super().__init__(_delay, target, one_way)

    @property
    def port(self) -> int:
        """Where it listens."""
        return int(self.told)


def _serve(pki: Pki, pipe: Connection) -> None:
    changed = threading.Condition()
    with ExitStack() as stack:
        archives = {door: stack.enter_context(_archive(door, pki, changed)) for door in Door}
        pipe.send({door: archive.port for door, archive in archives.items()})
        while (asked := pipe.recv()) is not None:
            if isinstance(asked, bool):
                for each in archives.values():
                    each.hashes = asked
                pipe.send(None)
            else:
                pipe.send(_take(list(archives.values()), changed, asked))


def _archive(door: Door, pki: Pki, changed: threading.Condition) -> Archive:
    return Archive(
        None if door is Door.PLAIN else pki.server_context(),
        rate=SLOW_RATE if door is Door.SLOW else None,
        changed=changed,
    )


def _take(archives: list[Archive], changed: threading.Condition, count: int) -> list[Stored]:
    with changed:
        changed.wait_for(lambda: sum(len(each.stored) for each in archives) >= count, PATIENCE_S)
        stored = [stored for each in archives for stored in each.stored]
        for each in archives:
            each.forget()
    return stored


def _delay(target: int, one_way: float, pipe: Connection) -> None:
    with Delay(target, one_way) as delay:
        pipe.send(delay.port)
        pipe.recv()

"""What the sending process does: a batch is stored, and each C-STORE is timed."""

from __future__ import annotations

import time
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from multiprocessing import get_context

import attrs

from benchmarks import crowd
from benchmarks.objects import Objects
from benchmarks.sender import Address, Sender

_RESTING: list[Sender] = []
"""Of this process: associations that were opened, and on which nothing is said."""


@attrs.frozen
class Batch:
    """Objects to be sent: how many, how large, in how long PDUs (bytes).

    On so many `associations` at once, which have all been opened before; or, `alone`, each on one
    of its own, one after another. They are `images` for those who look into them, and numbered
    from `first`.
    """

    count: int
    size: int
    maximum: int
    associations: int = 1
    alone: bool = False
    images: bool = False
    first: int = 0

    @property
    def numbers(self) -> range:
        """The numbers of the objects."""
        return range(self.first, self.first + self.count)

    def digests(self) -> list[str]:
        """What each of them hashes to."""
        objects = _objects(self)
        return [objects.digest(number) for number in self.numbers]


@attrs.frozen
class Sent:
    """A batch has been stored, in seconds from first byte to last response; `took`: each C-STORE.

    Where objects are alone it is from the first connection to the last release.
    """

    seconds: float
    took: list[float]


def sending() -> ProcessPoolExecutor:
    """The process in which what follows is to run."""
    return ProcessPoolExecutor(1, get_context("spawn"))


def send(address: Address, batch: Batch) -> Sent:
    """Store a batch. Refused where an object is not answered with success."""
    objects = _objects(batch)
    if batch.alone:
        return _send_alone(address, batch, objects)
    if batch.associations > 1:
        return Sent(*crowd.store_all(address, objects, batch.numbers, batch.associations))
    took: list[float] = []
    with Sender(address, batch.maximum) as sender:
        began = time.perf_counter()
        for number in batch.numbers:
            took.append(_store(sender, objects, number))
        return Sent(time.perf_counter() - began, took)


def rest(address: Address, batch: Batch) -> None:
    """Open the associations of a batch, and let them rest."""
    _RESTING.extend(Sender(address, batch.maximum) for _ in range(batch.associations))


def wake(batch: Batch) -> Sent:
    """Store a batch on the associations that rest, by turns."""
    objects = _objects(batch)
    began = time.perf_counter()
    took = [_store(_RESTING[number % len(_RESTING)], objects, number) for number in batch.numbers]
    return Sent(time.perf_counter() - began, took)


def leave() -> None:
    """Release the associations that rest."""
    while _RESTING:
        with _RESTING.pop():
            pass


def _send_alone(address: Address, batch: Batch, objects: Objects) -> Sent:
    took: list[float] = []
    began = time.perf_counter()
    for number in batch.numbers:
        with Sender(address, batch.maximum) as sender:
            took.append(_store(sender, objects, number))
    return Sent(time.perf_counter() - began, took)


def _store(sender: Sender, objects: Objects, number: int) -> float:
    began = time.perf_counter()
    sender.store(objects, number)
    return time.perf_counter() - began


def _objects(batch: Batch) -> Objects:
    return _made(batch.size, batch.maximum, batch.images)


@cache
def _made(size: int, maximum: int, images: bool) -> Objects:
    return Objects(size, maximum, images)

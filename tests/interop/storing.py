"""Modalities that cost next to nothing: the benchmarks' sender, for objects of any size."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence

import attrs

from benchmarks.objects import Objects
from benchmarks.sender import Address, Sender
from tests.interop.crowd import Modalities

KIB = 1024
SIZES = {200: 30, 3000: 30, 8 * KIB: 20, 60 * KIB: 15, 300 * KIB: 4, 2048 * KIB: 1}
"""Bytes of a dataset, and how many of a hundred are like it."""

MAXIMA = (4 * KIB, 16 * KIB, 64 * KIB)
"""Lengths of PDUs, in bytes."""

HESITATION_S = 0.003


def instance(number: int) -> str:
    """The SOP Instance UID of an object."""
    return f"2.25.1{number:011d}"


def mixed(number: int) -> int:
    """The length of an object's dataset, in bytes: most are small."""
    return random.Random(number).choices(tuple(SIZES), tuple(SIZES.values()))[0]


@attrs.define(eq=False, kw_only=True)
class CheapModalities(Modalities):
    """They call `address`. Between two objects they pause, from seconds at least to at most.

    Of one in `hesitates` objects the second half goes out a little later than the first.
    """

    address: Address
    sizes: Callable[[int], int] = mixed
    pause: tuple[float, float] = (0.0, 0.0)
    hesitates: int = 8
    _known: dict[tuple[int, int, int], Objects] = attrs.field(init=False, factory=dict)
    """Each has its own, since their buffers are used again."""

    def store(self, who: int, numbers: Sequence[int], chance: random.Random) -> None:
        maximum = chance.choice(MAXIMA)
        with Sender(self.address, maximum, f"MODALITY{who}") as sender:
            for number in numbers:
                if self.stopping.wait(chance.uniform(*self.pause)):
                    return
                objects = self._objects(who, self.sizes(number), maximum)
                began = time.monotonic()
                self._send(sender, objects, number)
                sender.confirm(number)
                self.confirmed(who, number, objects.digest(number), began)

    def _send(self, sender: Sender, objects: Objects, number: int) -> None:
        for buffer in objects.message(number):
            view, half = memoryview(buffer), len(buffer) // 2
            if number % self.hesitates == 0:
                sender.connection.sendall(view[:half])
                self.stopping.wait(HESITATION_S)
                view = view[half:]
            sender.connection.sendall(view)

    def _objects(self, who: int, size: int, maximum: int) -> Objects:
        key = who, size, maximum
        if key not in self._known:
            self._known[key] = Objects(size, maximum)
        return self._known[key]

"""Many modalities at a time that store objects and note what they are told; what they are is open.

Objects are known by their numbers: all else follows from it, so that what an archive has can be
judged by whoever knows the number.
"""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from types import TracebackType
from typing import Self

import attrs

ENOUGH = 10
"""Complaints after which nobody goes on."""

PATIENCE_S = 60.0


@attrs.frozen
class Stored:
    """An object whose modality was told 0000: when, by time.monotonic, after how many seconds."""

    number: int
    digest: str
    at: float
    seconds: float


@attrs.define(eq=False)
class Modalities:
    """`width` of them store objects 1 to `most`; `batch` on an association, at least and at most.

    They run for as long as the context lasts, or until all is stored. `backed` tells of an object
    that has just been confirmed whether an archive has it. Whatever else goes wrong they put down
    as complaints, too, with what `circumstances` there were, and go on.
    """

    most: int = 10**6
    width: int = 8
    batch: tuple[int, int] = (1, 20)
    backed: Callable[[Stored], bool] = lambda _: True
    circumstances: Callable[[], object] = lambda: ""
    changed: threading.Condition = attrs.field(factory=threading.Condition)
    stored: list[Stored] = attrs.field(init=False, factory=list)
    complaints: list[str] = attrs.field(init=False, factory=list)
    stopping: threading.Event = attrs.field(init=False, factory=threading.Event)
    _numbers: Iterator[int] = attrs.field(init=False)
    _done: dict[int, int] = attrs.field(init=False, factory=dict)
    """How many objects have been dealt with by each one that is still at work."""
    _threads: list[threading.Thread] = attrs.field(init=False)

    def __enter__(self) -> Self:
        self._numbers = iter(range(1, self.most + 1))
        self._done = dict.fromkeys(range(self.width), 0)
        self._threads = [
            threading.Thread(target=self._store_all, args=(who,)) for who in range(self.width)
        ]
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stopping.set()
        for thread in self._threads:
            thread.join()

    def store(self, who: int, numbers: Sequence[int], chance: random.Random) -> None:
        """Store these objects on one association, each to be `confirmed`, or raise."""
        raise NotImplementedError

    def confirmed(self, who: int, number: int, digest: str, began: float) -> None:
        """An object was answered with 0000."""
        now = time.monotonic()
        stored = Stored(number, digest, now, now - began)
        if not self.backed(stored):
            self._complain(f"object {number} was confirmed, and no archive has it")
        with self.changed:
            self.stored.append(stored)
            self._done[who] += 1
            self.changed.notify_all()

    @property
    def is_over(self) -> bool:
        """Whether nobody is at work any more."""
        return not self._done

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Wait for something to become true of what was stored, or for the end of all."""
        with self.changed:
            assert self.changed.wait_for(lambda: self.is_over or condition(), PATIENCE_S)

    def wait_until_all_moved_on(self) -> None:
        """Wait until everything that is being stored now has been answered."""
        with self.changed:
            before = dict(self._done)
        self.wait_until(lambda: all(done > before[who] for who, done in self._done.items()))

    def wait_until_over(self) -> None:
        """Wait until nobody is at work any more, as long as something is stored all the time."""
        while not self.is_over:
            self.wait_until(partial(self._is_more_than, len(self.stored)))

    def check_complaints(self) -> None:
        """Nobody complained."""
        assert not self.complaints, "\n".join(self.complaints)

    def check(self) -> None:
        """All there was is stored, and nobody complained."""
        self.check_complaints()
        assert sorted(each.number for each in self.stored) == list(range(1, self.most + 1))

    def _is_more_than(self, count: int) -> bool:
        return len(self.stored) > count

    def _store_all(self, who: int) -> None:
        chance = random.Random(who)
        while not self.stopping.is_set() and len(self.complaints) < ENOUGH:
            with self.changed:
                numbers = list(itertools.islice(self._numbers, chance.randint(*self.batch)))
            if not numbers:
                break
            try:
                self.store(who, numbers, chance)
            except Exception as why:  # whatever it is, nobody else would hear of it
                self._complain(f"in objects {numbers[0]} to {numbers[-1]}: {why!r}")
        with self.changed:
            del self._done[who]
            self.changed.notify_all()

    def _complain(self, what: str) -> None:
        with self.changed:
            self.complaints.append(f"{what} ({self.circumstances()})")
            self.changed.notify_all()

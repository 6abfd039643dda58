"""One message on its way to one association, and to another one when that fails.

    waiting    it may not leave yet: what comes is held, and its source stopped when that is much
    leaving    what comes is written at once, and recorded where it may have to be written again
    replaying  what was recorded is written, as fast as it is taken; what comes meanwhile is
               recorded behind it
    dropped    nobody wants it: what comes is forgotten

A message with a record can be rewound: it waits again, to leave from its first byte by another
lane. What comes meanwhile is recorded, and its source goes on; it is stopped only where the record
may not grow any further. Once the replay has caught up with what comes, it leaves like any other.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import TYPE_CHECKING

import attrs

from relay.bridge.guard import Guard
from relay.bridge.pressure import Valve
from relay.bridge.record import Kept, LostRecord, Playback, Record
from relay.wire.reader import Fragments

if TYPE_CHECKING:
    from relay.bridge.lane import Lane


class Mode(Enum):
    """Where a message is."""

    WAITING = auto()
    LEAVING = auto()
    REPLAYING = auto()
    DROPPED = auto()


@attrs.define(eq=False)
class Delivery:
    """One message: its command set is complete, its dataset (if any) comes by and by.

    `done` is called once: when all of it has been written or, if it was dropped, when all of it has
    come. `broken` is called when it cannot go on, although part of it has been written.
    """

    command_set: bytes = attrs.field(repr=False)
    ended: bool
    valve: Valve | None = None
    """Of the source to stop when this fills its sink: where it comes from, or where what it answers
    came from."""
    outlives_source: bool = False
    """Whether it is passed on though its source is gone, if all of it has come: a response is."""
    done: Callable[[], None] | None = None
    record: Record | None = None
    broken: Callable[[], None] | None = None
    size: int = 0
    """Bytes of dataset that came."""
    is_sent: bool = False
    """Whether its command set has been written, and so it must be finished, aborted or rewound."""
    is_complete: bool = False
    """Whether all of it has been written or, if it was dropped, has come."""
    watcher: Callable[[Fragments], None] | None = None
    """Looks at what comes while it may not leave yet."""
    guard: Guard | None = None
    """Looks at what comes before it leaves, where that is asked for."""
    _has_begun: bool = False
    """Whether any of its dataset came, be it a header without a byte of body."""
    _mode: Mode = Mode.WAITING
    _lane: Lane | None = None
    _context_id: int = 0
    _waiting: list[Fragments] = attrs.field(factory=list, repr=False)
    _held: int = 0
    _playback: Playback | None = None
    _patience: int | None = None
    """Bytes that are still taken once it was dropped."""
    _too_much: Callable[[], None] | None = None

    @property
    def is_waiting(self) -> bool:
        """Whether it may not leave yet."""
        return self._mode is Mode.WAITING

    @property
    def is_replaying(self) -> bool:
        """Whether it is being written from its record: its source is not what fills the sink."""
        return self._mode is Mode.REPLAYING

    @property
    def is_worth_passing_on(self) -> bool:
        """Whether it should leave though its source is gone."""
        return self.outlives_source and self.ended

    @property
    def can_be_rewound(self) -> bool:
        """Whether all that came of it can be written once more."""
        if self._mode is Mode.DROPPED:
            return False
        return self.record is not None if self._has_begun else True

    @property
    def is_broken(self) -> bool:
        """Whether part of what is yet to be written is lost."""
        return self.record is not None and self.record.is_lost

    def add(self, fragments: Fragments) -> None:
        """More of the dataset."""
        size = fragments.size
        self.size += size
        self.ended, self._has_begun = fragments.ended, True
        if self.guard is not None and not self._passes(self.guard):
            return
        if self.record is not None and self.is_sent:
            self._record(fragments, size)
        if self._mode is Mode.LEAVING:
            assert self._lane is not None
            self._lane.sink.fragments(self._context_id, fragments)
        elif self._mode is Mode.DROPPED:
            self._discard(size)
        elif not self.is_sent:
            # A copy, or a few bytes would keep all of the read that they came in.
            fragments.raw = bytes(fragments.raw)
            self._waiting.append(fragments)
            self.hold(len(fragments.raw))
        if self.ended:
            self._finish()
        if self.watcher is not None:
            self.watcher(fragments)

    def _passes(self, guard: Guard) -> bool:
        """Whether what came may go on; once all has come there is nothing more to be guarded."""
        if self.ended:
            self.guard = None
        return guard.passes(self.size, self.ended)

    def watch(self, watcher: Callable[[Fragments], None]) -> None:
        """Have `watcher` look at what has come of the dataset, and at what comes, until the message
        may leave."""
        self.watcher = watcher
        for fragments in tuple(self._waiting):
            if self.watcher is not None:
                watcher(fragments)

    def hold(self, size: int) -> None:
        """Note that `size` bytes of it are in memory until it leaves, or is dropped."""
        self._held += size
        if self.valve is not None:
            self.valve.hold(size)

    def leave(self, lane: Lane, context_id: int) -> None:
        """It is this delivery's turn: write what there is; the rest follows as it comes."""
        self._lane, self._context_id = lane, context_id
        if self.is_sent and self.record is not None and self._has_begun:
            self._mode, self._playback = Mode.REPLAYING, self.record.play()
            lane.sink.command(context_id, self.command_set)
            self.play()
            return
        self._mode, self.is_sent = Mode.LEAVING, True
        lane.sink.command(context_id, self.command_set)
        for fragments in self._waiting:
            if self.record is not None:
                self._record(fragments, fragments.size)
            lane.sink.fragments(context_id, fragments)
        self._let_out()
        if self.ended:
            self._finish()

    def play(self) -> None:
        """Write from the record while the sink takes it; behind its end, go on as others do."""
        assert self._lane is not None and self._playback is not None
        lane = self._lane
        try:
            while not lane.is_full and (fragments := self._playback.next()) is not None:
                lane.sink.fragments(self._context_id, fragments)
        except LostRecord:
            if self.broken is not None:
                self.broken()
            return
        if self._playback.is_done:
            self._playback, self._mode = None, Mode.LEAVING
            self._let_source_go_on()
            lane.pace(self)
            if self.ended:
                self._finish()

    def rewind(self) -> None:
        """The association that it left for has failed: wait, to leave again from the start."""
        if self._lane is not None:
            self._lane.remove(self)
        self._mode, self._lane, self._playback = Mode.WAITING, None, None
        self.is_complete = False

    def forget(self) -> None:
        """It will not be rewound."""
        if self.record is not None:
            self.record.forget()
            self.record = None

    def drop(self, patience: int | None = None, too_much: Callable[[], None] | None = None) -> None:
        """Nobody wants it: forget what is held, and what still comes.

        When more than `patience` bytes come, `too_much` is called, once.
        """
        self._lane, self._mode, self._playback = None, Mode.DROPPED, None
        self.guard = self.watcher = None
        if patience is not None:
            self._patience, self._too_much = patience, too_much
        self.forget()
        self._let_out()
        self._let_source_go_on()
        if self.ended:
            self._finish()

    def _record(self, fragments: Fragments, size: int) -> None:
        assert self.record is not None
        kept = self.record.add(fragments, size)
        if kept is Kept.YES:
            return
        if self._mode is Mode.LEAVING:
            # It streams on; it only cannot be sent again any more.
            self.forget()
        elif kept is Kept.FULL and self.valve is not None:
            self.valve.close(self)

    def _discard(self, size: int) -> None:
        if self._patience is None:
            return
        self._patience -= size
        if self._patience < 0 and self._too_much is not None:
            too_much, self._too_much, self.done = self._too_much, None, None
            too_much()

    def _let_out(self) -> None:
        self._waiting.clear()
        if self._held and self.valve is not None:
            self.valve.let_out(self._held)
        self._held = 0

    def _let_source_go_on(self) -> None:
        if self.valve is not None:
            self.valve.open(self)

    def _finish(self) -> None:
        if self._mode not in (Mode.LEAVING, Mode.DROPPED):
            return
        self.is_complete = True
        if self._lane is not None:
            self._lane.finished()
        done, self.done = self.done, None
        if done is not None:
            done()

"""What has passed of a dataset, kept so that all of it can be sent once more.

A `Record` keeps fragments in the order in which they come: at first in memory, as they are. Once
they are more than its window, or all records together are more than their memory, what comes
further goes to an `Overflow` (ports.py): bytes of body alone, one after another, since the headers
would be made anew anyway.

A `Playback` gives all of it back: the fragments in memory as the very objects that came, and what
is in the overflow as fragments of its own making. Behind what was kept it can be followed, on the
same writer, by whatever fragments come next: a fragment of which only the beginning has come is
left open there, with as many bytes missing as are still to come.

    record = budget.record()
    record.add(fragments, fragments.size)
    playback = record.play()
    while (fragments := playback.next()) is not None: ...
    record.forget()

The budget is shared by all records. A record that is let go of without `forget` is never paid
back.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from typing import cast

import attrs

from relay.bridge.ports import Overflow
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH
from relay.wire.reader import LAST, Buffer, Fragments, Piece

FRAGMENTS_COST = 512
"""Bytes that a `Fragments` is counted with beside its raw bytes."""

PIECE_COST = 160
"""Bytes that each piece that it lists is counted with: a peer that sends two bytes at a time makes
objects a hundred times as large as its data."""

CHUNK = 64 * 1024
"""Bytes that are read from an overflow at once, at most; even, as a fragment that others follow. Of
twice as many on, memory may come from the system anew each time, for three times the CPU."""


class LostRecord(Exception):
    """What was kept is not there any more: it was forgotten, or its overflow failed."""


class Kept(Enum):
    """What became of fragments that were added."""

    YES = auto()
    FULL = auto()
    """They are kept, but exceed the budget: stop the source, or forget the record."""
    LOST = auto()
    """The overflow failed: the record has been forgotten."""


_YES = Kept.YES
"""To look up a member of an enum takes a third of the time of `Record.add`, before Python 3.12."""


@attrs.define(eq=False)
class Budget:
    """What all records together may take, in bytes.

    `window`: of one record in memory; `memory`: of all records in memory; `disk`: of all records in
    overflows, of which `overflow` opens one (or raises OSError), and `share` is the most that one
    record may have of it: nobody should have all of the disk to himself.
    """

    window: int
    memory: int
    disk: int
    overflow: Callable[[], Overflow]
    share: int = attrs.field(default=attrs.Factory(lambda self: self.disk, takes_self=True))
    used_memory: int = 0
    used_disk: int = 0

    def record(self) -> Record:
        """An empty record."""
        return Record(self, self.window)


@attrs.define(eq=False)
class Record:
    """Fragments of one dataset, from its first byte on."""

    _budget: Budget
    _window: int
    """Bytes that may be in memory; negative once nothing more may be added there."""
    size: int = 0
    """Bytes of body that are kept."""
    is_lost: bool = False
    """Whether it was forgotten: it cannot be played."""
    _parts: list[Fragments] = attrs.field(factory=list, repr=False)
    _in_memory: int = 0
    _overflow: Overflow | None = attrs.field(default=None, repr=False)
    _overflown: int = 0
    _is_flat: bool = False
    """Whether memory is closed. From then on this is what the last fragments were:"""
    _context_id: int = 0
    _control: int = 0
    _missing: int = 0

    def add(self, fragments: Fragments, size: int) -> Kept:
        """Keep these, too; `size` is their `Fragments.size`, in bytes."""
        # The common case stands here in full: it runs for every read that crosses.
        raw, budget = fragments.raw, self._budget
        cost = len(raw) + FRAGMENTS_COST
        if fragments.listed is not None:
            cost += PIECE_COST * len(fragments.listed)
        in_memory = self._in_memory + cost
        used = budget.used_memory + cost
        if in_memory > self._window or used > budget.memory or type(raw) is not bytes:
            return self._keep(fragments, size)
        self._in_memory, budget.used_memory = in_memory, used
        self.size += size
        self._parts.append(fragments)
        return _YES

    def forget(self) -> None:
        """Free all that it takes; it cannot be played any more, nor added to."""
        self.is_lost = True
        self._budget.used_memory -= self._in_memory
        self._budget.used_disk -= self._overflown
        overflow, self._overflow = self._overflow, None
        self._parts, self._window = [], -1
        self.size = self._in_memory = self._overflown = 0
        if overflow is not None:
            overflow.close()

    def play(self) -> Playback:
        """All that was kept, from the start."""
        return Playback(self)

    def _keep(self, fragments: Fragments, size: int) -> Kept:
        if self.is_lost:
            return Kept.LOST
        if self._is_flat:
            return self._spill(fragments, size)
        budget, raw = self._budget, _compact(fragments.raw)
        cost = _held(raw) + FRAGMENTS_COST + PIECE_COST * len(fragments.listed or ())
        fits = self._in_memory + cost <= self._window and budget.used_memory + cost <= budget.memory
        if not fits and budget.used_disk < budget.disk:
            return self._spill(fragments, size)
        # Without room on disk either it stays here: no file is opened for what is too much anyway.
        fragments.raw = raw
        self._in_memory += cost
        budget.used_memory += cost
        self.size += size
        self._parts.append(fragments)
        return Kept.YES if fits else Kept.FULL

    def _spill(self, fragments: Fragments, size: int) -> Kept:
        budget = self._budget
        self._is_flat, self._window = True, -1
        try:
            if size:
                self._write(fragments)
        except OSError:
            self.forget()
            return Kept.LOST
        self.size += size
        self._overflown += size
        budget.used_disk += size
        self._context_id, self._control = fragments.context_id, fragments.control
        self._missing = fragments.missing
        is_full = budget.used_disk > budget.disk or self._overflown > budget.share
        return Kept.FULL if is_full else Kept.YES

    def _write(self, fragments: Fragments) -> None:
        if self._overflow is None:
            self._overflow = self._budget.overflow()
        # Views, where bodies() would copy.
        raw = memoryview(fragments.raw)
        self._overflow.write([raw[piece.start : piece.stop] for piece in fragments.pieces])

    def _read(self, at: int, size: int) -> bytes:
        """`size` bytes of the overflow; LostRecord when they cannot be had."""
        if not size:
            return b""
        assert self._overflow is not None
        try:
            data = self._overflow.read(at, size)
        except OSError as error:
            self.forget()
            raise LostRecord(f"an overflow failed: {error.strerror}") from error
        if len(data) != size:
            self.forget()
            raise LostRecord(f"an overflow gave {len(data)} bytes instead of {size}")
        return data


@attrs.define(eq=False)
class Playback:
    """One way through a record, from its start to what was added last."""

    _record: Record
    _played: int = 0
    """Parts in memory that were given."""
    _at: int = 0
    """Bytes of the overflow that were given."""
    _control: int = 0
    _missing: int = 0

    @property
    def is_done(self) -> bool:
        """Whether all that was kept so far has been given, and none of it is lost."""
        record = self._record
        if record.is_lost or self._played < len(record._parts):
            return False
        if not record._is_flat:
            return True
        # A header without a byte of body, or an empty last fragment, is still to be given.
        end = (record._control & LAST, record._missing)
        return self._at == record._overflown and (self._control & LAST, self._missing) == end

    def next(self) -> Fragments | None:
        """The next fragments; None when there are no more by now. LostRecord when they are lost."""
        record = self._record
        if record.is_lost:
            raise LostRecord("the record was forgotten")
        if self.is_done:
            return None
        if self._played < len(record._parts):
            fragments = record._parts[self._played]
            self._played += 1
        else:
            fragments = self._from_overflow(record._overflown - self._at)
        self._control, self._missing = fragments.control, fragments.missing
        return fragments

    def _from_overflow(self, left: int) -> Fragments:
        record = self._record
        if self._missing:
            # The fragment that was open where memory ended, or where the overflow did by then.
            size = min(self._missing, left, CHUNK)
            return self._made(None, size, self._control, self._missing - size)
        if left > CHUNK:
            return self._made(CHUNK, CHUNK, record._control & ~LAST, 0)
        # Up to the end, where it becomes the fragment that is still coming.
        return self._made(left + record._missing, left, record._control, record._missing)

    def _made(self, length: int | None, size: int, control: int, missing: int) -> Fragments:
        raw = self._record._read(self._at, size)
        self._at += size
        pieces = [Piece(length, 0, size)]
        context_id = self._record._context_id
        # Not passable: it has no headers.
        return Fragments(
            context_id,
            control,
            raw,
            size,
            missing,
            LARGEST_MAXIMUM_LENGTH,
            passable=False,
            listed=pieces,
        )


def _compact(raw: Buffer) -> Buffer:
    """The same bytes; a copy, where a view would keep alive more than twice as many."""
    return bytes(raw) if 2 * len(raw) < _held(raw) else raw


def _held(raw: Buffer) -> int:
    """Bytes that stay in memory with these."""
    return len(cast(bytes, raw.obj)) if isinstance(raw, memoryview) else len(raw)

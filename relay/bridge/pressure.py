"""Flow control: the slower side paces the faster one, and memory stays bounded.

A crossing holds no queue worth the name. What arrives from a source is written to a sink in the
same turn; when the sink's transport has more than its high-water mark unsent, it says so ("full"),
and the source whose message is on its way to it is not read from until it says "drained". So a
dataset of any size crosses with, at most, one read and one transport buffer in memory:

    source --read--> assembler --> delivery --> lane --write--> sink
       ^                                          |
       +------------- valve <---- full, drained --+

There is a second reason to stop reading: messages that may not leave yet, because a lease is still
being opened, or because another operation is outstanding and the window is one. `HELD_MAXIMUM`
bytes of a source are held, command sets included, so that an A-ABORT, a C-CANCEL or a release right
behind a small message is still read; with more than that, of one message or of many, the source is
stopped.

Reasons overlap: a source may wait for two things at once. Therefore a valve keeps the set of its
causes, and reads on when the last one is gone. A cause is closed and opened by whoever it is;
doing either twice is harmless. A source is never left stopped by a crossing that is done with it:
`retire` opens its valve whatever the causes, because nobody would come to open it later. Timers
that end a stall belong to those who own the stall (leg.py, downstream/protocol.py).
"""

from __future__ import annotations

import attrs

from relay.bridge.ports import Source

HELD_MAXIMUM = 64 * 1024
"""Bytes held of messages that may not leave yet, before their source is stopped."""


@attrs.define(eq=False)
class Valve:
    """Stops a source while there is a cause to."""

    source: Source
    _causes: set[object] = attrs.field(factory=set)
    _held: int = 0

    @property
    def is_open(self) -> bool:
        """Whether the source is being read from."""
        return not self._causes

    @property
    def is_overfull(self) -> bool:
        """Whether more of this source is held than may be: that alone stops it."""
        return self._held > HELD_MAXIMUM

    def close(self, cause: object) -> None:
        """Stop reading because of `cause`."""
        if not self._causes:
            self.source.pause()
        self._causes.add(cause)

    def open(self, cause: object) -> None:
        """`cause` is no more; read on when it was the last."""
        if cause in self._causes:
            self._causes.remove(cause)
            if not self._causes:
                self.source.resume()

    def hold(self, size: int) -> None:
        """`size` bytes more of this source are held."""
        self._held += size
        if self.is_overfull:
            self.close(self)

    def let_out(self, size: int) -> None:
        """`size` bytes of this source are not held any more."""
        self._held -= size
        if not self.is_overfull:
            self.open(self)

    def retire(self) -> None:
        """The crossing is done with the source: leave it open."""
        if self._causes:
            self._causes.clear()
            self.source.resume()

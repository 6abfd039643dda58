"""Flow control: the slower side paces the faster one, and memory stays bounded.

A crossing holds no queue worth the name. What arrives from a source is written to a sink in the
same turn; when the sink's transport has more than its high-water mark unsent, it says so ("full"),
and the source whose message is on its way to it is not read from until it says "drained". So a
dataset of any size crosses with, at most, one read and one transport buffer in memory:

    source --read--> assembler --> delivery --> lane --write--> sink
       ^                                          |
       +------------- valve <---- full, drained --+

There is a second reason to stop reading: a message that may not leave yet, because its lease is
still being opened, or because another operation is outstanding and the window is one. Its first
`HELD_MAXIMUM` bytes are held, so that an A-ABORT, a C-CANCEL or a release right behind a small
message is still read; with more than that the source is stopped.

Reasons overlap: a source may wait for two things at once. Therefore a valve keeps the set of its
causes, and reads on when the last one is gone. A cause is closed and opened by whoever it is;
doing either twice is harmless. That is all there is: no counters, no timers. Timers that end a
stall belong to those who own the stall (exchange.py).
"""

from __future__ import annotations

import attrs

from relay.bridge.ports import Source

HELD_MAXIMUM = 64 * 1024
"""Bytes held of a message that may not leave yet, before its source is stopped."""


@attrs.define(eq=False)
class Valve:
    """Stops a source while there is a cause to."""

    source: Source
    _causes: set[int] = attrs.field(factory=set)

    @property
    def is_open(self) -> bool:
        """Whether the source is being read from."""
        return not self._causes

    def close(self, cause: object) -> None:
        """Stop reading because of `cause`."""
        if not self._causes:
            self.source.pause()
        self._causes.add(id(cause))

    def open(self, cause: object) -> None:
        """`cause` is no more; read on when it was the last."""
        if id(cause) in self._causes:
            self._causes.remove(id(cause))
            if not self._causes:
                self.source.resume()

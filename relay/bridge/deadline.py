"""A time-out that is set with every operation, lifted with its end, and hardly ever comes.

To make a delayed call and to cancel it again for each of them costs as much as decoding its command
set. So one call is kept: to set it anew moves it, to lift it only says that nobody waits for it any
more. It is there, and does nothing, until it comes or `end` takes it back.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs

from relay.bridge.ports import Clock, DelayedCall, Timer


@attrs.define(eq=False)
class Deadline:
    """A `Timer` that can be set again and again; one thing at a time waits for it."""

    clock: Clock
    _call: DelayedCall | None = None
    _due: Callable[[], object] | None = attrs.field(default=None, repr=False)

    def set(self, delay: float, due: Callable[[], object]) -> Timer:
        """Call `due` in `delay` seconds, and not whatever was to be called so far."""
        self._due = due
        if self._call is None:
            self._call = self.clock.callLater(delay, self._come)
        else:
            self._call.reset(delay)
        return self

    def cancel(self) -> None:
        """Never mind; it is likely to be set again."""
        self._due = None

    def active(self) -> bool:
        """Whether anything is due."""
        return self._due is not None

    def end(self) -> None:
        """Never mind, for good."""
        self._due = None
        call, self._call = self._call, None
        if call is not None:
            call.cancel()

    def _come(self) -> None:
        self._call = None
        due, self._due = self._due, None
        if due is not None:
            due()

"""Who waits for an association of one upstream, in the order of their coming.

A waiter keeps its place until it is served or gives up, whatever is tried for it in between: an
association that is being opened may be rejected for congestion, a resting one that is asked whether
it is alive may be dead.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from relay.upstream.pool import Request
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.negotiation import Offer


@attrs.define(eq=False)
class Waiter:
    """Somebody waits for an association.

    `offer` is what a new one proposes; `timeout` is how long to wait, and how long a new one may
    take to open, in seconds. `opening` is being opened for it; `is_asking`: a resting one is being
    asked whether it is alive.
    """

    request: Request
    offer: Offer
    timeout: float
    result: Deferred[UpstreamAssociation]
    is_probe: bool = False
    timer: IDelayedCall | None = None
    opening: UpstreamAssociation | None = None
    is_asking: bool = False


@attrs.define(eq=False)
class Line:
    """All waiters of one upstream."""

    _waiters: dict[Waiter, None] = attrs.field(factory=dict)

    def __iter__(self) -> Iterator[Waiter]:
        """All of them; those that come and go meanwhile do no harm."""
        return iter(list(self._waiters))

    def __contains__(self, waiter: Waiter) -> bool:
        return waiter in self._waiters

    def __len__(self) -> int:
        """How many there are."""
        return len(self._waiters)

    @property
    def waiting(self) -> list[Waiter]:
        """Those for whom nothing is tried now."""
        return [each for each in self if each.opening is None and not each.is_asking]

    @property
    def requests(self) -> dict[Request, Waiter]:
        """Those that could use an association, by their requests."""
        return {each.request: each for each in self if not each.is_asking}

    @property
    def called(self) -> set[Request]:
        """The requests for which an association is being opened."""
        return {each.request for each in self if each.opening is not None}

    def leave(self, waiter: Waiter) -> None:
        """It waits no more."""
        self._waiters.pop(waiter, None)
        if waiter.timer is not None and waiter.timer.active():
            waiter.timer.cancel()

    def join(self, waiter: Waiter) -> None:
        """It waits, behind all others; a probe ahead of them: they wait for what it will show."""
        if waiter.is_probe:
            self._waiters = {waiter: None, **self._waiters}
        else:
            self._waiters[waiter] = None

    def serve(self, waiter: Waiter, association: UpstreamAssociation) -> None:
        """Here is its association."""
        self.leave(waiter)
        waiter.result.callback(association)

    def turn_away(self, waiter: Waiter, why: Exception) -> None:
        """There is none for it."""
        self.leave(waiter)
        waiter.result.errback(why)

"""Who waits for an association of one upstream, and in which order they are served.

Callers take turns, by AE title: a modality that wants one association waits for one of another's,
not for all sixty that the other one wants. Who was served longest ago is next; among the waiters of
one caller it is the one that came first. Where too many wait the last in this order is turned away.

A waiter keeps its place until it is served or gives up, whatever is tried for it in between: an
association that is being opened may be rejected for congestion, a resting one that is asked whether
it is alive may be dead.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Iterator
from itertools import count

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall

from relay.upstream.pool import Request
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.negotiation import Offer

MOST_TURNS = 1024
"""Callers whose last turn is remembered."""


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
    _turns: OrderedDict[bytes, int] = attrs.field(factory=OrderedDict)
    """When callers were served last, by number."""
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))

    def __iter__(self) -> Iterator[Waiter]:
        """All of them; those that come and go meanwhile do no harm."""
        return iter(list(self._waiters))

    def __contains__(self, waiter: Waiter) -> bool:
        return waiter in self._waiters

    def __len__(self) -> int:
        """How many there are."""
        return len(self._waiters)

    @property
    def in_turn(self) -> list[Waiter]:
        """All of them, in the order in which they are to be served; a probe comes first, because
        the others wait for what it will show."""
        if len(self._waiters) < 2:
            return list(self._waiters)
        ahead: Counter[bytes] = Counter()
        places: dict[Waiter, tuple[bool, int, int]] = {}
        for each in self._waiters:
            caller = each.request.caller
            places[each] = (not each.is_probe, ahead[caller], self._turns.get(caller, 0))
            ahead[caller] += 1
        return sorted(self._waiters, key=places.__getitem__)

    @property
    def waiting(self) -> list[Waiter]:
        """Those for whom nothing is tried now."""
        return [each for each in self.in_turn if each.opening is None and not each.is_asking]

    @property
    def requests(self) -> dict[Request, Waiter]:
        """Those that could use an association, by their requests."""
        return {each.request: each for each in self.in_turn if not each.is_asking}

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
        """It waits."""
        self._waiters[waiter] = None

    def serve(self, waiter: Waiter, association: UpstreamAssociation) -> None:
        """Here is its association."""
        self.leave(waiter)
        caller = waiter.request.caller
        self._turns[caller] = next(self._numbers)
        self._turns.move_to_end(caller)
        if len(self._turns) > MOST_TURNS:
            self._turns.popitem(last=False)
        waiter.result.callback(association)

    def turn_away(self, waiter: Waiter, why: Exception) -> None:
        """There is none for it."""
        self.leave(waiter)
        waiter.result.errback(why)

"""Probes: the relay asks on its own behalf whether an upstream is well.

One that is out is asked as soon as it may be tried, so that callers need not find out; one that has
failed at once, so that no more of them find out than have to; the others in regular intervals,
where that is wanted. A probe is an association for Verification, opened for
this, and a C-ECHO on it. An archive that rejects it for who asks, or knows no Verification, is well
as far as can be seen.
"""

from __future__ import annotations

from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from relay.policy.showing import Titles
from relay.upstream.condition import Condition
from relay.upstream.echo import ONLY_VERIFICATION, echo, echo_context
from relay.upstream.ends import NotAccepted, Unreachable
from relay.upstream.pool import Key, Request
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.negotiation import Offer


class Acquire(Protocol):
    """How to come by an association: see `Keeper.acquire`."""

    def __call__(
        self, request: Request, offer: Offer, timeout: float, *, is_probe: bool
    ) -> Deferred[UpstreamAssociation]: ...


@attrs.define(eq=False)
class Prober:
    """Probes one upstream, showing it the AE title in `titles`.

    `interval` is between probes of an upstream that is well, 0: none; `timeout` is for the
    association, and again for the C-ECHO. All are seconds.
    """

    log = Logger()

    clock: IReactorTime
    condition: Condition
    acquire: Acquire
    titles: Titles
    interval: float
    timeout: float
    is_allowed: bool = True
    """Whether it may be probed at all, or is being taken out."""
    _last: float | None = None
    _timer: IDelayedCall | None = None
    _scheduled: float | None = None
    _is_probing: bool = False

    def start(self) -> None:
        """From now on look after one that is well, too."""
        self._last = self.clock.seconds()
        self.tend()

    def tend(self) -> None:
        """Something may be different: see to it that the next probe comes when it is due."""
        due = None if self._is_probing or not self.is_allowed else self._due()
        if due == self._scheduled:
            return
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._scheduled = due
        if due is not None:
            self._timer = self.clock.callLater(max(0.0, due - self.clock.seconds()), self._probe)

    def _due(self) -> float | None:
        """When the next probe is due; None: there is no need for one."""
        health = self.condition.health
        if self.condition.is_out:
            # It may not have come to a verdict the last time: not again at once.
            last = self._last if self._last is not None else health.out_since
            return max(health.retry_at, last + health.judgement.shortest)
        if self.condition.is_in_doubt:
            soonest = 0.0 if self._last is None else self._last + health.judgement.shortest
            return max(self.clock.seconds(), soonest)
        if self.interval > 0 and self._last is not None:
            return self._last + self.interval
        return None

    def _probe(self) -> None:
        self._is_probing, self._scheduled = True, None
        probing = Deferred.fromCoroutine(self._ask())
        probing.addErrback(lambda failure: self.log.failure("a probe failed", failure))
        probing.addCallback(lambda _: self._done())

    def _done(self) -> None:
        self._is_probing = False
        self._last = self.clock.seconds()
        self.tend()

    async def _ask(self) -> None:
        request = Request(Key(self.titles), fresh=True)
        try:
            association = await self.acquire(
                request, ONLY_VERIFICATION, self.timeout, is_probe=True
            )
        except (CancelledError, NotAccepted, Unreachable):
            return
        context_id = echo_context(association)
        if context_id is None or await echo(association, context_id, self.clock, self.timeout):
            self.condition.proved()
            association.release()
        elif self.condition.is_out or self.condition.is_in_doubt:
            self.condition.unreachable("C-ECHO was not answered")

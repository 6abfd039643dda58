"""One upstream's associations: carries out what pool.assign decides.

The keeper knows every association with its upstream, from dialling to the end, and everybody who
waits for one. Whenever either changes it asks `assign` again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger

from relay.upstream.answers import Answers
from relay.upstream.dialer import Dialer
from relay.upstream.pool import HandOut, Member, Open, Phase, Request, assign, surplus
from relay.upstream.protocol import Unreachable, UpstreamAssociation
from relay.wire.negotiation import Offer

SHORTEST_AVOIDANCE = 1.0
LONGEST_AVOIDANCE = 30.0
"""Seconds for which an upstream that failed is tried last; doubling while it goes on failing."""


@attrs.frozen
class Limits:
    """Associations at most, idle ones at most, and seconds that one may be idle."""

    maximum: int
    max_idle: int
    idle_timeout: float


@attrs.define(eq=False)
class Waiter:
    """Somebody waits for an association; `offer` is what a new one proposes."""

    request: Request
    offer: Offer
    result: Deferred[UpstreamAssociation]
    dialling: Deferred[object] | None = None
    association: UpstreamAssociation | None = None


class Keeper:
    """Keeps the associations with one upstream."""

    log = Logger()

    def __init__(self, name: str, clock: IReactorTime, dialer: Dialer, limits: Limits) -> None:
        self.name = name
        self.clock = clock
        self.dialer = dialer
        self.limits = limits
        self.answers = Answers(clock)
        self.is_reachable = True
        self.peer_maximum: int | None = None
        self._avoidance = 0.0
        self._avoid_until = 0.0
        self._members: dict[UpstreamAssociation, Member] = {}
        self._expiries: dict[UpstreamAssociation, IDelayedCall] = {}
        self._waiting: list[Waiter] = []
        self._opening: dict[UpstreamAssociation, Waiter] = {}
        self._connections: set[UpstreamAssociation] = set()
        self._is_assigning = False
        self._is_stopped = False

    def __repr__(self) -> str:
        phases = [member.phase for member in self._members.values()]
        counts = ", ".join(f"{phases.count(phase)} {phase.name.lower()}" for phase in Phase)
        return f"<Keeper {self.name}: {counts}, {len(self._waiting)} waiting>"

    @property
    def busy(self) -> int:
        """Associations at work, or being waited for."""
        working = sum(member.phase is not Phase.IDLE for member in self._members.values())
        return working + len(self._waiting)

    @property
    def is_failing(self) -> bool:
        """Whether it failed a moment ago."""
        return self.clock.seconds() < self._avoid_until

    def acquire(
        self, request: Request, offer: Offer, timeout: float
    ) -> Deferred[UpstreamAssociation]:
        """An association for `request`, in `timeout` seconds; cancel to give up.

        Fails with `Unreachable`, or `NotAccepted`. A new association may hold less than what was
        requested: the upstream decides.
        """
        result: Deferred[UpstreamAssociation] = Deferred(lambda _: self._call_off(waiter))
        waiter = Waiter(request, offer, result)
        self._waiting.append(waiter)
        result.addTimeout(timeout, self.clock, self._timed_out(waiter))
        self._assign()
        return result

    def leave(self, private: int) -> None:
        """Release what was made for the crossing `private` alone."""
        for association, member in list(self._members.items()):
            if member.key.private == private and member.phase is Phase.IDLE:
                association.release()

    def stop(self) -> Deferred[list[tuple[bool, None]]]:
        """Release what is idle, drop the rest; fires when all connections are closed."""
        self._is_stopped = True
        for waiter in [*self._waiting, *self._opening.values()]:
            waiter.result.cancel()
        closed = [association.closed for association in self._connections]
        for association, member in list(self._members.items()):
            if member.phase is Phase.IDLE:
                association.release()
            else:
                association.drop()
        return DeferredList(closed)

    # from the associations

    def opened(self, association: UpstreamAssociation) -> None:
        """It is established."""
        waiter = self._opening.pop(association)
        self.is_reachable, self._avoidance, self._avoid_until = True, 0.0, 0.0
        assert association.answer is not None
        self.peer_maximum = association.answer.maximum
        member = self._members[association]
        member.phase, member.contexts = Phase.LEASED, frozenset(association.contexts)
        waiter.result.callback(association)

    def refused(self, association: UpstreamAssociation, why: Exception) -> None:
        """It did not come to be: `Unreachable` or `NotAccepted`."""
        waiter = self._opening.pop(association, None)
        self._members.pop(association, None)
        if waiter is not None:
            if isinstance(why, Unreachable):
                self._avoid()
            self.log.warn("upstream {name}: {why}", name=self.name, why=why)
            waiter.result.errback(why)
        self._assign()

    def returned(self, association: UpstreamAssociation) -> None:
        """Its lease is over; others may use it."""
        member = self._members[association]
        member.phase, member.since = Phase.IDLE, self.clock.seconds()
        self._assign()
        if member.phase is Phase.IDLE and association in self._members:
            timeout = self.limits.idle_timeout
            self._expiries[association] = self.clock.callLater(timeout, association.release)
        for each in surplus(self._members.values(), self.limits.max_idle):
            if each.phase is Phase.IDLE:
                self._association_of(each).release()

    def gone(self, association: UpstreamAssociation, failed: bool) -> None:
        """It is no more; `failed`: not as associations ought to end."""
        self._members.pop(association, None)
        self._stop_expiry(association)
        if failed:
            # The next offer is asked, not answered from memory.
            self.is_reachable = False
        self._assign()

    # within

    def _assign(self) -> None:
        """Carry out steps until there is none; what one causes waits for the next round."""
        if self._is_assigning or self._is_stopped:
            return
        self._is_assigning = True
        try:
            while self._waiting and self._carry_out():
                pass
        finally:
            self._is_assigning = False

    def _carry_out(self) -> bool:
        """Carry out the first step that can be, which may change everything; whether one could."""
        requests = {waiter.request: waiter for waiter in self._waiting}
        steps = assign(requests, self._members.values(), self.limits.maximum)
        step = next((each for each in steps if not isinstance(each, Open) or self._has_room), None)
        if step is None:
            return False
        if isinstance(step, HandOut):
            self._hand_out(requests[step.request], step.member)
        elif isinstance(step, Open):
            self._open(requests[step.request])
        else:
            self._association_of(step.member).release()
        return True

    @property
    def _has_room(self) -> bool:
        """Whether one more can be opened: to the upstream those that are just ending count, too."""
        return len(self._connections) < self.limits.maximum

    def _disconnected(self, association: UpstreamAssociation) -> None:
        self._connections.discard(association)
        self._assign()

    def _hand_out(self, waiter: Waiter, member: Member) -> None:
        association = self._association_of(member)
        if not association.is_idle:
            # Closed by the archive, or about to be: nobody notices, the next round opens another.
            del self._members[association]
            self._stop_expiry(association)
            association.drop()
            return
        self._waiting.remove(waiter)
        self._stop_expiry(association)
        member.phase = Phase.LEASED
        waiter.result.callback(association)

    def _open(self, waiter: Waiter) -> None:
        self._waiting.remove(waiter)
        key = waiter.request.key
        association = self.dialer.association(self, key.calling_field, waiter.offer)
        self._members[association] = Member(key)
        self._opening[association] = waiter
        waiter.association = association
        self._connections.add(association)
        association.closed.addCallback(lambda _: self._disconnected(association))
        waiter.dialling = self.dialer.dial(association)

    def _call_off(self, waiter: Waiter) -> None:
        """Nobody waits any more."""
        if waiter in self._waiting:
            self._waiting.remove(waiter)
        association = waiter.association
        if association is not None and self._opening.pop(association, None) is not None:
            self._members.pop(association, None)
            if waiter.dialling is not None:
                waiter.dialling.cancel()
            association.drop()
            self._assign()

    def _timed_out(self, waiter: Waiter) -> Callable[[object, float], NoReturn]:
        def on_timeout(_: object, timeout: float) -> NoReturn:
            waited = "a free association" if waiter.association is None else "an answer"
            why = Unreachable(f"waited {timeout:g} s for {waited}")
            if waiter.association is not None:
                self._avoid()
            self.log.warn("upstream {name}: {why}", name=self.name, why=why)
            raise why

        return on_timeout

    def _avoid(self) -> None:
        self.is_reachable = False
        longer = max(SHORTEST_AVOIDANCE, 2 * self._avoidance)
        self._avoidance = min(LONGEST_AVOIDANCE, longer)
        self._avoid_until = self.clock.seconds() + self._avoidance

    def _association_of(self, member: Member) -> UpstreamAssociation:
        return next(each for each, its in self._members.items() if its is member)

    def _stop_expiry(self, association: UpstreamAssociation) -> None:
        timer = self._expiries.pop(association, None)
        if timer is not None and timer.active():
            timer.cancel()

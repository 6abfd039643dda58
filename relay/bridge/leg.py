"""A crossing's dealings with one pool: the upstream that it keeps to, and the lease in use.

Affinity binds the upstream, the lease binds an association of it: between operations the lease goes
back, by the rules of policy/leasing.py, and the next operation asks for one at the same upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import attrs

from relay.bridge.operation import Operation
from relay.bridge.party import Party
from relay.bridge.ports import (
    Asked,
    Clock,
    ContextRefused,
    Lease,
    LeaseResult,
    Timer,
    Unavailable,
    Upstreams,
    Wanted,
)
from relay.policy.leasing import HOLDS, WANTS_ALL_CONTEXTS, Hold
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.negotiation import Context
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss

SHORTEST_LINGER = 1.0
"""Seconds between looks at a lease that is kept only until the caller has answered its upstream."""


class LegUser(Protocol):
    """Who hears what comes from the leg's upstream."""

    def received(self, party: Party, fragments: Fragments) -> None:
        """Fragments came. ProtocolError where they should not have."""

    def lost(self, party: Party) -> None:
        """The upstream association is gone, with whatever was under way on it."""

    def is_busy(self, party: Party) -> bool:
        """Whether an operation that `party` invoked or performs is outstanding."""


@attrs.define(eq=False)
class Leg:
    """The way to one pool.

    `contexts` are the contexts of this pool that were accepted, by the caller's ids; `upstream` is
    the one to keep to.
    """

    asked: Asked
    contexts: Mapping[int, Context]
    upstream: str
    upstreams: Upstreams
    clock: Clock
    user: LegUser
    party: Party | None = None
    _lease: Lease | None = None
    _call_off: Callable[[], None] | None = None
    _keeps: bool = False
    _is_closed: bool = False
    _linger: Timer | None = None
    _stall: Timer | None = None

    @property
    def response_timeout(self) -> float:
        """Seconds that a response of the upstream at work may take."""
        return self._lease.manners.response_timeout if self._lease is not None else 0.0

    def obtain(
        self,
        operation: Operation,
        ready: Callable[[Party], None],
        failed: Callable[[ContextRefused | Unavailable], None],
    ) -> None:
        """A party that can perform `operation`, at the lease in hand or at a new one."""
        self._stop_lingering()
        everything = operation.field in WANTS_ALL_CONTEXTS
        exactly = frozenset(self.contexts.values()) if everything else None
        if self.party is not None and self._suits(operation.context, exactly):
            ready(self.party)
            return
        self._change()
        if self._is_closed:
            return

        wanted = Wanted(self.asked, operation.context, exactly, self.upstream)
        answered = False

        def done(result: LeaseResult) -> None:
            nonlocal answered
            answered, self._call_off = True, None
            if isinstance(result, ContextRefused | Unavailable):
                failed(result)
            else:
                ready(self._take(result))

        call_off = self.upstreams.lease(wanted, done)
        if not answered:
            self._call_off = call_off

    def _change(self) -> None:
        """The lease in hand, if any, does not do."""
        if self.party is not None and self.user.is_busy(self.party):
            self.fail("it awaits an answer, but the caller goes on to what it does not hold")
        else:
            self.let_go()

    def done(self, field: int) -> None:
        """An operation is complete: keep the lease, for a while, or not at all."""
        hold = HOLDS[field]
        if self._lease is None or self._keeps:
            return
        if hold is Hold.ASSOCIATION:
            self._keeps = True
        else:
            delay = self._lease.manners.linger
            if hold is Hold.LINGER and delay > 0:
                self._linger = self.clock.callLater(delay, self._let_go_if_idle)
            else:
                self._let_go_if_idle()

    def _let_go_if_idle(self) -> None:
        assert self._lease is not None and self.party is not None
        if self.user.is_busy(self.party):
            # The upstream has asked the caller something of its own in the meantime.
            delay = self._lease.manners.linger or SHORTEST_LINGER
            self._linger = self.clock.callLater(delay, self._let_go_if_idle)
        else:
            self.let_go()

    def let_go(self) -> None:
        """Give the lease back; abort it if anything is unfinished on it."""
        lease, party = self._lease, self.party
        # Who leased a full one next would not be told that it is.
        ends = self._keeps or (party is not None and party.lane.is_full)
        self._part()
        if lease is None or party is None:
            return
        if not party.is_clean:
            lease.abort("a message is incomplete")
        elif ends:
            lease.release()
        else:
            lease.give_back()

    def close(self) -> None:
        """The crossing is over."""
        self._is_closed = True
        if self._call_off is not None:
            self._call_off()
            self._call_off = None
        if self.party is not None and self.user.is_busy(self.party):
            self.drop("the caller has gone in the middle of an operation")
        else:
            self.let_go()

    def drop(
        self,
        why: str,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """Abort the upstream association, and be done with it."""
        lease = self._lease
        self._part()
        if lease is not None:
            lease.abort(why, source, reason)

    def fail(
        self,
        why: str,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """Abort the upstream association: it broke the rules, or its time is up."""
        party = self.party
        self.drop(why, source, reason)
        if party is not None:
            self.user.lost(party)

    # from the lease

    def lease_data(self, fragments: Fragments) -> None:
        """Fragments of a message; nonsense ends the association."""
        assert self.party is not None
        try:
            self.user.received(self.party, fragments)
        except ProtocolError as error:
            self.fail(f"protocol error: {error}", error.source, error.reason)

    def lease_full(self) -> None:
        """The upstream takes no more: stop the caller, and don't wait forever."""
        assert self.party is not None and self._lease is not None
        self.party.lane.full()
        if self._stall is None:
            # A transport says so with every write, not only the first time.
            timeout = self._lease.manners.stall_timeout
            why = f"took nothing for {timeout:g} s"
            self._stall = self.clock.callLater(timeout, self.fail, why)

    def lease_drained(self) -> None:
        """The upstream takes more."""
        assert self.party is not None
        self._stop_stall()
        self.party.lane.drained()

    def lease_lost(self, loss: Loss) -> None:
        """The upstream association is gone."""
        party = self.party
        assert party is not None
        self._part()
        self.user.lost(party)

    # within

    def _suits(self, context: Context, exactly: frozenset[Context] | None) -> bool:
        assert self._lease is not None
        held = self._lease.contexts
        return context in held if exactly is None else held.keys() == exactly

    def _take(self, lease: Lease) -> Party:
        self._lease = lease
        self.upstream = lease.upstream
        self.party = Party.of(lease, lease, lease.held)
        lease.use(self)
        return self.party

    def _part(self) -> None:
        """Be without a lease."""
        self._stop_lingering()
        self._stop_stall()
        party = self.party
        self._lease = self.party = None
        self._keeps = False
        if party is not None:
            party.retire()

    def _stop_lingering(self) -> None:
        _stop(self._linger)
        self._linger = None

    def _stop_stall(self) -> None:
        _stop(self._stall)
        self._stall = None


def _stop(timer: Timer | None) -> None:
    if timer is not None and timer.active():
        timer.cancel()

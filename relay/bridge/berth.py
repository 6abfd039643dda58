"""A lease in use: the party at its far end, and the timers that a leased association needs."""

from __future__ import annotations

from typing import Protocol

import attrs

from relay.bridge.deadline import Deadline
from relay.bridge.party import Party
from relay.bridge.ports import Clock, Fault, Lease, Timer
from relay.policy.leasing import HOLDS, Hold, Reuse
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss

SHORTEST_LINGER = 1.0
"""Seconds between looks at a lease that is kept only until the caller has answered its upstream."""


class BerthUser(Protocol):
    """Who hears what comes from a leased association."""

    def received(self, party: Party, fragments: Fragments) -> None:
        """Fragments came. ProtocolError where they should not have."""

    def lost(self, berth: Berth, is_overdue: bool) -> None:
        """The association is gone, with whatever was under way on it.

        `is_overdue`: because it took too long.
        """

    def is_busy(self, party: Party) -> bool:
        """Whether an operation that `party` invoked or performs is outstanding."""


@attrs.define(eq=False)
class Berth:
    """One lease in use; `user` hears of it."""

    lease: Lease
    user: BerthUser
    clock: Clock
    party: Party = attrs.field(init=False)
    is_over: bool = False
    """Whether the lease has ended."""
    is_kept: bool = False
    """Whether it is held to the end of the crossing."""
    response: Deadline = attrs.field(init=False)
    """For the response to the operation that is performed on it."""
    _linger: Deadline = attrs.field(init=False)
    _stall: Timer | None = None

    def __attrs_post_init__(self) -> None:
        self.response, self._linger = Deadline(self.clock), Deadline(self.clock)
        self.party = Party.of(self.lease, self.lease, self.lease.held)
        self.lease.use(self)

    @property
    def is_free(self) -> bool:
        """Whether it could take another operation."""
        return not self.is_over and not self.user.is_busy(self.party)

    # the end of an operation, and of the lease

    def take(self) -> None:
        """An operation begins on it."""
        self._linger.cancel()
        self.lease.begin()

    def done(self, field: int) -> None:
        """An operation is complete: keep the lease, for a while, or not at all."""
        self._linger.cancel()
        if self.is_over or self.is_kept:
            return
        hold, delay = HOLDS[field], self.lease.manners.linger
        if hold is Hold.ASSOCIATION or self.lease.manners.reuse is Reuse.CALLER:
            self.is_kept = True
        elif hold is Hold.LINGER and delay > 0 and not self.lease.is_recalled:
            self._linger.set(delay, self._let_go_if_idle)
        else:
            self._let_go_if_idle()

    def _let_go_if_idle(self) -> None:
        """Give the lease back, as soon as the caller has answered what its upstream has asked."""
        if self.user.is_busy(self.party):
            delay = self.lease.manners.linger or SHORTEST_LINGER
            self._linger.set(delay, self._let_go_if_idle)
        else:
            self.let_go()

    def let_go(self) -> None:
        """Give the lease back; abort it if anything is unfinished on it."""
        # Who leased a full one next would not be told that it is.
        ends = self.is_kept or self.party.lane.is_full
        if not self._part():
            return
        if not self.party.is_clean:
            self.lease.abort("a message is incomplete", Fault.ELSEWHERE)
        elif ends:
            self.lease.release()
        else:
            self.lease.give_back()

    def close(self) -> None:
        """The crossing is over."""
        if self.user.is_busy(self.party):
            self.drop("the caller has gone in the middle of an operation", Fault.ELSEWHERE)
        else:
            self.let_go()

    def drop(
        self,
        why: str,
        fault: Fault,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> bool:
        """Abort the association, and be done with it; whether the lease was still in use."""
        is_ours = self._part()
        if is_ours:
            self.lease.abort(why, fault, source, reason)
        return is_ours

    def overdue(self, why: str) -> None:
        """Abort the association, whose time is up, and say so."""
        if self.drop(why, Fault.UPSTREAM):
            self.user.lost(self, is_overdue=True)

    # from the lease

    def lease_data(self, fragments: Fragments) -> None:
        """Fragments of a message; nonsense ends the association."""
        try:
            self.user.received(self.party, fragments)
        except ProtocolError as error:
            why = f"protocol error: {error}"
            if self.drop(why, Fault.UPSTREAM, error.source, error.reason):
                self.user.lost(self, is_overdue=False)

    def lease_full(self) -> None:
        """The upstream takes no more: stop the caller, and don't wait forever."""
        self.party.lane.full()
        if self._stall is None:
            # A transport says so with every write, not only the first time.
            timeout = self.lease.manners.stall_timeout
            why = f"took nothing for {timeout:g} s"
            self._stall = self.clock.callLater(timeout, self.overdue, why)

    def lease_drained(self) -> None:
        """The upstream takes more."""
        self._stop_stall()
        self.party.lane.drained()

    def lease_lost(self, loss: Loss) -> None:
        """The association is gone."""
        self._part()
        self.user.lost(self, is_overdue=False)

    # within

    def _part(self) -> bool:
        """The lease ends here; whether it was still in use."""
        if self.is_over:
            return False
        self.is_over = True
        self.response.end()
        self._linger.end()
        self._stop_stall()
        self.party.retire()
        return True

    def _stop_stall(self) -> None:
        if self._stall is not None and self._stall.active():
            self._stall.cancel()
        self._stall = None

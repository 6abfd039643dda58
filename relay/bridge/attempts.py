"""The caller's operations are performed by upstreams: by a second one, where the first fails.

    obtain a berth --> perform --> all of the request has left --> response
         ^                |                  |
         |                +--- lost, overdue-+---> may it be sent again? --no--> told, or aborted
         |                                                |yes
         +------------------- rewind <--------------------+

What may be sent again, and where, is decided in policy/failover.py; how often a pool bears it, by
its bank. Meanwhile the caller goes on sending: its request is recorded from the first byte
(delivery.py). It hears of a failure only when there is no more to be tried, and then the rest of
its request is taken and forgotten first, up to a bound: most callers read nothing while they send.
"""

from __future__ import annotations

from functools import partial
from typing import Protocol

import attrs

from relay.bridge.berth import Berth
from relay.bridge.leg import Leg
from relay.bridge.operation import Operation
from relay.bridge.outcome import Outcome
from relay.bridge.party import Party
from relay.bridge.ports import Clock, ContextRefused, Fault, Unavailable, Upstreams
from relay.policy.failing import context_refused_status, failure_status, too_large_status
from relay.policy.failover import Failure, after
from relay.policy.leasing import OPEN_ENDED
from relay.wire.command import Status


class AttemptsUser(Protocol):
    """Who has operations performed."""

    def requested(self, operation: Operation) -> None:
        """All of the request has left."""

    def finish(self, operation: Operation) -> None:
        """The operation is complete, save for what is left of its request."""

    def refuse(self, operation: Operation, status: Status) -> None:
        """The operation failed: this is what its invoker is to be told."""

    def discard(self, operation: Operation) -> None:
        """Take the rest of the request, up to a bound, and forget it."""

    def give_up(self, operation: Operation) -> None:
        """The operation failed, and there is no status to say so with."""

    def lost(self, berth: Berth, is_overdue: bool) -> None:
        """The association is gone, with whatever was under way on it."""

    def is_waiting_for_the_caller(self, performer: Party) -> bool:
        """Whether it is the caller that keeps `performer` from being heard."""


@attrs.define(eq=False)
class Attempts:
    """Has the operations of one crossing's caller performed, each by an upstream of its leg."""

    upstreams: Upstreams
    clock: Clock
    outcome: Outcome
    user: AttemptsUser

    def obtain(self, operation: Operation) -> None:
        """Have `operation` performed."""
        if operation.is_refused:
            # While it was found out who it is for.
            return
        operation.stop_timer()
        self._leg(operation).obtain(
            operation, partial(self._perform, operation), partial(self._unobtainable, operation)
        )

    def _leg(self, operation: Operation) -> Leg:
        assert operation.leg is not None, "it is the caller's, and has been addressed"
        return operation.leg

    def _perform(self, operation: Operation, berth: Berth) -> None:
        is_broken = operation.request.is_broken
        if is_broken:
            # What was recorded was lost while it waited for this lease, which is as good as new.
            self.fail(operation)
        if is_broken or operation.is_refused:
            if berth.is_free:
                berth.let_go()
            return
        self.outcome.went_by(berth.lease.upstream)
        operation.berth, performer = berth, berth.party
        performed_on = performer.id_of(operation.context, operation.context_id)
        assert performed_on is not None, "a lease holds the context that it was leased for"
        berth.take()
        operation.request.done = partial(self.user.requested, operation)
        operation.request.broken = partial(self._broken, operation)
        operation.perform(performer, performed_on)

    def _unobtainable(self, operation: Operation, why: ContextRefused | Unavailable) -> None:
        pool = self._leg(operation).asked.pool
        if isinstance(why, ContextRefused):
            self.outcome.note(f"pool {pool} does not take it")
            self.user.refuse(operation, context_refused_status(operation.field))
        else:
            self.outcome.note(f"pool {pool} cannot be reached")
            self.fail(operation)

    # while it is performed

    def await_response(self, operation: Operation) -> None:
        """Give the performer its time for a whole response."""
        berth = operation.berth
        assert berth is not None
        if operation.field not in OPEN_ENDED:
            timeout = berth.lease.manners.response_timeout
            operation.timer = berth.response.set(
                timeout, partial(self._overdue, operation, timeout)
            )

    def _overdue(self, operation: Operation, timeout: float) -> None:
        """Time is up, unless it is the caller who takes it, or another upstream's message to it."""
        assert operation.performer is not None and operation.berth is not None
        if self.user.is_waiting_for_the_caller(operation.performer):
            self.await_response(operation)
        else:
            operation.berth.overdue(f"no response in {timeout:g} s")

    def answered(self, operation: Operation, status: int) -> None:
        """The performer's last response has come."""
        assert operation.berth is not None
        since = operation.requested_at
        seconds = 0.0 if since is None else self.clock.seconds() - since
        operation.berth.lease.answered(status, seconds)

    # when it fails

    def lost(self, operation: Operation, berth: Berth, is_overdue: bool) -> None:
        """The association that performed `operation` is gone."""
        operation.stop_timer()
        if operation.response is not None and operation.response.ended:
            # It said what became of the operation before it went: the rest is of no use to anyone.
            operation.request.done = partial(self.user.finish, operation)
            self.user.discard(operation)
        elif self._may_go_elsewhere(operation):
            is_ambiguous = operation.request.is_complete
            is_stale = berth.lease.is_stale and not is_overdue
            operation.failures.append(
                Failure(berth.lease.upstream, is_stale, is_overdue, is_ambiguous)
            )
            self._try_again(operation)
        else:
            self.fail(operation)

    def _may_go_elsewhere(self, operation: Operation) -> bool:
        begun = operation.response is not None or operation.has_pending
        is_cancelled = operation.cancel is not None
        return not begun and not is_cancelled and operation.request.can_be_rewound

    def _try_again(self, operation: Operation) -> None:
        choice = after(operation.field, operation.failures)
        pool = self._leg(operation).asked.pool
        pause = None if choice is None else self.upstreams.pause_before_retry(pool)
        if choice is None or pause is None:
            self.fail(operation)
            return
        self.outcome.resent += 1
        self.outcome.ambiguous += operation.failures[-1].is_ambiguous
        operation.rewind(choice)
        if pause > 0:
            operation.timer = self.clock.callLater(pause, self.obtain, operation)
        else:
            self.obtain(operation)

    def _broken(self, operation: Operation) -> None:
        """Part of the request has left, and the rest of it is lost."""
        berth = operation.berth
        assert berth is not None
        operation.stop_timer()
        berth.drop("what was recorded of an object is lost", Fault.ELSEWHERE)
        operation.berth = operation.performer = None
        self.fail(operation)
        self.user.lost(berth, is_overdue=False)

    def too_large(self, operation: Operation) -> None:
        """Its dataset is longer than is taken: whoever performs it does not get the rest."""
        self.outcome.note("an object was larger than max_object")
        berth, status = operation.berth, too_large_status(operation.field)
        if berth is None:
            self.user.refuse(operation, status)
            return
        berth.drop("the caller's object was too large", Fault.REFUSED)
        if not operation.is_final:
            operation.berth = operation.performer = None
            self.user.refuse(operation, status)
        self.user.lost(berth, is_overdue=False)

    def fail(self, operation: Operation) -> None:
        """No upstream performs `operation`: say so, or abort where that cannot be said."""
        if operation.is_refused:
            return
        aborts = self._leg(operation).terms.aborts
        status = failure_status(operation.field, operation.request.is_sent, aborts)
        if status is None:
            self.user.give_up(operation)
        else:
            self.user.refuse(operation, status)

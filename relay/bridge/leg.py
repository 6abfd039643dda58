"""A crossing's dealings with one pool: which upstreams it keeps to, and the leases in use.

Affinity binds the upstream, the lease binds an association of it: between operations the lease goes
back, by the rules of policy/leasing.py, and the next operation that affinity ties to an upstream
(policy/affinity.py) asks for one there. A caller that has one operation outstanding at a time has
one lease at a time, save where its N-services hold one.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping

import attrs

from relay.bridge.berth import Berth, BerthUser
from relay.bridge.operation import Operation
from relay.bridge.party import Party
from relay.bridge.ports import (
    Asked,
    Clock,
    ContextRefused,
    LeaseResult,
    Terms,
    Unavailable,
    Upstreams,
    Wanted,
)
from relay.policy.leasing import WANTS_ALL_CONTEXTS
from relay.wire.negotiation import Context


@attrs.define(eq=False)
class Leg:
    """The way to one pool.

    `contexts` are the contexts of this pool that were accepted, by the caller's ids; `upstream` is
    the one whose answer they are, if it is one's.
    """

    asked: Asked
    contexts: Mapping[int, Context]
    upstream: str | None
    upstreams: Upstreams
    clock: Clock
    user: BerthUser
    terms: Terms = attrs.field(init=False)
    _bound: dict[Hashable, str] = attrs.field(factory=dict)
    _berths: list[Berth] = attrs.field(factory=list)
    _call_off: dict[Operation, Callable[[], None]] = attrs.field(factory=dict)

    def __attrs_post_init__(self) -> None:
        self.terms = self.upstreams.terms(self.asked.pool)

    @property
    def berths(self) -> tuple[Berth, ...]:
        """The leases in use."""
        return tuple(self._berths)

    def berth_of(self, party: Party) -> Berth | None:
        """The berth whose far end `party` is."""
        return next((each for each in self._berths if each.party is party), None)

    def obtain(
        self,
        operation: Operation,
        ready: Callable[[Berth], None],
        failed: Callable[[ContextRefused | Unavailable], None],
    ) -> None:
        """A berth where `operation` can be performed: one in hand, or at a new lease."""
        free = [each for each in self._berths if each.is_free]
        for each in free:
            if self._suits(each, operation):
                ready(each)
                return
        for each in free:
            if not each.is_kept:
                each.let_go()
        self._berths = [each for each in self._berths if not each.is_over]
        self._lease(operation, self._wanted(operation), ready, failed)

    def _lease(
        self,
        operation: Operation,
        wanted: Wanted,
        ready: Callable[[Berth], None],
        failed: Callable[[ContextRefused | Unavailable], None],
    ) -> None:
        answered = False

        def done(result: LeaseResult) -> None:
            nonlocal answered
            answered = True
            self._call_off.pop(operation, None)
            if isinstance(result, ContextRefused | Unavailable):
                failed(result)
                return
            key = self.terms.affinity(operation.command)
            if key is not None:
                self._bound[key] = result.upstream
            berth = Berth(result, self.user, self.clock)
            self._berths.append(berth)
            ready(berth)

        call_off = self.upstreams.lease(wanted, done)
        if not answered:
            self._call_off[operation] = call_off

    def close(self) -> None:
        """The crossing is over."""
        call_off, self._call_off = self._call_off, {}
        for each in call_off.values():
            each()
        for berth in self._berths:
            berth.close()

    def _wanted(self, operation: Operation) -> Wanted:
        exactly = self._all if operation.field in WANTS_ALL_CONTEXTS else None
        key = self.terms.affinity(operation.command)
        bound = self._bound.get(key, self.upstream) if key is not None else None
        choice = operation.choice
        prefer = choice.prefer or (bound if bound not in choice.avoid else None)
        return Wanted(self.asked, operation.context, exactly, prefer, choice.avoid, choice.fresh)

    @property
    def _all(self) -> frozenset[Context]:
        return frozenset(self.contexts.values())

    def _suits(self, berth: Berth, operation: Operation) -> bool:
        """Whether the lease in hand serves as well as a new one would."""
        lease, held, choice = berth.lease, berth.lease.contexts, operation.choice
        if choice.fresh or lease.upstream in choice.avoid:
            return False
        is_bound = self.terms.affinity(operation.command) is not None
        if not berth.is_kept and (lease.is_recalled or not is_bound):
            return False
        if operation.field in WANTS_ALL_CONTEXTS:
            return held.keys() == self._all
        return operation.context in held

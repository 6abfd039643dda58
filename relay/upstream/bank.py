"""The bank towards the archives, as the bridge sees it: negotiate, lease, leave.

Each call tries the upstreams of a pool in the order that balancing gives (rules.py), within one
time for all tries, so that one that does not answer leaves time for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from random import Random
from typing import Any, TypeVar

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

from relay.bridge.ports import (
    Asked,
    ContextRefused,
    LeaseResult,
    Negotiated,
    NegotiationResult,
    Rejected,
    Terms,
    Unavailable,
    Wanted,
)
from relay.upstream.ends import NotAccepted, Unreachable
from relay.upstream.keeper import Keeper
from relay.upstream.pool import Key, Request
from relay.upstream.rules import Pool, PoolRules
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH

T = TypeVar("T")


class Bank:
    """All upstreams: `keepers` by name, and the rules of the pools that they are in."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        keepers: Mapping[str, Keeper],
        pools: Mapping[str, PoolRules],
        random: Random,
    ) -> None:
        self.clock = clock
        self.keepers = keepers
        self.pools = {
            name: Pool(name, rules, keepers, clock, random) for name, rules in pools.items()
        }

    def negotiate(
        self, asked: Asked, done: Callable[[NegotiationResult], None]
    ) -> Callable[[], None]:
        """Have an upstream of the pool answer the offer; gives a way to call it off."""
        return self._run(self._negotiate(asked), done)

    def lease(self, wanted: Wanted, done: Callable[[LeaseResult], None]) -> Callable[[], None]:
        """Lease an association; gives a way to call it off."""
        return self._run(self._lease(wanted), done)

    def leave(self, private: int) -> None:
        """The crossing with this private name is over: so are its associations."""
        for keeper in self.keepers.values():
            keeper.leave(private)

    def terms(self, pool: str) -> Terms:
        """What the pool grants."""
        return self.pools[pool].terms

    def pause_before_retry(self, pool: str) -> float | None:
        """Seconds to wait before an operation is sent again, which is counted; None: never."""
        return self.pools[pool].retries.pause(self.clock.seconds())

    async def _negotiate(self, asked: Asked) -> NegotiationResult:
        result: NegotiationResult = Unavailable()
        pool = self.pools[asked.pool]
        request = Request(Key(asked.calling_field, asked.private), fresh=True)
        for keeper, timeout in pool.tries(asked.calling_field):
            answer = None
            if keeper.is_reachable:
                answer = keeper.answers.get(asked.calling_field, asked.offer)
            if answer is None:
                try:
                    association = await keeper.acquire(request, asked.offer, timeout)
                except NotAccepted as refusal:
                    result = Rejected(refusal.rejection)
                    continue
                except Unreachable:
                    continue
                assert association.answer is not None
                answer = association.answer
                pool.look_for_strangers()
                keeper.answers.put(asked.calling_field, asked.offer, answer)
                association.give_back()
            maximum = pool.smallest_maximum(LARGEST_MAXIMUM_LENGTH)
            return Negotiated(keeper.name, answer, maximum)
        return result

    async def _lease(self, wanted: Wanted) -> LeaseResult:
        asked = wanted.asked
        result: LeaseResult = Unavailable()
        pool = self.pools[asked.pool]
        contexts = wanted.exactly or frozenset({wanted.context})
        key = Key(asked.calling_field, asked.private)
        request = Request(key, contexts, wanted.exactly is not None, wanted.fresh)
        for keeper, timeout in pool.tries(asked.calling_field, wanted.prefer, wanted.avoid):
            try:
                association = await keeper.acquire(request, asked.offer, timeout)
            except (Unreachable, NotAccepted):
                continue
            pool.look_for_strangers()
            if request.is_met_by(association.contexts.keys()):
                return association
            # It took these contexts once, and does not any more.
            keeper.answers.clear()
            association.give_back()
            result = ContextRefused()
        return result

    def _run(
        self, work: Coroutine[Deferred[Any], Any, T], done: Callable[[T | Unavailable], None]
    ) -> Callable[[], None]:
        """Run `work`, and call `done` with what it gives, unless it is called off."""
        running = Deferred.fromCoroutine(work)
        running.addCallbacks(done, self._failed, errbackArgs=(done,))
        running.addErrback(lambda failure: self.log.failure("a crossing failed", failure))
        return running.cancel

    def _failed(self, failure: Failure, done: Callable[[Any], None]) -> None:
        if not failure.check(CancelledError):
            self.log.failure("an upstream could not be asked", failure)
            done(Unavailable())

"""The bank towards the archives, as the bridge sees it: negotiate, lease, leave.

Each call tries the upstreams of a pool in the order that balancing gives (rules.py), within one
time for all tries, so that one that does not answer leaves time for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from itertools import chain
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
from relay.wire.negotiation import Answer, Offer
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
        pool = self.pools[asked.pool]
        tries = pool.tries(asked.caller)
        first = next(tries, None)
        if first is None:
            done(Unavailable())
            return _nothing
        keeper, _ = first
        remembered = self._remembered(asked, keeper)
        if remembered is not None:
            # Nothing is awaited: by far the most common case goes the short way.
            done(self._negotiated(pool, keeper, remembered))
            return _nothing
        return self._run(self._negotiate(asked, pool, chain([first], tries)), done)

    def lease(self, wanted: Wanted, done: Callable[[LeaseResult], None]) -> Callable[[], None]:
        """Lease an association; gives a way to call it off."""
        asked, pool = wanted.asked, self.pools[wanted.asked.pool]
        contexts = wanted.exactly or frozenset({wanted.context})
        key = Key(asked.titles, asked.private)
        exactly = wanted.exactly is not None
        request = Request(key, contexts, exactly, wanted.fresh, asked.caller)
        tries = pool.tries(asked.caller, wanted.prefer, wanted.avoid)
        first = next(tries, None)
        if first is None:
            done(Unavailable())
            return _nothing
        association = first[0].at_hand(request)
        if association is not None:
            done(association)
            return _nothing
        return self._run(self._lease(asked.offer, pool, request, chain([first], tries)), done)

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

    def _remembered(self, asked: Asked, keeper: Keeper) -> Answer | None:
        """What the upstream answered to this offer, as long as nothing speaks against that."""
        if not keeper.is_reachable:
            return None
        return keeper.answers.get(asked.titles, asked.offer)

    def _negotiated(self, pool: Pool, keeper: Keeper, answer: Answer) -> Negotiated:
        maximum = pool.smallest_maximum(LARGEST_MAXIMUM_LENGTH)
        return Negotiated(keeper.name, answer, maximum)

    async def _negotiate(
        self, asked: Asked, pool: Pool, tries: Iterable[tuple[Keeper, float]]
    ) -> NegotiationResult:
        result: NegotiationResult = Unavailable()
        key = Key(asked.titles, asked.private)
        request = Request(key, fresh=True, caller=asked.caller)
        for keeper, timeout in tries:
            answer = self._remembered(asked, keeper)
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
                keeper.answers.put(asked.titles, asked.offer, answer)
                association.give_back()
            return self._negotiated(pool, keeper, answer)
        return result

    async def _lease(
        self, offer: Offer, pool: Pool, request: Request, tries: Iterable[tuple[Keeper, float]]
    ) -> LeaseResult:
        result: LeaseResult = Unavailable()
        for keeper, timeout in tries:
            try:
                association = await keeper.acquire(request, offer, timeout)
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


def _nothing() -> None:
    """There is nothing to be called off."""

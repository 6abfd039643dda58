"""The bank towards the archives, as the bridge sees it: negotiate, lease, leave.

Each call tries the upstreams of a pool in the order that balancing gives, within one time for all
tries: what is left of it is shared out evenly among those that are left, so that one that does not
answer leaves time for the next.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
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
    Unavailable,
    Wanted,
)
from relay.policy.balancing import Load, least_loaded
from relay.upstream.keeper import Keeper
from relay.upstream.pool import Key, Request
from relay.upstream.protocol import NotAccepted, Unreachable
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH

T = TypeVar("T")


class Bank:
    """All upstreams. `pools` are names of `keepers`, `timeouts` seconds for all tries, by pool."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        keepers: Mapping[str, Keeper],
        pools: Mapping[str, Sequence[str]],
        timeouts: Mapping[str, float],
    ) -> None:
        self.clock = clock
        self.keepers = keepers
        self.pools = pools
        self.timeouts = timeouts
        self._choices = 0
        self._last_chosen: dict[str, int] = {}

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

    async def _negotiate(self, asked: Asked) -> NegotiationResult:
        result: NegotiationResult = Unavailable()
        request = Request(Key(asked.calling_field, asked.private), fresh=True)
        for keeper, timeout in self._tries(asked.pool):
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
                keeper.answers.put(asked.calling_field, asked.offer, answer)
                association.give_back()
            self._chose(keeper)
            return Negotiated(keeper.name, answer, self._maximum(asked.pool))
        return result

    async def _lease(self, wanted: Wanted) -> LeaseResult:
        asked = wanted.asked
        result: LeaseResult = Unavailable()
        contexts = wanted.exactly or frozenset({wanted.context})
        key = Key(asked.calling_field, asked.private)
        request = Request(key, contexts, exactly=wanted.exactly is not None)
        for keeper, timeout in self._tries(asked.pool, wanted.prefer):
            try:
                association = await keeper.acquire(request, asked.offer, timeout)
            except (Unreachable, NotAccepted):
                continue
            if request.is_met_by(association.contexts.keys()):
                self._chose(keeper)
                return association
            # It took these contexts once, and does not any more.
            keeper.answers.clear()
            association.give_back()
            result = ContextRefused()
        return result

    def _tries(self, pool: str, prefer: str | None = None) -> Iterator[tuple[Keeper, float]]:
        """The keepers in the order to try them, with the seconds that each may take."""
        deadline = self.clock.seconds() + self.timeouts[pool]
        names = least_loaded(map(self._load, self.pools[pool]), prefer)
        for place, name in enumerate(names):
            left = deadline - self.clock.seconds()
            if left <= 0:
                return
            yield self.keepers[name], left / (len(names) - place)

    def _load(self, name: str) -> Load:
        keeper = self.keepers[name]
        return Load(name, keeper.busy, keeper.is_failing, self._last_chosen.get(name, 0))

    def _chose(self, keeper: Keeper) -> None:
        self._choices += 1
        self._last_chosen[keeper.name] = self._choices

    def _maximum(self, pool: str) -> int:
        known = (self.keepers[name].peer_maximum for name in self.pools[pool])
        return min((each for each in known if each is not None), default=LARGEST_MAXIMUM_LENGTH)

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

"""A pool's rules, and in which order its upstreams are tried, for how long each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from random import Random

import attrs
from twisted.internet.interfaces import IReactorTime

from relay.bridge.ports import Terms
from relay.policy.affinity import Affinity, by_association
from relay.policy.balancing import BALANCERS, Candidate, ranked
from relay.policy.moves import Moving
from relay.policy.retrying import RetryBudget
from relay.upstream.keeper import Keeper
from relay.upstream.kinship import Kinship


@attrs.frozen
class Place:
    """An upstream's place in a pool: its `weight` for round-robin and hash, its `tier` for
    primary-backup, where lower ones come first."""

    upstream: str
    weight: int = 1
    tier: int = 0


@attrs.frozen
class PoolRules:
    """How a pool is used.

    `timeout`: seconds for all tries together. `balance` is one of relay.policy.balancing.BALANCERS.
    `most_ejected` is the share of the pool that its failures may put out. `aborts`: callers are
    told of failures by A-ABORT. `retries_per_second`: operations that may be sent again (0: none).
    `moving`: how archives are told where to move.
    """

    places: tuple[Place, ...]
    timeout: float
    balance: str = "least-loaded"
    most_ejected: float = 0.5
    affinity: Affinity = by_association
    aborts: bool = False
    retries_per_second: float = 50.0
    moving: Moving | None = None


class Pool:
    """A pool of upstreams, `keepers` by name."""

    def __init__(
        self,
        name: str,
        rules: PoolRules,
        keepers: Mapping[str, Keeper],
        clock: IReactorTime,
        random: Random,
    ) -> None:
        self.rules = rules
        self.clock = clock
        self.keepers = {each.upstream: keepers[each.upstream] for each in rules.places}
        self.balancer = BALANCERS[rules.balance](random)
        self.terms = Terms(rules.affinity, rules.aborts, rules.moving)
        self.kinship = Kinship(name, rules.balance)
        rate = rules.retries_per_second
        # An archive that dies has all that it was performing sent again at once.
        self.retries = RetryBudget(rate, burst=max(1, round(2 * rate)))

    def tries(
        self, caller: bytes, prefer: str | None = None, avoid: Collection[str] = ()
    ) -> Iterator[tuple[Keeper, float]]:
        """The upstreams in the order to try them, with the seconds that each may take.

        What is left of the time is shared out evenly among those that are left, be they well or
        not: one that seems to be well may be silent, and one that was down may be back.
        """
        if len(self.keepers) == 1:
            # There is nothing to choose.
            yield from ((self.keepers[each.upstream], self.rules.timeout) for each in self._places)
            return
        deadline = self.clock.seconds() + self.rules.timeout
        order = self._order(caller, prefer, avoid)
        for place, candidate in enumerate(order):
            left = deadline - self.clock.seconds()
            if left <= 0:
                return
            yield self.keepers[candidate.upstream], left / (len(order) - place)

    def smallest_maximum(self, default: int) -> int:
        """The smallest maximum length that its upstreams are known to take, in bytes."""
        known = (each.peer_maximum for each in self.keepers.values())
        return min((each for each in known if each is not None), default=default)

    def look_for_strangers(self) -> None:
        """Warn, once, where its upstreams do not seem to be one archive."""
        self.kinship.look({name: each.implementation for name, each in self.keepers.items()})

    @property
    def _places(self) -> list[Place]:
        """Those that are not being taken out."""
        return [each for each in self.rules.places if not self.keepers[each.upstream].is_draining]

    def _order(self, caller: bytes, prefer: str | None, avoid: Collection[str]) -> list[Candidate]:
        candidates = [_candidate(each, self.keepers[each.upstream]) for each in self._places]
        order = self.balancer.order(candidates, caller)
        order = ranked(order, prefer, avoid, self.rules.most_ejected)
        if order and order[0].upstream != prefer:
            self.balancer.chosen(order[0].upstream)
        return order


def _candidate(place: Place, keeper: Keeper) -> Candidate:
    condition = keeper.condition
    health, now = condition.health, keeper.clock.seconds()
    return Candidate(
        place.upstream,
        place.weight,
        place.tier,
        keeper.busy,
        keeper.outstanding,
        health.latency(now),
        health.share(now),
        health.is_down,
        condition.is_out and not health.is_down,
        health.out_since,
    )

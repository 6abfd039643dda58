"""In which order the upstreams of a pool are tried: facts in, an order out.

A `Balancer` orders by load, by turns, by tier or by who calls, and looks at nobody's health;
`ranked` then puts those that are out behind those that are well. Nobody is ever left out: an
upstream that seems dead is still better than none.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import blake2b
from itertools import groupby
from math import floor, log
from operator import attrgetter
from random import Random
from typing import Protocol

import attrs


@attrs.frozen
class Candidate:
    """One upstream of a pool as balancing sees it.

    `weight` is its share of the turns or callers; `tier`: lower ones come first. `operations`
    counts the associations at work or waited for, `size` the bytes sent whose operation is not
    answered yet; `latency` is in seconds, decayed. `share`, above 0 and up to 1, is less than 1
    while it starts slowly. `is_down`: nobody could reach it; `is_ejected`: its failures speak
    against it; either since `out_since`, in seconds.
    """

    upstream: str
    weight: int = 1
    tier: int = 0
    operations: int = 0
    size: int = 0
    latency: float = 0.0
    share: float = 1.0
    is_down: bool = False
    is_ejected: bool = False
    out_since: float = 0.0


class Balancer(Protocol):
    """A way to order the upstreams of one pool."""

    def order(self, candidates: Sequence[Candidate], calling: bytes) -> list[Candidate]:
        """All of them, best first, for who calls by the AE title `calling`. Only a look."""

    def chosen(self, upstream: str) -> None:
        """It is asked now, because of its place in an order: say so before the next look."""


def _load(candidate: Candidate) -> tuple[float, float, float]:
    share = candidate.share
    return candidate.operations / share, candidate.size / share, candidate.latency


@attrs.define(eq=False)
class LeastLoaded:
    """Fewest operations, then fewest bytes, then the quickest: the better of two random choices.

    Were it simply the least loaded of all, everybody would run to the same one between two looks.
    """

    random: Random

    def order(self, candidates: Sequence[Candidate], calling: bytes) -> list[Candidate]:
        """The better of two random ones, then the others from the least loaded to the most."""
        shuffled = self.random.sample(candidates, len(candidates))
        two = sorted(shuffled[:2], key=_load)
        return two[:1] + sorted(two[1:] + shuffled[2:], key=_load)

    def chosen(self, upstream: str) -> None:
        """Its load tells."""


@attrs.define(eq=False)
class RoundRobin:
    """Each in its turn, as often as its weight says, well mixed: smooth weighted round robin.

    Every turn adds its weight to each upstream's credit, and the one with the largest credit pays
    the sum of what was added. Those with more credit than the one that was chosen have been passed
    over, because they are out: they take no part in that turn, so that none comes back with the
    credit of all the turns that it missed.
    """

    _credits: dict[str, float] = attrs.field(factory=dict, init=False)
    _weights: dict[str, float] = attrs.field(factory=dict, init=False)  # as last looked at

    def order(self, candidates: Sequence[Candidate], calling: bytes) -> list[Candidate]:
        """From the largest credit to the smallest."""
        self._weights = {each.upstream: each.weight * each.share for each in candidates}
        due = self._due()
        return sorted(candidates, key=lambda each: due[each.upstream], reverse=True)

    def chosen(self, upstream: str) -> None:
        """It has had its turn."""
        due = self._due()
        if upstream not in due:
            return  # it was taken out of the pool since
        taking_part = [name for name in due if due[name] <= due[upstream]]
        self._credits.update((name, due[name]) for name in taking_part)
        self._credits[upstream] -= sum(self._weights[name] for name in taking_part)

    def _due(self) -> dict[str, float]:
        return {
            name: self._credits.get(name, 0.0) + weight for name, weight in self._weights.items()
        }


@attrs.define(eq=False)
class PrimaryBackup:
    """Tier by tier; within a tier as `LeastLoaded`."""

    random: Random

    def order(self, candidates: Sequence[Candidate], calling: bytes) -> list[Candidate]:
        """The lowest tier first."""
        least_loaded = LeastLoaded(self.random)
        tier = attrgetter("tier")
        tiers = groupby(sorted(candidates, key=tier), key=tier)
        return [each for _, them in tiers for each in least_loaded.order(list(them), calling)]

    def chosen(self, upstream: str) -> None:
        """Its load tells."""


@attrs.define(eq=False)
class Hash:
    """The same upstream for the same caller, in any process: weighted rendezvous hashing.

    Each upstream has a score for a caller that depends on these two alone. So one that goes away
    moves only its own callers, and as a share of all they are as many as its weight says. A slow
    start has no say: it would send callers elsewhere for a moment.
    """

    def order(self, candidates: Sequence[Candidate], calling: bytes) -> list[Candidate]:
        """From the highest score to the lowest. Padding of the AE title does not matter."""
        title = calling.strip(b" \0")
        return sorted(candidates, key=lambda each: _score(each, title), reverse=True)

    def chosen(self, upstream: str) -> None:
        """It changes nothing."""


def _score(candidate: Candidate, title: bytes) -> float:
    name = candidate.upstream.encode()
    digest = blake2b(title + b"\0" + name, digest_size=8).digest()
    # 52 bits and a half: never 0 and never 1, also as a float
    drawn = ((int.from_bytes(digest, "big") >> 12) + 0.5) / 2**52
    return candidate.weight / -log(drawn)


BALANCERS: Mapping[str, Callable[[Random], Balancer]] = {
    "least-loaded": LeastLoaded,
    "round-robin": lambda random: RoundRobin(),
    "primary-backup": PrimaryBackup,
    "hash": lambda random: Hash(),
}
"""By the names that a configuration uses; each pool has a balancer of its own."""


def ranked(
    order: Sequence[Candidate],
    prefer: str | None = None,
    avoid: Collection[str] = (),
    most_ejected: float = 0.5,
) -> list[Candidate]:
    """All of `order`: the well ones, those ejected, those that are down, else as they came.

    `prefer` comes before its like. Those in `avoid` come last of all: what has failed on them would
    fail again, while one that was down may have come back. No more than the share
    `most_ejected` of all counts as ejected, those that are down included; beyond it the longest
    ejected count, and the others pass for well: where most of a pool fails, the load is likely to
    be the reason, and the few that are left would be next.
    """
    down = {each.upstream for each in order if each.is_down}
    ejected = [each for each in order if each.is_ejected and not each.is_down]
    # a share such as 0.29 of 100 is 28.999999999999996
    most = max(0, floor(most_ejected * len(order) + 1e-9) - len(down))
    out = {each.upstream for each in sorted(ejected, key=attrgetter("out_since"))[:most]}

    def rank(each: Candidate) -> tuple[bool, bool, bool, bool]:
        name = each.upstream
        return name in avoid, name in down, name in out, name != prefer

    return sorted(order, key=rank)

"""Which request gets which upstream association: the decision, apart from the I/O.

`assign` looks at one upstream's associations and at who waits for one, and says what to do: hand
out, open, retire. `lacking` says what to open for nobody yet, and `rests` and `surplus` what may
stay while nobody needs it. They change nothing; keeper.py carries the steps out and asks again
whenever something has changed.

Requests are served in the order in which they are given (line.py has their callers take turns); a
later one may be served before an earlier one only with an association that the earlier one cannot
use, so nobody starves. A request for which an association
is being opened takes an idle one all the same: an upstream that serves one association at a time
answers the second only when the first has ended, and the first may be this idle one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence, Set
from enum import Enum, auto
from math import inf
from typing import TypeAlias

import attrs

from relay.policy.leasing import Reuse
from relay.policy.showing import Titles
from relay.wire.negotiation import Context


class Phase(Enum):
    """Where an upstream association is, as the pool sees it."""

    OPENING = auto()
    IDLE = auto()
    LEASED = auto()


@attrs.frozen
class Key:
    """For whom an association was made: AE titles shown, and the crossing if it is private.

    The upstream is the same for all associations of a keeper.
    """

    titles: Titles
    private: int | None = None


@attrs.define(eq=False)
class Member:
    """One upstream association.

    `since` is when it came to be in its phase, `until` the time at which it is too old to be used
    again, both in seconds. `is_used`: it has served an operation.
    """

    key: Key
    phase: Phase = Phase.OPENING
    contexts: frozenset[Context] = frozenset()
    since: float = 0.0
    until: float = inf
    is_used: bool = False


@attrs.define(eq=False)
class Request:
    """Somebody waits for an association.

    It must hold all of `contexts`, and no others if `exactly`. `fresh`: only a new one will do,
    because it is the answer to its offer that is wanted, or one that has rested did not serve.
    `caller` is whom it is for, by the AE title that it calls itself; the relay itself has none.
    """

    key: Key
    contexts: frozenset[Context] = frozenset()
    exactly: bool = False
    fresh: bool = False
    caller: bytes = b""

    def suits(self, member: Member) -> bool:
        """Whether an idle association serves this request."""
        return member.phase is Phase.IDLE and self.fits(member)

    def fits(self, member: Member) -> bool:
        """Whether an association would serve this request if it were idle."""
        return not self.fresh and member.key == self.key and self.is_met_by(member.contexts)

    def is_met_by(self, held: Set[Context]) -> bool:
        """Whether an association that holds these contexts serves."""
        return held == self.contexts if self.exactly else held >= self.contexts


@attrs.frozen
class HandOut:
    """Give this idle association to this request."""

    request: Request
    member: Member


@attrs.frozen
class Open:
    """Open an association for this request."""

    request: Request


@attrs.frozen
class Retire:
    """Release this idle association."""

    member: Member


Step: TypeAlias = HandOut | Open | Retire


def assign(
    requests: Iterable[Request],
    members: Collection[Member],
    maximum: int,
    called: Collection[Request] = (),
) -> list[Step]:
    """The steps to take now; requests that get none wait.

    `maximum` counts all associations. `called` are the requests for which one of `members` is being
    opened already.
    """
    steps: list[Step] = []
    idle = _longest_idle_first(members)
    total = len(members)
    for request in requests:
        # The one used last: those in excess of the load grow old and expire.
        suiting = next((each for each in reversed(idle) if request.suits(each)), None)
        if suiting is not None:
            idle.remove(suiting)
            steps.append(HandOut(request, suiting))
        elif request not in called:
            # The maximum may be less than it was: then more than one has to go, and all of those
            # that could go now may not be enough.
            while total >= maximum and idle:
                steps.append(Retire(idle.pop(0)))
                total -= 1
            if total < maximum:
                total += 1
                steps.append(Open(request))
    return steps


@attrs.frozen
class Kind:
    """What an association that nobody has asked for would be: for whom, and what it holds."""

    key: Key
    contexts: frozenset[Context]

    def is_like(self, member: Member) -> bool:
        """Whether `member` is one of these."""
        return member.key == self.key and member.contexts >= self.contexts


def lacking(
    kinds: Sequence[Kind], members: Collection[Member], warm: int, maximum: int
) -> Kind | None:
    """What to open so that there are `warm` associations; None: nothing.

    `kinds` are those that are likely to be wanted, the likeliest first: of the kind of which fewest
    are there one is opened. Private associations do not count, save towards the `maximum`.
    """
    shared = [each for each in members if each.key.private is None]
    if not kinds or len(shared) >= warm or len(members) >= maximum:
        return None
    return min(kinds, key=lambda kind: sum(map(kind.is_like, shared)))


def rests(member: Member, reuse: Reuse, now: float) -> bool:
    """Whether an association may rest until it is wanted: not too old, and not of its first user's
    alone. One that has served nobody yet is as good as new."""
    return now < member.until and (reuse is Reuse.ALWAYS or not member.is_used)


def surplus(members: Collection[Member], most: int) -> list[Member]:
    """The idle associations beyond `most`, those unused longest."""
    idle = _longest_idle_first(members)
    return idle[: max(0, len(idle) - most)]


def _longest_idle_first(members: Iterable[Member]) -> list[Member]:
    return sorted(
        (each for each in members if each.phase is Phase.IDLE), key=lambda each: each.since
    )

"""Which request gets which upstream association: the decision, apart from the I/O.

`assign` looks at one upstream's associations and at who waits for one, and says what to do: hand
out, open, retire. It changes nothing; keeper.py carries the steps out and asks again whenever
something has changed. Requests are served in order; a later one may be served before an earlier one
only with an association that the earlier one cannot use, so nobody starves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Set
from enum import Enum, auto
from typing import TypeAlias

import attrs

from relay.wire.negotiation import Context


class Phase(Enum):
    """Where an upstream association is, as the pool sees it."""

    OPENING = auto()
    IDLE = auto()
    LEASED = auto()


@attrs.frozen
class Key:
    """For whom an association was made: calling AE title shown, and the crossing if it is private.

    Called AE title and upstream are the same for all associations of a keeper.
    """

    calling_field: bytes
    private: int | None = None


@attrs.define(eq=False)
class Member:
    """One upstream association; `since` is when it became idle, in seconds."""

    key: Key
    phase: Phase = Phase.OPENING
    contexts: frozenset[Context] = frozenset()
    since: float = 0.0


@attrs.define(eq=False)
class Request:
    """Somebody waits for an association.

    It must hold all of `contexts`, and no others if `exactly`. `fresh`: only a new one will do,
    because it is the answer to its offer that is wanted.
    """

    key: Key
    contexts: frozenset[Context] = frozenset()
    exactly: bool = False
    fresh: bool = False

    def suits(self, member: Member) -> bool:
        """Whether an idle association serves this request."""
        if self.fresh or member.phase is not Phase.IDLE or member.key != self.key:
            return False
        return self.is_met_by(member.contexts)

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


def assign(requests: Iterable[Request], members: Collection[Member], maximum: int) -> list[Step]:
    """The steps to take now; requests that get none wait. `maximum` counts all associations."""
    steps: list[Step] = []
    idle = sorted(
        (each for each in members if each.phase is Phase.IDLE), key=lambda each: each.since
    )
    total = len(members)
    for request in requests:
        # The one used last: those in excess of the load grow old and expire.
        suiting = next((each for each in reversed(idle) if request.suits(each)), None)
        if suiting is not None:
            idle.remove(suiting)
            steps.append(HandOut(request, suiting))
        elif total < maximum:
            total += 1
            steps.append(Open(request))
        elif idle:
            steps += [Retire(idle.pop(0)), Open(request)]
    return steps


def surplus(members: Collection[Member], max_idle: int) -> list[Member]:
    """The idle associations beyond `max_idle`, those unused longest."""
    idle = sorted(
        (each for each in members if each.phase is Phase.IDLE), key=lambda each: each.since
    )
    return idle[: max(0, len(idle) - max_idle)]

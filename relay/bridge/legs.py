"""The legs of a crossing: those of its contexts, and those that single messages need."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeAlias

import attrs

from relay.bridge.leg import Leg
from relay.policy.routing import Way
from relay.wire.negotiation import Offer

Make: TypeAlias = Callable[[Way, Offer, str | None], Leg]
"""Makes the leg of a way, with what further associations propose: the caller's contexts of it, each
as it was accepted; and with the upstream that accepted them, if one did."""


@attrs.define(eq=False, repr=False)
class Legs:
    """All legs of one crossing. `late` are the caller's contexts whose messages find their own way
    each (policy/planning.py), as they were accepted."""

    make: Make
    late: Offer
    _of_contexts: dict[int, Leg] = attrs.field(factory=dict)
    _found: dict[Way, Leg] = attrs.field(factory=dict)

    def __iter__(self) -> Iterator[Leg]:
        """Each of them once."""
        return iter(dict.fromkeys((*self._of_contexts.values(), *self._found.values())))

    def add(self, way: Way, accepted: Offer, upstream: str | None) -> None:
        """The leg of these contexts of the caller."""
        leg = self.make(way, accepted, upstream)
        self._of_contexts.update((each.id, leg) for each in accepted.contexts)

    def of(self, context_id: int) -> Leg | None:
        """The leg of a context; None where each message finds its own."""
        return self._of_contexts.get(context_id)

    def to(self, way: Way) -> Leg:
        """The leg of a message on a late context that goes this way."""
        leg = self._found.get(way)
        if leg is None:
            leg = self._found[way] = self.make(way, self.late, None)
        return leg

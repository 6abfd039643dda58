"""What an upstream answered to which offer: remembered, bounded, expiring.

With it the next caller that proposes the same is answered at once, without a word to the upstream.
"""

from __future__ import annotations

from collections import OrderedDict

import attrs

from relay.bridge.ports import Clock
from relay.wire.negotiation import Answer, Offer

MOST_ANSWERS = 256
"""Answers kept per upstream: a site has some dozens of kinds of device."""

ANSWER_LIFETIME = 600.0
"""Seconds that an answer holds: how long a changed archive may go unnoticed."""


@attrs.define(eq=False)
class Answers:
    """Answers of one upstream, by calling AE title shown and offer."""

    clock: Clock
    _known: OrderedDict[tuple[bytes, Offer], tuple[float, Answer]] = attrs.field(
        factory=OrderedDict
    )

    def get(self, calling_field: bytes, offer: Offer) -> Answer | None:
        """The answer to an offer like this one, with its context ids."""
        key = (calling_field, offer.normalised())
        since, answer = self._known.get(key, (0.0, None))
        if answer is None:
            return None
        if self.clock.seconds() - since > ANSWER_LIFETIME:
            del self._known[key]
            return None
        self._known.move_to_end(key)
        return answer.renumbered(offer)

    def put(self, calling_field: bytes, offer: Offer, answer: Answer) -> None:
        """Remember an answer; one to an offer with a user identity is nobody else's."""
        if offer.user_identity is not None:
            return
        normalised = offer.normalised()
        key = (calling_field, normalised)
        self._known[key] = (self.clock.seconds(), answer.renumbered(normalised))
        self._known.move_to_end(key)
        while len(self._known) > MOST_ANSWERS:
            self._known.popitem(last=False)

    def clear(self) -> None:
        """The upstream has contradicted one: ask again."""
        self._known.clear()

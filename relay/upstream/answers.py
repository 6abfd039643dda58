"""What an upstream answered to which offer: remembered, bounded, expiring.

With it the next caller that proposes the same is answered at once, without a word to the upstream.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import attrs

from relay.bridge.ports import Clock
from relay.policy.showing import Titles
from relay.wire.negotiation import Answer, Offer

MOST_BYTES = 4 * 1024 * 1024
"""Bytes of all offers that are remembered, per upstream, as `size_of` reckons them. It bounds
memory, whatever is proposed: a kind of device proposes some hundreds of transfer syntaxes, and a
site has some dozens of kinds."""

PART = 64
"""Bytes that a UID or an item takes in memory beside its own."""

ANSWER_LIFETIME = 600.0
"""Seconds that an answer holds: how long a changed archive may go unnoticed."""


@attrs.define(eq=False)
class Answers:
    """Answers of one upstream, by AE titles shown and offer."""

    clock: Clock
    _known: OrderedDict[tuple[Titles, Offer], tuple[float, Answer]] = attrs.field(
        factory=OrderedDict
    )
    _size: int = 0

    def get(self, titles: Titles, offer: Offer) -> Answer | None:
        """The answer to an offer like this one, with its context ids."""
        key = (titles, offer.normalised())
        since, answer = self._known.get(key, (0.0, None))
        if answer is None:
            return None
        if self.clock.seconds() - since > ANSWER_LIFETIME:
            # It stays: to warm an association nothing better is known.
            return None
        self._known.move_to_end(key)
        return answer.renumbered(offer)

    def put(self, titles: Titles, offer: Offer, answer: Answer) -> None:
        """Remember an answer; one to an offer with a user identity is nobody else's."""
        if offer.user_identity is not None:
            return
        normalised = offer.normalised()
        key = (titles, normalised)
        if key in self._known:
            self._forget(key)
        self._known[key] = (self.clock.seconds(), answer.renumbered(normalised))
        self._size += size_of(normalised)
        while self._size > MOST_BYTES:
            self._forget(next(iter(self._known)))

    def learnt(self) -> Iterator[tuple[Titles, Offer, Answer]]:
        """AE titles shown, offers and answers, those used last first, expired ones among them."""
        for (titles, offer), (_, answer) in reversed(self._known.items()):
            yield titles, offer, answer

    def clear(self) -> None:
        """The upstream has contradicted one: ask again."""
        self._known.clear()
        self._size = 0

    def _forget(self, key: tuple[Titles, Offer]) -> None:
        del self._known[key]
        self._size -= size_of(key[1])


def size_of(offer: Offer) -> int:
    """Roughly the bytes that an offer takes in memory."""
    items: list[Any] = [*offer.contexts, *offer.roles, *offer.extended, *offer.common_extended]
    parts = len(items)
    parts += sum(len(each.transfer_syntaxes) for each in offer.contexts)
    parts += sum(len(each.related_general_sop_class_uids) for each in offer.common_extended)
    return PART * parts + sum(len(each.encode()) for each in items)

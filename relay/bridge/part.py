"""A part of an offer that the same pools are to answer, and what has become of it so far.

Where a part has several ways, their pools are asked one after the other, each for what the ones
before it have accepted: what is left holds with all of them. Each chooses a transfer syntax that
those after it may not take. What is lost by that is asked for once more with the one that everybody
has to take (PS3.5 10.1), where it had been proposed.
"""

from __future__ import annotations

from typing import TypeAlias

import attrs

from relay.bridge.ports import Negotiated, NegotiationResult, Rejected
from relay.policy.routing import Way
from relay.wire.items import ContextResult
from relay.wire.negotiation import IMPLICIT_VR_LITTLE_ENDIAN, Answer, Offer
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH, AssociateRJ

Ways: TypeAlias = tuple[Way, ...]

_MAY_BE_SYNTAX = (ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, ContextResult.NO_REASON)


@attrs.frozen
class Part:
    """The contexts of an offer that have the same `ways`, as proposed, and what was answered.

    `is_late`: their messages find their own way each (policy/planning.py). `answer` is None while
    nobody has answered, `first` is that of the first who has, `upstream` the last of them, or None
    where it is the relay. `maximum`: the smallest maximum length of all of them, as far as known,
    in bytes. `whole` is the part of which this one is what was lost.
    """

    ways: Ways
    is_late: bool
    offer: Offer
    answer: Answer | None = None
    upstream: str | None = None
    maximum: int = LARGEST_MAXIMUM_LENGTH
    first: Answer | None = None
    rejection: AssociateRJ | None = None
    whole: Part | None = None

    @property
    def accepted(self) -> Offer:
        """What was accepted, as it was."""
        assert self.answer is not None, "somebody has answered"
        return self.offer.narrowed(self.answer)

    @property
    def left(self) -> Offer:
        """What the next pool is to answer: what those before it have accepted."""
        return self.offer if self.answer is None else self.accepted

    def told(self, result: NegotiationResult) -> Part:
        """The same with the result of one pool more."""
        if isinstance(result, Negotiated):
            maximum, upstream = min(self.maximum, result.maximum), result.upstream
            answer = first = result.answer
            if self.answer is not None:
                answer, first = self.answer.narrowed(answer), self.first or answer
            # Not attrs.evolve: that takes as long as all that is done here.
            its = self.ways, self.is_late, self.offer
            return Part(*its, answer, upstream, maximum, first, self.rejection, self.whole)
        if isinstance(result, Rejected) and self.rejection is None:
            return attrs.evolve(self, rejection=result.rejection)
        return self

    @property
    def lost(self) -> Part | None:
        """What one has chosen a transfer syntax for that another does not take, to be asked for
        with the one that all have to take; None: there is nothing."""
        if self.first is None or self.answer is None or len(self.ways) == 1:
            return None
        refused = {each.id for each in self.answer.contexts if each.result in _MAY_BE_SYNTAX}
        offer = self.offer.only(refused & self.first.accepted.keys())
        contexts = tuple(
            attrs.evolve(each, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,))
            for each in offer.contexts
            if self._has_another_choice(each.id, each.transfer_syntaxes)
        )
        if not contexts:
            return None
        return Part(self.ways, self.is_late, attrs.evolve(offer, contexts=contexts), whole=self)

    def _has_another_choice(self, context_id: int, proposed: tuple[str, ...]) -> bool:
        assert self.first is not None
        chosen = self.first.accepted[context_id]
        return chosen != IMPLICIT_VR_LITTLE_ENDIAN and IMPLICIT_VR_LITTLE_ENDIAN in proposed

    @property
    def found(self) -> Part:
        """The whole part, with what was not lost after all."""
        whole = self.whole
        if whole is None or whole.answer is None or self.answer is None:
            return whole or self
        said = {each.id: each for each in self.answer.contexts}
        contexts = tuple(said.get(each.id, each) for each in whole.answer.contexts)
        answer = attrs.evolve(whole.answer, contexts=contexts)
        return attrs.evolve(whole, answer=answer, maximum=min(self.maximum, whole.maximum))

"""The answer to a caller's offer: the pools that are to answer are asked, and answers put together.

Contexts that have the same ways (policy/planning.py) are one part. Where a part has several ways,
their pools are asked one after the other, each for what the ones before it have accepted: what is
left holds with all of them. One that is down has no say: what comes for it will fail by itself.
Each chooses a transfer syntax that those after it may not take. What is lost by that is asked for
once more with the one that everybody has to take (PS3.5 10.1), where it had been proposed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TypeAlias

import attrs

from relay.bridge.ports import Negotiated, NegotiationResult, Rejected
from relay.policy.admission import UNAVAILABLE
from relay.policy.planning import Plan
from relay.policy.routing import Way
from relay.wire.items import ContextResult
from relay.wire.negotiation import IMPLICIT_VR_LITTLE_ENDIAN, Answer, Offer, merged
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH, AssociateRJ

Ways: TypeAlias = tuple[Way, ...]
Ask: TypeAlias = Callable[[Way, Offer, Callable[[NegotiationResult], None]], Callable[[], None]]

_MAY_BE_SYNTAX = (ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED, ContextResult.NO_REASON)


@attrs.frozen
class Part:
    """The contexts of an offer that have the same `ways`, as proposed, and what was answered.

    `is_late`: their messages find their own way each (policy/planning.py).
    `upstream` is the last who answered; while it is None nobody has, or it is the relay that does.
    `maximum`: the smallest maximum length of those who were asked, as far as known, in bytes.
    `chosen` are the ids of what the first who answered had accepted, in another transfer syntax
    than the one that everybody has to take. `whole` is the part of which this one is what was lost
    of those.
    """

    ways: Ways
    is_late: bool
    offer: Offer
    answer: Answer
    upstream: str | None = None
    maximum: int = LARGEST_MAXIMUM_LENGTH
    rejection: AssociateRJ | None = None
    chosen: frozenset[int] = frozenset()
    whole: Part | None = None

    @classmethod
    def of(cls, ways: Ways, is_late: bool, offer: Offer) -> Part:
        """A part that nobody has answered yet; without ways the relay does, at once."""
        no = Answer.refusing(offer, ContextResult.NO_REASON)
        return cls(ways, is_late, offer, no if ways else Answer.accepting(offer))

    @property
    def is_answered(self) -> bool:
        """Whether anybody accepted an association for it."""
        return self.upstream is not None or not self.ways

    @property
    def accepted(self) -> Offer:
        """What was accepted, as it was."""
        return self.offer.narrowed(self.answer)

    @property
    def left(self) -> Offer:
        """What the next pool is to answer: what those before it have accepted."""
        return self.offer if self.upstream is None else self.accepted

    def told(self, result: NegotiationResult) -> Part:
        """The same with the result of one pool more."""
        if isinstance(result, Negotiated):
            return self._answered(result)
        if isinstance(result, Rejected) and self.rejection is None:
            return attrs.evolve(self, rejection=result.rejection)
        return self

    def _answered(self, result: Negotiated) -> Part:
        answer, chosen = result.answer, self.chosen
        if self.upstream is None:
            chosen = frozenset(
                each for each, its in answer.accepted.items() if its != IMPLICIT_VR_LITTLE_ENDIAN
            )
        else:
            answer = self.answer.narrowed(answer)
        maximum = min(self.maximum, result.maximum)
        return attrs.evolve(
            self, answer=answer, upstream=result.upstream, maximum=maximum, chosen=chosen
        )

    @property
    def lost(self) -> Part | None:
        """What one has chosen a transfer syntax for that another does not take, with the one that
        all have to take; None: there is nothing."""
        refused = {each.id for each in self.answer.contexts if each.result in _MAY_BE_SYNTAX}
        lost = self.offer.only(self.chosen & refused)
        contexts = tuple(
            attrs.evolve(each, transfer_syntaxes=(IMPLICIT_VR_LITTLE_ENDIAN,))
            for each in lost.contexts
            if IMPLICIT_VR_LITTLE_ENDIAN in each.transfer_syntaxes
        )
        if not contexts:
            return None
        offer = attrs.evolve(lost.only({each.id for each in contexts}), contexts=contexts)
        return attrs.evolve(Part.of(self.ways, self.is_late, offer), whole=self)

    @property
    def found(self) -> Part:
        """The whole part, with what was not lost after all."""
        if self.whole is None:
            return self
        said = {each.id: each for each in self.answer.contexts}
        contexts = tuple(said.get(each.id, each) for each in self.whole.answer.contexts)
        answer = attrs.evolve(self.whole.answer, contexts=contexts)
        return attrs.evolve(
            self.whole, answer=answer, maximum=min(self.maximum, self.whole.maximum)
        )


@attrs.frozen
class Agreed:
    """The answer to all of an offer, and the parts that somebody has answered.

    `maximum`: the smallest maximum length of those who were asked, in bytes.
    """

    answer: Answer
    parts: tuple[Part, ...]

    @property
    def maximum(self) -> int:
        return min((each.maximum for each in self.parts), default=LARGEST_MAXIMUM_LENGTH)


@attrs.define(eq=False)
class Negotiation:
    """Has `offer` answered as `plan` says; `ask` has one pool asked, and gives a way to call it
    off. `done` is called once, maybe before `start` returns: with a pool's own rejection where none
    accepts."""

    offer: Offer
    plan: Plan
    ask: Ask
    done: Callable[[Agreed | AssociateRJ], None]
    _parts: dict[tuple[Ways, bool], Part] = attrs.field(factory=dict)
    _awaited: int = 0
    _call_off: list[Callable[[], None]] = attrs.field(factory=list)
    _is_over: bool = False

    def start(self) -> None:
        """Ask all pools, at the same time."""
        permitted = attrs.evolve(self.offer, contexts=self.plan.contexts)
        ids: dict[tuple[Ways, bool], set[int]] = {}
        for context_id, ways in self.plan.ways.items():
            ids.setdefault((ways, context_id in self.plan.late), set()).add(context_id)
        # All of them first: whoever answers at once must not be the last one by mistake.
        self._parts = {each: Part.of(*each, permitted.only(its)) for each, its in ids.items()}
        self._awaited = len(ids)
        if not ids:
            self._finish()
        for part in list(self._parts.values()):
            self._ask(part, 0)

    def call_off(self) -> None:
        """The caller has gone."""
        self._is_over = True
        for call_off in self._call_off:
            call_off()

    def _ask(self, part: Part, at: int) -> None:
        """Have the pool of the way that is `at` there answer what is left of `part`."""
        if self._is_over:
            return
        if at == len(part.ways) or not part.left.contexts:
            lost = part.lost
            if lost is None:
                self._answered(part.found)
            else:
                self._ask(lost, 0)
            return
        told = partial(self._told, part, at)
        self._call_off.append(self.ask(part.ways[at], part.left, told))

    def _told(self, part: Part, at: int, result: NegotiationResult) -> None:
        self._ask(part.told(result), at + 1)

    def _answered(self, part: Part) -> None:
        self._parts[part.ways, part.is_late] = part
        self._awaited -= 1
        if not self._awaited:
            self._finish()

    def _finish(self) -> None:
        self._is_over = True
        parts = tuple(self._parts.values())
        answered = tuple(each for each in parts if each.is_answered)
        if parts and not answered:
            self.done(_rejection(parts))
        else:
            self.done(Agreed(self._merged(parts), answered))

    def _merged(self, parts: Iterable[Part]) -> Answer:
        """Those of all parts as one. A part that nobody has answered is refused for now."""
        refused = [
            Answer.refusing(self.offer.only({each}), result)
            for each, result in self.plan.refused.items()
        ]
        return merged(self.offer, [*(each.answer for each in parts), *refused])


def _rejection(parts: Iterable[Part]) -> AssociateRJ:
    """An upstream's own rejection, where there is one; else: try again."""
    rejections = (each.rejection for each in parts if each.rejection is not None)
    return next(rejections, UNAVAILABLE)

"""The answer to a caller's offer: the pools that are to answer are asked, and answers put together.

Contexts that have the same ways (policy/planning.py) are one part (part.py). All parts are asked
for at the same time. A pool that is down has no say where there are others: what comes for it will
fail by itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import TypeAlias

import attrs

from relay.bridge.part import Part, Ways
from relay.bridge.ports import NegotiationResult
from relay.policy.admission import UNAVAILABLE
from relay.policy.planning import Plan
from relay.policy.routing import Way
from relay.wire.items import ContextResult
from relay.wire.negotiation import Answer, Offer, merged
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH, AssociateRJ

Ask: TypeAlias = Callable[[Way, Offer, Callable[[NegotiationResult], None]], Callable[[], None]]


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


@attrs.define(eq=False, repr=False)
class Negotiation:
    """Has `offer` answered as `plan` says; `ask` has one pool asked, and gives a way to call it
    off. `done` is called once, maybe before `start` returns: with a pool's own rejection where none
    accepts."""

    offer: Offer
    plan: Plan
    ask: Ask
    done: Callable[[Agreed | AssociateRJ], None]
    _parts: list[Part] = attrs.field(factory=list)
    _awaited: int = 0
    _call_off: list[Callable[[], None]] = attrs.field(factory=list)
    _is_over: bool = False

    def start(self) -> None:
        """Ask all pools, at the same time."""
        permitted = self.offer
        if self.plan.contexts is not self.offer.contexts:
            permitted = attrs.evolve(self.offer, contexts=self.plan.contexts)
        self._parts = list(_parts(permitted, self.plan))
        # All of them first: whoever answers at once must not be the last one by mistake.
        self._awaited = len(self._parts)
        if not self._parts:
            self._finish()
        for place, part in enumerate(self._parts):
            self._ask(place, part, 0)

    def call_off(self) -> None:
        """The caller has gone."""
        self._is_over = True
        for call_off in self._call_off:
            call_off()

    def _ask(self, place: int, part: Part, at: int) -> None:
        """Have the pool of the way that is `at` there answer what is left of `part`."""
        if self._is_over:
            return
        if at < len(part.ways) and (left := part.left).contexts:
            told = partial(self._told, place, part, at)
            self._call_off.append(self.ask(part.ways[at], left, told))
        elif (lost := part.lost) is not None:
            self._ask(place, lost, 0)
        else:
            self._answered(place, part.found)

    def _told(self, place: int, part: Part, at: int, result: NegotiationResult) -> None:
        self._ask(place, part.told(result), at + 1)

    def _answered(self, place: int, part: Part) -> None:
        self._parts[place] = part
        self._awaited -= 1
        if not self._awaited:
            self._finish()

    def _finish(self) -> None:
        self._is_over = True
        parts = self._parts
        answered = tuple(each for each in parts if each.answer is not None)
        if parts and not answered:
            self.done(_rejection(parts))
        else:
            self.done(Agreed(self._merged(parts), answered))

    def _merged(self, parts: Iterable[Part]) -> Answer:
        """Those of all parts as one. A part that nobody has answered is refused for now."""
        answers = [
            each.answer or Answer.refusing(each.offer, ContextResult.NO_REASON) for each in parts
        ]
        answers += [
            Answer.refusing(self.offer.only({each}), result)
            for each, result in self.plan.refused.items()
        ]
        return merged(self.offer, answers)


def _parts(offer: Offer, plan: Plan) -> Iterator[Part]:
    for way, ids in plan.ways.items():
        yield Part((way,), False, offer.only(ids))
    late: dict[Ways, list[int]] = {}
    for context_id, ways in plan.late.items():
        late.setdefault(ways, []).append(context_id)
    for ways, ids in late.items():
        part = Part(ways, True, offer.only(ids))
        yield part if ways else attrs.evolve(part, answer=Answer.accepting(part.offer))


def _rejection(parts: Iterable[Part]) -> AssociateRJ:
    """An upstream's own rejection, where there is one; else: try again."""
    rejections = (each.rejection for each in parts if each.rejection is not None)
    return next(rejections, UNAVAILABLE)

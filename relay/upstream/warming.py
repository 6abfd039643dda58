"""Associations that are opened before anybody asks for one, so that whoever does need not wait.

They are opened with what the upstream has accepted before: of all that was learnt (answers.py) that
which was used last is the likeliest to be used next. One at a time, and ever less often where it
is in vain: an archive may reject them, or close them as soon as they rest.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import islice

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from relay.upstream.answers import Answers
from relay.upstream.pool import Key, Kind, Member, lacking
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.negotiation import Offer

SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds before the next one after one that was in vain; doubling while that goes on."""


@attrs.define(eq=False)
class Warmth:
    """Sees to it that there are `warm` associations of one upstream; `again` when to look again."""

    clock: IReactorTime
    answers: Answers
    warm: int
    again: Callable[[], object]
    _is_opening: bool = False
    _pause: float = 0.0
    _not_before: float = 0.0
    _timer: IDelayedCall | None = None
    _resting: dict[UpstreamAssociation, float] = attrs.field(factory=dict)

    def wanted(self, members: Collection[Member], maximum: int) -> tuple[Kind, Offer] | None:
        """What to open now: the one who asks does so, and says what becomes of it."""
        if self.warm == 0 or self._is_opening:
            return None
        offers = dict(islice(self._known(), self.warm))
        kind = lacking(list(offers), members, self.warm, maximum)
        if kind is None:
            return None
        if self.clock.seconds() < self._not_before:
            self._wait()
            return None
        self._is_opening = True
        return kind, offers[kind]

    def opened(self, association: UpstreamAssociation, kind: Kind) -> None:
        """One was opened; it may hold less than it ought to."""
        self._is_opening = False
        if association.contexts.keys() >= kind.contexts:
            self._resting[association] = self.clock.seconds()
        else:
            self.answers.clear()
            self._in_vain()

    def not_opened(self) -> None:
        """One was not opened."""
        self._is_opening = False
        self._in_vain()

    def leased(self, association: UpstreamAssociation) -> None:
        """Somebody needed it."""
        if self._resting.pop(association, None) is not None:
            self._pause = 0.0

    def released(self, association: UpstreamAssociation) -> None:
        """It is let go, because its time is up, or to make room."""
        since = self._resting.pop(association, None)
        if since is not None and self.clock.seconds() - since < SHORTEST_PAUSE:
            self._in_vain()

    def lost(self, association: UpstreamAssociation) -> None:
        """The upstream did not want to keep it."""
        if self._resting.pop(association, None) is not None:
            self._in_vain()

    def stop(self) -> None:
        """Look no more."""
        if self._timer is not None and self._timer.active():
            self._timer.cancel()

    def _known(self) -> Iterator[tuple[Kind, Offer]]:
        for titles, offer, answer in self.answers.learnt():
            contexts = frozenset(answer.in_force(offer).values())
            if contexts:
                yield Kind(Key(titles), contexts), offer.narrowed(answer)

    def _in_vain(self) -> None:
        self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, 2 * self._pause))
        self._not_before = self.clock.seconds() + self._pause

    def _wait(self) -> None:
        if self._timer is None or not self._timer.active():
            left = self._not_before - self.clock.seconds()
            self._timer = self.clock.callLater(left, self.again)

"""Associations that are being opened: dialled, each with its time, accepted or not, called off.

One is opened for a waiter, or to be kept warm. It may outlive its waiter, who was served otherwise,
or had waited long before it was dialled: then it is for anybody, once it is open.
"""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from relay.upstream.condition import Condition
from relay.upstream.dialer import Dialer
from relay.upstream.ends import NotAccepted, Unreachable
from relay.upstream.line import Line, Waiter
from relay.upstream.members import Members
from relay.upstream.pool import Key, Kind
from relay.upstream.protocol import Keeping, UpstreamAssociation
from relay.upstream.warming import Warmth
from relay.wire.negotiation import Offer


@attrs.define(eq=False)
class Opening:
    """One that is being opened, within `timeout` seconds, for `waiter`, or as one of `kind`."""

    association: UpstreamAssociation
    timeout: float
    waiter: Waiter | None
    kind: Kind | None
    timer: IDelayedCall
    is_probe: bool
    left: float = 0.0
    """Seconds that it gets on top, where the others that it made room for are gone."""
    dialling: Deferred[object] | None = None


@attrs.define(eq=False)
class Openings:
    """All that are being opened with one upstream; `changed` is called when one was in vain."""

    clock: IReactorTime
    dialer: Dialer
    members: Members
    line: Line
    condition: Condition
    warmth: Warmth
    changed: Callable[[], object]
    _openings: dict[UpstreamAssociation, Opening] = attrs.field(factory=dict)

    def open(
        self,
        keeper: Keeping,
        key: Key,
        offer: Offer,
        timeout: float,
        waiter: Waiter | None = None,
        kind: Kind | None = None,
    ) -> None:
        """Dial. What comes of it the association tells its keeper, maybe at once."""
        verifies = self.members.limits.echo_after > 0
        association = self.dialer.association(keeper, key.titles, offer, verifies)
        # Where others live they may be all that it bears: then there is to be time for another try
        # when one of them has made room.
        patience = timeout / 2 if self.members.living else timeout
        self.members.add(association, key)
        timer = self.clock.callLater(patience, self._too_slow, association)
        is_probe = waiter is not None and waiter.is_probe
        left = timeout - patience
        opening = Opening(association, patience, waiter, kind, timer, is_probe, left)
        self._openings[association] = opening
        if waiter is not None:
            waiter.opening = association
        opening.dialling = self.dialer.dial(association)

    def opened(self, association: UpstreamAssociation) -> Waiter | None:
        """One is established. Gives the one who waits for it."""
        opening = self._done(association)
        assert opening is not None
        if opening.kind is not None:
            self.warmth.opened(association, opening.kind)
        if not opening.is_probe:
            self.condition.opened()
        return opening.waiter

    def refused(self, association: UpstreamAssociation, why: Unreachable | NotAccepted) -> None:
        """One did not come to be, which is no news where it was called off."""
        opening = self._done(association)
        if opening is not None:
            self._in_vain(opening)
            self._judge(opening, why)
            self.changed()

    def time_is_up(self, waiter: Waiter) -> None:
        """Whoever waits has waited for long enough: tell it so."""
        association = waiter.opening
        waited = "a free association" if association is None else "an answer"
        if association is not None and self._is_due(association):
            self._too_slow(association)
        if waiter in self.line:
            # What is being opened for it has not had its time.
            self.set_adrift(waiter)
            why = Unreachable(f"waited {waiter.timeout:g} s for {waited}")
            self.condition.crowded(why)
            self.line.turn_away(waiter, why)
        self.changed()

    def set_adrift(self, waiter: Waiter) -> None:
        """What is being opened for `waiter` is for anybody from now on."""
        if waiter.opening is not None:
            self._openings[waiter.opening].waiter = None
            waiter.opening = None

    def call_off(self, association: UpstreamAssociation) -> None:
        """Nobody wants it any more."""
        opening = self._done(association)
        if opening is not None:
            self._in_vain(opening)
            _hang_up(opening)

    def call_all_off(self) -> None:
        """Nobody wants any of them."""
        for association in list(self._openings):
            self.call_off(association)

    def _is_due(self, association: UpstreamAssociation) -> bool:
        return self._openings[association].timer.getTime() <= self.clock.seconds()

    def _done(self, association: UpstreamAssociation) -> Opening | None:
        opening = self._openings.pop(association, None)
        if opening is not None:
            if opening.timer.active():
                opening.timer.cancel()
            if opening.waiter is not None:
                opening.waiter.opening = None
        return opening

    def _in_vain(self, opening: Opening) -> None:
        self.members.remove(opening.association)
        if opening.kind is not None:
            self.warmth.not_opened()

    def _too_slow(self, association: UpstreamAssociation) -> None:
        opening = self._openings[association]
        if opening.left and not self.members.living:
            opening.timer = self.clock.callLater(opening.left, self._too_slow, association)
            opening.timeout, opening.left = opening.timeout + opening.left, 0.0
            return
        self._done(association)
        self._in_vain(opening)
        self._judge(opening, Unreachable(f"no answer in {opening.timeout:g} s", is_slow=True))
        # Only now: what this sets free is for those who still wait.
        _hang_up(opening)
        self.changed()

    def _judge(self, opening: Opening, why: Unreachable | NotAccepted) -> None:
        living = self.members.living
        if isinstance(why, Unreachable):
            # Unless silence has failed an operation, too: then it is silent altogether.
            is_for_room = why.is_slow and self.condition.is_reachable
        else:
            is_for_room = why.is_congestion
        if living and is_for_room:
            # It is well, and asked for too many: who waits for this one waits for another.
            self.condition.congested(why, living)
        else:
            self.condition.not_opened(why, opening.is_probe)
            if opening.waiter is not None:
                self.line.turn_away(opening.waiter, why)


def _hang_up(opening: Opening) -> None:
    if opening.dialling is not None:
        opening.dialling.cancel()
    opening.association.drop()

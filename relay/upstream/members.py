"""The associations that there are with one upstream: at work, at rest, being opened, ending."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import attrs
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from relay.policy.leasing import Reuse
from relay.upstream.limits import Limits
from relay.upstream.pool import Key, Member, Phase, surplus
from relay.upstream.protocol import UpstreamAssociation

AGES = (0.9, 1.1)
"""An association lives for some share of its maximum age between these, so that those that were
opened together are not replaced together."""


@attrs.define(eq=False)
class Members:
    """What the pool sees of each association, and what it does not see.

    `expired` is called for one whose time to rest is up, `closed` when the connection of one that
    has ended is closed: to the upstream it counts until then.
    """

    clock: IReactorTime
    limits: Limits
    random: Random
    expired: Callable[[UpstreamAssociation], object]
    closed: Callable[[], object]
    _members: dict[UpstreamAssociation, Member] = attrs.field(factory=dict)
    _expiries: dict[UpstreamAssociation, IDelayedCall] = attrs.field(factory=dict)
    _connections: dict[UpstreamAssociation, bool] = attrs.field(factory=dict)  # was it opened?

    def __iter__(self) -> Iterator[UpstreamAssociation]:
        """All of them; those that come and go meanwhile do no harm."""
        return iter(list(self._members))

    def __getitem__(self, association: UpstreamAssociation) -> Member:
        return self._members[association]

    @property
    def all(self) -> list[Member]:
        """As the pool sees them."""
        return list(self._members.values())

    @property
    def connections(self) -> list[UpstreamAssociation]:
        """Those that are there for the upstream, ending ones included."""
        return list(self._connections)

    @property
    def living(self) -> int:
        """How many the upstream has accepted, and not seen the end of."""
        return sum(self._connections.values())

    def count(self, phase: Phase) -> int:
        """How many there are in this phase."""
        return sum(each.phase is phase for each in self._members.values())

    def idle(self, private: int | None = None) -> list[UpstreamAssociation]:
        """Those that rest; only those of a crossing, where its private name is given."""
        return [
            each
            for each, its in self._members.items()
            if its.phase is Phase.IDLE and private in (None, its.key.private)
        ]

    def surplus(self) -> list[UpstreamAssociation]:
        """Those that rest and are more than may."""
        # Where none is used twice, those that rest wait for their one use.
        most = self.limits.max_idle
        if self.limits.reuse is not Reuse.ALWAYS:
            most = self.limits.maximum
        return [self.of(each) for each in surplus(self.all, most)]

    @property
    def longest_idle(self) -> UpstreamAssociation | None:
        """The one that has rested longest."""
        resting = surplus(self.all, 0)
        return self.of(resting[0]) if resting else None

    def of(self, member: Member) -> UpstreamAssociation:
        """The association that the pool sees as `member`."""
        return next(each for each, its in self._members.items() if its is member)

    # what becomes of them

    def add(self, association: UpstreamAssociation, key: Key) -> None:
        """One is about to be opened."""
        self._members[association] = Member(key)
        self._connections[association] = False
        association.closed.addCallback(lambda _: self._disconnected(association))

    def opened(self, association: UpstreamAssociation) -> Member:
        """One was opened; it is leased, until it is said to rest."""
        member = self._members[association]
        self._connections[association] = True
        member.phase, member.contexts = Phase.LEASED, frozenset(association.contexts)
        member.since = self.clock.seconds()
        if self.limits.max_age > 0:
            share = self.random.uniform(*AGES)
            member.until = self.clock.seconds() + self.limits.max_age * share
        return member

    def rest(self, association: UpstreamAssociation) -> None:
        """One rests from now on."""
        member = self._members[association]
        member.phase, member.since = Phase.IDLE, self.clock.seconds()
        delay = min(self.limits.idle_timeout, member.until - member.since)
        self._expiries[association] = self.clock.callLater(delay, self.expired, association)

    def lend(self, association: UpstreamAssociation) -> None:
        """One that rested is leased."""
        member = self._members[association]
        member.phase, member.since = Phase.LEASED, self.clock.seconds()
        self._stop_expiry(association)
        association.lend()

    def remove(self, association: UpstreamAssociation) -> None:
        """One is no more, if it was still there."""
        self._members.pop(association, None)
        self._stop_expiry(association)

    def _disconnected(self, association: UpstreamAssociation) -> None:
        del self._connections[association]
        self.closed()

    def _stop_expiry(self, association: UpstreamAssociation) -> None:
        timer = self._expiries.pop(association, None)
        if timer is not None and timer.active():
            timer.cancel()

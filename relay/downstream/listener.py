"""A port with its rules: makes the sessions of those who may call, logs how they end."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

import attrs
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IAddress, IReactorTime
from twisted.internet.protocol import Factory
from twisted.logger import Logger

from relay.bridge.outcome import Outcome
from relay.bridge.ports import Upstreams
from relay.bridge.session import Rules, Session
from relay.downstream.census import Census
from relay.downstream.protocol import DownstreamAssociation, Limits
from relay.journal.crossings import Crossing
from relay.policy.entry import CLOSED, REJECTIONS, Gate, source_of
from relay.sparing import Sparing
from relay.wire.pdu import AssociateRJ


class Listener(Factory):
    """Makes the associations of one listener, which may have a name."""

    noisy = False
    log = Logger()
    wall_clock = staticmethod(time.time)
    """Seconds since 1970, for the log."""

    def __init__(
        self,
        clock: IReactorTime,
        upstreams: Upstreams,
        rules: Rules,
        census: Census,
        limits: Limits,
        name: str | None = None,
        gate: Gate | None = None,
        sparing: Sparing | None = None,
        accepted: Callable[[], None] = lambda: None,
    ) -> None:
        self.clock = clock
        self.upstreams = upstreams
        self.rules = rules
        self.census = census
        self.limits = limits
        self.name = name
        self.gate = gate or Gate()
        self.sparing = sparing or Sparing(clock)
        self.accepted = accepted
        self.connections: set[DownstreamAssociation] = set()

    def buildProtocol(self, addr: IAddress | None) -> DownstreamAssociation | None:
        """The connection of a caller at `addr`, with its session; None where it is to be closed."""
        self.accepted()
        host = getattr(addr, "host", None)
        is_secure = self.limits.handshake is not None
        entry = self.gate.enter(host, self.clock.seconds(), is_secure, self.rules.allow)
        peer = host or "local"
        if entry in CLOSED:
            if self._allows(peer):
                its = {"event": "turned_away", "peer": peer, "why": CLOSED[entry]}
                self.log.info("{peer}: closed: {why}", **its)
            return None
        gone = partial(self._gone, host)
        association = DownstreamAssociation(
            self.clock, self.limits, peer, self.name, gone, self.sparing
        )
        ended = partial(self._ended, peer, self.clock.seconds())
        session = Session(association, self.upstreams, self.rules, self.clock, ended)
        if entry in REJECTIONS:
            turn_away(session, REJECTIONS[entry])
        association.begin(session, self.rules.maximum, self.rules.bounds)
        self.connections.add(association)
        return association

    @property
    def is_idle(self) -> bool:
        """Whether no operation is outstanding on any association."""
        return all(each.session.is_idle for each in self.connections)

    def stop(self) -> Deferred[list[tuple[bool, None]]]:
        """End all that is left; fires when every connection is closed."""
        connections = list(self.connections)
        for association in connections:
            association.session.stop()
            association.close()
        return DeferredList([association.closed for association in connections])

    def _gone(self, host: str | None, association: DownstreamAssociation) -> None:
        self.gate.leave(host)
        self.connections.discard(association)

    def _ended(self, peer: str, since: float, outcome: Outcome) -> None:
        self.census.leave(outcome.calling)
        # What was performed for whom is always told; for the rest nobody need have been let in.
        if not outcome.operations and not self._allows(peer):
            return
        seconds = self.clock.seconds() - since
        crossing = Crossing(peer, self.name, self.wall_clock() - seconds, seconds, outcome)
        # In words already: twisted.logger takes longer for each field than all of them do.
        line = crossing.words()
        self.log.info("{line}", line=line, outcome=outcome, **crossing.fields())

    def _allows(self, peer: str) -> bool:
        return self.sparing.allows(source_of(peer) or peer)


def turn_away(session: Session, rejection: AssociateRJ) -> None:
    """Have a session reject its association. It is counted all the same."""
    enter = session.rules.enter
    session.rules = attrs.evolve(session.rules, enter=lambda title: enter(title) or rejection)

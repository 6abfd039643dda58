"""A port with its rules: makes the sessions of those who may call, logs how they end."""

from __future__ import annotations

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
from relay.policy.entry import CLOSED, REJECTIONS, Gate
from relay.wire.command import CommandField
from relay.wire.pdu import AssociateRJ

_NAMES = {each.value: each.name.removesuffix("_RQ").replace("_", "-") for each in CommandField}
"""Of operations, by the command field of their requests."""


class Listener(Factory):
    """Makes the associations of one listener, which may have a name."""

    noisy = False
    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        upstreams: Upstreams,
        rules: Rules,
        census: Census,
        limits: Limits,
        name: str | None = None,
        gate: Gate | None = None,
    ) -> None:
        self.clock = clock
        self.upstreams = upstreams
        self.rules = rules
        self.census = census
        self.limits = limits
        self.name = name
        self.gate = gate or Gate()
        self.connections: set[DownstreamAssociation] = set()

    def buildProtocol(self, addr: IAddress | None) -> DownstreamAssociation | None:
        """The connection of a caller at `addr`, with its session; None where it is to be closed."""
        host = getattr(addr, "host", None)
        entry = self.gate.enter(host)
        peer = host or "local"
        if entry in CLOSED:
            self.log.info("{peer}: closed: {why}", peer=peer, why=CLOSED[entry])
            return None
        gone = partial(self._gone, host)
        association = DownstreamAssociation(self.clock, self.limits, peer, self.name, gone)
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
        seconds = self.clock.seconds() - since
        who = f"{outcome.calling!r} at {peer} called {outcome.called!r}"
        # Formatted here: twisted.logger takes longer for each field than all of this does.
        line = f"{who}: {_how(outcome)}; {_what(outcome)}; {seconds:.1f} s"
        self.log.info("{line}", line=line, peer=peer, seconds=seconds, outcome=outcome)


def turn_away(session: Session, rejection: AssociateRJ) -> None:
    """Have a session reject its association. It is counted all the same."""
    enter = session.rules.enter
    session.rules = attrs.evolve(session.rules, enter=lambda title: enter(title) or rejection)


def _how(outcome: Outcome) -> str:
    """How it ended, and why where that is more than the end itself."""
    assert outcome.end is not None
    return f"{outcome.end.value}: {outcome.why}" if outcome.why else outcome.end.value


def _what(outcome: Outcome) -> str:
    """What crossed, and by which upstreams."""
    counts = [f"{number} {_NAMES[field]}" for field, number in sorted(outcome.operations.items())]
    if outcome.resent:
        ambiguous = f" ({outcome.ambiguous} perhaps performed)" if outcome.ambiguous else ""
        counts.append(f"{outcome.resent} sent again{ambiguous}")
    if outcome.failed:
        why = f" ({'; '.join(outcome.notes)})" if outcome.notes else ""
        counts.append(f"{outcome.failed} failed{why}")
    if outcome.odd:
        counts.append(f"{outcome.odd} of odd length")
    size = f"{outcome.bytes_up} bytes up, {outcome.bytes_down} down"
    by = f"by {', '.join(outcome.upstreams)}" if outcome.upstreams else "no upstream"
    return f"{', '.join(counts) or 'nothing'}; {size}; {by}"

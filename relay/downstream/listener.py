"""A port with its rules: makes the sessions of those who call, counts them, logs how they end."""

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
from relay.downstream.protocol import DownstreamAssociation, Limits
from relay.wire.command import CommandField

_NAMES = {each.value: each.name.removesuffix("_RQ").replace("_", "-") for each in CommandField}
"""Of operations, by the command field of their requests."""


@attrs.define(eq=False)
class Census:
    """How many associations there are, and may be; inside another one where both count."""

    limit: int
    within: Census | None = None
    count: int = 0

    def enter(self) -> bool:
        """Count one more; whether there was room for it."""
        self.count += 1
        room = self.within.enter() if self.within is not None else True
        return room and self.count <= self.limit

    def leave(self) -> None:
        """Count one less."""
        self.count -= 1
        if self.within is not None:
            self.within.leave()


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
    ) -> None:
        self.clock = clock
        self.upstreams = upstreams
        self.rules = rules
        self.census = census
        self.limits = limits
        self.name = name
        self.connections: set[DownstreamAssociation] = set()

    def buildProtocol(self, addr: IAddress | None) -> DownstreamAssociation:
        """The connection of a caller at `addr`, with its session."""
        peer = str(getattr(addr, "host", "local"))
        gone = self.connections.discard
        association = DownstreamAssociation(self.clock, self.limits, peer, self.name, gone)
        ended = partial(self._ended, peer, self.clock.seconds())
        session = Session(association, self.upstreams, self.rules, self.clock, ended)
        association.begin(session, self.rules.maximum)
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

    def _ended(self, peer: str, since: float, outcome: Outcome) -> None:
        self.census.leave()
        seconds = self.clock.seconds() - since
        who = f"{outcome.calling!r} at {peer} called {outcome.called!r}"
        # Formatted here: twisted.logger takes longer for each field than all of this does.
        line = f"{who}: {_how(outcome)}; {_what(outcome)}; {seconds:.1f} s"
        self.log.info("{line}", line=line, peer=peer, seconds=seconds, outcome=outcome)


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

"""A resting association is lent to whoever waits, once it is known to be alive."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from twisted.internet.interfaces import IReactorTime

from relay.upstream.echo import echo, echo_context
from relay.upstream.line import Line, Waiter
from relay.upstream.members import Members
from relay.upstream.opening import Openings
from relay.upstream.protocol import UpstreamAssociation
from relay.upstream.warming import Warmth


@attrs.define(eq=False)
class Lender:
    """Lends the associations of one upstream; `changed` is called when one proved to be dead."""

    clock: IReactorTime
    members: Members
    line: Line
    openings: Openings
    warmth: Warmth
    changed: Callable[[], object]

    def lend_at_once(self, association: UpstreamAssociation) -> bool:
        """Lend one that rests, where a look at it is all that it takes; whether it was lent."""
        if not association.is_idle or self._context_to_ask_on(association) is not None:
            return False
        self.members.lend(association)
        self.warmth.leased(association)
        return True

    def hand_out(self, waiter: Waiter, association: UpstreamAssociation) -> None:
        """Give one that rests to `waiter`, or find out that it is no good."""
        if not association.is_idle:
            # Closed by the archive, or about to be: nobody notices, the next round opens another.
            self.members.remove(association)
            association.drop()
            return
        context_id = self._context_to_ask_on(association)
        self.members.lend(association)
        if context_id is None:
            self._lend(waiter, association)
            return
        waiter.is_asking = True
        asked = echo(association, context_id, self.clock, self.members.limits.probe_timeout)
        asked.addCallback(self._asked, waiter, association)

    def _context_to_ask_on(self, association: UpstreamAssociation) -> int | None:
        """Where it should be asked whether it lives: it has rested for long, and can be."""
        after = self.members.limits.echo_after
        if not 0 < after <= self.clock.seconds() - self.members[association].since:
            return None
        return echo_context(association)

    def _asked(self, is_alive: bool, waiter: Waiter, association: UpstreamAssociation) -> None:
        """One that rested has answered, or is gone. Meanwhile `waiter` may have given up."""
        waiter.is_asking = False
        if not is_alive:
            self.changed()
        elif waiter in self.line:
            # The C-ECHO was no part of the lease that begins now.
            association.lend()
            self._lend(waiter, association)
        else:
            association.give_back()

    def _lend(self, waiter: Waiter, association: UpstreamAssociation) -> None:
        self.warmth.leased(association)
        self.openings.set_adrift(waiter)
        self.line.serve(waiter, association)

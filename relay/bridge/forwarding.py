"""An operation goes on to its leg, or to whoever answers to an AE title, or is answered here."""

from __future__ import annotations

from collections.abc import Callable

import attrs

from relay.bridge.legs import Legs
from relay.bridge.operation import Operation
from relay.bridge.outcome import Outcome
from relay.policy.planning import Directory
from relay.policy.routing import Caller
from relay.wire.command import Status
from relay.wire.pdu import ae_field


@attrs.frozen
class Next:
    """What becomes of an operation: it goes on to its leg, or is answered with a status, or has
    failed for now, which is told as its pool wants it told (policy/failing.py)."""

    go: Callable[[Operation], None]
    refuse: Callable[[Operation, Status], None]
    fail: Callable[[Operation], None]


@attrs.define(eq=False, repr=False)
class Forwarding:
    """Forwards the operations of one crossing, whose caller is `who`."""

    who: Caller
    directory: Directory
    legs: Legs
    outcome: Outcome
    is_over: bool = False
    """Whether the crossing is: what is found out from then on concerns nobody."""

    def fail(self, operation: Operation, then: Next, status: Status, why: str) -> None:
        """Answer it with `status`; `why` is for the log."""
        self.outcome.note(why)
        then.refuse(operation, status)

    def fail_for_now(self, operation: Operation, then: Next, why: str) -> None:
        """It could be performed at another time; `why` is for the log."""
        self.outcome.note(why)
        then.fail(operation)

    def go_to(self, operation: Operation, then: Next, title: str, shown: str | None = None) -> None:
        """On to whoever answers to `title`; there the relay shows itself as `shown`, if given."""
        way = self.directory.way_to(self.who, title, operation.context.abstract_syntax)
        if way is None:
            self.fail(operation, then, Status.PROCESSING_FAILURE, f"no way to {title!r}")
            return
        if shown is not None:
            titles = attrs.evolve(way.titles, calling=ae_field(shown))
            way = attrs.evolve(way, titles=titles)
        operation.leg = self.legs.to(way)
        then.go(operation)

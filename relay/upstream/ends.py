"""How an association with an upstream does not come to be, and how one ends."""

from __future__ import annotations

from enum import Enum, auto

from relay.wire.errors import PresentationRejectReason, RejectResult, RejectSource
from relay.wire.pdu import AssociateRJ

_CONGESTION = frozenset(
    {PresentationRejectReason.TEMPORARY_CONGESTION, PresentationRejectReason.LOCAL_LIMIT_EXCEEDED}
)


class Unreachable(Exception):
    """An upstream could not be asked, or did not answer; the text says why.

    `is_slow`: nothing was wrong but that it took too long.
    """

    def __init__(self, why: str, is_slow: bool = False) -> None:
        super().__init__(why)
        self.is_slow = is_slow


class HungUp(Unreachable):
    """An upstream that was asked for an association ended the connection; `is_abort`: by A-ABORT.

    It is there. It may dislike who asks, or what for, and have no better way to say so.
    """

    def __init__(self, why: str, is_abort: bool) -> None:
        super().__init__(why)
        self.is_abort = is_abort


class NotAccepted(Exception):
    """An upstream rejected the association; `rejection` is its own."""

    def __init__(self, rejection: AssociateRJ) -> None:
        super().__init__(f"rejected ({rejection.result},{rejection.source},{rejection.reason})")
        self.rejection = rejection

    @property
    def is_congestion(self) -> bool:
        """Whether the upstream has as many associations as it bears."""
        its = self.rejection
        if its.result != RejectResult.TRANSIENT:
            return False
        is_for_room = its.source == RejectSource.SERVICE_PROVIDER_PRESENTATION
        return is_for_room and its.reason in _CONGESTION


class End(Enum):
    """What the end of an association says of its upstream."""

    ENDED = auto()
    """Nothing: it was released, or nothing was under way on it."""
    STALE = auto()
    """Nothing, most likely: it had rested, in the pool or between two operations of a lease, and
    was lost before anything came on it. It may have been closed while it rested."""
    FAILED = auto()
    """An operation broke down on it, or the upstream broke the rules."""

"""How long a lease of an upstream association lasts, by operation (docs/architecture.md)."""

from __future__ import annotations

from enum import Enum, auto

from relay.wire.command import CommandField


class Hold(Enum):
    """When a lease goes back to the pool."""

    OPERATION = auto()
    """With the final response."""
    LINGER = auto()
    """A moment after the final response: the next one is likely to follow."""
    ASSOCIATION = auto()
    """With the end of the downstream association, and then it is released, not pooled."""


HOLDS: dict[int, Hold] = {
    CommandField.C_ECHO_RQ: Hold.OPERATION,
    CommandField.C_STORE_RQ: Hold.LINGER,
    CommandField.C_FIND_RQ: Hold.OPERATION,
    CommandField.C_GET_RQ: Hold.OPERATION,
    CommandField.C_MOVE_RQ: Hold.OPERATION,
    CommandField.N_EVENT_REPORT_RQ: Hold.ASSOCIATION,
    CommandField.N_GET_RQ: Hold.ASSOCIATION,
    CommandField.N_SET_RQ: Hold.ASSOCIATION,
    CommandField.N_ACTION_RQ: Hold.ASSOCIATION,
    CommandField.N_CREATE_RQ: Hold.ASSOCIATION,
    CommandField.N_DELETE_RQ: Hold.ASSOCIATION,
}
"""Also the list of the operations that there are: what is not in here is no request."""

WANTS_ALL_CONTEXTS = frozenset({CommandField.C_GET_RQ})
"""Operations whose performer picks contexts of its own: the lease must hold the same set."""

OPEN_ENDED = frozenset({CommandField.C_GET_RQ, CommandField.C_MOVE_RQ})
"""Operations without a time-out for the response: an archive may be fetching from tape."""

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


class Reuse(Enum):
    """Who may use an upstream association after the crossing that it was opened for."""

    ALWAYS = "always"
    """Anybody who shows the same AE title."""
    CALLER = "caller"
    """Nobody: it is held until the caller releases, and then released, as the end of a study."""
    NEVER = "never"
    """Nobody: it is released when the operations that it was leased for are complete."""


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

CONCURRENT = frozenset({CommandField.C_ECHO_RQ, CommandField.C_STORE_RQ, CommandField.C_FIND_RQ})
"""Operations that may be outstanding side by side, each on an association of its own, where a
caller has negotiated an asynchronous operations window. The others order themselves: what follows a
C-MOVE or an N-service may depend on it."""

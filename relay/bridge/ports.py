"""What the two banks offer the bridge, and what the bridge offers them.

A bank gives a `Source` (its reading can be stopped) and a `Sink` (messages can be written to it),
both at once for an association. Answers come by callback, possibly before the call returns: the
bridge has no event loop of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from enum import Enum, auto
from typing import Protocol, TypeAlias

import attrs

from relay.policy.affinity import Affinity
from relay.policy.leasing import Reuse
from relay.policy.moves import Moving
from relay.policy.routing import Origin
from relay.policy.showing import Titles
from relay.wire.errors import AbortReason, AbortSource
from relay.wire.negotiation import Answer, Context, Offer
from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Buffer, Fragments
from relay.wire.upperlayer import Loss
from relay.wire.user_information import UserIdentityRQ


class Timer(Protocol):
    """A call that is due; it may be cancelled until it came."""

    def cancel(self) -> None:
        """Never mind."""

    def active(self) -> bool:
        """Whether it is still due."""


class DelayedCall(Timer, Protocol):
    """One that can be moved; Twisted's is one (IDelayedCall)."""

    def reset(self, delay: float) -> None:
        """Come `delay` seconds from now."""


class Clock(Protocol):
    """Seconds and delayed calls; Twisted's reactor is one (IReactorTime)."""

    def seconds(self) -> float:
        """Now."""

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: object
    ) -> DelayedCall:
        """Call after `delay` seconds."""


class Source(Protocol):
    """Where bytes come from."""

    def pause(self) -> None:
        """Read no more until `resume`; what was read already may still come."""

    def resume(self) -> None:
        """Read on."""


class Sink(Protocol):
    """Where messages go: a command set, then its dataset's fragments, never two at a time."""

    def command(self, context_id: int, command_set: bytes) -> None:
        """A whole command set."""

    def fragments(self, context_id: int, fragments: Fragments) -> None:
        """Fragments of a dataset, as they came from elsewhere."""


class Downstream(Source, Sink, Protocol):
    """The association with the caller."""

    @property
    def origin(self) -> Origin:
        """Where it comes from."""

    def accept(self, answer: AssociateAC, request: AssociateRQ) -> None:
        """A-ASSOCIATE response, accepted."""

    def reject(self, answer: AssociateRJ) -> None:
        """A-ASSOCIATE response, rejected."""

    def release_response(self) -> None:
        """A-RELEASE response."""

    def abort(
        self,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """A-ABORT request."""


class LeaseUser(Protocol):
    """Whoever holds a lease: hears what its upstream sends."""

    def lease_data(self, fragments: Fragments) -> None:
        """Fragments of a message."""

    def lease_full(self) -> None:
        """The upstream takes no more for now; what is written is kept."""

    def lease_drained(self) -> None:
        """The upstream takes more."""

    def lease_lost(self, loss: Loss) -> None:
        """The association is gone; the lease with it, there is nothing to give back."""


@attrs.frozen
class Manners:
    """How an upstream wants to be treated, in seconds.

    `response_timeout`: how long a response may take; `stall_timeout`: how long it may take nothing;
    `linger`: how long a lease waits for the next C-STORE. `reuse`: who may use an association
    after the first one.
    """

    response_timeout: float
    stall_timeout: float
    linger: float
    reuse: Reuse = Reuse.ALWAYS


class Fault(Enum):
    """Whose fault it is that a lease is aborted."""

    ELSEWHERE = auto()
    """The caller has gone, or a record was lost: nothing is said of the upstream."""
    REFUSED = auto()
    """The relay takes no more of what the caller sends, and says so where it tells of the caller:
    nothing is said of the upstream, nor need be."""
    UPSTREAM = auto()
    """It broke the rules, took nothing, or did not answer in time."""


class Lease(Source, Sink, Protocol):
    """The exclusive use of an upstream association."""

    @property
    def upstream(self) -> str:
        """The upstream's name in the configuration."""

    @property
    def contexts(self) -> Mapping[Context, int]:
        """Context ids by context in force."""

    @property
    def held(self) -> Mapping[int, Context]:
        """Contexts in force by id."""

    @property
    def manners(self) -> Manners:
        """The upstream's."""

    @property
    def is_stale(self) -> bool:
        """Whether it may have been closed before the operation at hand began, for all one knows."""

    @property
    def is_recalled(self) -> bool:
        """Whether it should go back as soon as nothing is under way on it."""

    def use(self, user: LeaseUser) -> None:
        """Say who is to hear what comes."""

    def begin(self) -> None:
        """An operation begins on it."""

    def answered(self, status: int, seconds: float) -> None:
        """A final response has come with `status`, `seconds` after all of its request had left."""

    def give_back(self) -> None:
        """All operations are complete: others may use it."""

    def release(self) -> None:
        """All operations are complete, and nobody else may use it: A-RELEASE."""

    def abort(
        self,
        why: str,
        fault: Fault,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """An operation is incomplete, `why` for the log: A-ABORT. It is not heard of again."""


@attrs.frozen
class Asked:
    """For whom an upstream is asked, and for what.

    `caller` is the caller's own AE title, as the bytes of its field, whatever `titles` are shown.
    `private`, where not None, names the crossing that alone may use the associations made for it:
    its offer says who the user is.
    """

    pool: str
    titles: Titles
    offer: Offer
    caller: bytes
    private: int | None = None


@attrs.frozen
class Wanted:
    """A lease that is wanted: it must hold `context`, or, for `exactly`, these contexts only.

    `asked.offer` is what a new association proposes. `prefer` is the upstream to try first, while
    it is well; those in `avoid` come last. `fresh`: one that has rested in the pool will not do.
    """

    asked: Asked
    context: Context
    exactly: frozenset[Context] | None = None
    prefer: str | None = None
    avoid: frozenset[str] = frozenset()
    fresh: bool = False


@attrs.frozen
class Terms:
    """What a pool grants the crossings that it serves.

    `affinity` says which operations keep to one upstream. `aborts`: a caller is told of a failure
    by A-ABORT, whatever the operation, because it takes any status for final. `moving`: how its
    archives are told where to move; None: as the caller says.
    """

    affinity: Affinity
    aborts: bool = False
    moving: Moving | None = None


@attrs.frozen
class Negotiated:
    """An upstream's answer to an offer, from the wire or from memory.

    `maximum`: the smallest maximum length of the pool's upstreams, as far as known, in bytes.
    """

    upstream: str
    answer: Answer
    maximum: int


@attrs.frozen
class Rejected:
    """An upstream answered, and it was no; `rejection` is its own."""

    rejection: AssociateRJ


@attrs.frozen
class Unavailable:
    """No upstream could be reached in time."""


@attrs.frozen
class ContextRefused:
    """An upstream lives, but does not hold the context (any more)."""


NegotiationResult: TypeAlias = Negotiated | Rejected | Unavailable
LeaseResult: TypeAlias = Lease | ContextRefused | Unavailable


class Upstreams(Protocol):
    """The bank towards the archives."""

    def negotiate(
        self, asked: Asked, done: Callable[[NegotiationResult], None]
    ) -> Callable[[], None]:
        """Have an upstream of the pool answer the offer; gives a way to call it off."""

    def lease(self, wanted: Wanted, done: Callable[[LeaseResult], None]) -> Callable[[], None]:
        """Lease an association; gives a way to call it off."""

    def leave(self, private: int) -> None:
        """The crossing with this private name is over: so are its associations."""

    def terms(self, pool: str) -> Terms:
        """What the pool grants."""

    def pause_before_retry(self, pool: str) -> float | None:
        """Seconds to wait before an operation is sent again, which is counted; None: never."""


class Overflow(Protocol):
    """Where bytes of a record go that have no place in memory. OSError from any but `close`."""

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Append these."""

    def read(self, at: int, length: int) -> bytes:
        """As many of `length` bytes as there are from `at` on."""

    def close(self) -> None:
        """They are not needed any more."""


class Identities(Protocol):
    """Who may call, by the user identity that is shown (PS3.7 D.3.3.7)."""

    def check(self, identity: UserIdentityRQ | None, done: Callable[[bool], None]) -> None:
        """Whether it belongs to somebody who may."""


@attrs.frozen
class Requester:
    """Who asked for storage commitment: its own AE title, and the one that it called."""

    calling: str
    called: str


class Transactions(Protocol):
    """Who asked for which storage commitment, remembered also across a restart."""

    def remember(self, uid: str, requester: Requester, done: Callable[[bool], None]) -> None:
        """Note whose the Transaction UID is. `done` hears whether that is kept for certain: not
        where it could not be written, nor where it is somebody else's already."""

    def find(self, uid: str, done: Callable[[Requester | None], None]) -> None:
        """Whose the Transaction UID is, as far as is known."""

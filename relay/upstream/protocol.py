"""The relay's end of an association with an upstream: opened, leased, idle, leased, ... ended.

To whoever leases it, it is a `Lease` (bridge/ports.py). While nobody does, it answers for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeAlias

from twisted.internet.interfaces import IHandshakeListener, IReactorTime, ISSLTransport
from zope.interface import implementer

from relay.bridge.ports import Fault, LeaseUser, Manners
from relay.policy.failover import STALE_WITHIN
from relay.transport.association import AssociationProtocol
from relay.transport.reasons import describe
from relay.upstream.ends import End, HungUp, NotAccepted, Unreachable
from relay.upstream.unsolicited import Unsolicited
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.items import ContextResult, PresentationContextRQ
from relay.wire.negotiation import Answer, Context, Offer
from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss

RELEASE_TIMEOUT = 5.0
"""Seconds that an upstream has to answer an A-RELEASE-RQ."""


Implementation: TypeAlias = tuple[str | None, str | None]
"""Implementation class UID and version name, as an upstream shows them (PS3.7 D.3.3.2)."""


class Keeping(Protocol):
    """Whoever keeps the upstream's associations."""

    name: str

    def wants_back(self, association: UpstreamAssociation) -> bool:
        """Whether its lease is to end with the operation under way."""

    def opened(self, association: UpstreamAssociation) -> None:
        """It is established."""

    def refused(self, association: UpstreamAssociation, why: Unreachable | NotAccepted) -> None:
        """It did not come to be."""

    def returned(self, association: UpstreamAssociation) -> None:
        """Its lease is over; others may use it."""

    def answered(self, association: UpstreamAssociation, status: int, seconds: float) -> None:
        """An operation on it is complete, with `status`, after `seconds`."""

    def aborted(self, why: str) -> None:
        """One is aborted, `why` for the log, and not for any fault of its own."""

    def gone(self, association: UpstreamAssociation, end: End, why: str) -> None:
        """It is no more; `why`, for the log, where it failed."""


@implementer(IHandshakeListener)
class UpstreamAssociation(AssociationProtocol):
    """One association with an upstream.

    `request` proposes `offer` and, where it is not None, `own`: a context for Verification that
    nobody but the relay knows of.
    """

    _is_asked = False
    """Whether its request is on its way, TLS and all."""
    _is_over = False
    # Of the operation under way, if there is one:
    _is_under_way = False
    _since = 0.0
    """When it began, in seconds."""
    _has_rested = False
    """Whether nothing was under way before it."""
    _has_spoken = False
    """Whether anything has come since."""
    _was_paused = False
    """Whether it was not read from for a while, on the caller's account."""

    def __init__(
        self,
        clock: IReactorTime,
        keeper: Keeping,
        manners: Manners,
        offer: Offer,
        request: AssociateRQ,
        own: PresentationContextRQ | None = None,
    ) -> None:
        super().__init__(clock, artim=RELEASE_TIMEOUT)
        self.keeper = keeper
        self.upstream = keeper.name
        self.manners = manners
        self.offer = offer
        self.answer: Answer | None = None
        self.contexts: Mapping[Context, int] = {}
        self.held: Mapping[int, Context] = {}
        self.own_context: int | None = None
        """The id of `own`, if it was accepted."""
        self.implementation: Implementation = (None, None)
        self.is_reused = False
        """Whether it has been leased after a rest."""
        self.is_used = False
        """Whether it has served an operation."""
        self.outstanding = 0
        """Bytes sent in this lease whose operation is not answered yet."""
        self._own = own
        self._request = request
        self._lessee: LeaseUser | None = None
        self._unsolicited = Unsolicited(self)
        maximum = request.user_information.maximum_length
        assert maximum is not None
        self.start(self, maximum, is_requestor=True)

    @property
    def is_idle(self) -> bool:
        """Whether it could be leased now: nothing is there to be read, nothing half read."""
        if not self.layer.established or not self.layer.has_read_all:
            # What is left of the read that brought the last answer is nobody else's.
            return False
        return self._unsolicited.is_silent and self.is_silent()

    @property
    def is_stale(self) -> bool:
        """Whether it may have been closed before the operation at hand began."""
        is_young = self.clock.seconds() - self._since <= STALE_WITHIN
        return self._has_rested and not self._has_spoken and is_young

    @property
    def is_recalled(self) -> bool:
        """Whether the upstream is being taken out, or others wait for it."""
        return self.keeper.wants_back(self)

    # from the transport

    def connectionMade(self) -> None:
        """Ask for the association; under TLS it leaves when the handshake is complete."""
        super().connectionMade()
        self._is_asked = not ISSLTransport.providedBy(self.transport)
        self.layer.connected(self._request)

    def handshakeCompleted(self) -> None:
        """TLS is established: whatever ends the connection from now on, it is there."""
        self._is_asked = True

    def never_connected(self, why: Unreachable) -> None:
        """There is no connection to ask on."""
        self._is_over = True
        self.closed.callback(None)
        self.keeper.refused(self, why)

    def full(self) -> None:
        """More is unsent than the transport likes."""
        if self._lessee is not None:
            self._lessee.lease_full()
        elif self.answer is not None and not self._is_over:
            # It asks, on an association that rests, and takes no answers.
            self.abort("it takes nothing", Fault.UPSTREAM)

    def drained(self) -> None:
        """It has gone."""
        if self._lessee is not None:
            self._lessee.lease_drained()

    # indications and confirmations

    def associate_indication(self, request: AssociateRQ) -> None:
        """Requests come to acceptors; this side is the requestor."""

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        """The upstream's answer to the offer."""
        if isinstance(answer, AssociateRJ):
            self._is_over = True
            self.keeper.refused(self, NotAccepted(answer))
            return
        information = answer.user_information
        self.implementation = (
            information.implementation_class_uid,
            information.implementation_version_name,
        )
        own = [each.result for each in answer.contexts if self._own and each.id == self._own.id]
        if self._own is not None and own == [ContextResult.ACCEPTANCE]:
            self.own_context = self._own.id
        self.answer = Answer.of(self.offer, answer)
        self.held = self.answer.in_force(self.offer)
        self._unsolicited = Unsolicited(self, frozenset((*self.held, self.own_context)))
        # Of equal contexts under several ids the first serves.
        self.contexts = {held: each for each, held in reversed(self.held.items())}
        self.keeper.opened(self)

    def data_indication(self, fragments: Fragments) -> None:
        """Fragments for whoever leases it; for itself when nobody does."""
        self._has_spoken = True
        if self._lessee is not None:
            self._lessee.lease_data(fragments)
            return
        if self._is_over:
            # Said before it heard of the release: nothing can be answered any more.
            return
        try:
            self._unsolicited.received(fragments)
        except ProtocolError as error:
            self.abort(f"protocol error: {error}", Fault.UPSTREAM, error.source, error.reason)

    def release_indication(self) -> None:
        """The upstream wants no more of this association."""
        self.layer.release_response()
        self._lost(Loss(), End.ENDED)

    def release_confirmation(self) -> None:
        """The upstream agreed to a release; the keeper has forgotten this association already."""

    def abort_indication(self, loss: Loss) -> None:
        """It is gone, or never came to be."""
        if self._is_over:
            return
        if self.answer is None:
            self._is_over = True
            self.keeper.refused(self, self._unopened(loss))
        else:
            self._lost(loss, self._end(loss))

    def _unopened(self, loss: Loss) -> Unreachable:
        if self._is_asked and loss.error is None:
            return HungUp(self._why(loss), is_abort=loss.abort is not None)
        return Unreachable(self._why(loss))

    def _end(self, loss: Loss) -> End:
        if loss.error is not None:
            return End.FAILED
        if self._lessee is None or not self._is_under_way or self._was_paused:
            return End.ENDED
        return End.STALE if self.is_stale else End.FAILED

    def _why(self, loss: Loss) -> str:
        if loss.abort is None and loss.error is None and self.why_lost is not None:
            return describe(self.why_lost)
        return str(loss)

    def _lost(self, loss: Loss, end: End) -> None:
        self._is_over = True
        lessee, self._lessee = self._lessee, None
        self.keeper.gone(self, end, self._why(loss))
        if lessee is not None:
            lessee.lease_lost(loss)

    def _rests(self) -> None:
        """Nothing is under way, in a lease or not: from now on it may be closed without a sign."""
        self.outstanding = 0
        self._is_under_way = self._was_paused = self._has_spoken = False
        self._has_rested = True

    # for the keeper

    def ask(self, context_id: int, command_set: bytes) -> None:
        """Send a whole command set that is no part of anybody's operation."""
        self._is_under_way, self._since = self._lessee is not None, self.clock.seconds()
        self.command(context_id, command_set)

    def lend(self) -> None:
        """It has rested, and is leased again."""
        self.is_reused = True
        self._rests()

    # Lease

    def use(self, user: LeaseUser) -> None:
        """Say who is to hear what comes."""
        self._lessee = user

    def begin(self) -> None:
        """An operation begins: until it is answered, the end of the association is a failure."""
        self.is_used = self._is_under_way = True
        self._since = self.clock.seconds()

    def pause(self) -> None:
        """Read no more for now: what comes of it, if it is long, is not the upstream's fault."""
        self._was_paused = True
        super().pause()

    def fragments(self, context_id: int, fragments: Fragments) -> None:
        """Send fragments of a dataset."""
        self.outstanding += len(fragments.raw)
        self.layer.fragments(context_id, fragments)

    def answered(self, status: int, seconds: float) -> None:
        """A final response has come with `status`, `seconds` after all of its request had left."""
        self._rests()
        self.keeper.answered(self, status, seconds)

    def give_back(self) -> None:
        """Others may use it."""
        self._lessee = None
        self._rests()
        if not self._is_over:
            self.keeper.returned(self)

    def release(self) -> None:
        """Nobody may use it any more: A-RELEASE."""
        self._lessee = None
        if self._is_over:
            return
        self._is_over = True
        self.keeper.gone(self, End.ENDED, "")
        if self.layer.established:
            self.layer.release()
            self.drop_in(RELEASE_TIMEOUT)
        else:
            self.drop()

    def abort(
        self,
        why: str,
        fault: Fault,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """Something is unfinished on it: A-ABORT."""
        self._lessee = None
        if self._is_over:
            return
        self._is_over = True
        why = f"association aborted: {why}"
        if fault is Fault.ELSEWHERE:
            self.keeper.aborted(why)
        self.keeper.gone(self, End.FAILED if fault is Fault.UPSTREAM else End.ENDED, why)
        self.layer.abort(source, reason)

"""The relay's end of an association with an upstream: opened, leased, idle, leased, ... ended.

To whoever leases it, it is a `Lease` (bridge/ports.py). While nobody does, it answers for itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from relay.bridge.ports import LeaseUser, Manners
from relay.transport.association import AssociationProtocol
from relay.transport.reasons import describe
from relay.upstream.unsolicited import Unsolicited
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.negotiation import Answer, Context, Offer
from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss

RELEASE_TIMEOUT = 5.0
"""Seconds that an upstream has to answer an A-RELEASE-RQ."""


class Unreachable(Exception):
    """An upstream could not be asked, or did not answer; the text says why."""


class NotAccepted(Exception):
    """An upstream rejected the association; `rejection` is its own."""

    def __init__(self, rejection: AssociateRJ) -> None:
        super().__init__(f"rejected ({rejection.result},{rejection.source},{rejection.reason})")
        self.rejection = rejection


class Keeping(Protocol):
    """Whoever keeps the upstream's associations."""

    name: str

    def opened(self, association: UpstreamAssociation) -> None:
        """It is established."""

    def refused(self, association: UpstreamAssociation, why: Exception) -> None:
        """It did not come to be: `Unreachable` or `NotAccepted`."""

    def returned(self, association: UpstreamAssociation) -> None:
        """Its lease is over; others may use it."""

    def gone(self, association: UpstreamAssociation, failed: bool) -> None:
        """It is no more; `failed`: not as associations ought to end."""


class UpstreamAssociation(AssociationProtocol):
    """One association with an upstream."""

    log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        keeper: Keeping,
        manners: Manners,
        offer: Offer,
        request: AssociateRQ,
    ) -> None:
        super().__init__(clock, artim=RELEASE_TIMEOUT)
        self.keeper = keeper
        self.upstream = keeper.name
        self.manners = manners
        self.offer = offer
        self.answer: Answer | None = None
        self.contexts: Mapping[Context, int] = {}
        self.held: Mapping[int, Context] = {}
        self._request = request
        self._lessee: LeaseUser | None = None
        self._unsolicited = Unsolicited(self)
        self._is_over = False
        maximum = request.user_information.maximum_length
        assert maximum is not None
        self.start(self, maximum, is_requestor=True)

    @property
    def is_idle(self) -> bool:
        """Whether it could be leased now: nothing is there to be read, nothing half read."""
        return self.layer.established and self._unsolicited.is_silent and self.is_silent()

    # from the transport

    def connectionMade(self) -> None:
        """Ask for the association; under TLS it leaves when the handshake is complete."""
        super().connectionMade()
        self.layer.connected(self._request)

    def never_connected(self, why: Unreachable) -> None:
        """There is no connection to ask on."""
        self._is_over = True
        self.closed.callback(None)
        self.keeper.refused(self, why)

    def full(self) -> None:
        """More is unsent than the transport likes."""
        if self._lessee is not None:
            self._lessee.lease_full()

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
        self.answer = Answer.of(self.offer, answer)
        self.held = self.answer.in_force(self.offer)
        # Of equal contexts under several ids the first serves.
        self.contexts = {held: each for each, held in reversed(self.held.items())}
        self.keeper.opened(self)

    def data_indication(self, fragments: Fragments) -> None:
        """Fragments for whoever leases it; for itself when nobody does."""
        if self._lessee is not None:
            self._lessee.lease_data(fragments)
            return
        if self._is_over:
            # Said before it heard of the release: nothing can be answered any more.
            return
        try:
            self._unsolicited.received(fragments)
        except ProtocolError as error:
            self.abort(f"protocol error: {error}", error.source, error.reason)

    def release_indication(self) -> None:
        """The upstream wants no more of this association."""
        self.layer.release_response()
        self._lost(Loss(), failed=False)

    def release_confirmation(self) -> None:
        """The upstream agreed to a release; the keeper has forgotten this association already."""

    def abort_indication(self, loss: Loss) -> None:
        """It is gone, or never came to be."""
        if self._is_over:
            return
        if self.answer is None:
            self._is_over = True
            self.keeper.refused(self, Unreachable(self._why(loss)))
        else:
            failed = self._lessee is not None or loss.error is not None
            if failed:
                self._log(self._why(loss))
            self._lost(loss, failed)

    def _why(self, loss: Loss) -> str:
        if loss.abort is None and loss.error is None and self.why_lost is not None:
            return describe(self.why_lost)
        return str(loss)

    def _lost(self, loss: Loss, failed: bool) -> None:
        self._is_over = True
        lessee, self._lessee = self._lessee, None
        self.keeper.gone(self, failed)
        if lessee is not None:
            lessee.lease_lost(loss)

    def _log(self, why: str) -> None:
        self.log.warn("upstream {upstream}: {why}", upstream=self.upstream, why=why)

    # Lease

    def use(self, user: LeaseUser) -> None:
        """Say who is to hear what comes."""
        self._lessee = user

    def give_back(self) -> None:
        """Others may use it."""
        self._lessee = None
        if not self._is_over:
            self.keeper.returned(self)

    def release(self) -> None:
        """Nobody may use it any more: A-RELEASE."""
        self._lessee = None
        if self._is_over:
            return
        self._is_over = True
        self.keeper.gone(self, failed=False)
        if self.layer.established:
            self.layer.release()
            self.drop_in(RELEASE_TIMEOUT)
        else:
            self.drop()

    def abort(
        self,
        why: str,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """Something is unfinished on it: A-ABORT."""
        self._lessee = None
        if self._is_over:
            return
        self._is_over = True
        self._log(f"association aborted: {why}")
        self.keeper.gone(self, failed=source is AbortSource.SERVICE_PROVIDER)
        self.layer.abort(source, reason)

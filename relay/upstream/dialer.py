"""Opens associations with one upstream: where it is, and the TLS on the way there."""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import TCPTimedOutError, TimeoutError
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory
from twisted.python.failure import Failure

from relay.bridge.ports import Manners
from relay.policy.showing import Titles
from relay.transport.reasons import describe
from relay.upstream.echo import verification
from relay.upstream.ends import Unreachable
from relay.upstream.protocol import Keeping, UpstreamAssociation
from relay.wire.negotiation import Offer
from relay.wire.pdu import ae_field


class _Once(Factory):
    """Gives the one protocol that was made beforehand."""

    noisy = False

    def __init__(self, association: UpstreamAssociation) -> None:
        self.association = association

    def buildProtocol(self, addr: object) -> UpstreamAssociation:
        return self.association


@attrs.define(eq=False)
class Dialer:
    """Calls one upstream at `endpoint` by its AE title; `maximum` is announced, in bytes."""

    clock: IReactorTime
    endpoint: IStreamClientEndpoint
    called: str
    maximum: int
    manners: Manners

    def association(
        self, keeper: Keeping, titles: Titles, offer: Offer, verifies: bool = False
    ) -> UpstreamAssociation:
        """An association that is yet to be dialled.

        `verifies`: Verification is proposed beside the offer, where there is room for it.
        """
        own = verification(offer) if verifies else None
        proposed = offer if own is None else attrs.evolve(offer, contexts=(*offer.contexts, own))
        called = ae_field(self.called) if titles.called is None else titles.called
        request = proposed.request(titles.calling, called, self.maximum)
        return UpstreamAssociation(self.clock, keeper, self.manners, offer, request, own)

    def dial(self, association: UpstreamAssociation) -> Deferred[object]:
        """Connect; the association tells its keeper what comes of it. Cancel to give up."""

        def failed(reason: Failure) -> None:
            is_slow = reason.check(TimeoutError, TCPTimedOutError) is not None
            association.never_connected(Unreachable(describe(reason), is_slow))

        return self.endpoint.connect(_Once(association)).addErrback(failed)

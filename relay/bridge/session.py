"""One crossing: the life of a downstream association, from its request to its end.

    requested    admission, routes, then each pool's upstreams are asked for their answer
    established  messages cross (exchange.py)
    over         leases go back, or are aborted where something is incomplete

The session is the service user of the downstream association (PS3.8 7). It is handed everything it
needs, and knows neither sockets nor configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from itertools import count

import attrs

from relay.bridge.addressing import Addressing, Registers
from relay.bridge.exchange import Exchange, Retention
from relay.bridge.forwarding import Forwarding
from relay.bridge.leg import Leg
from relay.bridge.legs import Legs
from relay.bridge.negotiating import Agreed, Negotiation
from relay.bridge.outcome import End, Identify, Outcome, unnamed
from relay.bridge.party import Party
from relay.bridge.ports import (
    Asked,
    Clock,
    Downstream,
    Identities,
    NegotiationResult,
    Upstreams,
)
from relay.policy.admission import IDENTITY_REFUSED, UNAVAILABLE, judge
from relay.policy.allowing import Allow, refusal
from relay.policy.planning import COMMITMENT, Directory, Plan
from relay.policy.routing import Caller, Way
from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.negotiation import LONGEST_USER_INFORMATION, Answer, Offer, acceptance, window
from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss
from relay.wire.user_information import UserIdentityAC

_private_names = count(1)


@attrs.frozen
class Rules:
    """What a listener lets in, and where it goes. `maximum`: the most to announce, in bytes.

    `enter` counts a request for an association by its calling AE title, once, and tells with what
    it is to be rejected where there is no room for it.
    `window` is the most operations that a caller may have outstanding, if it asks for more than
    one. `registers` are those of all listeners together. With `identities` a caller has to show who
    its user is, and that is not passed on. `bounds` are what a caller may say. `allow` says who may
    come in at all.
    `identify` gives what the log may say of UIDs and user names.
    """

    directory: Directory
    maximum: int
    enter: Callable[[str], AssociateRJ | None]
    retention: Retention
    registers: Registers = attrs.field(factory=Registers)
    window: int = 1
    identities: Identities | None = None
    bounds: Bounds = BOUNDS
    allow: Allow = attrs.field(factory=Allow)
    identify: Identify = unnamed


@attrs.define(eq=False)
class Session:
    """The crossing of the association that `downstream` is the relay's end of.

    `ended` is called once with the outcome, unless no association was ever asked for.
    """

    downstream: Downstream
    upstreams: Upstreams
    rules: Rules
    clock: Clock
    ended: Callable[[Outcome], None]
    outcome: Outcome = attrs.field(factory=Outcome)
    party: Party = attrs.field(init=False)
    """The caller's, once the association is established."""
    _exchange: Exchange | None = None
    _request: AssociateRQ | None = None
    _who: Caller | None = None
    _private: int | None = None
    _negotiation: Negotiation | None = None
    _over: bool = False

    def __attrs_post_init__(self) -> None:
        self.party = Party.of(self.downstream, self.downstream, {}, self.rules.bounds)
        self.outcome.identify = self.rules.identify

    @property
    def is_idle(self) -> bool:
        """Whether no operation is outstanding, and no message on its way."""
        return self._exchange is None or self._exchange.is_idle

    @property
    def is_asked(self) -> bool:
        """Whether an association has ever been asked for."""
        return self._request is not None

    # the caller asks

    def associate_indication(self, request: AssociateRQ) -> None:
        """Judge the request, plan its contexts' ways, and have their pools answer."""
        self._request = request
        self.outcome.calling, self.outcome.called = request.calling, request.called
        identity = request.user_information.user_identity
        if identity is not None and identity.username is not None:
            self.outcome.shown(identity.username)
        who = self._who = Caller.of(request, self.downstream.origin)
        obstacle = self.rules.allow.obstacle(who)
        unlisted, crowded = refusal(obstacle), self.rules.enter(request.calling)
        plan = judge(request, unlisted or crowded) or self._plan(who, request)
        if isinstance(plan, AssociateRJ):
            self._reject(plan, f", allow.{obstacle.value}" if obstacle and plan is unlisted else "")
            return
        if self.rules.identities is None:
            self._admit(request, plan, Offer.of(request))
        else:
            identity = request.user_information.user_identity
            self.rules.identities.check(identity, partial(self._identified, request, plan))

    def _identified(self, request: AssociateRQ, plan: Plan, is_known: bool) -> None:
        """The caller has shown who its user is, which is nobody else's business."""
        if self._over:
            return
        if is_known:
            self._admit(request, plan, attrs.evolve(Offer.of(request), user_identity=None))
        else:
            self._reject(IDENTITY_REFUSED)

    def _admit(self, request: AssociateRQ, plan: Plan, offer: Offer) -> None:
        """It may come in: have its offer answered."""
        if offer.user_identity is not None:
            self._private = next(_private_names)
        if plan.late:
            # Several are to answer, and maybe differently: items would hold with one of them alone.
            offer = offer.without_items({each for each, ways in plan.late.items() if ways})
        agreed = partial(self._agreed, offer, plan.late.keys())
        self._negotiation = Negotiation(offer, plan, self._negotiate, agreed)
        self._negotiation.start()

    def _plan(self, who: Caller, request: AssociateRQ) -> Plan | AssociateRJ:
        awaited = self.rules.registers.moves.awaited(who.calling, self.clock.seconds())
        roles = request.user_information.roles
        its = [each for each in roles if each.sop_class_uid == COMMITMENT]
        reports = any(each.scp and not each.scu for each in its)
        return self.rules.directory.plan(who, request.contexts, reports, awaited)

    def _asked(self, way: Way, offer: Offer) -> Asked:
        assert self._request is not None
        return Asked(way.pool, way.titles, offer, self._request.calling_field, self._private)

    def _negotiate(
        self, way: Way, offer: Offer, done: Callable[[NegotiationResult], None]
    ) -> Callable[[], None]:
        return self.upstreams.negotiate(self._asked(way, offer), done)

    def _agreed(self, offer: Offer, late: Collection[int], agreed: Agreed | AssociateRJ) -> None:
        """Accept, with what was agreed upon."""
        if self._over:
            return
        if isinstance(agreed, AssociateRJ):
            self._reject(agreed)
            return
        assert self._request is not None
        maximum = min(self.rules.maximum, agreed.maximum)
        granted = window(self._request, self.rules.window)
        accepting = acceptance(self._request, self._answered(agreed.answer), maximum, granted)
        if accepting.user_information.length > LONGEST_USER_INFORMATION:
            self._reject(UNAVAILABLE)
            return
        legs = self._legs(offer, late, agreed)
        self._establish(legs, granted.invoked if granted is not None else 1)
        for part in agreed.parts:
            if not part.is_late:
                legs.add(part.ways[0], part.accepted, part.upstream)
        self.downstream.accept(accepting, self._request)

    def _answered(self, answer: Answer) -> Answer:
        """With a word about the user identity, if the relay itself was to judge it."""
        assert self._request is not None
        identity = self._request.user_information.user_identity
        if self.rules.identities is None or identity is None:
            return answer
        said = UserIdentityAC(b"") if identity.positive_response_requested else None
        return attrs.evolve(answer, user_identity_response=said)

    def _legs(self, offer: Offer, late: Collection[int], agreed: Agreed) -> Legs:
        self.party.contexts = agreed.answer.in_force(offer)
        its = offer.narrowed(agreed.answer).only(late) if late else Offer(())
        return Legs(self._leg, its)

    def _establish(self, legs: Legs, size: int) -> None:
        assert self._who is not None
        forwarding = Forwarding(self._who, self.rules.directory, legs, self.outcome)
        addressing = Addressing(forwarding, self.rules.registers, self.clock)
        self._exchange = Exchange(
            self.party,
            addressing,
            self.upstreams,
            self.clock,
            self.outcome,
            self.rules.retention,
            self._abort,
            size,
        )

    def _leg(self, way: Way, offer: Offer, upstream: str | None) -> Leg:
        assert self._exchange is not None
        asked = self._asked(way, offer)
        contexts = {each.id: self.party.contexts[each.id] for each in offer.contexts}
        return Leg(asked, contexts, upstream, self.upstreams, self.clock, self._exchange)

    def _reject(self, rejection: AssociateRJ, by: str = "") -> None:
        numbers = f"({rejection.result},{rejection.source},{rejection.reason})"
        self.outcome.finish(End.REJECTED, f"{numbers}{by}")
        self.downstream.reject(rejection)
        self._close()

    # the association

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        """Confirmations come to requestors; this side is the acceptor."""

    def data_indication(self, fragments: Fragments) -> None:
        """Fragments of a message of the caller."""
        assert self._exchange is not None
        if self._over:
            return
        try:
            self._exchange.received(self.party, fragments)
        except ProtocolError as error:
            self._abort(error.reason, f"protocol error: {error}", error.source)

    def release_indication(self) -> None:
        """The caller has finished."""
        self.outcome.finish(End.RELEASED)
        self.downstream.release_response()
        self._close()

    def release_confirmation(self) -> None:
        """The relay does not ask callers for release."""

    def abort_indication(self, loss: Loss) -> None:
        """The caller's association is gone."""
        end = End.ABORTED if loss.abort is not None else End.LOST
        if loss.error is not None:
            end = End.ABORTED_BY_RELAY
        self.outcome.finish(end, str(loss))
        self._close()

    def full(self) -> None:
        """The caller takes no more for now; what is written is kept."""
        if not self._over:
            self.party.lane.full()

    def drained(self) -> None:
        """The caller takes more."""
        self.party.lane.drained()
        if self._exchange is not None:
            self._exchange.go_on()

    def stop(self) -> None:
        """The relay stops: end whatever this is."""
        self._abort(AbortReason.NOT_SPECIFIED, "", end=End.STOPPED)

    def fail(self, why: str) -> None:
        """The caller has used up its time."""
        self._abort(AbortReason.NOT_SPECIFIED, why, AbortSource.SERVICE_USER)

    def _abort(
        self,
        reason: AbortReason,
        why: str,
        source: AbortSource = AbortSource.SERVICE_PROVIDER,
        end: End = End.ABORTED_BY_RELAY,
    ) -> None:
        if self._over:
            return
        self.outcome.finish(end, why)
        self._close()
        self.downstream.abort(source, reason)

    def _close(self) -> None:
        if self._over:
            return
        self._over = True
        if self._negotiation is not None:
            self._negotiation.call_off()
        if self._exchange is not None:
            self._exchange.close()
        if self._private is not None:
            self.upstreams.leave(self._private)
        if self.is_asked:
            self.ended(self.outcome)

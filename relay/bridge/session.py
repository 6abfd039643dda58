"""One crossing: the life of a downstream association, from its request to its end.

    requested    admission, routes, then each pool's upstreams are asked for their answer
    established  messages cross (exchange.py)
    over         leases go back, or are aborted where something is incomplete

The session is the service user of the downstream association (PS3.8 7). It is handed everything it
needs, and knows neither sockets nor configuration.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import count

import attrs

from relay.bridge.exchange import Exchange, Retention
from relay.bridge.leg import Leg
from relay.bridge.outcome import End, Outcome
from relay.bridge.party import Party
from relay.bridge.ports import (
    Asked,
    Clock,
    Downstream,
    Negotiated,
    NegotiationResult,
    Rejected,
    Upstreams,
)
from relay.policy.admission import UNAVAILABLE, judge
from relay.policy.routing import Route, route
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.items import ContextResult
from relay.wire.negotiation import (
    LONGEST_USER_INFORMATION,
    Answer,
    Context,
    Offer,
    acceptance,
    merged,
    window,
)
from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss

_private_names = count(1)


@attrs.frozen
class Rules:
    """What a listener lets in, and where it goes. `maximum`: the most to announce, in bytes.

    `enter` counts a request for an association, once, and tells whether there is room for it.
    `window` is the most operations that a caller may have outstanding, if it asks for more than
    one.
    """

    routes: Sequence[Route]
    maximum: int
    enter: Callable[[], bool]
    retention: Retention
    window: int = 1


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
    _private: int | None = None
    _parts: dict[str, Offer] = attrs.field(factory=dict)
    _results: dict[str, NegotiationResult] = attrs.field(factory=dict)
    _call_off: list[Callable[[], None]] = attrs.field(factory=list)
    _over: bool = False

    def __attrs_post_init__(self) -> None:
        self.party = Party.of(self.downstream, self.downstream, {})

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
        """Judge the request, route its contexts, and ask each pool for its answer."""
        self._request = request
        self.outcome.calling, self.outcome.called = request.calling, request.called
        pools = judge(request, self.rules.enter()) or route(
            self.rules.routes, request.calling, request.called, request.contexts
        )
        if isinstance(pools, AssociateRJ):
            self._reject(pools)
            return
        offer = Offer.of(request)
        if offer.user_identity is not None:
            self._private = next(_private_names)
        self._parts = _parts(offer, pools)
        if not self._parts:
            self._answer(offer, {})
        for pool, part in self._parts.items():
            if self._over:
                return
            asked = Asked(pool, request.calling_field, part, self._private)
            self._call_off.append(
                self.upstreams.negotiate(asked, partial(self._negotiated, offer, pool))
            )

    def _negotiated(self, offer: Offer, pool: str, result: NegotiationResult) -> None:
        self._results[pool] = result
        if self._over or len(self._results) < len(self._parts):
            return
        answered = {
            pool: result for pool, result in self._results.items() if isinstance(result, Negotiated)
        }
        if answered:
            self._answer(offer, answered)
        else:
            self._reject(_rejection(self._results.values()))

    def _answer(self, offer: Offer, answered: Mapping[str, Negotiated]) -> None:
        """Accept: each pool's own answers, and contexts of a pool that is down refused for now."""
        assert self._request is not None
        parts = [
            answered[pool].answer
            if pool in answered
            else Answer.refusing(part, ContextResult.NO_REASON)
            for pool, part in self._parts.items()
        ]
        answer = merged(offer, parts)
        maximum = min([self.rules.maximum, *(each.maximum for each in answered.values())])
        granted = window(self._request, self.rules.window)
        accepting = acceptance(self._request, answer, maximum, granted)
        if accepting.user_information.length > LONGEST_USER_INFORMATION:
            self._reject(UNAVAILABLE)
            return
        self._establish(offer, answer, answered, granted.invoked if granted is not None else 1)
        self.downstream.accept(accepting, self._request)

    def _establish(
        self, offer: Offer, answer: Answer, answered: Mapping[str, Negotiated], size: int
    ) -> None:
        contexts = answer.in_force(offer)
        self.party.contexts = contexts
        legs: dict[int, Leg] = {}
        self._exchange = Exchange(
            self.party,
            legs,
            self.upstreams,
            self.clock,
            self.outcome,
            self.rules.retention,
            self._abort,
            size,
        )
        for pool, negotiated in answered.items():
            leg = self._leg(pool, negotiated, contexts)
            legs.update(dict.fromkeys(leg.contexts, leg))

    def _leg(self, pool: str, negotiated: Negotiated, contexts: Mapping[int, Context]) -> Leg:
        assert self._request is not None and self._exchange is not None
        part = self._parts[pool].narrowed(negotiated.answer)
        held = {each.id: contexts[each.id] for each in part.contexts}
        asked = Asked(pool, self._request.calling_field, part, self._private)
        return Leg(asked, held, negotiated.upstream, self.upstreams, self.clock, self._exchange)

    def _reject(self, rejection: AssociateRJ) -> None:
        numbers = f"({rejection.result},{rejection.source},{rejection.reason})"
        self.outcome.finish(End.REJECTED, numbers)
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
        for call_off in self._call_off:
            call_off()
        if self._exchange is not None:
            self._exchange.close()
        if self._private is not None:
            self.upstreams.leave(self._private)
        if self.is_asked:
            self.ended(self.outcome)


def _parts(offer: Offer, pools: Mapping[int, str]) -> dict[str, Offer]:
    """The offer taken apart by pool."""
    return {
        pool: offer.only({each for each, its in pools.items() if its == pool})
        for pool in dict.fromkeys(pools.values())
    }


def _rejection(results: Iterable[NegotiationResult]) -> AssociateRJ:
    """An upstream's own rejection, where there is one; else: try again."""
    rejections = (each.rejection for each in results if isinstance(each, Rejected))
    return next(rejections, UNAVAILABLE)

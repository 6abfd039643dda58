"""A keeper and a bank with archives behind them, on a network in memory."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint

from relay.bridge.ports import Asked, Manners, Wanted
from relay.upstream.bank import Bank
from relay.upstream.dialer import Dialer
from relay.upstream.keeper import Keeper, Limits
from relay.upstream.pool import Key, Request
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.items import PresentationContextRQ
from relay.wire.negotiation import Context, Offer
from relay.wire.pdu import ae_field
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss
from relay.wire.user_information import UserIdentityRQ
from tests.network import Network
from tests.peers import Archives
from tests.vectors import CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN, VERIFICATION

MANNERS = Manners(response_timeout=60.0, stall_timeout=30.0, linger=2.0)
CALLING = ae_field("MODALITY")
TIMEOUT = 10.0

OFFER = Offer(
    (
        PresentationContextRQ(1, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,)),
        PresentationContextRQ(3, CT_IMAGE_STORAGE, (IMPLICIT_LITTLE_ENDIAN,)),
    )
)
IDENTIFIED = attrs.evolve(OFFER, user_identity=UserIdentityRQ(1, False, b"someone"))
ECHO = Context(VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
CT = Context(CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN)


def wants(*contexts: Context, calling: bytes = CALLING, private: int | None = None) -> Request:
    """A request for an association that holds these."""
    return Request(Key(calling, private), frozenset(contexts))


def fresh(private: int | None = None) -> Request:
    """A request for the answer to an offer."""
    return Request(Key(CALLING, private), fresh=True)


@attrs.define(eq=False)
class Lessee:
    """Whoever leases an association; `heard` has what it is told."""

    heard: list[Any] = attrs.field(factory=list)

    def lease_data(self, fragments: Fragments) -> None:
        self.heard.append(b"".join(map(bytes, fragments.bodies())))

    def lease_full(self) -> None:
        self.heard.append("full")

    def lease_drained(self) -> None:
        self.heard.append("drained")

    def lease_lost(self, loss: Loss) -> None:
        self.heard.append(f"lost: {loss}")


@attrs.define(eq=False)
class Rig:
    """A keeper of associations with one archive; `given` has what was acquired, in order."""

    limits: Limits = attrs.field(default=Limits(maximum=2, max_idle=2, idle_timeout=30.0))
    name: str = "pacs"
    port: int = 104
    network: Network = attrs.field(factory=Network)
    archive: Archives = attrs.field(factory=Archives)
    keeper: Keeper = attrs.field(init=False)
    given: list[Any] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.network.listenTCP(self.port, self.archive)
        endpoint = HostnameEndpoint(self.network, "pacs.example.org", self.port, timeout=TIMEOUT)
        dialer = Dialer(self.network, endpoint, self.name.upper(), 32768, MANNERS)
        self.keeper = Keeper(self.name, self.network, dialer, self.limits)

    def goes_away(self) -> None:
        """Nobody listens any more."""
        del self.network.listening[self.port]

    def comes_back(self) -> None:
        """It listens again."""
        self.network.listening[self.port] = self.archive

    def ask(
        self, request: Request | None = None, offer: Offer = OFFER, timeout: float = TIMEOUT
    ) -> Deferred[Any]:
        """Ask for an association; `given` gets it, or the exception, as soon as there is one."""
        result = self.keeper.acquire(request or wants(CT), offer, timeout)
        result.addCallback(self.given.append)
        result.addErrback(lambda failure: self.given.append(failure.value))
        return result

    def lease(self, request: Request | None = None, offer: Offer = OFFER) -> UpstreamAssociation:
        """An association, acquired."""
        self.ask(request, offer)
        self.network.settle()
        association = self.given.pop()
        assert isinstance(association, UpstreamAssociation), association
        return association

    def give_back(self, association: UpstreamAssociation) -> None:
        """The lease is over."""
        association.give_back()
        self.network.settle()


@attrs.define(eq=False)
class BankRig:
    """A bank with one pool, "archive", of these upstreams; `told` has its results."""

    names: tuple[str, ...] = ("a", "b")
    limits: Limits = attrs.field(default=Limits(maximum=2, max_idle=2, idle_timeout=30.0))
    network: Network = attrs.field(factory=Network)
    rigs: dict[str, Rig] = attrs.field(init=False)
    bank: Bank = attrs.field(init=False)
    told: list[Any] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.rigs = {
            name: Rig(self.limits, name, 104 + place, self.network)
            for place, name in enumerate(self.names)
        }
        keepers = {name: rig.keeper for name, rig in self.rigs.items()}
        self.bank = Bank(self.network, keepers, {"archive": self.names}, {"archive": TIMEOUT})

    def archive(self, name: str) -> Archives:
        """The archive behind an upstream."""
        return self.rigs[name].archive

    def negotiate(self, offer: Offer = OFFER, private: int | None = None) -> Any:
        """What the pool answers to an offer."""
        self.bank.negotiate(Asked("archive", CALLING, offer, private), self.told.append)
        return self._told()

    def lease(
        self,
        context: Context = CT,
        offer: Offer = OFFER,
        *,
        prefer: str | None = None,
        private: int | None = None,
        exactly: frozenset[Context] | None = None,
    ) -> Any:
        """What comes of a wish for a lease."""
        asked = Asked("archive", CALLING, offer, private)
        self.bank.lease(Wanted(asked, context, exactly, prefer), self.told.append)
        return self._told()

    def _told(self) -> Any:
        self.network.settle()
        return self.told.pop() if self.told else None

"""A keeper and a bank with archives behind them, on a network in memory."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint

from relay.bridge.ports import Asked, Manners, Wanted
from relay.policy.health import Judgement
from relay.policy.showing import Titles
from relay.upstream.allowance import Allowance
from relay.upstream.bank import Bank
from relay.upstream.dialer import Dialer
from relay.upstream.keeper import Keeper
from relay.upstream.limits import Limits
from relay.upstream.pool import Key, Request
from relay.upstream.protocol import UpstreamAssociation
from relay.upstream.rules import Place, PoolRules
from relay.wire.command import CommandField
from relay.wire.items import PresentationContextRQ
from relay.wire.negotiation import Context, Offer
from relay.wire.pdu import AssociateRJ, AssociateRQ, ae_field
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss
from relay.wire.user_information import UserIdentityRQ
from tests.logs import LogCase
from tests.network import Network
from tests.peers import Archives, accept_all, acceptance, command_of
from tests.vectors import CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN, VERIFICATION, item

MANNERS = Manners(response_timeout=60.0, stall_timeout=30.0, linger=2.0)
CONGESTED = AssociateRJ(2, 3, 1)
UNKNOWN_AE = AssociateRJ(1, 1, 3)
CALLING = Titles(ae_field("MODALITY"))
RELAY = Titles(ae_field("RELAY"))
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


ECHO_RQ = command_of(CommandField.C_ECHO_RQ, e0002=VERIFICATION)


def wants(*contexts: Context, titles: Titles = CALLING, private: int | None = None) -> Request:
    """A request for an association that holds these."""
    return Request(Key(titles, private), frozenset(contexts))


def fresh(private: int | None = None) -> Request:
    """A request for the answer to an offer."""
    return Request(Key(CALLING, private), fresh=True)


def refusing(context_id: int) -> Callable[[AssociateRQ], bytes]:
    """An archive that takes all contexts but this one."""

    def associate(request: AssociateRQ) -> bytes:
        syntax = item(0x40, IMPLICIT_LITTLE_ENDIAN.encode())
        return acceptance(
            request,
            b"".join(
                item(0x21, bytes((each.id, 0, 3 if each.id == context_id else 0, 0)) + syntax)
                for each in request.contexts
            ),
        )

    return associate


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
    judgement: Judgement = attrs.field(factory=Judgement)
    allowance: Allowance | None = None
    network: Network = attrs.field(factory=Network)
    archive: Archives = attrs.field(factory=Archives)
    keeper: Keeper = attrs.field(init=False)
    given: list[Any] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.network.listenTCP(self.port, self.archive)
        endpoint = HostnameEndpoint(self.network, "pacs.example.org", self.port, timeout=TIMEOUT)
        dialer = Dialer(self.network, endpoint, self.name.upper(), 32768, MANNERS)
        self.keeper = Keeper(
            self.name,
            self.network,
            dialer,
            self.limits,
            RELAY.calling,
            self.judgement,
            Random(0),
            self.allowance,
        )

    def goes_away(self) -> None:
        """Nobody listens any more."""
        del self.network.listening[self.port]

    def comes_back(self) -> None:
        """It listens again."""
        self.network.listening[self.port] = self.archive

    def ask(
        self,
        request: Request | None = None,
        offer: Offer = OFFER,
        timeout: float = TIMEOUT,
        given: list[Any] | None = None,
    ) -> Deferred[Any]:
        """Ask for an association; `given` gets it, or the exception, as soon as there is one."""
        given = self.given if given is None else given
        result: Deferred[Any] = self.keeper.acquire(request or wants(CT), offer, timeout)
        result.addCallback(given.append)
        result.addErrback(lambda failure: given.append(failure.value))
        return result

    def lease(self, request: Request | None = None, offer: Offer = OFFER) -> UpstreamAssociation:
        """An association, acquired."""
        self.ask(request, offer)
        self.network.settle()
        association = self.given.pop()
        assert isinstance(association, UpstreamAssociation), association
        return association

    def perform(self, association: UpstreamAssociation) -> Lessee:
        """Have an operation performed on a leased association, as the bridge would."""
        lessee = Lessee()
        association.use(lessee)
        association.begin()
        association.command(association.contexts[ECHO], ECHO_RQ)
        self.network.settle()
        return lessee

    def give_back(self, association: UpstreamAssociation) -> None:
        """The lease is over."""
        association.give_back()
        self.network.settle()


@attrs.define(eq=False)
class BankRig:
    """A bank with one pool, "archive", of these upstreams; `told` has its results.

    They take turns, so that it is known who is next.
    """

    names: tuple[str, ...] = ("a", "b")
    limits: Limits = attrs.field(default=Limits(maximum=2, max_idle=2, idle_timeout=30.0))
    rules: PoolRules = attrs.field(default=PoolRules((), TIMEOUT, "round-robin"))
    network: Network = attrs.field(factory=Network)
    rigs: dict[str, Rig] = attrs.field(init=False)
    bank: Bank = attrs.field(init=False)
    told: list[Any] = attrs.field(factory=list)

    def __attrs_post_init__(self) -> None:
        self.rigs = {
            name: Rig(self.limits, name, 104 + place, network=self.network)
            for place, name in enumerate(self.names)
        }
        keepers = {name: rig.keeper for name, rig in self.rigs.items()}
        places = self.rules.places or tuple(map(Place, self.names))
        rules = attrs.evolve(self.rules, places=places)
        self.bank = Bank(self.network, keepers, {"archive": rules}, Random(0))

    def archive(self, name: str) -> Archives:
        """The archive behind an upstream."""
        return self.rigs[name].archive

    def negotiate(self, offer: Offer = OFFER, private: int | None = None) -> Any:
        """What the pool answers to an offer."""
        self.bank.negotiate(
            Asked("archive", CALLING, offer, CALLING.calling, private), self.told.append
        )
        return self._told()

    def lease(
        self,
        context: Context = CT,
        offer: Offer = OFFER,
        *,
        prefer: str | None = None,
        private: int | None = None,
        exactly: frozenset[Context] | None = None,
        avoid: frozenset[str] = frozenset(),
        fresh: bool = False,
    ) -> Any:
        """What comes of a wish for a lease."""
        asked = Asked("archive", CALLING, offer, CALLING.calling, private)
        wanted = Wanted(asked, context, exactly, prefer, avoid, fresh)
        self.bank.lease(wanted, self.told.append)
        return self._told()

    def _told(self) -> Any:
        self.network.settle()
        return self.told.pop() if self.told else None


class KeeperCase(LogCase):
    """A test of one keeper. Nothing of it stays, however it went."""

    limits = Limits(maximum=2, max_idle=2, idle_timeout=30.0)
    judgement = Judgement()

    def setUp(self) -> None:
        super().setUp()
        self.rig = Rig(self.limits, judgement=self.judgement)
        self.network, self.archive = self.rig.network, self.rig.archive
        self.keeper = self.rig.keeper

    def tearDown(self) -> None:
        stopped = self.keeper.stop()
        self.network.wait(120)
        self.successResultOf(stopped)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.assertEqual(list(self.network.ends), [])
        self.assertLessEqual(self.archive.most, self.limits.maximum)

    def assertKeeps(self, counts: str) -> None:
        self.assertEqual(repr(self.keeper), f"<Keeper pacs: {counts}>")

    def never_answers(self) -> None:
        """From now on a request for an association is left unanswered."""
        self.archive.script.associate = lambda request: None

    def rejects(self, rejection: AssociateRJ) -> None:
        """From now on a request for an association is answered by this."""
        self.archive.script.associate = lambda request: rejection.encode()

    def accepts(self) -> None:
        """From now on a request for an association is accepted."""
        self.archive.script.associate = accept_all

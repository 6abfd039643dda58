"""How an upstream is called: by its own AE title, with the caller's, and what comes of it."""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.error import DNSLookupError, NoRouteError
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface import implementer

from relay.config.secret_files import LONGEST_PASSCODE
from relay.config.values import LONGEST_USERNAME
from relay.policy.showing import Titles
from relay.upstream.dialer import Dialer
from relay.upstream.ends import End, Unreachable
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.negotiation import IMPLEMENTATION_CLASS_UID, LONGEST_USER_INFORMATION, Offer
from relay.wire.pdu import ae_field
from relay.wire.user_information import SOPClassExtendedNegotiation, UserIdentityRQ
from tests.network import Network
from tests.peers import Archives
from tests.upstream.rig import CALLING, IDENTIFIED, MANNERS, OFFER


class Keeps:
    """Notes what becomes of associations."""

    name = "pacs"

    def __init__(self) -> None:
        self.noted: list[tuple[str, Any]] = []

    def wants_back(self, association: UpstreamAssociation) -> bool:
        return False

    def opened(self, association: UpstreamAssociation) -> None:
        self.noted.append(("opened", None))

    def refused(self, association: UpstreamAssociation, why: Exception) -> None:
        self.noted.append(("refused", why))

    def returned(self, association: UpstreamAssociation) -> None:
        self.noted.append(("returned", None))

    def answered(self, association: UpstreamAssociation, status: int, seconds: float) -> None:
        self.noted.append(("answered", (status, seconds)))

    def aborted(self, why: str) -> None:
        self.noted.append(("aborted", why))

    def gone(self, association: UpstreamAssociation, end: End, why: str) -> None:
        self.noted.append(("gone", (end, why)))


@implementer(IStreamClientEndpoint)
class Endpoint:
    """One that gives what it was made with."""

    def __init__(self, result: Deferred[Any]) -> None:
        self.result = result

    def connect(self, protocolFactory: object) -> Deferred[Any]:
        return self.result


def failing(error: Exception) -> Endpoint:
    result: Deferred[Any] = Deferred()
    result.errback(Failure(error))
    return Endpoint(result)


class Dialling(SynchronousTestCase):
    def setUp(self) -> None:
        self.network, self.archive, self.keeps = Network(), Archives(), Keeps()
        self.network.listenTCP(104, self.archive)

    identity: UserIdentityRQ | None = None

    def dial(
        self, endpoint: Any = None, offer: Offer = OFFER, titles: Titles = CALLING
    ) -> UpstreamAssociation:
        endpoint = endpoint or HostnameEndpoint(self.network, "pacs.example.org", 104, timeout=10)
        dialer = Dialer(self.network, endpoint, "PACS", 32768, MANNERS, self.identity)
        association = dialer.association(self.keeps, titles, offer)
        self.dialling = dialer.dial(association)
        self.network.settle()
        return association

    def test_the_archive_is_called_by_its_own_ae_title_and_shown_the_callers(self):
        self.dial()
        (request,) = self.archive.heard
        self.assertEqual((request.called, request.calling), ("PACS", "MODALITY"))

    def test_it_may_be_called_by_another_title(self):
        self.dial(titles=Titles(ae_field("MODALITY"), ae_field("ALIAS")))
        self.assertEqual(self.archive.heard[0].called, "ALIAS")

    def test_a_user_of_the_relays_own_is_shown_in_the_place_of_any_other(self):
        self.identity = UserIdentityRQ(2, False, b"relay", b"secret")
        for offer in (OFFER, IDENTIFIED):
            self.dial(offer=offer)
            shown = self.archive.heard[-1].user_information.user_identity
            self.assertEqual(shown, self.identity)

    def test_the_longest_offer_that_is_let_in_leaves_room_for_the_longest_user(self):
        empty = SOPClassExtendedNegotiation("1.2.3", b"")
        room = LONGEST_USER_INFORMATION - len(empty.encode())
        longest = attrs.evolve(empty, information=bytes(room))
        username = "\U0001f3e5" * LONGEST_USERNAME
        self.identity = UserIdentityRQ(2, False, username.encode(), bytes(LONGEST_PASSCODE))
        self.dial(offer=attrs.evolve(OFFER, extended=(longest,)))
        (request,) = self.archive.heard
        self.assertEqual(request.user_information.user_identity, self.identity)
        self.assertEqual(request.user_information.extended, (longest,))

    def test_the_offer_is_proposed_with_what_belongs_to_it(self):
        self.dial(offer=IDENTIFIED)
        (request,) = self.archive.heard
        self.assertEqual(Offer.of(request), IDENTIFIED)

    def test_the_relay_names_itself_and_its_own_maximum_length(self):
        self.dial()
        information = self.archive.heard[0].user_information
        self.assertEqual(information.implementation_class_uid, IMPLEMENTATION_CLASS_UID)
        self.assertEqual(information.maximum_length, 32768)

    def test_the_keeper_is_told_when_it_is_established(self):
        association = self.dial()
        self.assertEqual(self.keeps.noted, [("opened", None)])
        self.assertEqual(association.upstream, "pacs")
        self.assertIs(association.manners, MANNERS)

    def test_where_no_connection_comes_to_be_the_keeper_is_told_why(self):
        for error, why in (
            (DNSLookupError("no such host"), "host name not found"),
            (NoRouteError(osError="No route to host"), "connection failed: No route to host"),
        ):
            association = self.dial(failing(error))
            ((what, told),) = self.keeps.noted
            self.assertEqual((what, type(told), str(told)), ("refused", Unreachable, why))
            self.successResultOf(association.closed)
            self.keeps.noted.clear()

    def test_giving_up_is_told_once_and_closes_what_there_is(self):
        self.network.silent.add(104)
        association = self.dial()
        self.dialling.cancel()
        association.drop()
        self.network.settle()
        self.assertEqual([what for what, _ in self.keeps.noted], ["refused"])
        self.successResultOf(association.closed)
        self.assertEqual(self.network.getDelayedCalls(), [])

"""One association with an upstream, from its request to its end, leased or not."""

from __future__ import annotations

from typing import Any

import attrs

from relay.bridge.ports import Fault
from relay.upstream.ends import End, HungUp, NotAccepted, Unreachable
from relay.upstream.protocol import RELEASE_TIMEOUT, UpstreamAssociation
from relay.wire.command import CommandField, Status
from relay.wire.errors import AbortReason, AbortSource
from relay.wire.items import PresentationContextRQ
from relay.wire.negotiation import Offer
from relay.wire.pdu import Abort, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ, ae_field
from relay.wire.reader import Fragments
from tests.logs import LogCase
from tests.network import HIGH_WATER, Network, Sole
from tests.peers import A_DATASET, ECHO, Message, Peer, accept_all, command_of, said
from tests.upstream.rig import CALLING, CT, MANNERS, OFFER, Lessee, refusing
from tests.upstream.rig import ECHO as ECHO_CONTEXT
from tests.upstream.test_dialer import Keeps
from tests.vectors import IMPLICIT_LITTLE_ENDIAN, VERIFICATION, item, p_data, pdu, pdv

PORT = 104


def failed(why: str) -> tuple[str, Any]:
    """What a keeper is told of an association that failed."""
    return "gone", (End.FAILED, why)


def stale(why: str) -> tuple[str, Any]:
    """What a keeper is told of one that was closed while it rested, most likely."""
    return "gone", (End.STALE, why)


def ended(why: str) -> tuple[str, Any]:
    """What a keeper is told of one that ended as they do."""
    return "gone", (End.ENDED, why)


REPORT = command_of(CommandField.N_EVENT_REPORT_RQ, 7, A_DATASET, e0002=VERIFICATION)


def dataset(body: bytes) -> Fragments:
    """Fragments as they come out of a read."""
    raw = p_data(pdv(3, 2, body))
    return Fragments(3, 2, raw, len(body), 0, len(raw) - 6, True)


class ProtocolCase(LogCase):
    def setUp(self) -> None:
        super().setUp()
        self.network, self.peer, self.keeps = Network(), Peer(), Keeps()
        self.network.listenTCP(PORT, Sole(self.peer))
        self.lessee = Lessee()

    def tearDown(self) -> None:
        self.network.wait(60)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def asked(
        self, offer: Offer = OFFER, own: PresentationContextRQ | None = None
    ) -> UpstreamAssociation:
        """An association that has asked."""
        proposed = offer if own is None else attrs.evolve(offer, contexts=(*offer.contexts, own))
        request = proposed.request(CALLING.calling, ae_field("PACS"), 32768)
        association = UpstreamAssociation(self.network, self.keeps, MANNERS, offer, request, own)
        self.network.join(association, PORT)
        self.network.settle()
        return association

    def established(self, offer: Offer = OFFER, maximum: int = 16384) -> UpstreamAssociation:
        """An association that was accepted."""
        association = self.asked(offer)
        (request,) = self.peer.since()
        self.says(accept_all(request, maximum))
        self.assertEqual(self.noted(), [("opened", None)])
        return association

    def leased(self) -> UpstreamAssociation:
        """An association that the lessee uses."""
        association = self.established()
        association.use(self.lessee)
        return association

    def begins(self, association: UpstreamAssociation) -> None:
        """An operation is under way."""
        association.begin()
        association.command(ECHO, command_of(CommandField.C_ECHO_RQ, e0002=VERIFICATION))

    def leased_again(self) -> UpstreamAssociation:
        """An association that has rested before the lessee uses it."""
        association = self.established()
        association.lend()
        association.use(self.lessee)
        return association

    def says(self, *data: bytes) -> None:
        """The upstream sends these."""
        for each in data:
            self.peer.say(each)
            self.network.settle()

    def noted(self) -> list[tuple[str, Any]]:
        """What the keeper was told since the last time."""
        noted, self.keeps.noted = self.keeps.noted, []
        return noted

    def heard(self) -> list[Any]:
        """What the lessee was told since the last time."""
        heard, self.lessee.heard = self.lessee.heard, []
        return heard


class Opening(ProtocolCase):
    def test_it_asks_as_soon_as_there_is_a_connection(self):
        self.asked()
        self.assertEqual([type(each) for each in self.peer.heard], [AssociateRQ])

    def test_when_it_is_accepted_the_keeper_is_told(self):
        association = self.established()
        self.assertEqual(dict(association.held), {1: ECHO_CONTEXT, 3: CT})
        self.assertTrue(association.is_idle)

    def test_of_equal_contexts_under_several_ids_the_first_serves(self):
        twice = Offer(
            tuple(
                PresentationContextRQ(each, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,))
                for each in (5, 1)
            )
        )
        self.assertEqual(dict(self.established(twice).contexts), {ECHO_CONTEXT: 5})

    def test_a_context_of_the_relays_own_is_nobody_elses_to_know(self):
        own = PresentationContextRQ(5, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,))
        ct_only = OFFER.only({3})
        association = self.asked(ct_only, own)
        (request,) = self.peer.since()
        self.assertEqual(request.contexts, (*ct_only.contexts, own))
        self.says(accept_all(request))
        self.assertEqual(association.own_context, 5)
        self.assertEqual(dict(association.held), {3: CT})
        self.assertEqual(dict(association.contexts), {CT: 3})
        assert association.answer is not None
        self.assertEqual([each.id for each in association.answer.contexts], [3])

    def test_a_context_of_the_relays_own_that_is_refused_is_not_used(self):
        own = PresentationContextRQ(5, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,))
        association = self.asked(OFFER.only({3}), own)
        (request,) = self.peer.since()
        self.says(refusing(5)(request))
        self.assertIsNone(association.own_context)
        self.assertEqual(dict(association.held), {3: CT})

    def test_what_the_archive_says_it_is_is_known(self):
        association = self.asked()
        (request,) = self.peer.since()
        its = item(0x52, b"1.2.3") + item(0x55, b"PACS_7")
        self.says(accept_all(request, user_items=its))
        self.assertEqual(association.implementation, ("1.2.3", "PACS_7"))

    def test_when_it_is_rejected_the_keeper_is_told_by_what(self):
        association = self.asked()
        self.says(AssociateRJ(1, 1, 7).encode())
        ((what, why),) = self.noted()
        self.assertEqual((what, type(why)), ("refused", NotAccepted))
        self.assertEqual(why.rejection, AssociateRJ(1, 1, 7))
        self.assertEqual(str(why), "rejected (1,1,7)")
        self.network.settle()
        self.successResultOf(association.closed)
        self.assertEqual(self.noted(), [])

    def refused(self, *data: bytes) -> str:
        self.asked()
        self.peer.since()
        self.says(*data)
        ((what, why),) = self.noted()
        self.assertEqual(what, "refused")
        self.assertIsInstance(why, Unreachable)
        return str(why)

    def test_who_hangs_up_instead_of_answering_is_there_all_the_same(self):
        for how, is_abort in ((Abort(2, 0).encode(), True), (b"", False)):
            self.asked()
            self.peer.since()
            self.says(how) if how else self.peer.transport.loseConnection()
            self.network.settle()
            ((_, why),) = self.noted()
            self.assertIsInstance(why, HungUp)
            self.assertEqual(why.is_abort, is_abort)

    def test_when_it_is_aborted_instead_that_is_the_reason(self):
        self.assertEqual(self.refused(Abort(2, 0).encode()), "aborted by the peer (2,0)")

    def test_when_the_answer_is_nonsense_that_is_the_reason_and_it_is_aborted(self):
        self.assertEqual(self.refused(b"HTTP/1.1 400 Bad"), "protocol error: PDU type 48H")
        self.assertEqual(self.peer.since(), [Abort(2, AbortReason.UNRECOGNIZED_PDU)])

    def test_who_takes_less_than_can_be_sent_is_not_used(self):
        self.asked()
        (request,) = self.peer.since()
        self.says(accept_all(request, maximum=64))
        self.assertEqual(self.noted()[0][0], "refused")
        self.assertEqual(self.peer.since(), [Abort(2, AbortReason.INVALID_PARAMETER)])

    def test_when_the_connection_is_closed_instead_that_is_the_reason(self):
        self.asked()
        self.peer.transport.loseConnection()
        self.network.settle()
        self.assertEqual(str(self.noted()[0][1]), "connection closed")


class Leased(ProtocolCase):
    def test_what_comes_is_the_lessees(self):
        self.leased()
        self.says(p_data(pdv(ECHO, 3, b"a command")))
        self.assertEqual(self.heard(), [b"a command"])

    def test_a_slow_upstream_is_the_lessees_to_know(self):
        association = self.leased()
        self.peer.transport.pauseProducing()
        association.write([bytes(HIGH_WATER + 1)])
        self.assertEqual(self.heard(), ["full"])
        self.peer.dataReceived = lambda data: None  # type: ignore[method-assign]
        self.peer.transport.resumeProducing()
        self.network.settle()
        self.assertEqual(self.heard(), ["drained"])

    def test_a_slow_upstream_is_nobodys_to_know_while_nobody_leases_it(self):
        association = self.established()
        association.pauseProducing()
        association.resumeProducing()
        self.assertEqual(self.heard(), [])

    def lost(self) -> tuple[list[Any], list[tuple[str, Any]]]:
        return self.heard(), self.noted()

    def test_an_abort_in_an_operation_is_told_to_both(self):
        self.begins(self.leased())
        self.says(Abort(2, 0).encode())
        self.assertEqual(
            self.lost(),
            (["lost: aborted by the peer (2,0)"], [failed("aborted by the peer (2,0)")]),
        )

    def test_a_lost_connection_in_an_operation_is_told_to_both(self):
        self.begins(self.leased())
        self.peer.transport.abortConnection()
        self.network.settle()
        self.assertEqual(self.lost(), (["lost: connection closed"], [failed("connection lost")]))

    def test_a_broken_pdu_in_a_lease_is_answered_and_told_to_both(self):
        self.leased()
        self.says(pdu(0x44, b""))
        why = "protocol error: PDU type 44H"
        self.assertEqual(self.lost(), ([f"lost: {why}"], [failed(why)]))
        self.assertEqual(self.peer.since(), [Abort(2, AbortReason.UNRECOGNIZED_PDU)])

    def test_a_release_in_a_lease_is_agreed_to_and_told_to_both_and_no_failure(self):
        self.leased()
        self.says(ReleaseRQ().encode())
        self.assertEqual(self.lost(), (["lost: connection closed"], [ended("connection closed")]))
        self.assertEqual(self.peer.since(), [ReleaseRP()])

    def is_lost(self) -> None:
        self.peer.transport.abortConnection()
        self.network.settle()

    def test_lost_before_it_said_a_word_it_may_have_been_closed_while_it_rested(self):
        association = self.leased_again()
        self.assertTrue(association.is_reused)
        self.begins(association)
        self.is_lost()
        self.assertEqual(self.noted(), [stale("connection lost")])

    def test_lost_when_it_had_said_something_it_has_failed(self):
        self.begins(self.leased_again())
        self.says(p_data(pdv(ECHO, 1, b"half a command")))
        self.is_lost()
        self.assertEqual(self.noted(), [failed("connection lost")])

    def test_what_it_said_in_a_lease_before_does_not_count(self):
        association = self.leased()
        self.says(p_data(pdv(ECHO, 3, b"a command")))
        association.lend()
        association.use(self.lessee)
        self.begins(association)
        self.is_lost()
        self.assertEqual(self.noted(), [stale("connection lost")])

    def test_lost_between_two_operations_of_a_lease_it_has_ended(self):
        # Whoever stores several objects holds it a while, and the archive may not like that.
        association = self.leased()
        self.begins(association)
        self.says(p_data(pdv(ECHO, 3, b"an answer")))
        association.answered(0, 0.1)
        self.noted()
        self.says(Abort(0, 0).encode())
        self.assertEqual(self.noted(), [ended("aborted by the peer (0,0)")])

    def test_lost_when_the_next_one_has_just_begun_it_may_have_ended_before(self):
        association = self.leased()
        self.begins(association)
        self.says(p_data(pdv(ECHO, 3, b"an answer")))
        association.answered(0, 0.1)
        self.begins(association)
        self.noted()
        self.is_lost()
        self.assertEqual(self.noted(), [stale("connection lost")])

    def test_lost_for_its_nonsense_it_has_failed_rested_or_not(self):
        self.leased_again()
        self.says(pdu(0x44, b""))
        self.assertEqual(self.noted(), [failed("protocol error: PDU type 44H")])

    def test_what_is_sent_is_outstanding_until_it_is_answered(self):
        association = self.leased()
        for sent in (dataset(b"some"), dataset(b"more bytes")):
            association.fragments(3, sent)
        self.assertEqual(association.outstanding, 12 + 4 + 12 + 10)
        association.answered(0xB000, 1.5)
        self.assertEqual(association.outstanding, 0)
        self.assertEqual(self.noted(), [("answered", (0xB000, 1.5))])

    def test_what_is_given_back_has_nothing_outstanding(self):
        association = self.leased()
        association.fragments(3, dataset(b"some"))
        association.give_back()
        self.assertEqual(association.outstanding, 0)

    def test_it_is_used_when_it_has_served_an_operation(self):
        association = self.leased()
        self.assertFalse(association.is_used)
        association.give_back()
        self.says(said(1, REPORT, b"it"))
        self.assertFalse(association.is_used, "what it says while it rests is no operation")
        association.use(self.lessee)
        self.begins(association)
        self.assertTrue(association.is_used)

    def test_given_back_it_is_the_keepers_again(self):
        association = self.leased()
        association.give_back()
        self.assertEqual(self.noted(), [("returned", None)])
        self.says(said(1, REPORT, b"it"))
        self.assertEqual(self.heard(), [])

    def test_what_is_over_is_not_given_back(self):
        association = self.leased()
        self.says(Abort().encode())
        self.noted()
        association.give_back()
        self.assertEqual(self.noted(), [])

    def test_aborting_says_so_once_and_nothing_is_heard_after(self):
        association = self.leased()
        association.abort("the caller has gone", Fault.ELSEWHERE)
        association.abort("twice", Fault.UPSTREAM)
        association.release()
        self.says(p_data(pdv(ECHO, 3, b"too late")))
        aborted = "association aborted: the caller has gone"
        self.assertEqual(self.lost(), ([], [("aborted", aborted), ended(aborted)]))
        self.assertEqual(self.peer.since(), [Abort(0, 0)])
        # To say so is the keeper's, and it was nobody's failure.
        self.assertEqual(self.lines("warn"), [])

    def test_aborting_for_the_fault_of_the_upstream_counts_as_its_failure(self):
        source, reason = AbortSource.SERVICE_PROVIDER, AbortReason.INVALID_PARAMETER
        self.leased().abort("nonsense", Fault.UPSTREAM, source, reason)
        self.network.settle()
        self.assertEqual(self.noted(), [failed("association aborted: nonsense")])
        # To say so is the keeper's.
        self.assertEqual(self.lines("warn"), [])
        self.assertEqual(self.peer.since(), [Abort(2, 6)])


class Releasing(ProtocolCase):
    def test_a_release_is_asked_for_and_the_connection_closed(self):
        association = self.leased()
        association.release()
        self.network.settle()
        self.assertEqual(self.noted(), [ended("")])
        self.assertEqual(self.peer.since(), [ReleaseRQ()])
        self.says(ReleaseRP().encode())
        self.assertTrue(self.peer.is_closed)
        self.successResultOf(association.closed)
        self.assertEqual(self.lines("warn"), [])

    def test_who_does_not_answer_is_dropped(self):
        association = self.established()
        association.release()
        self.network.wait(RELEASE_TIMEOUT)
        self.assertTrue(self.peer.is_closed)

    def test_what_the_upstream_had_said_before_it_heard_is_not_answered(self):
        association = self.established()
        association.release()
        self.says(said(1, REPORT, b"it"))
        self.network.settle()
        self.assertEqual(self.peer.since(), [ReleaseRQ()])
        self.says(ReleaseRP().encode())
        self.assertTrue(self.peer.is_closed)

    def test_a_collision_ends_for_both(self):
        # PS3.8 7.2.2: the requestor of the association answers first, and waits.
        association = self.established()
        association.release()
        self.says(ReleaseRQ().encode())
        self.assertEqual(self.peer.since(), [ReleaseRQ(), ReleaseRP()])
        self.says(ReleaseRP().encode())
        self.assertTrue(self.peer.is_closed)
        self.successResultOf(association.closed)

    def test_before_it_is_established_it_is_dropped(self):
        association = self.asked()
        association.release()
        self.network.settle()
        self.assertTrue(self.peer.is_closed)

    def test_what_the_upstream_ends_while_it_rests_is_no_failure(self):
        self.established()
        self.says(ReleaseRQ().encode())
        self.assertEqual(self.noted(), [ended("connection closed")])

    def test_a_broken_pdu_while_it_rests_is_a_failure(self):
        self.established()
        self.says(pdu(0x44, b""))
        self.assertEqual(self.noted(), [failed("protocol error: PDU type 44H")])


class Resting(ProtocolCase):
    def test_a_report_that_nobody_can_take_is_answered_so(self):
        association = self.established()
        self.says(said(1, REPORT, b"it"))
        (answer,) = self.peer.since()
        self.assertIsInstance(answer, Message)
        self.assertEqual(answer.told, ("N_EVENT_REPORT_RSP", 7, Status.PROCESSING_FAILURE))
        self.assertTrue(association.is_idle)

    def test_while_a_report_is_coming_it_is_not_idle(self):
        association = self.established()
        self.says(p_data(pdv(1, 3, REPORT)))
        self.assertFalse(association.is_idle)

    def test_nonsense_is_aborted(self):
        self.established()
        self.says(p_data(pdv(1, 2, b"a dataset of nothing")))
        self.assertEqual(self.peer.since(), [Abort(2, AbortReason.UNEXPECTED_PARAMETER)])
        self.assertEqual([(what, end) for what, (end, _) in self.noted()], [("gone", End.FAILED)])

    def test_a_response_that_comes_too_late_is_aborted(self):
        association = self.leased()
        self.begins(association)
        association.give_back()
        self.noted()
        late = command_of(CommandField.C_ECHO_RSP, 1, e0120=1, e0900=0x0000)
        self.says(said(ECHO, late))
        self.assertEqual(self.peer.since()[-1], Abort(2, AbortReason.UNEXPECTED_PARAMETER))

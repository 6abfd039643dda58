"""All upstreams of a pool: tried in order, within one time, until one answers or none is left."""

from __future__ import annotations

from functools import partial

from relay.bridge.ports import (
    Asked,
    ContextRefused,
    Negotiated,
    Rejected,
    Terms,
    Unavailable,
    Wanted,
)
from relay.policy.affinity import by_association
from relay.upstream.answers import ANSWER_LIFETIME
from relay.upstream.limits import Limits
from relay.upstream.protocol import UpstreamAssociation
from relay.upstream.rules import PoolRules
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH, AssociateRJ, ReleaseRQ
from tests.logs import LogCase
from tests.peers import accept_all
from tests.upstream.rig import CALLING, CT, ECHO, IDENTIFIED, OFFER, TIMEOUT, BankRig, refusing

CONGESTED = AssociateRJ(2, 3, 1)
UNKNOWN_AE = AssociateRJ(1, 1, 7)


class BankCase(LogCase):
    names: tuple[str, ...] = ("a", "b")
    limits = Limits(maximum=2, max_idle=2, idle_timeout=30.0)
    rules = PoolRules((), TIMEOUT, "round-robin")

    def setUp(self) -> None:
        super().setUp()
        self.rig = BankRig(self.names, self.limits, self.rules)
        self.network, self.bank = self.rig.network, self.rig.bank

    def tearDown(self) -> None:
        for rig in self.rig.rigs.values():
            rig.keeper.stop()
        self.network.wait(120)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.assertEqual(list(self.network.ends), [])

    def dialled(self) -> list[str]:
        """The upstreams that were called since the last time, in the order of the first call.

        Those that could not be reached are called again, by probes.
        """
        ports, self.network.dialled = self.network.dialled, []
        return [self.names[port - 104] for port in dict.fromkeys(ports)]

    def goes_away(self, name: str) -> None:
        self.rig.rigs[name].goes_away()


class Negotiating(BankCase):
    def test_an_upstream_answers_the_offer(self):
        negotiated = self.rig.negotiate()
        self.assertIsInstance(negotiated, Negotiated)
        self.assertEqual(negotiated.upstream, "a")
        self.assertEqual(set(negotiated.answer.in_force(OFFER).values()), {ECHO, CT})
        self.assertEqual(self.dialled(), ["a"])

    def test_the_maximum_length_is_the_smallest_that_is_known_of_the_pool(self):
        self.rig.archive("a").script.associate = partial(accept_all, maximum=8192)
        self.rig.archive("b").script.associate = partial(accept_all, maximum=4096)
        self.assertEqual(self.rig.negotiate().maximum, 8192)
        self.rig.lease(prefer="b")
        self.assertEqual(self.rig.negotiate().maximum, 4096)

    def test_an_upstream_without_a_limit_leaves_it_to_the_relay(self):
        self.rig.archive("a").script.associate = partial(accept_all, maximum=0)
        self.assertEqual(self.rig.negotiate().maximum, LARGEST_MAXIMUM_LENGTH)

    def test_the_association_that_it_took_serves_the_first_lease(self):
        self.rig.negotiate()
        self.assertIsInstance(self.rig.lease(prefer="a"), UpstreamAssociation)
        self.assertEqual(self.dialled(), ["a"])

    def test_where_one_cannot_be_reached_the_next_one_answers(self):
        self.goes_away("a")
        self.rig.negotiate()
        self.network.wait(1)
        self.assertEqual(self.rig.told.pop().upstream, "b")
        self.assertEqual(self.dialled(), ["a", "b"])

    def test_where_none_can_be_reached_the_pool_is_unavailable(self):
        self.goes_away("a")
        self.goes_away("b")
        self.rig.negotiate()
        self.network.wait(1)
        self.assertEqual(self.rig.told, [Unavailable()])

    def test_a_rejection_is_passed_on_when_no_other_upstream_accepts(self):
        self.rig.archive("a").script.associate = lambda request: UNKNOWN_AE.encode()
        self.goes_away("b")
        self.rig.negotiate()
        self.network.wait(1)
        self.assertEqual(self.rig.told, [Rejected(UNKNOWN_AE)])

    def test_where_one_rejects_another_may_accept(self):
        self.rig.archive("a").script.associate = lambda request: CONGESTED.encode()
        self.assertEqual(self.rig.negotiate().upstream, "b")

    def test_nobody_is_told_of_what_was_called_off(self):
        self.network.silent = {104, 105}
        asked = Asked("archive", CALLING, OFFER, CALLING.calling)
        call_off = self.bank.negotiate(asked, self.rig.told.append)
        self.network.settle()
        call_off()
        self.network.wait(60)
        self.assertEqual(self.rig.told, [])
        self.assertEqual(self.dialled(), ["a"])
        self.assertEqual(self.network.getDelayedCalls(), [])


class Time(BankCase):
    names = ("a", "b", "c")

    def test_all_tries_together_take_no_longer_than_the_time_there_is(self):
        self.network.silent = {104, 105, 106}
        self.rig.negotiate()
        self.network.wait(TIMEOUT - 0.1)
        self.assertEqual(self.rig.told, [])
        self.network.wait(0.1)
        self.assertEqual(self.rig.told, [Unavailable()])
        self.assertEqual(self.dialled(), ["a", "b", "c"])

    def test_when_time_is_up_nobody_else_is_tried(self):
        # A machine that slept wakes up late.
        self.network.silent = {104, 105, 106}
        self.rig.negotiate()
        self.network.advance(100)
        self.network.settle()
        self.assertEqual(self.rig.told, [Unavailable()])
        self.assertEqual(self.dialled(), ["a"])

    def test_an_upstream_that_does_not_answer_leaves_the_next_ones_their_share(self):
        self.network.silent = {104}
        self.rig.negotiate()
        self.network.wait(TIMEOUT / 3)
        self.assertEqual(self.rig.told.pop().upstream, "b")

    def test_what_one_did_not_need_the_others_have(self):
        self.goes_away("a")
        self.network.silent = {105}
        self.rig.negotiate()
        self.network.wait(TIMEOUT / 3 + 1)
        self.assertEqual(self.rig.told, [])
        self.network.wait(TIMEOUT / 6)
        self.assertEqual(self.rig.told.pop().upstream, "c")


class Order(BankCase):
    names = ("a", "b", "c")

    def served_by(self, **how: object) -> str:
        return self.rig.lease(**how).upstream  # type: ignore[arg-type]

    def test_each_has_its_turn(self):
        self.assertEqual([self.served_by() for _ in range(6)], ["a", "b", "c"] * 2)

    def test_the_preferred_one_is_tried_first(self):
        self.assertEqual([self.served_by(prefer="c") for _ in range(2)], ["c", "c"])

    def test_one_that_failed_a_moment_ago_is_tried_last(self):
        self.goes_away("a")
        self.rig.lease()
        self.network.wait(0.5)
        self.assertEqual(self.dialled(), ["a", "b"])
        for _ in range(4):
            self.rig.lease()
        self.assertEqual(set(self.dialled()), {"b", "c"})

    def test_one_that_failed_a_moment_ago_is_not_left_out(self):
        self.goes_away("a")
        self.rig.lease()
        self.network.wait(0.5)
        self.dialled()
        self.rig.rigs["a"].comes_back()
        self.goes_away("b")
        self.goes_away("c")
        self.rig.negotiate()
        self.network.wait(1)
        self.assertEqual(self.rig.told[-1].upstream, "a")
        self.assertEqual(self.dialled()[-1], "a")


class Again(BankCase):
    """An operation that failed is sent again elsewhere, or on a new association."""

    def test_those_to_avoid_are_tried_last(self):
        served = [self.rig.lease(avoid=frozenset({"a"})).upstream for _ in range(2)]
        self.assertEqual(served, ["b", "b"])

    def test_those_to_avoid_are_not_left_out(self):
        self.goes_away("b")
        self.rig.lease(avoid=frozenset({"a"}))
        self.network.wait(1)
        self.assertEqual(self.rig.told.pop().upstream, "a")

    def test_fresh_is_one_that_has_not_rested(self):
        rested = self.rig.lease(prefer="a")
        rested.give_back()
        association = self.rig.lease(prefer="a", fresh=True)
        self.assertEqual(association.upstream, "a")
        self.assertIsNot(association, rested)
        self.assertFalse(association.is_reused)
        self.assertIn(CT, association.contexts)

    def test_fresh_and_without_the_context_is_refused_all_the_same(self):
        for name in self.names:
            self.rig.archive(name).script.associate = refusing(3)
        self.assertIsInstance(self.rig.lease(CT, fresh=True), ContextRefused)

    def test_a_pool_bears_so_many_retries_and_no_more(self):
        pauses = [self.bank.pause_before_retry("archive") for _ in range(3000)]
        self.assertEqual(pauses[0], 0.0)
        self.assertIsNone(pauses[-1])

    def test_what_a_pool_grants_is_in_its_rules(self):
        self.assertEqual(self.bank.terms("archive"), Terms(by_association, aborts=False))


class Memory(BankCase):
    names = ("a",)
    limits = Limits(maximum=4, max_idle=4, idle_timeout=5.0)

    def calls_for(self, offer: object = OFFER) -> list[str]:
        """Who is called for this offer when no association is left over."""
        self.network.wait(6)
        self.dialled()
        self.assertIsInstance(self.rig.negotiate(offer), Negotiated)  # type: ignore[arg-type]
        return self.dialled()

    def test_the_same_offer_is_answered_without_a_call(self):
        self.assertEqual(self.calls_for(), ["a"])
        self.assertEqual(self.calls_for(), [])

    def test_another_offer_is_not(self):
        self.calls_for()
        self.assertEqual(self.calls_for(OFFER.only({1})), ["a"])

    def test_an_offer_with_a_user_identity_is_asked_each_time(self):
        self.assertEqual(self.calls_for(IDENTIFIED), ["a"])
        self.assertEqual(self.calls_for(IDENTIFIED), ["a"])

    def test_what_was_answered_long_ago_is_asked_again(self):
        self.calls_for()
        self.network.wait(ANSWER_LIFETIME)
        self.assertEqual(self.calls_for(), ["a"])

    def test_when_the_upstream_was_last_seen_unreachable_it_is_asked(self):
        self.calls_for()
        self.goes_away("a")
        self.network.wait(6)
        self.rig.lease()
        self.network.wait(1)
        self.assertEqual(self.rig.told.pop(), Unavailable())
        self.rig.negotiate()
        self.network.wait(1)
        self.assertEqual(self.rig.told.pop(), Unavailable())
        self.rig.rigs["a"].comes_back()
        self.assertEqual(self.calls_for(), ["a"])

    def test_an_answer_that_the_upstream_contradicts_is_forgotten(self):
        self.calls_for()
        self.network.wait(6)
        self.rig.archive("a").script.associate = refusing(3)
        self.assertIsInstance(self.rig.lease(CT), ContextRefused)
        negotiated = self.rig.negotiate()
        self.assertEqual(set(negotiated.answer.in_force(OFFER).values()), {ECHO})

    def test_a_rejection_is_not_remembered(self):
        self.rig.archive("a").script.associate = lambda request: CONGESTED.encode()
        self.assertEqual(self.rig.negotiate(), Rejected(CONGESTED))
        self.rig.archive("a").script.associate = accept_all
        self.assertIsInstance(self.rig.negotiate(), Negotiated)


class Leasing(BankCase):
    def test_a_lease_holds_the_context_that_is_wanted(self):
        association = self.rig.lease(CT)
        self.assertIn(CT, association.contexts)

    def test_for_all_contexts_one_with_just_these_is_leased(self):
        self.rig.negotiate(OFFER.only({1}))
        association = self.rig.lease(CT, exactly=frozenset({CT, ECHO}))
        self.assertEqual(set(association.contexts), {CT, ECHO})

    def test_an_upstream_that_no_longer_holds_the_context_is_passed_over(self):
        self.rig.archive("a").script.associate = refusing(3)
        self.assertEqual(self.rig.lease(CT, prefer="a").upstream, "b")
        self.assertIn("1 idle, 0 leased", repr(self.rig.rigs["a"].keeper))

    def test_where_no_upstream_holds_it_that_is_said(self):
        for name in self.names:
            self.rig.archive(name).script.associate = refusing(3)
        self.assertIsInstance(self.rig.lease(CT), ContextRefused)

    def test_where_no_upstream_is_there_that_is_said(self):
        for name in self.names:
            self.goes_away(name)
        self.rig.lease(CT)
        self.network.wait(1)
        self.assertEqual(self.rig.told, [Unavailable()])

    def test_a_rejection_of_a_further_association_is_no_end(self):
        self.rig.archive("a").script.associate = lambda request: CONGESTED.encode()
        self.assertEqual(self.rig.lease(CT, prefer="a").upstream, "b")

    def test_private_associations_are_released_with_their_crossing(self):
        self.rig.negotiate(IDENTIFIED, private=7)
        self.bank.leave(7)
        self.network.settle()
        self.assertEqual(self.rig.archive("a").heard[-1], ReleaseRQ())

    def test_a_lease_that_was_called_off_is_not_given(self):
        leases = [self.rig.lease() for _ in range(4)]
        wanted = Wanted(Asked("archive", CALLING, OFFER, CALLING.calling), CT)
        call_off = self.bank.lease(wanted, self.rig.told.append)
        call_off()
        leases[0].give_back()
        self.network.settle()
        self.assertEqual(self.rig.told, [])
        self.assertIn("1 idle", repr(self.rig.rigs["a"].keeper))


class Defects(BankCase):
    def test_a_defect_of_ours_is_logged_and_answered_as_unavailable(self):
        def broken(request: object, offer: object, timeout: float) -> None:
            raise RuntimeError("a defect")

        self.rig.rigs["a"].keeper.acquire = broken  # type: ignore[assignment, method-assign]
        self.assertEqual(self.rig.negotiate(), Unavailable())
        (logged,) = self.flushLoggedErrors(RuntimeError)
        self.assertEqual(logged.getErrorMessage(), "a defect")

    def test_a_defect_of_who_asked_is_logged(self):
        def broken(result: object) -> None:
            raise RuntimeError("a defect")

        self.bank.negotiate(Asked("archive", CALLING, OFFER, CALLING.calling), broken)
        self.network.settle()
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

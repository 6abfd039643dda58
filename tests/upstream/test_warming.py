"""Associations that are there before anybody asks for one, and cost no more than they are worth."""

from __future__ import annotations

import attrs

from relay.bridge.ports import Fault
from relay.policy.leasing import Reuse
from relay.upstream.answers import ANSWER_LIFETIME
from relay.upstream.limits import Limits
from relay.upstream.protocol import RELEASE_TIMEOUT
from relay.upstream.warming import LONGEST_PAUSE, SHORTEST_PAUSE
from relay.wire.negotiation import Context, Offer
from relay.wire.pdu import AssociateRQ
from tests.peers import accept_all
from tests.upstream.rig import (
    CALLING,
    CONGESTED,
    CT,
    ECHO,
    IDENTIFIED,
    OFFER,
    UNKNOWN_AE,
    KeeperCase,
    fresh,
    refusing,
    wants,
)

WARM = Limits(maximum=4, max_idle=4, idle_timeout=30.0, warm=2, echo_after=0.0)
CT_ONLY, ECHO_ONLY = OFFER.only({3}), OFFER.only({1})


class WarmCase(KeeperCase):
    limits = WARM

    def learn(self, offer: Offer = OFFER) -> None:
        """What the bank does when an offer is negotiated."""
        association = self.rig.lease(fresh(), offer)
        assert association.answer is not None
        self.keeper.answers.put(CALLING, offer, association.answer)
        self.rig.give_back(association)

    def asked(self) -> list[AssociateRQ]:
        """The requests for associations that the archive has heard since the last time."""
        asked = [each for each in self.archive.heard if isinstance(each, AssociateRQ)]
        new, self.known = asked[self.known :], len(asked)
        return new

    known = 0


class Keeping(WarmCase):
    def test_before_anything_was_learnt_none_is_opened(self):
        self.rig.give_back(self.rig.lease())
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")
        self.network.wait(60)
        self.assertEqual(len(self.archive.associations), 1)

    def test_then_as_many_are_there_as_are_wanted(self):
        self.learn()
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")
        first, second = self.asked()
        self.assertEqual(first.contexts, second.contexts)
        self.assertEqual(second.calling, "MODALITY")

    def test_they_are_there_for_whoever_asks(self):
        self.learn()
        self.asked()
        held = [self.rig.lease(), self.rig.lease(wants(ECHO))]
        self.assertEqual(self.asked(), [])
        self.assertTrue(all(each.is_reused for each in held))

    def test_only_what_was_accepted_is_asked_for_again(self):
        self.archive.script.associate = refusing(1)
        self.learn()
        _, warm = self.asked()
        self.assertEqual([each.id for each in warm.contexts], [3])

    def test_one_whose_time_is_up_is_released_and_replaced(self):
        self.learn()
        self.asked()
        self.network.wait(30)
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")
        self.assertEqual(len(self.asked()), 2)
        self.assertEqual(len(self.archive.open), 2)

    def test_they_are_kept_through_a_quiet_night(self):
        self.learn()
        self.network.wait(10 * ANSWER_LIFETIME)
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")
        self.assertIsNone(self.keeper.answers.get(CALLING, OFFER))

    def kept(self) -> set[frozenset[Context]]:
        return {member.contexts for member in self.keeper._members.all}

    def test_what_was_used_last_is_kept_of_each_one(self):
        for offer in (OFFER, CT_ONLY, ECHO_ONLY):
            self.learn(offer)
        self.network.wait(31)
        self.assertEqual(self.kept(), {frozenset({CT}), frozenset({ECHO})})

    def test_one_that_holds_more_serves_as_well(self):
        self.learn(CT_ONLY)
        self.learn()
        self.network.wait(31)
        self.assertEqual(self.kept(), {frozenset({CT, ECHO})})

    def test_one_for_one_crossing_alone_does_not_count(self):
        self.rig.lease(wants(CT, private=7), IDENTIFIED)
        self.learn()
        self.assertKeeps("0 opening, 2 idle, 1 leased, 0 waiting")

    def test_never_more_than_the_maximum_for_their_sake(self):
        for _ in range(3):
            self.rig.lease(wants(CT, private=7), IDENTIFIED)
        self.learn()
        self.network.wait(60)
        self.assertEqual(self.archive.most, 4)

    def test_those_that_are_at_work_count(self):
        self.learn()
        self.rig.lease(), self.rig.lease()
        self.network.wait(60)
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")

    def test_one_that_holds_less_than_was_learnt_means_to_learn_anew(self):
        self.learn()
        self.archive.script.associate = refusing(1)
        self.network.wait(30)
        self.assertIsNone(self.keeper.answers.get(CALLING, OFFER))
        self.network.wait(60)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")


class InVain(WarmCase):
    def opened_in(self, seconds: float) -> int:
        """How many associations were asked for in this time."""
        self.asked()
        self.network.wait(seconds)
        return len(self.asked())

    def test_an_archive_that_rejects_them_is_asked_ever_less_often(self):
        self.learn()
        self.rejects(UNKNOWN_AE)
        self.network.wait(31)
        counts = [self.opened_in(60) for _ in range(5)]
        self.assertLess(counts[0], 10)
        self.assertEqual(counts[-1], 60 / LONGEST_PAUSE)
        self.assertEqual(self.lines("warn"), ["upstream pacs: rejected (1,1,3)"])

    def test_an_archive_that_closes_them_at_once_is_asked_ever_less_often(self):
        self.learn()
        self.archive.script.associate = self.close_at_once
        self.network.wait(31)
        counts = [self.opened_in(60) for _ in range(5)]
        self.assertLess(counts[0], 20)
        self.assertLessEqual(counts[-1], 2 * 60 / LONGEST_PAUSE)

    def close_at_once(self, request: AssociateRQ) -> bytes:
        """An archive that accepts, and closes in a moment."""
        connection = self.archive.associations[-1].transport
        self.network.callLater(0.1, connection.loseConnection)
        return accept_all(request)

    def test_what_serves_makes_it_worth_while_again(self):
        self.learn()
        self.archive.script.associate = self.close_at_once
        self.network.wait(300)
        self.accepts()
        self.network.wait(LONGEST_PAUSE)
        association = self.rig.lease()
        self.rejects(UNKNOWN_AE)
        association.release()
        self.assertGreaterEqual(self.opened_in(3 * SHORTEST_PAUSE), 2)

    def test_for_congestion_the_maximum_is_lowered_and_nobody_suffers(self):
        self.learn()
        held = self.rig.lease()
        self.rejects(CONGESTED)
        self.network.wait(31)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting")
        self.assertEqual(self.keeper.maximum, 1)
        self.assertTrue(held.layer.established)

    def test_while_the_upstream_is_out_none_is_opened(self):
        self.learn()
        self.rig.goes_away()
        for archive in list(self.archive.open):
            archive.transport.abortConnection()
        self.network.wait(60)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting, out")
        self.rig.comes_back()
        self.network.wait(60)
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")

    def test_one_that_fails_at_operations_is_spared(self):
        self.learn()
        for _ in range(3):
            self.rig.lease().abort("no response in 60 s", Fault.UPSTREAM)
        self.network.settle()
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting, out")
        self.network.wait(0.9)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting, out")
        self.network.wait(0.1)
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")

    def test_after_a_stop_nobody_looks_again(self):
        self.learn()
        self.rejects(UNKNOWN_AE)
        self.network.wait(31)
        stopped = self.keeper.stop()
        self.network.settle()
        self.successResultOf(stopped)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_while_it_is_taken_out_none_is_opened(self):
        self.learn()
        self.keeper.drain()
        self.network.wait(60)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting, draining")
        self.keeper.resume()
        self.network.wait(60)
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")

    def test_one_that_is_being_opened_when_it_is_taken_out_is_called_off(self):
        self.learn()
        self.never_answers()
        self.network.wait(31)
        self.assertKeeps("1 opening, 0 idle, 0 leased, 0 waiting")
        self.keeper.drain()
        self.network.settle()
        self.assertEqual(self.archive.open, [])
        self.accepts()
        self.keeper.resume()
        self.network.wait(60)
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")


class Restless(WarmCase):
    limits = attrs.evolve(WARM, idle_timeout=0.0)

    def test_where_none_may_rest_none_is_opened_again_and_again(self):
        self.learn()
        self.network.wait(300)
        self.assertLess(len(self.archive.associations), 30)


class MoreThanMayRest(WarmCase):
    limits = attrs.evolve(WARM, max_idle=1)

    def test_one_too_many_is_not_opened_again_and_again(self):
        self.learn()
        self.network.wait(300)
        self.assertLess(len(self.archive.associations), 60)


class UsedOnce(WarmCase):
    limits = attrs.evolve(WARM, max_idle=0, reuse=Reuse.NEVER)

    def test_where_none_is_used_twice_there_are_always_new_ones(self):
        self.learn()
        self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")
        for _ in range(5):
            association = self.rig.lease()
            self.assertTrue(association.is_reused)
            self.rig.perform(association)
            self.rig.give_back(association)
            self.network.wait(RELEASE_TIMEOUT)
            self.assertKeeps("0 opening, 2 idle, 0 leased, 0 waiting")
        self.assertEqual(len(self.archive.associations), 2 + 5)

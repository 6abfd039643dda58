"""One upstream's associations: reused, bounded, let go, and replaced without anyone noticing."""

from __future__ import annotations

from functools import partial

import attrs
from twisted.internet.defer import CancelledError

from relay.bridge.ports import Fault
from relay.policy.leasing import Reuse
from relay.policy.showing import Titles
from relay.transport.association import CLOSING_TIMEOUT
from relay.upstream.ends import Unreachable
from relay.upstream.limits import Limits
from relay.upstream.members import AGES
from relay.upstream.pool import Request
from relay.upstream.protocol import RELEASE_TIMEOUT
from relay.wire.pdu import ReleaseRP, ReleaseRQ
from tests.peers import accept_all
from tests.upstream.rig import CT, ECHO, IDENTIFIED, KeeperCase, fresh, wants
from tests.upstream.test_protocol import dataset

OTHER = Titles(b"OTHER".ljust(16))

MANY = Limits(maximum=8, max_idle=8, idle_timeout=30.0)


def _note(order: list[Request], request: Request, _: object) -> None:
    order.append(request)


class Reusing(KeeperCase):
    def test_an_association_is_opened_for_who_asks_first(self):
        association = self.rig.lease()
        self.assertEqual(set(association.contexts), {CT, ECHO})
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting")

    def test_what_was_given_back_is_handed_out_again(self):
        first = self.rig.lease()
        self.rig.give_back(first)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")
        self.assertIs(self.rig.lease(), first)
        self.assertEqual(len(self.archive.associations), 1)

    def test_what_is_leased_is_not_handed_out(self):
        self.assertIsNot(self.rig.lease(), self.rig.lease())

    def test_an_association_without_the_context_is_not_handed_out(self):
        self.rig.give_back(self.rig.lease(wants(ECHO), IDENTIFIED.only({1})))
        association = self.rig.lease(wants(CT))
        self.assertIn(CT, association.contexts)
        self.assertEqual(len(self.archive.associations), 2)

    def test_an_association_for_another_ae_title_is_not_handed_out(self):
        self.rig.give_back(self.rig.lease())
        self.rig.lease(wants(CT, titles=OTHER))
        calling = [each.heard[0].calling for each in self.archive.associations]
        self.assertEqual(calling, ["MODALITY", "OTHER"])

    def test_a_maximum_length_is_known_from_the_last_that_was_opened(self):
        self.assertIsNone(self.keeper.peer_maximum)
        self.archive.script.associate = lambda request: accept_all(request, maximum=8192)
        self.rig.lease()
        self.assertEqual(self.keeper.peer_maximum, 8192)


class Bounds(KeeperCase):
    def test_never_more_than_the_maximum_are_open(self):
        held = [self.rig.lease(), self.rig.lease()]
        self.rig.ask()
        self.network.settle()
        self.assertEqual(len(self.archive.open), 2)
        self.assertKeeps("0 opening, 0 idle, 2 leased, 1 waiting")
        self.assertEqual(self.keeper.busy, 3)
        self.rig.give_back(held[0])
        self.assertEqual(self.rig.given, [held[0]])
        self.assertEqual(len(self.archive.associations), 2)

    def test_those_that_wait_are_served_in_their_order(self):
        held = [self.rig.lease(), self.rig.lease()]
        waiting = [wants(CT), wants(ECHO), wants(CT)]
        order: list[Request] = []
        for request in waiting:
            self.rig.ask(request).addCallback(partial(_note, order, request))
        for _ in waiting:
            self.rig.give_back(held[0])
            held[0] = self.rig.given.pop()
        self.assertEqual(order, waiting)

    def test_an_association_that_ends_makes_room_for_who_waits(self):
        held = [self.rig.lease(), self.rig.lease()]
        self.rig.ask()
        held[0].abort("it was enough", Fault.ELSEWHERE)
        self.network.settle()
        self.assertEqual(len(self.rig.given), 1)
        self.assertIsNot(self.rig.given[0], held[0])

    def test_one_that_suits_nobody_who_waits_makes_room_for_one_that_does(self):
        self.rig.give_back(self.rig.lease())
        kept = self.rig.lease(fresh())
        self.rig.lease(wants(CT, titles=OTHER))
        self.network.settle()
        self.assertEqual(self.archive.associations[0].heard[-1], ReleaseRQ())
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")
        self.assertTrue(kept.layer.established)

    def test_one_that_makes_room_has_ended_before_another_is_opened(self):
        self.rig.lease()
        self.rig.give_back(self.rig.lease())
        self.archive.script.release = None
        self.rig.ask(wants(CT, titles=OTHER))
        self.network.wait(1)
        self.assertEqual(self.archive.associations[1].heard[-1], ReleaseRQ())
        self.assertEqual(len(self.archive.associations), 2)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 1 waiting")
        self.archive.associations[1].say(ReleaseRP().encode())
        self.network.settle()
        self.assertEqual(len(self.archive.associations), 3)
        self.assertEqual(len(self.rig.given), 1)

    def test_while_one_makes_room_others_get_what_suits_them(self):
        first, second = self.rig.lease(), self.rig.lease()
        self.archive.script.release = None
        self.rig.ask(wants(CT, titles=OTHER))
        self.rig.give_back(first)
        self.rig.ask()
        self.rig.give_back(second)
        self.assertEqual(self.rig.given, [second])

    def test_an_idle_association_is_released_when_its_time_is_up(self):
        self.rig.give_back(self.rig.lease())
        self.network.wait(29)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")
        self.network.wait(1)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")
        self.assertEqual(self.archive.heard[-1], ReleaseRQ())
        self.assertEqual(self.archive.open, [])
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_being_leased_again_starts_the_idle_time_anew(self):
        association = self.rig.lease()
        self.rig.give_back(association)
        self.network.wait(29)
        self.assertIs(self.rig.lease(), association)
        self.network.wait(100)
        self.assertTrue(association.layer.established)
        self.rig.give_back(association)
        self.network.wait(29)
        self.assertTrue(association.layer.established)

    def test_an_upstream_that_does_not_answer_a_release_is_dropped(self):
        self.archive.script.release = None
        self.rig.give_back(self.rig.lease())
        self.network.wait(30)
        self.assertEqual(len(self.archive.open), 1)
        self.network.wait(RELEASE_TIMEOUT)
        self.assertEqual(self.archive.open, [])


class Surplus(KeeperCase):
    limits = Limits(maximum=4, max_idle=1, idle_timeout=30.0)

    def test_of_idle_associations_beyond_their_number_the_oldest_are_released(self):
        first, second = self.rig.lease(), self.rig.lease()
        self.rig.give_back(first)
        self.network.wait(1)
        self.rig.give_back(second)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")
        self.assertFalse(first.layer.established)
        self.assertIs(self.rig.lease(), second)


class NoneIdle(KeeperCase):
    limits = Limits(maximum=1, max_idle=0, idle_timeout=30.0)

    def test_where_none_may_be_idle_each_is_released_at_once(self):
        self.rig.give_back(self.rig.lease())
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")
        self.assertEqual(self.archive.heard[-1], ReleaseRQ())

    def test_who_waits_still_gets_what_is_given_back(self):
        association = self.rig.lease()
        self.rig.ask()
        self.rig.give_back(association)
        self.assertEqual(self.rig.given, [association])


class InLine(KeeperCase):
    limits = Limits(maximum=1, max_idle=1, idle_timeout=30.0, max_waiting=2)

    def test_no_more_may_wait_than_there_is_room_for_in_the_line(self):
        held = self.rig.lease()
        for _ in range(3):
            self.rig.ask()
        self.assertEqual([str(each) for each in self.rig.given], ["2 wait already"])
        self.assertIsInstance(self.rig.given.pop(), Unreachable)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 2 waiting")
        self.rig.give_back(held)
        self.assertEqual(self.rig.given, [held])

    def test_a_full_line_is_no_failure_and_said_once(self):
        self.rig.lease()
        for _ in range(6):
            self.rig.ask()
        self.assertEqual(len(self.rig.given), 4)
        self.assertFalse(self.keeper.condition.is_out)
        self.assertEqual(self.lines("warn"), ["upstream pacs: 2 wait already"])


class NoLine(KeeperCase):
    limits = Limits(maximum=1, max_idle=1, idle_timeout=30.0, max_waiting=0)

    def test_who_is_served_at_once_does_not_wait(self):
        self.rig.give_back(self.rig.lease())
        self.rig.lease()
        self.rig.ask()
        self.assertEqual([str(each) for each in self.rig.given], ["0 wait already"])


class Ageing(KeeperCase):
    limits = Limits(maximum=2, max_idle=2, idle_timeout=1000.0, max_age=100.0, echo_after=0.0)

    def test_an_association_that_is_too_old_is_released_while_it_rests(self):
        self.rig.give_back(self.rig.lease())
        self.network.wait(100 * AGES[0] - 1)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")
        self.network.wait(100 * (AGES[1] - AGES[0]) + 2)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")
        self.assertEqual(self.archive.heard[-1], ReleaseRQ())

    def test_one_that_has_become_too_old_in_its_lease_does_not_rest(self):
        association = self.rig.lease()
        self.network.wait(111)
        self.assertTrue(association.layer.established)
        self.rig.give_back(association)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")

    def test_those_that_were_opened_together_are_not_replaced_together(self):
        untils = set()
        for _ in range(2):
            association = self.rig.lease()
            untils.add(self.keeper._members[association].until)
        self.assertEqual(len(untils), 2)
        self.assertTrue(all(100 * AGES[0] <= each <= 100 * AGES[1] for each in untils))


class Ageless(KeeperCase):
    limits = Limits(maximum=2, max_idle=2, idle_timeout=10_000.0, max_age=0.0)

    def test_where_there_is_no_maximum_age_none_is_too_old(self):
        self.rig.give_back(self.rig.lease())
        self.network.wait(9_999)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")


class UsedOnce(KeeperCase):
    limits = Limits(maximum=3, max_idle=0, idle_timeout=30.0, reuse=Reuse.NEVER)

    def test_an_association_that_has_served_is_released(self):
        association = self.rig.lease()
        self.rig.perform(association)
        self.rig.give_back(association)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")
        self.assertEqual(self.archive.heard[-1], ReleaseRQ())

    def test_who_waits_does_not_get_one_that_has_served(self):
        held = [self.rig.lease() for _ in range(3)]
        self.rig.ask()
        self.rig.perform(held[0])
        self.rig.give_back(held[0])
        (association,) = self.rig.given
        self.assertNotIn(association, held)
        self.assertFalse(association.is_reused)

    def test_one_that_was_opened_for_its_answer_serves_the_first_operation(self):
        negotiated = self.rig.lease(fresh())
        self.rig.give_back(negotiated)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")
        self.assertIs(self.rig.lease(), negotiated)

    def test_for_no_longer_than_others_may_rest(self):
        self.rig.give_back(self.rig.lease(fresh()))
        self.network.wait(30)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")


class ForOneCaller(UsedOnce):
    limits = attrs.evolve(UsedOnce.limits, reuse=Reuse.CALLER)


class Load(KeeperCase):
    def test_what_is_at_work_and_who_waits_is_load_and_what_rests_is_not(self):
        held = [self.rig.lease(), self.rig.lease()]
        self.assertEqual(self.keeper.busy, 2)
        self.rig.ask()
        self.assertEqual(self.keeper.busy, 3)
        self.rig.give_back(held[0])
        self.assertEqual(self.keeper.busy, 2)
        self.rig.give_back(held[1])
        self.assertEqual(self.keeper.busy, 1)

    def test_who_waits_for_an_answer_is_load_once(self):
        self.never_answers()
        self.rig.ask()
        self.network.settle()
        self.assertEqual(self.keeper.busy, 1)

    def test_bytes_that_are_not_answered_yet_are_load(self):
        one, other = self.rig.lease(), self.rig.lease()
        one.fragments(3, dataset(b"some"))
        other.fragments(3, dataset(b"more"))
        self.assertEqual(self.keeper.outstanding, 2 * 16)
        one.answered(0, 1.0)
        self.assertEqual(self.keeper.outstanding, 16)


class Private(KeeperCase):
    limits = MANY

    def test_a_private_association_is_for_its_crossing_alone(self):
        private = self.rig.lease(wants(CT, private=7), IDENTIFIED)
        self.rig.give_back(private)
        self.assertIsNot(self.rig.lease(wants(CT)), private)
        self.assertIsNot(self.rig.lease(wants(CT, private=8), IDENTIFIED), private)
        self.assertIs(self.rig.lease(wants(CT, private=7), IDENTIFIED), private)

    def test_at_the_end_of_its_crossing_it_is_released(self):
        mine, others, public = (
            self.rig.lease(wants(CT, private=7), IDENTIFIED),
            self.rig.lease(wants(CT, private=8), IDENTIFIED),
            self.rig.lease(wants(CT)),
        )
        for association in (mine, others, public):
            self.rig.give_back(association)
        self.keeper.leave(7)
        self.network.settle()
        self.assertFalse(mine.layer.established)
        self.assertTrue(others.layer.established)
        self.assertTrue(public.layer.established)
        self.assertEqual(self.archive.associations[0].heard[-1], ReleaseRQ())


class Draining(KeeperCase):
    def test_leases_finish_and_what_rests_is_released(self):
        leased, idle = self.rig.lease(), self.rig.lease()
        self.rig.give_back(idle)
        self.keeper.drain()
        self.network.settle()
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting, draining")
        self.assertEqual(self.archive.associations[1].heard[-1], ReleaseRQ())
        self.assertEqual(self.rig.perform(leased).heard[-1][-2:], b"\0\0")
        self.rig.give_back(leased)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting, draining")
        self.assertEqual(self.archive.associations[0].heard[-1], ReleaseRQ())

    def test_who_comes_is_turned_away_at_once(self):
        self.keeper.drain()
        self.rig.ask()
        self.assertEqual([str(each) for each in self.rig.given], ["it is being taken out"])
        self.assertEqual(self.network.dialled, [])

    def test_who_waits_is_turned_away_at_once(self):
        self.rig.lease()
        self.never_answers()
        self.rig.ask(fresh())
        self.rig.ask(fresh())
        self.network.settle()
        self.assertKeeps("1 opening, 0 idle, 1 leased, 1 waiting")
        self.keeper.drain()
        self.network.settle()
        self.assertEqual([str(each) for each in self.rig.given], ["it is being taken out"] * 2)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting, draining")
        self.assertEqual(len(self.archive.open), 1)
        self.assertFalse(self.keeper.condition.is_out)

    def test_it_can_be_had_back(self):
        self.keeper.drain()
        self.keeper.resume()
        self.rig.lease()
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting")


class Stopping(KeeperCase):
    limits = MANY

    def test_a_stop_releases_what_is_idle_and_closes_everything(self):
        idle, leased = self.rig.lease(), self.rig.lease()
        self.rig.give_back(idle)
        aborted = self.rig.lease(fresh())
        aborted.abort("it was enough", Fault.ELSEWHERE)
        self.never_answers()
        self.rig.ask(fresh())
        self.network.settle()
        self.network.silent.add(104)
        self.rig.ask(fresh())
        self.network.settle()
        self.assertKeeps("2 opening, 1 idle, 1 leased, 0 waiting")
        stopped = self.keeper.stop()
        self.assertNoResult(stopped)
        self.network.settle()
        self.successResultOf(stopped)
        self.assertEqual(self.archive.associations[0].heard[-1], ReleaseRQ())
        self.assertEqual([type(each) for each in self.rig.given], [CancelledError, CancelledError])
        self.assertFalse(leased.layer.established)
        self.assertEqual(self.archive.open, [])
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_a_stop_waits_for_what_was_aborted_before(self):
        self.rig.lease().abort("it was enough", Fault.ELSEWHERE)
        self.archive.associations[0].transport.pauseProducing()
        stopped = self.keeper.stop()
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.assertNoResult(stopped)
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.successResultOf(stopped)

    def test_nothing_is_opened_any_more(self):
        self.successResultOf(self.keeper.stop())
        self.rig.ask()
        self.network.settle()
        self.assertEqual(self.archive.associations, [])
        self.assertEqual([str(each) for each in self.rig.given], ["it is being taken out"])

    def test_what_is_given_back_after_a_stop_does_not_stay(self):
        association = self.rig.lease()
        stopped = self.keeper.stop()
        association.give_back()
        self.network.settle()
        self.successResultOf(stopped)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_a_stop_waits_for_an_upstream_that_takes_its_time_but_not_for_ever(self):
        self.archive.script.release = None
        self.rig.give_back(self.rig.lease())
        stopped = self.keeper.stop()
        self.network.wait(RELEASE_TIMEOUT - 1)
        self.assertNoResult(stopped)
        self.network.wait(1)
        self.successResultOf(stopped)

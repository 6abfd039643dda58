"""One upstream's associations: reused, bounded, let go, and replaced without anyone noticing."""

from __future__ import annotations

from functools import partial

from twisted.internet.defer import CancelledError

from relay.transport.association import CLOSING_TIMEOUT
from relay.upstream.keeper import LONGEST_AVOIDANCE, SHORTEST_AVOIDANCE, Limits
from relay.upstream.pool import Request
from relay.upstream.protocol import RELEASE_TIMEOUT, NotAccepted, Unreachable
from relay.wire.errors import AbortSource
from relay.wire.pdu import Abort, AssociateRJ, ReleaseRP, ReleaseRQ
from tests.bed import LogCase
from tests.peers import accept_all
from tests.upstream.rig import CT, ECHO, IDENTIFIED, Lessee, Rig, fresh, wants
from tests.vectors import p_data, pdv

CONGESTED = AssociateRJ(2, 3, 1)
MANY = Limits(maximum=8, max_idle=8, idle_timeout=30.0)


def _note(order: list[Request], request: Request, _: object) -> None:
    order.append(request)


class KeeperCase(LogCase):
    limits = Limits(maximum=2, max_idle=2, idle_timeout=30.0)

    def setUp(self) -> None:
        super().setUp()
        self.rig = Rig(self.limits)
        self.network, self.archive = self.rig.network, self.rig.archive
        self.keeper = self.rig.keeper

    def tearDown(self) -> None:
        # Nothing of it stays, however it went.
        stopped = self.keeper.stop()
        self.network.wait(120)
        self.successResultOf(stopped)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.assertEqual(list(self.network.ends), [])
        self.assertLessEqual(self.archive.most, self.limits.maximum)

    def assertKeeps(self, counts: str) -> None:
        self.assertEqual(repr(self.keeper), f"<Keeper pacs: {counts}>")


class Reuse(KeeperCase):
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
        self.rig.lease(wants(CT, calling=b"OTHER".ljust(16)))
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
        held[0].abort("it was enough")
        self.network.settle()
        self.assertEqual(len(self.rig.given), 1)
        self.assertIsNot(self.rig.given[0], held[0])

    def test_one_that_suits_nobody_who_waits_makes_room_for_one_that_does(self):
        self.rig.give_back(self.rig.lease())
        kept = self.rig.lease(fresh())
        self.rig.lease(wants(CT, calling=b"OTHER".ljust(16)))
        self.network.settle()
        self.assertEqual(self.archive.associations[0].heard[-1], ReleaseRQ())
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")
        self.assertTrue(kept.layer.established)

    def test_one_that_makes_room_has_ended_before_another_is_opened(self):
        self.rig.lease()
        self.rig.give_back(self.rig.lease())
        self.archive.script.release = None
        self.rig.ask(wants(CT, calling=b"OTHER".ljust(16)))
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
        self.rig.ask(wants(CT, calling=b"OTHER".ljust(16)))
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


class Liveness(KeeperCase):
    def test_a_closed_association_is_not_handed_out_and_nobody_notices(self):
        closed = self.rig.lease()
        self.rig.give_back(closed)
        # The archive has closed it, and the reactor has not got round to it.
        closed.is_silent = lambda: False  # type: ignore[method-assign]
        association = self.rig.lease()
        self.assertIsNot(association, closed)
        self.assertTrue(association.layer.established)
        self.assertEqual(len(self.archive.open), 1)
        self.assertEqual(self.lines("warn"), [])

    def test_one_that_is_in_the_middle_of_a_message_is_not_handed_out(self):
        talking = self.rig.lease()
        self.rig.give_back(talking)
        self.archive.associations[0].say(p_data(pdv(1, 1, b"half a command set")))
        self.network.settle()
        self.assertIsNot(self.rig.lease(), talking)

    def test_what_the_archive_closes_while_it_is_idle_is_forgotten_in_silence(self):
        for end in (
            lambda archive: archive.say(Abort().encode()),
            lambda archive: archive.say(ReleaseRQ().encode()),
            lambda archive: archive.transport.loseConnection(),
            lambda archive: archive.transport.abortConnection(),
        ):
            self.rig.give_back(self.rig.lease())
            end(self.archive.associations[-1])
            self.network.settle()
            self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")
        self.assertEqual(len(self.archive.associations), 4)
        self.assertEqual(self.archive.open, [])
        self.assertEqual(self.lines("warn"), [])
        self.assertTrue(self.keeper.is_reachable)


class Waiting(KeeperCase):
    def test_who_waits_too_long_for_a_free_one_is_told_so(self):
        self.rig.lease(), self.rig.lease()
        self.rig.ask(timeout=5)
        self.network.wait(5)
        (why,) = self.rig.given
        self.assertIsInstance(why, Unreachable)
        self.assertEqual(str(why), "waited 5 s for a free association")
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")

    def test_a_busy_upstream_is_not_a_failing_one(self):
        self.rig.lease(), self.rig.lease()
        self.rig.ask(timeout=5)
        self.network.wait(5)
        self.assertFalse(self.keeper.is_failing)
        self.assertTrue(self.keeper.is_reachable)

    def test_who_waits_too_long_for_an_answer_is_told_so(self):
        self.archive.script.associate = lambda request: None
        self.rig.ask(timeout=5)
        self.network.wait(5)
        self.assertEqual(str(self.rig.given[0]), "waited 5 s for an answer")
        self.assertEqual(self.lines("warn"), ["upstream pacs: waited 5 s for an answer"])
        self.assertEqual(self.archive.open, [])
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")

    def test_an_upstream_where_nobody_answers_the_telephone_is_given_up_in_time(self):
        self.network.silent.add(104)
        self.rig.ask(timeout=5)
        self.network.wait(5)
        self.assertIsInstance(self.rig.given[0], Unreachable)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")

    def test_a_wait_that_is_called_off_leaves_nothing(self):
        self.rig.lease(), self.rig.lease()
        self.rig.ask().cancel()
        self.assertIsInstance(self.rig.given[0], CancelledError)
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_a_call_that_is_called_off_leaves_nothing(self):
        for port, silent in ((104, False), (104, True)):
            self.network.silent = {port} if silent else set()
            self.rig.ask().cancel()
            self.network.settle()
            self.assertIsInstance(self.rig.given.pop(), CancelledError)
            self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")
            self.assertEqual(self.network.getDelayedCalls(), [])
            self.assertEqual(self.archive.open, [])

    def test_an_association_request_that_is_called_off_leaves_nothing(self):
        self.archive.script.associate = lambda request: None
        waiting = self.rig.ask()
        self.network.settle()
        self.assertKeeps("1 opening, 0 idle, 0 leased, 0 waiting")
        waiting.cancel()
        self.network.settle()
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")
        self.assertEqual(self.archive.open, [])
        self.assertFalse(self.keeper.is_failing)

    def test_room_that_is_called_off_goes_to_who_waits_next(self):
        self.archive.script.associate = lambda request: None
        first, second = self.rig.ask(), self.rig.ask()
        self.rig.ask()
        self.network.settle()
        self.archive.script.associate = accept_all
        second.cancel()
        self.network.settle()
        self.assertEqual(len(self.rig.given), 2)
        self.assertTrue(self.rig.given[1].layer.established)
        first.cancel()


class Failing(KeeperCase):
    limits = MANY

    def cannot_be_reached(self) -> None:
        self.rig.goes_away()
        self.rig.ask()
        # A name may have several addresses: that there is no other one to try shows in a moment.
        self.network.wait(0.5)
        self.rig.comes_back()

    def test_who_cannot_be_connected_to_is_unreachable(self):
        self.cannot_be_reached()
        self.assertIsInstance(self.rig.given[0], Unreachable)
        self.assertEqual(self.lines("warn"), ["upstream pacs: connection refused"])
        self.assertFalse(self.keeper.is_reachable)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")

    def test_who_closes_instead_of_answering_is_unreachable(self):
        self.archive.script.associate = lambda request: Abort(2, 0).encode()
        self.rig.ask()
        self.network.settle()
        self.assertIsInstance(self.rig.given[0], Unreachable)
        self.assertTrue(self.keeper.is_failing)

    def test_who_rejects_is_there(self):
        self.archive.script.associate = lambda request: CONGESTED.encode()
        self.rig.ask()
        self.network.settle()
        (why,) = self.rig.given
        self.assertIsInstance(why, NotAccepted)
        self.assertEqual(why.rejection, CONGESTED)
        self.assertEqual(self.lines("warn"), ["upstream pacs: rejected (2,3,1)"])
        self.assertFalse(self.keeper.is_failing)
        self.assertEqual(self.archive.open, [])

    def test_it_is_avoided_for_longer_and_longer_but_not_for_ever(self):
        expected = SHORTEST_AVOIDANCE
        for _ in range(8):
            self.cannot_be_reached()
            self.network.wait(expected - 0.5)
            self.assertTrue(self.keeper.is_failing)
            self.network.wait(0.5)
            self.assertFalse(self.keeper.is_failing)
            expected = min(LONGEST_AVOIDANCE, 2 * expected)

    def test_an_association_ends_the_avoidance(self):
        self.cannot_be_reached()
        self.cannot_be_reached()
        self.rig.give_back(self.rig.lease())
        self.assertFalse(self.keeper.is_failing)
        self.assertTrue(self.keeper.is_reachable)
        self.cannot_be_reached()
        self.network.wait(SHORTEST_AVOIDANCE)
        self.assertFalse(self.keeper.is_failing)

    def test_an_association_lost_in_its_lease_makes_it_unreachable_until_one_is_opened(self):
        self.rig.lease().use(Lessee())
        self.archive.associations[0].transport.abortConnection()
        self.network.settle()
        self.assertFalse(self.keeper.is_reachable)
        self.assertEqual(self.lines("warn"), ["upstream pacs: connection lost"])
        self.rig.lease()
        self.assertTrue(self.keeper.is_reachable)

    def test_an_association_aborted_for_its_nonsense_makes_it_unreachable(self):
        self.rig.lease().abort("nonsense", AbortSource.SERVICE_PROVIDER)
        self.assertFalse(self.keeper.is_reachable)

    def test_an_association_aborted_for_its_caller_does_not(self):
        self.rig.lease().abort("the caller has gone")
        self.assertTrue(self.keeper.is_reachable)


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


class Stopping(KeeperCase):
    limits = MANY

    def test_a_stop_releases_what_is_idle_and_closes_everything(self):
        idle, leased = self.rig.lease(), self.rig.lease()
        self.rig.give_back(idle)
        aborted = self.rig.lease(fresh())
        aborted.abort("it was enough")
        self.archive.script.associate = lambda request: None
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
        self.rig.lease().abort("it was enough")
        self.archive.associations[0].transport.pauseProducing()
        stopped = self.keeper.stop()
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.assertNoResult(stopped)
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.successResultOf(stopped)

    def test_nothing_is_opened_any_more(self):
        self.successResultOf(self.keeper.stop())
        waiting = self.rig.ask()
        self.network.settle()
        self.assertEqual(self.archive.associations, [])
        waiting.cancel()

    def test_a_stop_waits_for_an_upstream_that_takes_its_time_but_not_for_ever(self):
        self.archive.script.release = None
        self.rig.give_back(self.rig.lease())
        stopped = self.keeper.stop()
        self.network.wait(RELEASE_TIMEOUT - 1)
        self.assertNoResult(stopped)
        self.network.wait(1)
        self.successResultOf(stopped)

"""Associations that are being opened: waited for, called off, refused, or asked for in vain."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from relay.bridge.ports import Fault
from relay.upstream.ends import NotAccepted, Unreachable
from relay.upstream.limits import Limits
from relay.upstream.room import RAISE_AFTER
from relay.wire.pdu import Abort, AssociateRJ, AssociateRQ, ReleaseRQ
from tests.peers import Archive, accept_all
from tests.upstream.rig import (
    CONGESTED,
    CT,
    IDENTIFIED,
    UNKNOWN_AE,
    KeeperCase,
    fresh,
    wants,
)

NOTHING = "0 opening, 0 idle, 0 leased, 0 waiting"
LIMIT_EXCEEDED = AssociateRJ(2, 3, 2)


class Waiting(KeeperCase):
    def test_who_waits_too_long_for_a_free_one_is_told_so(self):
        self.rig.lease(), self.rig.lease()
        self.rig.ask(timeout=5)
        self.network.wait(5)
        (why,) = self.rig.given
        self.assertIsInstance(why, Unreachable)
        self.assertEqual(str(why), "waited 5 s for a free association")
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")

    def test_a_busy_upstream_is_not_a_failing_one_and_that_is_said_once(self):
        self.rig.lease(), self.rig.lease()
        for _ in range(3):
            self.rig.ask(timeout=5)
        self.network.wait(5)
        self.assertEqual(len(self.rig.given), 3)
        self.assertTrue(self.keeper.is_reachable)
        self.assertEqual(self.lines("warn"), ["upstream pacs: waited 5 s for a free association"])

    def test_who_waits_too_long_for_an_answer_is_told_so(self):
        self.never_answers()
        self.rig.ask(timeout=5)
        self.network.wait(5)
        self.assertEqual(str(self.rig.given[0]), "no answer in 5 s")
        self.assertEqual(self.lines("warn"), ["upstream pacs is out: no answer in 5 s"])
        self.assertEqual(self.archive.open, [])
        self.assertKeeps(f"{NOTHING}, out")

    def test_an_upstream_where_nobody_answers_the_telephone_is_given_up_in_time(self):
        self.network.silent.add(104)
        self.rig.ask(timeout=5)
        self.network.wait(5)
        self.assertIsInstance(self.rig.given[0], Unreachable)
        self.assertKeeps(f"{NOTHING}, out")

    def test_what_was_asked_for_late_has_its_time_all_the_same(self):
        held = [self.rig.lease(), self.rig.lease()]
        self.never_answers()
        self.rig.ask(fresh(), timeout=6)
        self.network.wait(5)
        held[0].abort("it was enough", Fault.ELSEWHERE)
        self.network.wait(1)
        # Its waiter has waited for long enough, and the upstream has had one second.
        self.assertEqual(str(self.rig.given[0]), "waited 6 s for an answer")
        self.assertKeeps("1 opening, 0 idle, 1 leased, 0 waiting")
        self.assertTrue(self.keeper.is_reachable)
        (request,) = self.archive.associations[-1].heard
        self.archive.associations[-1].say(accept_all(request))
        self.network.settle()
        self.assertKeeps("0 opening, 1 idle, 1 leased, 0 waiting")

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
            self.assertKeeps(NOTHING)
            self.assertEqual(self.network.getDelayedCalls(), [])
            self.assertEqual(self.archive.open, [])

    def test_an_association_request_that_is_called_off_leaves_nothing_and_is_no_failure(self):
        self.never_answers()
        waiting = self.rig.ask()
        self.network.settle()
        self.assertKeeps("1 opening, 0 idle, 0 leased, 0 waiting")
        waiting.cancel()
        self.network.settle()
        self.assertKeeps(NOTHING)
        self.assertEqual(self.archive.open, [])

    def test_room_that_is_called_off_goes_to_who_waits_next(self):
        self.never_answers()
        first, second = self.rig.ask(), self.rig.ask()
        self.rig.ask()
        self.network.settle()
        self.accepts()
        second.cancel()
        self.network.settle()
        self.assertEqual(len(self.rig.given), 2)
        self.assertTrue(self.rig.given[1].layer.established)
        first.cancel()


class Failing(KeeperCase):
    def test_who_cannot_be_connected_to_is_unreachable(self):
        self.rig.goes_away()
        self.rig.ask()
        # A name may have several addresses: that there is no other one to try shows in a moment.
        self.network.wait(0.5)
        self.assertIsInstance(self.rig.given[0], Unreachable)
        self.assertEqual(self.lines("warn"), ["upstream pacs is out: connection refused"])
        self.assertFalse(self.keeper.is_reachable)
        self.assertKeeps(f"{NOTHING}, out")

    def test_who_aborts_instead_of_answering_may_dislike_the_caller_and_is_not_out(self):
        self.archive.script.associate = lambda request: Abort(2, 0).encode()
        for _ in range(5):
            self.rig.ask()
            self.network.settle()
        self.assertIsInstance(self.rig.given[0], Unreachable)
        self.assertFalse(self.keeper.condition.is_out)
        self.assertEqual(self.lines("warn"), ["upstream pacs: aborted by the peer (2,0)"])

    def test_who_closes_instead_of_answering_has_failed(self):
        self.archive.script.associate = lambda request: self.archive.open[-1].hang_up()
        for _ in range(3):
            self.assertFalse(self.keeper.condition.is_out)
            self.rig.ask()
            self.network.settle()
        self.assertTrue(self.keeper.condition.is_out)
        self.assertFalse(self.keeper.condition.health.is_down)

    def test_it_is_back_with_the_next_association(self):
        self.rig.goes_away()
        self.rig.ask()
        self.network.wait(0.5)
        self.rig.comes_back()
        self.rig.give_back(self.rig.lease())
        self.assertTrue(self.keeper.is_reachable)
        self.assertEqual(self.lines("info"), ["upstream pacs is back"])
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")

    def test_who_rejects_is_there(self):
        self.rejects(UNKNOWN_AE)
        self.rig.ask()
        self.network.settle()
        (why,) = self.rig.given
        self.assertIsInstance(why, NotAccepted)
        self.assertEqual(why.rejection, UNKNOWN_AE)
        self.assertEqual(self.lines("warn"), ["upstream pacs: rejected (1,1,3)"])
        self.assertTrue(self.keeper.is_reachable)
        self.assertEqual(self.archive.open, [])

    def test_the_same_rejection_is_said_once(self):
        for rejection in (UNKNOWN_AE, UNKNOWN_AE, CONGESTED, CONGESTED, UNKNOWN_AE):
            self.rejects(rejection)
            self.rig.ask()
            self.network.settle()
        said = ["upstream pacs: rejected (1,1,3)", "upstream pacs: rejected (2,3,1)"]
        self.assertEqual(self.lines("warn"), [*said, said[0]])

    def test_an_association_lost_in_an_operation_means_to_ask_until_one_is_opened(self):
        self.archive.script.answer = lambda message: None
        self.rig.perform(self.rig.lease())
        self.archive.associations[0].transport.abortConnection()
        self.network.settle()
        self.assertFalse(self.keeper.is_reachable)
        self.assertFalse(self.keeper.condition.is_out)
        self.assertEqual(self.lines("warn"), ["upstream pacs: connection lost"])
        self.rig.lease()
        self.assertTrue(self.keeper.is_reachable)

    def test_an_association_aborted_for_its_fault_is_a_failure_for_its_caller_is_not(self):
        self.rig.lease().abort("the caller has gone", Fault.ELSEWHERE)
        self.network.settle()
        self.assertTrue(self.keeper.is_reachable)
        self.rig.lease().abort("nonsense", Fault.UPSTREAM)
        self.assertFalse(self.keeper.is_reachable)


class Congested(KeeperCase):
    limits = Limits(maximum=4, max_idle=4, idle_timeout=300.0, echo_after=0.0)

    def test_a_rejection_for_congestion_while_others_live_lowers_the_maximum(self):
        for rejection in (CONGESTED, LIMIT_EXCEEDED):
            with self.subTest(rejection=rejection):
                self.setUp()
                held = [self.rig.lease(), self.rig.lease()]
                self.rejects(rejection)
                self.rig.ask()
                self.network.settle()
                self.assertKeeps("0 opening, 0 idle, 2 leased, 1 waiting")
                self.assertEqual(self.keeper.maximum, 2)
                self.rig.give_back(held[0])
                self.assertEqual(self.rig.given, [held[0]])

    def test_who_was_rejected_is_the_first_to_be_served(self):
        held = self.rig.lease()
        self.rejects(CONGESTED)
        first: list[object] = []
        second: list[object] = []
        self.rig.ask(given=first)
        self.network.settle()
        self.rig.ask(given=second)
        self.rig.give_back(held)
        self.assertEqual((first, second), ([held], []))
        self.rig.give_back(held)
        self.assertEqual((first, second), ([held], [held]))

    def test_congestion_is_no_failure_and_said_once_for_each_step_down(self):
        for _ in range(3):
            self.rig.lease()
        self.rejects(CONGESTED)
        self.rig.ask(timeout=5)
        self.network.settle()
        self.assertTrue(self.keeper.is_reachable)
        self.assertEqual(self.lines("warn"), [])
        why = "rejected (2,3,1)"
        self.assertEqual(self.lines("info"), [f"upstream pacs bears 3 associations for now: {why}"])

    def test_with_none_alive_the_rejection_is_an_answer(self):
        self.rejects(CONGESTED)
        self.rig.ask()
        self.network.settle()
        self.assertIsInstance(self.rig.given[0], NotAccepted)
        self.assertEqual(self.keeper.maximum, 4)

    def test_another_transient_rejection_is_an_answer_too(self):
        self.rig.lease()
        self.rejects(AssociateRJ(2, 1, 1))
        self.rig.ask()
        self.network.settle()
        self.assertIsInstance(self.rig.given[0], NotAccepted)
        self.assertEqual(self.keeper.maximum, 4)

    def test_no_answer_in_time_while_others_live_lowers_the_maximum(self):
        self.rig.lease()
        self.never_answers()
        self.rig.ask(timeout=6)
        self.network.wait(3)
        self.assertEqual(self.keeper.maximum, 1)
        self.assertEqual(len(self.archive.open), 1)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 1 waiting")
        self.network.wait(3)
        self.assertEqual(str(self.rig.given[0]), "waited 6 s for a free association")
        self.assertTrue(self.keeper.is_reachable)

    def test_one_that_rests_makes_room_for_what_is_not_answered_else(self):
        # An archive that serves one association at a time answers the second when the first ends.
        resting = self.rig.lease()
        self.rig.give_back(resting)
        self.never_answers()
        self.rig.ask(fresh(), timeout=6)
        self.network.wait(2.9)
        self.assertTrue(resting.layer.established)
        self.accepts()
        self.network.wait(0.1)
        (association,) = self.rig.given
        self.assertFalse(resting.layer.established)
        self.assertTrue(association.layer.established)
        self.assertEqual(self.lines("warn"), [])

    def test_no_connection_in_time_while_others_live_does_too(self):
        self.rig.lease()
        self.network.silent.add(104)
        self.rig.ask(timeout=60)
        self.network.wait(15)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 1 waiting")
        self.assertEqual(self.keeper.maximum, 1)

    def test_one_that_is_just_ending_lives_for_the_archive(self):
        held = self.rig.lease()
        self.archive.script.release = None
        held.release()
        self.rejects(CONGESTED)
        self.rig.ask(fresh())
        self.network.wait(1)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 1 waiting")
        self.accepts()
        self.network.wait(5)
        self.assertEqual(len(self.rig.given), 1)

    def test_with_success_it_is_raised_again_one_at_a_time(self):
        held = self.rig.lease()
        self.rejects(CONGESTED)
        self.rig.ask(fresh(), timeout=1000)
        self.network.settle()
        self.assertEqual(self.keeper.maximum, 1)
        self.accepts()
        held.answered(0, 0.1)
        self.assertEqual(self.keeper.maximum, 1)
        self.network.wait(RAISE_AFTER)
        self.assertEqual(self.rig.given, [])
        held.answered(0, 0.1)
        self.network.settle()
        self.assertEqual(self.keeper.maximum, 2)
        self.assertEqual(len(self.rig.given), 1)
        for expected in (3, 4, 4):
            self.network.wait(RAISE_AFTER)
            held.answered(0, 0.1)
            self.assertEqual(self.keeper.maximum, expected)

    def test_an_archive_that_serves_one_at_a_time_is_used_one_at_a_time(self):
        self.archive.script.associate = self.one_at_a_time
        asked = [self.rig.ask(timeout=60) for _ in range(4)]
        self.network.settle()
        for _ in asked:
            (association,) = self.rig.given
            self.rig.given.clear()
            self.rig.give_back(association)
        self.assertEqual(len(self.archive.associations), 1 + 3)
        self.assertEqual(self.keeper.maximum, 1)
        self.assertEqual(self.lines("warn"), [])

    accepted: Archive | None = None

    def one_at_a_time(self, request: AssociateRQ) -> bytes:
        """What an archive says that serves one association."""
        if self.accepted in self.archive.open:
            return CONGESTED.encode()
        asking = (each for each in self.archive.open if each.heard[-1] is request)
        self.accepted = next(asking)
        return accept_all(request)


class Adrift(KeeperCase):
    """An association that is being opened, and whoever waits for it gets another one."""

    limits = Limits(maximum=2, max_idle=2, idle_timeout=30.0, echo_after=0.0)

    def setUp(self) -> None:
        super().setUp()
        self.held = self.rig.lease()
        self.never_answers()

    def opens(self) -> None:
        """The archive answers."""
        association = self.archive.associations[-1]
        association.say(accept_all(association.heard[0]))
        self.network.settle()

    def test_who_waits_for_an_answer_takes_what_is_given_back(self):
        # The archive may serve one at a time, and answer only when this one has ended.
        self.rig.ask()
        self.network.settle()
        self.assertKeeps("1 opening, 0 idle, 1 leased, 0 waiting")
        self.rig.give_back(self.held)
        self.assertEqual(self.rig.given, [self.held])
        self.assertKeeps("1 opening, 0 idle, 1 leased, 0 waiting")

    def test_what_opens_then_rests(self):
        self.rig.ask()
        self.network.settle()
        self.rig.give_back(self.held)
        self.opens()
        self.assertKeeps("0 opening, 1 idle, 1 leased, 0 waiting")

    def test_what_opens_then_serves_who_has_come_meanwhile(self):
        self.rig.ask()
        self.network.settle()
        self.rig.give_back(self.held)
        self.rig.ask()
        self.opens()
        self.assertEqual(len(self.rig.given), 2)
        self.assertKeeps("0 opening, 0 idle, 2 leased, 0 waiting")

    def test_what_does_not_open_is_given_up_in_its_time(self):
        self.rig.ask(timeout=5)
        self.network.settle()
        self.rig.give_back(self.held)
        self.network.wait(5)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting")
        self.assertEqual(len(self.archive.open), 1)
        self.assertEqual(self.keeper.maximum, 1)

    def test_what_was_for_one_crossing_alone_does_not_stay(self):
        private = wants(CT, private=7)
        self.held.release()
        self.network.settle()
        self.accepts()
        mine = self.rig.lease(private, IDENTIFIED)
        self.never_answers()
        self.rig.ask(private, IDENTIFIED)
        self.network.settle()
        self.rig.give_back(mine)
        self.assertEqual(self.rig.given, [mine])
        self.opens()
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting")
        self.assertEqual(self.archive.associations[-1].heard[-1], ReleaseRQ())

    def test_who_wants_an_answer_to_its_offer_waits_for_it(self):
        self.rig.ask(fresh())
        self.network.settle()
        self.rig.give_back(self.held)
        self.assertEqual(self.rig.given, [])
        self.assertKeeps("1 opening, 1 idle, 0 leased, 0 waiting")
        self.opens()
        self.assertEqual(len(self.rig.given), 1)

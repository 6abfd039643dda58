"""What rests is lent only when it is known to be alive; what is not is replaced unnoticed."""

from __future__ import annotations

from twisted.internet.defer import CancelledError

from relay.upstream.echo import VERIFICATION
from relay.upstream.limits import Limits
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.pdu import Abort, ReleaseRQ
from tests.peers import Message, succeed
from tests.upstream.rig import CT, OFFER, KeeperCase, refusing
from tests.vectors import p_data, pdv

CT_ONLY = OFFER.only({3})
RESTED = 10.0


class Liveness(KeeperCase):
    limits = Limits(maximum=2, max_idle=2, idle_timeout=300.0, echo_after=0.0)

    def test_a_closed_association_is_not_handed_out_and_nobody_notices(self):
        closed = self.rig.lease()
        self.rig.give_back(closed)
        # The archive has closed it, and the reactor has not got round to it.
        closed.is_silent = lambda: False  # type: ignore[method-assign]
        association = self.rig.lease()
        self.assertIsNot(association, closed)
        self.assertTrue(association.layer.established)
        self.assertFalse(association.is_reused)
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

    def test_what_has_rested_is_known_to_have(self):
        association = self.rig.lease()
        self.assertFalse(association.is_reused)
        self.rig.give_back(association)
        self.assertIs(self.rig.lease(), association)
        self.assertTrue(association.is_reused)

    def test_one_that_was_closed_while_it_rested_is_no_failure_of_its_archive(self):
        association = self.rig.lease()
        for _ in range(5):
            self.rig.give_back(association)
            association = self.rig.lease()
            # On its way while it was leased, so that nobody could see it.
            self.archive.associations[-1].transport.abortConnection()
            lost = self.rig.perform(association)
            self.assertEqual(lost.heard, ["lost: connection closed"])
            association = self.rig.lease()
        self.assertTrue(self.keeper.is_reachable)
        self.assertEqual(self.lines("warn"), [])

    def test_where_none_is_asked_verification_is_not_proposed_either(self):
        self.rig.lease(offer=CT_ONLY)
        (request,) = self.archive.heard
        self.assertEqual(request.contexts, CT_ONLY.contexts)


class Asking(KeeperCase):
    limits = Limits(maximum=2, max_idle=2, idle_timeout=300.0, echo_after=RESTED, probe_timeout=2.0)

    def rested(self, seconds: float = RESTED) -> UpstreamAssociation:
        """An association that has rested for so long."""
        association = self.rig.lease(offer=CT_ONLY)
        self.rig.give_back(association)
        self.network.wait(seconds)
        return association

    def does_not_answer(self) -> None:
        self.archive.script.answer = lambda message: None

    def asked(self) -> list[str | None]:
        """The SOP classes of what the archive was asked."""
        return [each.command.affected_sop_class for each in self.archive.messages]

    def test_verification_is_proposed_behind_the_rest_and_shown_to_nobody(self):
        association = self.rig.lease(offer=CT_ONLY)
        (request,) = self.archive.heard
        self.assertEqual(
            [(each.id, each.abstract_syntax) for each in request.contexts],
            [(3, CT.abstract_syntax), (5, VERIFICATION)],
        )
        self.assertEqual(list(association.contexts), [CT])

    def test_one_that_has_rested_long_is_asked_before_it_is_lent(self):
        association = self.rested()
        self.assertIs(self.rig.lease(), association)
        self.assertEqual(self.asked(), [VERIFICATION])
        self.assertTrue(association.is_reused)
        self.assertFalse(association.is_used)

    def test_one_that_has_rested_a_moment_is_not(self):
        self.rested(RESTED - 1)
        self.rig.lease()
        self.assertEqual(self.asked(), [])

    def test_where_the_archive_knows_no_verification_it_is_not_asked(self):
        self.archive.script.associate = refusing(5)
        association = self.rested()
        self.assertIs(self.rig.lease(), association)
        self.assertEqual(self.asked(), [])

    def test_one_that_does_not_answer_is_replaced_and_nobody_notices(self):
        dead = self.rested()
        self.does_not_answer()
        self.rig.ask()
        self.network.wait(1.9)
        self.assertEqual(self.rig.given, [])
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting")
        self.assertEqual(self.keeper.busy, 1)
        self.network.wait(0.1)
        (association,) = self.rig.given
        self.assertIsNot(association, dead)
        self.assertTrue(self.keeper.is_reachable)
        self.assertEqual(len(self.archive.open), 1)

    def test_to_replace_it_nobody_waits_until_its_connection_is_closed(self):
        self.rested()
        self.does_not_answer()
        self.archive.associations[0].is_polite = False
        self.rig.ask()
        self.network.wait(2)
        self.assertEqual(len(self.rig.given), 1)
        self.assertEqual(len(self.archive.open), 2)

    def test_one_that_ends_instead_of_answering_is_replaced(self):
        self.rested()
        self.archive.script.answer = lambda message: Abort().encode()
        self.rig.lease()
        self.assertTrue(self.keeper.is_reachable)
        self.assertEqual(self.lines("warn"), [])

    def test_who_waits_keeps_its_place_when_one_is_dead(self):
        self.rested()
        held = self.rig.lease(offer=CT_ONLY)
        other = self.rig.lease(offer=CT_ONLY)
        self.rig.give_back(other)
        self.network.wait(RESTED)
        self.does_not_answer()
        first: list[object] = []
        second: list[object] = []
        self.rig.ask(given=first)
        self.rig.ask(given=second)
        self.network.settle()
        self.rig.give_back(held)
        # The second one takes what the first cannot use: it is being looked after.
        self.assertEqual((first, second), ([], [held]))
        self.network.wait(2)
        self.assertEqual(len(first), 1)

    def test_who_gives_up_leaves_one_that_answers_to_rest(self):
        association = self.rested()
        self.does_not_answer()
        asked = self.rig.ask()
        self.network.settle()
        asked.cancel()
        self.assertIsInstance(self.rig.given.pop(), CancelledError)
        self.assertKeeps("0 opening, 0 idle, 1 leased, 0 waiting")
        message = self.archive.messages[-1]
        self.answers(message)
        self.assertKeeps("0 opening, 1 idle, 0 leased, 0 waiting")
        self.assertIs(self.rig.lease(), association)

    def test_who_has_waited_for_long_enough_is_told_so_meanwhile(self):
        self.rested()
        self.does_not_answer()
        self.rig.ask(timeout=1)
        self.network.wait(1)
        self.assertEqual(str(self.rig.given[0]), "waited 1 s for a free association")
        self.network.wait(1)
        self.assertKeeps("0 opening, 0 idle, 0 leased, 0 waiting")

    def answers(self, message: Message) -> None:
        answer = succeed(message)
        assert answer is not None
        self.archive.associations[-1].say(answer)
        self.network.settle()

    def test_a_stop_while_one_is_asked_ends_it(self):
        self.rested()
        self.does_not_answer()
        self.rig.ask()
        self.network.settle()
        stopped = self.keeper.stop()
        self.network.settle()
        self.successResultOf(stopped)
        self.assertEqual(self.network.getDelayedCalls(), [])

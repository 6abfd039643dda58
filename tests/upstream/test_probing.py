"""An upstream that is out is asked whether it is back, so that callers need not find out."""

from __future__ import annotations

from itertools import pairwise

import attrs

from relay.bridge.ports import Fault
from relay.policy.health import Judgement
from relay.upstream.limits import Limits
from relay.wire.pdu import AssociateRQ, ReleaseRQ
from tests.peers import Message
from tests.upstream.rig import CONGESTED, UNKNOWN_AE, KeeperCase, refusing
from tests.vectors import IMPLICIT_LITTLE_ENDIAN, VERIFICATION

NOTHING = "0 opening, 0 idle, 0 leased, 0 waiting"


class ProbeCase(KeeperCase):
    judgement = Judgement(failures=1, shortest=1.0, longest=8.0)

    def goes_out(self) -> None:
        """Nobody answers any more."""
        self.rig.goes_away()
        self.rig.ask()
        self.network.wait(0.5)
        self.assertTrue(self.keeper.condition.is_out)
        self.rig.given.clear()
        self.network.dialled.clear()

    def is_ejected(self) -> None:
        """It has failed at an operation."""
        self.rig.lease().abort("no response in 60 s", Fault.UPSTREAM)
        self.network.settle()
        self.assertTrue(self.keeper.condition.is_out)

    def probed_in(self, seconds: float) -> int:
        """How often it was called in this time."""
        self.network.dialled.clear()
        self.network.wait(seconds)
        return len(self.network.dialled)


class WhileOut(ProbeCase):
    def test_it_is_asked_when_its_time_has_come_and_returns(self):
        self.goes_out()
        self.rig.comes_back()
        self.assertEqual(self.probed_in(0.79), 0)
        self.network.wait(0.1)
        self.assertKeeps(NOTHING)
        self.assertEqual(self.lines("info"), ["upstream pacs is back"])

    def test_a_probe_is_a_c_echo_in_the_relays_own_name(self):
        self.goes_out()
        self.rig.comes_back()
        self.network.wait(1)
        request, question, release = self.archive.heard
        assert isinstance(request, AssociateRQ)
        self.assertEqual((request.called, request.calling), ("PACS", "RELAY"))
        self.assertEqual(
            [(each.abstract_syntax, each.transfer_syntaxes) for each in request.contexts],
            [(VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,))],
        )
        assert isinstance(question, Message)
        self.assertEqual(question.command.affected_sop_class, VERIFICATION)
        self.assertEqual(release, ReleaseRQ())
        self.assertEqual(self.archive.open, [])

    def test_while_nobody_answers_it_is_asked_ever_less_often(self):
        self.goes_out()
        times = []
        for _ in range(64):
            if self.probed_in(0.5):
                times.append(self.network.seconds())
        gaps = [later - sooner for sooner, later in pairwise(times)]
        self.assertEqual(gaps[:2], sorted(gaps[:2]))
        self.assertGreaterEqual(gaps[-1], 7.0)
        self.assertEqual(len(self.lines("warn")), 1)

    def test_once_it_is_back_it_is_left_alone(self):
        self.goes_out()
        self.rig.comes_back()
        self.network.wait(1)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_a_caller_who_finds_it_well_ends_the_probes(self):
        self.goes_out()
        self.rig.comes_back()
        self.rig.give_back(self.rig.lease())
        self.assertEqual(self.probed_in(20), 0)

    def test_one_that_was_ejected_is_asked_too(self):
        self.is_ejected()
        self.assertEqual(self.probed_in(1), 1)
        self.assertKeeps(NOTHING)

    def test_who_accepts_and_does_not_answer_is_not_back(self):
        self.is_ejected()
        self.archive.script.answer = lambda message: None
        self.network.wait(10)
        self.assertTrue(self.keeper.condition.is_out)
        self.assertTrue(self.keeper.condition.health.is_down)
        self.assertEqual(self.lines("info"), [])
        self.assertEqual(len([each for each in self.lines("warn") if "is out" in each]), 1)
        self.archive.script = type(self.archive.script)()
        self.network.wait(10)
        self.assertKeeps(NOTHING)

    def test_who_does_not_know_verification_is_well(self):
        self.goes_out()
        self.rig.comes_back()
        self.archive.script.associate = refusing(1)
        self.network.wait(1)
        self.assertKeeps(NOTHING)
        self.assertEqual(self.archive.messages, [])

    def test_who_does_not_want_the_relay_is_well(self):
        self.goes_out()
        self.rig.comes_back()
        self.rejects(UNKNOWN_AE)
        self.network.wait(1)
        self.assertKeeps(NOTHING)

    def test_what_was_learnt_is_not_believed_for_that(self):
        self.goes_out()
        self.rig.comes_back()
        self.rejects(UNKNOWN_AE)
        self.network.wait(1)
        self.assertFalse(self.keeper.is_reachable)

    def test_who_has_no_room_is_not_back(self):
        self.goes_out()
        self.rig.comes_back()
        self.rejects(CONGESTED)
        self.network.wait(20)
        self.assertKeeps(f"{NOTHING}, out")

    def test_a_probe_that_finds_no_room_proves_nothing_and_is_made_again(self):
        held = [self.rig.lease(), self.rig.lease()]
        self.keeper.condition.failed("connection lost")
        self.keeper._assign()
        self.network.wait(10)
        self.assertTrue(self.keeper.condition.is_out)
        self.assertFalse(self.keeper.condition.health.is_down)
        self.rig.give_back(held[0])
        self.network.wait(5)
        self.assertFalse(self.keeper.condition.is_out)

    def test_while_it_is_taken_out_it_is_not_asked(self):
        self.goes_out()
        self.keeper.drain()
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.rig.comes_back()
        self.keeper.resume()
        self.network.wait(1)
        self.assertKeeps(NOTHING)

    def test_one_that_is_taken_out_in_the_middle_of_a_probe_is_let_alone(self):
        for silent in ("associate", "answer"):
            with self.subTest(silent):
                self.setUp()
                self.goes_out()
                self.rig.comes_back()
                setattr(self.archive.script, silent, lambda _: None)
                self.network.wait(0.9)
                self.assertEqual(len(self.archive.open), 1)
                self.keeper.drain()
                self.network.wait(10)
                self.assertEqual(self.archive.open, [])
                self.assertEqual(self.network.getDelayedCalls(), [])


class Regular(ProbeCase):
    limits = Limits(maximum=2, max_idle=2, idle_timeout=30.0, probe_interval=10.0)
    judgement = Judgement(failures=2, shortest=1.0, longest=8.0)

    def test_before_the_start_it_is_not_asked(self):
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_one_that_is_well_is_asked_in_intervals(self):
        self.keeper.start()
        self.assertEqual(self.probed_in(35), 3)
        self.assertKeeps(NOTHING)
        self.assertEqual(len(self.archive.messages), 3)

    def test_one_that_is_not_there_any_more_is_found_out(self):
        self.keeper.start()
        self.rig.goes_away()
        self.network.wait(11)
        self.assertKeeps(f"{NOTHING}, out")
        self.rig.comes_back()
        self.network.wait(10)
        self.assertKeeps(NOTHING)
        self.assertIn(self.probed_in(35), (3, 4))

    def test_one_that_hangs_is_out_after_a_second_look(self):
        self.keeper.start()
        self.archive.script.answer = lambda message: None
        self.network.wait(11)
        self.assertFalse(self.keeper.condition.is_out)
        self.network.wait(4)
        self.assertTrue(self.keeper.condition.is_out)


class InDoubt(ProbeCase):
    judgement = Judgement(failures=3, shortest=1.0, longest=8.0)
    limits = attrs.evolve(Regular.limits, probe_interval=0.0)

    def test_one_that_failed_is_asked_at_once_and_is_out_when_it_is_silent(self):
        self.archive.script.associate = lambda request: None
        self.keeper.condition.failed("no response in 60 s")
        self.keeper._assign()
        self.assertFalse(self.keeper.condition.is_out)
        self.network.wait(1.5)
        self.assertTrue(self.keeper.condition.is_out)

    def test_one_that_failed_and_answers_stays(self):
        self.keeper.condition.failed("connection lost")
        self.keeper._assign()
        self.network.wait(5)
        self.assertFalse(self.keeper.condition.is_out)
        self.assertFalse(self.keeper.condition.is_in_doubt)
        self.assertEqual(self.network.getDelayedCalls(), [])


class Never(ProbeCase):
    limits = attrs.evolve(Regular.limits, probe_interval=0.0)

    def test_without_an_interval_one_that_is_well_is_not_asked(self):
        self.keeper.start()
        self.assertEqual(self.network.getDelayedCalls(), [])

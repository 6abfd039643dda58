"""Who waits is served by turns, whoever wants how many."""

from __future__ import annotations

from collections import Counter

import attrs
from hypothesis import given
from hypothesis import strategies as st
from twisted.internet.defer import Deferred

from relay.policy.showing import Titles
from relay.upstream.keeper import TURN
from relay.upstream.limits import Limits
from relay.upstream.line import MOST_TURNS, Line, Waiter
from tests.upstream.rig import CT, OFFER, KeeperCase, wants

OTHER = Titles(b"OTHER".ljust(16))


def waiter(caller: bytes, is_probe: bool = False) -> Waiter:
    request = attrs.evolve(wants(CT), caller=caller)
    return Waiter(request, OFFER, 10.0, Deferred(), is_probe)


def line_of(callers: bytes) -> Line:
    """A line in which these have come, a letter each."""
    line = Line()
    for each in callers:
        line.join(waiter(bytes((each,))))
    return line


def shown(line: Line) -> bytes:
    return b"".join(each.request.caller for each in line.in_turn)


def serve_all(line: Line) -> bytes:
    """Serve the one whose turn it is until nobody waits; who that was."""
    served = b""
    while len(line):
        each = line.in_turn[0]
        line.serve(each, None)  # type: ignore[arg-type]
        served += each.request.caller
    return served


def test_callers_take_turns_however_many_associations_each_wants():
    assert shown(line_of(b"aaaaab")) == b"abaaaa"
    assert shown(line_of(b"aaabbc")) == b"abcaba"
    assert serve_all(line_of(b"aaabbc")) == b"abcaba"


def test_who_was_served_longest_ago_is_next():
    line = line_of(b"ab")
    assert serve_all(line) == b"ab"
    for each in b"bac":
        line.join(waiter(bytes((each,))))
    assert shown(line) == b"cab"


def test_one_who_goes_on_asking_does_not_get_ahead_of_one_who_waits():
    line = line_of(b"aab")
    served = b""
    for _ in range(6):
        each = line.in_turn[0]
        line.serve(each, None)  # type: ignore[arg-type]
        served += each.request.caller
        line.join(waiter(each.request.caller))
    assert served == b"ababab"


def test_a_probe_comes_before_everybody():
    line = line_of(b"aab")
    line.join(waiter(b"", is_probe=True))
    assert shown(line) == b"" + b"aba"
    assert line.in_turn[0].is_probe


def test_of_callers_that_are_gone_few_are_remembered():
    line = Line()
    for number in range(2 * MOST_TURNS):
        each = waiter(str(number).encode())
        line.join(each)
        line.serve(each, None)  # type: ignore[arg-type]
    assert len(line._turns) == MOST_TURNS


@given(st.binary(min_size=1, max_size=40))
def test_nobody_is_served_twice_while_another_who_came_before_waits(callers):
    line = line_of(callers)
    waiting = Counter(callers)
    for round_of in _rounds(serve_all(line)):
        assert set(round_of) == set(waiting)
        waiting -= Counter(round_of)
    assert not waiting


def _rounds(served: bytes) -> list[bytes]:
    """Cut where a caller comes for the second time."""
    rounds = [b""]
    for each in served:
        if each in rounds[-1]:
            rounds.append(b"")
        rounds[-1] += bytes((each,))
    return rounds


class TakingTurns(KeeperCase):
    limits = Limits(maximum=1, max_idle=1, idle_timeout=30.0, max_waiting=8)

    def ask(self, caller: bytes) -> list[object]:
        given: list[object] = []
        self.rig.ask(attrs.evolve(wants(CT), caller=caller), given=given)
        self.network.settle()
        return given

    def test_one_waits_for_one_of_another_callers_operations_and_not_for_all(self):
        (held,) = self.ask(b"many")
        for _ in range(8):
            self.ask(b"many")
        (theirs, ours) = self.ask(b"many"), self.ask(b"one")
        self.assertEqual((len(theirs), ours), (1, []))  # turned away: eight wait already
        self.rig.give_back(held)  # type: ignore[arg-type]
        self.assertEqual(ours, [held])

    def test_a_lease_ends_with_its_operation_where_someone_waits_whom_it_serves(self):
        (held,) = self.ask(b"many")
        self.assertFalse(self.keeper.wants_back(held))  # type: ignore[arg-type]
        self.ask(b"one")
        self.assertTrue(self.keeper.wants_back(held))  # type: ignore[arg-type]

    def test_a_lease_has_its_turn_where_another_association_would_have_to_be_opened(self):
        (held,) = self.ask(b"many")
        self.rig.ask(wants(CT, titles=OTHER))
        self.assertFalse(self.keeper.wants_back(held))  # type: ignore[arg-type]
        self.network.wait(TURN)
        self.assertTrue(self.keeper.wants_back(held))  # type: ignore[arg-type]

    def test_a_line_that_one_caller_fills_has_room_for_another(self):
        self.ask(b"many")
        last = [self.ask(b"many") for _ in range(8)][-1]
        self.assertEqual(last, [])
        self.assertEqual(self.ask(b"one"), [])
        self.assertEqual([str(each) for each in last], ["8 wait already"])

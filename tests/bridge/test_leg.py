"""A leg: which lease an operation gets, at which upstream."""

from __future__ import annotations

import attrs
import pytest

from relay.bridge.berth import Berth
from relay.bridge.delivery import Delivery
from relay.bridge.leg import Leg
from relay.bridge.operation import Operation
from relay.bridge.party import Party
from relay.bridge.ports import Asked, ContextRefused, Terms, Unavailable
from relay.policy.affinity import by_association, by_operation
from relay.policy.failover import Choice
from relay.policy.showing import Titles
from relay.wire.command import CommandField as F
from relay.wire.command import decode
from relay.wire.negotiation import Offer
from relay.wire.pdu import ae_field
from tests.doubles import (
    SOP_CLASSES,
    Association,
    Bank,
    Clock,
    contexts_of,
    in_force,
    request,
    some_party,
)

CONTEXTS = in_force(SOP_CLASSES)
CALLING = ae_field("MODALITY")
ASKED = Asked("archive", Titles(CALLING), Offer(contexts_of(SOP_CLASSES)), CALLING)
ONLY_STORAGE = {3: CONTEXTS[3]}


@attrs.define(eq=False)
class User:
    """Hears what comes from the leg's associations; `busy` is whoever has something outstanding."""

    out: list[str]
    busy: list[Party] = attrs.field(factory=list)

    def received(self, party, fragments):
        self.out.append("received")

    def lost(self, berth, is_overdue):
        self.out.append("lost")

    def is_busy(self, party):
        return party in self.busy


class Bench:
    """A leg between a bank and a user, and what `obtain` gave."""

    def __init__(self, affinity=by_association):
        self.out: list[str] = []
        self.clock = Clock()
        self.bank = Bank(self.out, granted=Terms(affinity))
        self.user = User(self.out)
        self.berths: list[Berth] = []
        self.failures: list[ContextRefused | Unavailable] = []
        self.leg = Leg(ASKED, CONTEXTS, "a", self.bank, self.clock, self.user)

    def since(self):
        lines = list(self.out)
        self.out.clear()
        return lines

    @property
    def wanted(self):
        """The oldest wish for a lease."""
        return self.bank.wanted[0][0]

    def obtain(self, field=F.C_STORE_RQ, on=3, choice=Choice()):  # noqa: B008 (frozen)
        command_set = request(field, dataset=False)
        delivery = Delivery(command_set, ended=True)
        operation = Operation(some_party(), on, CONTEXTS[on], decode(command_set), delivery)
        operation.choice = choice
        self.leg.obtain(operation, self._perform, self.failures.append)

    def _perform(self, berth):
        self.berths.append(berth)
        berth.take()

    def lend(self, name="a", held=CONTEXTS, **more):
        lease = Association(name, self.out, held=held, **more)
        self.bank.grants(lease)
        return lease

    def done(self, field=F.C_STORE_RQ):
        """The operation that was begun last is complete."""
        self.berths[-1].done(field)


@pytest.fixture
def bench():
    return Bench()


# a new lease


def test_the_first_operation_asks_for_a_lease_at_the_upstream_that_answered(bench):
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == ["lease archive"]
    assert bench.wanted.asked is ASKED
    assert (bench.wanted.context, bench.wanted.exactly) == (CONTEXTS[5], None)
    assert bench.wanted.prefer == "a"
    assert (bench.wanted.avoid, bench.wanted.fresh) == (frozenset(), False)


def test_a_lease_that_was_granted_is_where_the_operation_is_performed(bench):
    bench.obtain()
    lease = bench.lend()
    assert [each.lease for each in bench.berths] == [lease]
    assert bench.leg.berth_of(bench.berths[0].party) is bench.berths[0]
    assert bench.leg.berth_of(some_party()) is None


def test_a_lease_may_be_granted_before_the_call_returns(bench):
    bench.bank.at_once = lambda: Association("b", bench.out, held=CONTEXTS)
    bench.obtain()
    assert len(bench.berths) == 1
    bench.leg.close()
    assert bench.since() == ["lease archive", "b given back"]


@pytest.mark.parametrize("result", [Unavailable(), ContextRefused()])
def test_a_lease_that_cannot_be_had_is_reported(bench, result):
    bench.obtain()
    bench.bank.grants(result)
    assert bench.failures == [result]
    assert bench.leg.berths == ()


def test_c_get_wants_exactly_the_contexts_that_the_caller_has(bench):
    bench.obtain(F.C_GET_RQ, on=9)
    assert bench.since() == ["lease archive exactly"]
    assert bench.wanted.exactly == frozenset(CONTEXTS.values())


# affinity


def test_by_association_the_upstream_that_served_is_preferred_from_then_on(bench):
    bench.obtain(F.C_ECHO_RQ, on=1)
    bench.lend("b")
    bench.done(F.C_ECHO_RQ)
    bench.obtain(F.C_ECHO_RQ, on=1)
    assert bench.wanted.prefer == "b"


def test_by_operation_no_upstream_is_preferred():
    bench = Bench(by_operation)
    bench.obtain(F.C_ECHO_RQ, on=1)
    assert bench.wanted.prefer is None
    bench.lend("b")
    bench.done(F.C_ECHO_RQ)
    bench.obtain(F.C_ECHO_RQ, on=1)
    assert bench.wanted.prefer is None


def test_another_policy_binds_by_whatever_key_it_gives():
    bench = Bench(lambda command: command.field)
    bench.obtain(F.C_ECHO_RQ, on=1)
    bench.lend("b")
    bench.done(F.C_ECHO_RQ)
    bench.obtain(F.C_FIND_RQ, on=5)
    bench.lend("c")
    bench.done(F.C_FIND_RQ)
    bench.obtain(F.C_ECHO_RQ, on=1)
    assert bench.wanted.prefer == "b"


# the lease in hand


def test_the_lease_in_hand_serves_the_next_operation(bench):
    bench.obtain()
    bench.lend()
    bench.done()
    bench.since()
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == []
    assert bench.berths[0] is bench.berths[1]


def test_a_lease_that_is_used_again_does_not_go_back_meanwhile(bench):
    bench.obtain()
    lease = bench.lend()
    bench.done()
    bench.obtain()
    bench.since()
    bench.clock.advance(10 * lease.manners.linger)
    assert bench.since() == []


def test_a_lease_that_lacks_the_context_is_exchanged(bench):
    bench.obtain()
    bench.lend("a", held=ONLY_STORAGE)
    bench.done()
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == ["lease archive", "a given back", "lease archive"]


def test_a_lease_that_has_ended_is_replaced(bench):
    bench.obtain()
    bench.lend().falls()
    bench.obtain()
    bench.lend("b")
    assert bench.since() == ["lease archive", "lost", "lease archive"]
    assert [each.lease.upstream for each in bench.leg.berths] == ["b"]


def test_a_lease_whose_upstream_awaits_an_answer_stays_beside_a_new_one(bench):
    bench.obtain()
    bench.lend("a", held=ONLY_STORAGE)
    bench.user.busy.append(bench.berths[0].party)
    bench.obtain(F.C_FIND_RQ, on=5)
    bench.lend("b")
    assert bench.since() == ["lease archive", "lease archive"]
    assert [each.lease.upstream for each in bench.leg.berths] == ["a", "b"]


def test_c_get_takes_the_lease_in_hand_where_that_holds_the_same_set(bench):
    bench.obtain()
    bench.lend()
    bench.done()
    bench.since()
    bench.obtain(F.C_GET_RQ, on=9)
    assert bench.since() == []


def test_c_get_exchanges_a_lease_that_holds_more_than_the_caller_has(bench):
    bench.obtain()
    bench.lend("a", held={**CONTEXTS, 99: attrs.evolve(CONTEXTS[1], abstract_syntax="1.2.3")})
    bench.done()
    bench.obtain(F.C_GET_RQ, on=9)
    assert bench.since() == ["lease archive", "a given back", "lease archive exactly"]


# after a failure


def test_an_upstream_that_failed_is_avoided_and_not_preferred(bench):
    bench.obtain(choice=Choice(avoid=frozenset({"a"})))
    assert bench.since() == ["lease archive not a"]
    assert bench.wanted.prefer is None


def test_the_upstream_that_a_failure_points_to_is_preferred_to_the_one_bound(bench):
    bench.obtain(choice=Choice(prefer="b", fresh=True))
    assert bench.since() == ["lease archive at b fresh"]


def test_a_lease_in_hand_at_an_upstream_to_avoid_does_not_do(bench):
    bench.obtain()
    bench.lend("a")
    bench.done()
    bench.obtain(choice=Choice(avoid=frozenset({"a"})))
    assert bench.since() == ["lease archive", "a given back", "lease archive not a"]


def test_where_a_fresh_one_is_wanted_the_lease_in_hand_which_has_rested_does_not_do(bench):
    bench.obtain()
    bench.lend("a")
    bench.done()
    bench.since()
    bench.obtain(choice=Choice(prefer="a", fresh=True))
    assert bench.since() == ["a given back", "lease archive fresh"]


# the end of the crossing


def test_leases_that_are_awaited_are_called_off_at_the_end(bench):
    bench.obtain()
    bench.obtain()
    bench.leg.close()
    assert bench.since() == ["lease archive", "lease archive", "call off lease", "call off lease"]
    bench.leg.close()
    assert bench.since() == []


def test_every_lease_ends_with_the_crossing(bench):
    for name in ("a", "b"):
        bench.obtain()
        bench.lend(name)
        bench.user.busy.append(bench.berths[-1].party)
    bench.user.busy.pop()
    bench.since()
    bench.leg.close()
    assert bench.since() == ["a aborted 0,0", "b given back"]

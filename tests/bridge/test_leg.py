"""A leg: leases taken, kept, given back, released or aborted, each exactly once."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from relay.bridge.lane import Delivery
from relay.bridge.leg import SHORTEST_LINGER, Leg
from relay.bridge.operation import Operation
from relay.bridge.party import Party
from relay.bridge.ports import Asked, ContextRefused, Manners, Unavailable
from relay.wire.command import CommandField as F
from relay.wire.command import decode
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.negotiation import Offer
from relay.wire.pdu import ae_field
from tests.doubles import (
    MANNERS,
    SOP_CLASSES,
    Association,
    Bank,
    Clock,
    contexts_of,
    in_force,
    reply,
    request,
    some_party,
)

CONTEXTS = in_force(SOP_CLASSES)
ASKED = Asked("archive", ae_field("MODALITY"), Offer(contexts_of(SOP_CLASSES)))
EVENT = reply(F.C_ECHO_RQ)


@attrs.define(eq=False)
class User:
    """Hears what comes from the leg's upstream; `busy` is whoever has something outstanding."""

    out: list[str]
    busy: list[Party] = attrs.field(factory=list)
    breach: ProtocolError | None = None
    on_loss: Callable[[], None] = lambda: None

    def received(self, party, fragments):
        self.out.append("received")
        if self.breach is not None:
            raise self.breach

    def lost(self, party):
        self.out.append("lost")
        self.on_loss()

    def is_busy(self, party):
        return party in self.busy


class Bench:
    """A leg between a bank and a user, and what `obtain` gave."""

    def __init__(self, manners=MANNERS):
        self.out: list[str] = []
        self.clock = Clock()
        self.bank = Bank(self.out)
        self.user = User(self.out)
        self.manners = manners
        self.parties = []
        self.failures = []
        self.leg = Leg(ASKED, CONTEXTS, "a", self.bank, self.clock, self.user)

    def since(self):
        lines = list(self.out)
        self.out.clear()
        return lines

    def obtain(self, field=F.C_STORE_RQ, on=3):
        invoker = some_party()
        command_set = request(field, dataset=False)
        delivery = Delivery(command_set, ended=True)
        operation = Operation(invoker, on, CONTEXTS[on], decode(command_set), delivery)
        self.leg.obtain(operation, self.parties.append, self.failures.append)

    def lend(self, name="a", held=CONTEXTS):
        lease = Association(name, self.out, held=held, manners=self.manners)
        self.bank.grants(lease)
        return lease

    def leased(self, field=F.C_STORE_RQ, on=3):
        self.obtain(field, on)
        lease = self.lend()
        self.since()
        return lease


@pytest.fixture
def bench():
    return Bench()


# obtaining


def test_the_first_operation_asks_for_a_lease_at_the_upstream_that_answered(bench):
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == ["lease archive"]
    ((wanted, _),) = bench.bank.wanted
    assert wanted.asked is ASKED
    assert (wanted.context, wanted.exactly, wanted.prefer) == (CONTEXTS[5], None, "a")


def test_a_lease_that_was_granted_is_the_party_that_performs(bench):
    lease = bench.leased()
    assert bench.parties == [bench.leg.party]
    assert bench.parties[0].lane.sink is lease
    assert lease.user is bench.leg


def test_a_lease_may_be_granted_before_the_call_returns(bench):
    bench.bank.at_once = lambda: Association("b", bench.out, held=CONTEXTS)
    bench.obtain()
    assert len(bench.parties) == 1
    bench.leg.close()
    assert bench.since() == ["lease archive", "b given back"]


def test_the_upstream_that_served_is_preferred_from_then_on(bench):
    bench.obtain(F.C_ECHO_RQ, on=1)
    bench.lend("b")
    assert bench.leg.upstream == "b"
    bench.leg.done(F.C_ECHO_RQ)
    bench.obtain(F.C_ECHO_RQ, on=1)
    assert bench.bank.wanted[0][0].prefer == "b"


@pytest.mark.parametrize("result", [Unavailable(), ContextRefused()])
def test_a_lease_that_cannot_be_had_is_reported(bench, result):
    bench.obtain()
    bench.bank.grants(result)
    assert bench.failures == [result]
    assert bench.leg.party is None


def test_the_lease_in_hand_serves_the_next_operation(bench):
    bench.leased()
    bench.leg.done(F.C_STORE_RQ)
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == []
    assert bench.parties[0] is bench.parties[1]


def test_a_lease_that_lacks_the_context_is_exchanged(bench):
    bench.obtain(on=3)
    bench.lend("a", held=in_force({3: SOP_CLASSES[3]}))
    bench.leg.done(F.C_STORE_RQ)
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == ["lease archive", "a given back", "lease archive"]


def test_a_lease_that_lacks_the_context_and_awaits_an_answer_is_aborted(bench):
    bench.obtain(on=3)
    bench.lend("a", held=in_force({3: SOP_CLASSES[3]}))
    bench.leg.done(F.C_STORE_RQ)
    bench.user.busy.append(bench.leg.party)
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == ["lease archive", "a aborted 0,0", "lost", "lease archive"]


def test_no_lease_is_asked_for_when_the_crossing_ends_over_the_exchange(bench):
    bench.obtain(on=3)
    bench.lend("a", held=in_force({3: SOP_CLASSES[3]}))
    bench.user.busy.append(bench.leg.party)
    bench.user.on_loss = bench.leg.close
    bench.since()
    bench.obtain(F.C_FIND_RQ, on=5)
    assert bench.since() == ["a aborted 0,0", "lost"]


def test_c_get_wants_exactly_the_contexts_that_the_caller_has(bench):
    bench.obtain(F.C_GET_RQ, on=9)
    assert bench.since() == ["lease archive exactly"]
    assert bench.bank.wanted[0][0].exactly == frozenset(CONTEXTS.values())


def test_c_get_takes_the_lease_in_hand_where_that_holds_the_same_set(bench):
    bench.leased(F.C_STORE_RQ)
    bench.leg.done(F.C_STORE_RQ)
    bench.obtain(F.C_GET_RQ, on=9)
    assert bench.since() == []


def test_c_get_exchanges_a_lease_that_holds_more_than_the_caller_has(bench):
    bench.obtain(on=3)
    bench.lend("a", held={**CONTEXTS, 99: attrs.evolve(CONTEXTS[1], abstract_syntax="1.2.3")})
    bench.leg.done(F.C_STORE_RQ)
    bench.obtain(F.C_GET_RQ, on=9)
    assert bench.since() == ["lease archive", "a given back", "lease archive exactly"]


# how long a lease lasts


@pytest.mark.parametrize("field", [F.C_ECHO_RQ, F.C_FIND_RQ, F.C_GET_RQ, F.C_MOVE_RQ])
def test_a_lease_goes_back_with_the_operation(bench, field):
    bench.leased(field)
    bench.leg.done(field)
    assert bench.since() == ["a given back"]
    assert bench.leg.party is None


def test_a_lease_for_c_store_lingers_and_then_goes_back(bench):
    bench.leased()
    bench.leg.done(F.C_STORE_RQ)
    bench.clock.advance(MANNERS.linger - 0.1)
    assert bench.since() == []
    bench.clock.advance(0.1)
    assert bench.since() == ["a given back"]


def test_a_lease_that_is_used_again_does_not_go_back_meanwhile(bench):
    bench.leased()
    bench.leg.done(F.C_STORE_RQ)
    bench.obtain()
    bench.clock.advance(10 * MANNERS.linger)
    assert bench.since() == []


def test_without_a_linger_a_lease_for_c_store_goes_back_at_once():
    bench = Bench(attrs.evolve(MANNERS, linger=0.0))
    bench.leased()
    bench.leg.done(F.C_STORE_RQ)
    assert bench.since() == ["a given back"]


@pytest.mark.parametrize("field", [F.N_ACTION_RQ, F.N_CREATE_RQ, F.N_EVENT_REPORT_RQ])
def test_a_lease_for_dimse_n_is_kept_to_the_end_and_then_released(bench, field):
    bench.leased(field, on=11)
    bench.leg.done(field)
    bench.obtain(F.C_STORE_RQ)
    bench.leg.done(F.C_STORE_RQ)
    bench.obtain(F.C_ECHO_RQ, on=1)
    bench.leg.done(F.C_ECHO_RQ)
    bench.clock.advance(3600)
    assert bench.since() == []
    bench.leg.close()
    assert bench.since() == ["a released"]


def test_what_was_kept_says_nothing_about_the_next_lease(bench):
    lease = bench.leased(F.N_ACTION_RQ, on=11)
    bench.leg.done(F.N_ACTION_RQ)
    lease.falls()
    bench.leased()
    bench.leg.close()
    assert bench.since() == ["a given back"]


def test_an_operation_that_outlives_its_lease_keeps_none(bench):
    lease = bench.leased(F.N_ACTION_RQ, on=11)
    lease.falls()
    bench.leg.done(F.N_ACTION_RQ)
    bench.leased()
    bench.leg.close()
    assert bench.since() == ["a given back"]


@pytest.mark.parametrize(("linger", "look"), [(MANNERS.linger, MANNERS.linger), (0.0, 1.0)])
def test_a_lease_stays_while_its_upstream_awaits_the_callers_answer(linger, look):
    bench = Bench(attrs.evolve(MANNERS, linger=linger))
    bench.leased(F.C_FIND_RQ, on=5)
    bench.user.busy.append(bench.parties[0])
    bench.leg.done(F.C_FIND_RQ)
    bench.clock.advance(look)
    assert bench.since() == []
    bench.user.busy.clear()
    bench.clock.advance(look)
    assert bench.since() == ["a given back"]
    assert SHORTEST_LINGER == 1.0


def test_a_lease_with_a_message_under_way_is_aborted_and_never_given_back(bench):
    bench.leased()
    bench.leg.party.lane.enter(Delivery(request(F.C_STORE_RQ), ended=False), 3)
    bench.since()
    bench.leg.let_go()
    assert bench.since() == ["a aborted 0,0"]


def test_a_lease_on_which_a_dataset_may_still_follow_is_aborted(bench):
    lease = bench.leased()
    bench.leg.user = Understanding(bench)
    lease.says(request(F.C_ECHO_RQ, dataset=False))
    bench.leg.let_go()
    assert bench.since() == ["a aborted 0,0"]


class Understanding(User):
    """Reads commands, and does not understand them."""

    def __init__(self, bench):
        super().__init__(bench.out)

    def received(self, party, fragments):
        party.command(fragments)
        party.assembler.expect = type(party.assembler.expect).EITHER


def test_a_lease_that_is_full_is_released_for_the_next_one_would_not_know(bench):
    lease = bench.leased()
    lease.fills()
    bench.leg.let_go()
    assert bench.since() == ["a released"]


def test_whom_a_full_lease_had_stopped_reads_on_when_it_goes(bench):
    lease = bench.leased()
    caller = some_party("caller", bench.out)
    request_ = Delivery(request(F.C_STORE_RQ), ended=False, valve=caller.valve)
    bench.leg.party.lane.enter(request_, 3)
    lease.fills()
    bench.since()
    bench.leg.drop("enough")
    assert bench.since() == ["caller resumed", "a aborted 0,0"]


def test_a_lease_is_read_from_when_it_goes_back(bench):
    bench.leased()
    bench.leg.party.valve.close("a full caller")
    bench.leg.let_go()
    assert bench.since() == ["a paused", "a resumed", "a given back"]


def test_letting_go_of_nothing_does_nothing(bench):
    bench.leg.let_go()
    bench.leg.drop("nothing")
    bench.leg.fail("nothing")
    bench.leg.close()
    assert bench.since() == []


# the end of the crossing


def test_a_lease_that_is_awaited_is_called_off_at_the_end(bench):
    bench.obtain()
    bench.leg.close()
    assert bench.since() == ["lease archive", "call off lease"]
    bench.leg.close()
    assert bench.since() == []


def test_a_lease_that_lingers_goes_back_at_the_end_once(bench):
    bench.leased()
    bench.leg.done(F.C_STORE_RQ)
    bench.leg.close()
    bench.clock.advance(3600)
    assert bench.since() == ["a given back"]


def test_a_busy_lease_is_aborted_at_the_end(bench):
    bench.leased()
    bench.user.busy.append(bench.leg.party)
    bench.leg.close()
    assert bench.since() == ["a aborted 0,0"]


# what comes from the lease


def test_what_comes_is_passed_on(bench):
    bench.leased().says(EVENT)
    assert bench.since() == ["received"]


def test_nonsense_ends_the_association_with_what_it_deserves(bench):  # bad-inputs 59
    lease = bench.leased()
    bench.user.breach = ProtocolError("no", AbortReason.UNEXPECTED_PARAMETER)
    lease.says(EVENT)
    assert bench.since() == ["received", "a aborted 2,5", "lost"]
    assert lease.why == "protocol error: no"


def test_nonsense_on_a_lease_that_has_just_gone_back_is_nobodys_loss(bench):
    bench.leased(F.C_FIND_RQ, on=5)
    leg = bench.leg

    class Finishing(User):
        def received(self, party, fragments):
            leg.done(F.C_FIND_RQ)
            raise ProtocolError("late")

    leg.user = Finishing(bench.out)
    bench.bank.lent[0].says(EVENT)
    assert bench.since() == ["a given back"]


def test_a_lost_lease_is_reported_once_and_nothing_is_due_any_more(bench):
    lease = bench.leased()
    lease.fills()
    lease.falls()
    assert bench.since() == ["lost"]
    assert bench.leg.party is None
    assert bench.clock.getDelayedCalls() == []


def test_a_lingering_lease_that_is_lost_is_replaced_unnoticed(bench):
    lease = bench.leased()
    bench.leg.done(F.C_STORE_RQ)
    lease.falls()
    bench.obtain()
    bench.clock.advance(3600)
    assert bench.since() == ["lost", "lease archive"]


# time


def test_the_response_timeout_is_that_of_the_upstream_at_work(bench):
    assert bench.leg.response_timeout == 0.0
    bench.leased()
    assert bench.leg.response_timeout == MANNERS.response_timeout


def test_an_upstream_that_takes_nothing_for_too_long_is_given_up(bench):  # bad-inputs 58
    lease = bench.leased()
    lease.fills()
    bench.clock.advance(MANNERS.stall_timeout - 0.1)
    assert bench.since() == []
    bench.clock.advance(0.1)
    assert bench.since() == ["a aborted 0,0", "lost"]
    assert lease.why == "took nothing for 30 s"


def test_an_upstream_that_takes_more_in_time_is_kept(bench):
    lease = bench.leased()
    lease.fills()
    lease.drains()
    bench.clock.advance(3600)
    assert bench.since() == []


def test_an_upstream_may_say_that_it_is_full_with_every_write(bench):
    lease = bench.leased()
    lease.fills()
    lease.fills()
    lease.drains()
    bench.clock.advance(3600)
    assert bench.since() == []


def test_an_upstream_that_is_full_again_has_its_whole_time_again(bench):
    lease = bench.leased()
    lease.fills()
    bench.clock.advance(MANNERS.stall_timeout - 0.1)
    lease.drains()
    lease.fills()
    bench.clock.advance(MANNERS.stall_timeout - 0.1)
    assert bench.since() == []
    bench.clock.advance(0.1)
    assert bench.since() == ["a aborted 0,0", "lost"]


def test_an_upstream_that_drains_without_having_been_full_is_no_news(bench):
    bench.leased().drains()
    assert bench.since() == []


def test_manners_are_those_of_each_lease():
    bench = Bench(Manners(response_timeout=5.0, stall_timeout=7.0, linger=1.0))
    lease = bench.leased()
    lease.fills()
    bench.clock.advance(7.0)
    assert lease.why == "took nothing for 7 s"


def test_an_abort_by_the_leg_is_the_users_unless_it_says_otherwise(bench):
    bench.leased()
    bench.leg.fail("why", AbortSource.SERVICE_PROVIDER, AbortReason.INVALID_PARAMETER)
    assert bench.since() == ["a aborted 2,6", "lost"]

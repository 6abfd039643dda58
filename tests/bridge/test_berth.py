"""A berth: one lease, kept, given back, released or aborted, exactly once."""

from __future__ import annotations

from collections.abc import Callable

import attrs
import pytest

from relay.bridge.berth import SHORTEST_LINGER, Berth
from relay.bridge.delivery import Delivery
from relay.bridge.messages import Expect
from relay.bridge.party import Party
from relay.bridge.ports import Fault
from relay.policy.leasing import Reuse
from relay.wire.command import CommandField as F
from relay.wire.errors import AbortReason, ProtocolError
from tests.doubles import (
    MANNERS,
    SOP_CLASSES,
    Association,
    Clock,
    in_force,
    reply,
    request,
    some_party,
)

CONTEXTS = in_force(SOP_CLASSES)
EVENT = reply(F.C_ECHO_RQ)


@attrs.define(eq=False)
class User:
    """Hears what comes from the association; `busy` is whoever has something outstanding."""

    out: list[str]
    busy: list[Party] = attrs.field(factory=list)
    hears: Callable[[Party], None] = lambda party: None

    def received(self, party, fragments):
        self.out.append("received")
        self.hears(party)

    def lost(self, berth, is_overdue):
        self.out.append("overdue" if is_overdue else "lost")

    def is_busy(self, party):
        return party in self.busy


class Bench:
    """A berth with an association "a", and the transcript."""

    def __init__(self, **manners):
        self.out: list[str] = []
        self.clock = Clock()
        self.user = User(self.out)
        its = attrs.evolve(MANNERS, **manners)
        self.lease = Association("a", self.out, held=CONTEXTS, manners=its)
        self.berth = Berth(self.lease, self.user, self.clock)

    @property
    def party(self):
        return self.berth.party

    def since(self):
        lines = list(self.out)
        self.out.clear()
        return lines


def breaking(error: ProtocolError) -> Callable[[Party], None]:
    """What breaks the rules as soon as anything is heard."""

    def hears(party):
        raise error

    return hears


@pytest.fixture
def bench():
    return Bench()


def test_the_party_at_the_far_end_writes_to_the_lease_and_hears_it(bench):
    assert bench.party.lane.sink is bench.lease
    assert bench.lease.user is bench.berth
    assert bench.party.contexts == CONTEXTS


def test_it_is_free_unless_something_is_outstanding_or_it_is_over(bench):
    assert bench.berth.is_free
    bench.user.busy.append(bench.party)
    assert not bench.berth.is_free
    bench.user.busy.clear()
    bench.berth.let_go()
    assert not bench.berth.is_free


# how long a lease lasts


@pytest.mark.parametrize("field", [F.C_ECHO_RQ, F.C_FIND_RQ, F.C_GET_RQ, F.C_MOVE_RQ])
def test_a_lease_goes_back_with_the_operation(bench, field):
    bench.berth.done(field)
    assert bench.since() == ["a given back"]
    assert bench.berth.is_over


def test_a_lease_for_c_store_lingers_and_then_goes_back(bench):
    bench.berth.done(F.C_STORE_RQ)
    bench.clock.advance(MANNERS.linger - 0.1)
    assert bench.since() == []
    bench.clock.advance(0.1)
    assert bench.since() == ["a given back"]


def test_a_lease_that_is_used_again_does_not_go_back_meanwhile(bench):
    bench.berth.done(F.C_STORE_RQ)
    bench.berth.take()
    bench.clock.advance(10 * MANNERS.linger)
    assert bench.since() == []


def test_without_a_linger_a_lease_for_c_store_goes_back_at_once():
    bench = Bench(linger=0.0)
    bench.berth.done(F.C_STORE_RQ)
    assert bench.since() == ["a given back"]


@pytest.mark.parametrize("field", [F.N_ACTION_RQ, F.N_CREATE_RQ, F.N_EVENT_REPORT_RQ])
def test_a_lease_for_dimse_n_is_kept_to_the_end_and_then_released(bench, field):
    bench.berth.done(field)
    for another in (F.C_STORE_RQ, F.C_ECHO_RQ):
        bench.berth.take()
        bench.berth.done(another)
    bench.clock.advance(3600)
    assert bench.since() == []
    bench.berth.close()
    assert bench.since() == ["a released"]


@pytest.mark.parametrize("field", [F.C_ECHO_RQ, F.C_STORE_RQ, F.C_FIND_RQ])
def test_where_a_release_ends_the_study_a_lease_is_kept_to_the_callers_end_and_released(field):
    bench = Bench(reuse=Reuse.CALLER)
    bench.berth.done(field)
    bench.clock.advance(3600)
    assert bench.since() == []
    bench.berth.close()
    assert bench.since() == ["a released"]


def test_an_operation_that_outlives_its_lease_keeps_none(bench):
    bench.lease.falls()
    bench.berth.done(F.N_ACTION_RQ)
    bench.berth.close()
    assert bench.since() == ["lost"]


@pytest.mark.parametrize(("linger", "look"), [(MANNERS.linger, MANNERS.linger), (0.0, 1.0)])
def test_a_lease_stays_while_its_upstream_awaits_the_callers_answer(linger, look):
    bench = Bench(linger=linger)
    bench.user.busy.append(bench.party)
    bench.berth.done(F.C_FIND_RQ)
    bench.clock.advance(look)
    assert bench.since() == []
    bench.user.busy.clear()
    bench.clock.advance(look)
    assert bench.since() == ["a given back"]
    assert SHORTEST_LINGER == 1.0


def test_a_lease_with_a_message_under_way_is_aborted_and_never_given_back(bench):
    bench.party.lane.enter(Delivery(request(F.C_STORE_RQ), ended=False), 3)
    bench.since()
    bench.berth.let_go()
    assert bench.since() == ["a aborted 0,0"]


def test_a_lease_on_which_a_dataset_may_still_follow_is_aborted(bench):
    lease = bench.lease
    bench.user.hears = lambda party: setattr(party.assembler, "expect", Expect.EITHER)
    lease.says(request(F.C_ECHO_RQ, dataset=False))
    bench.berth.let_go()
    assert bench.since() == ["received", "a aborted 0,0"]
    assert lease.fault is Fault.ELSEWHERE


def test_a_lease_that_is_full_is_released_for_the_next_one_would_not_know(bench):
    lease = bench.lease
    lease.fills()
    bench.berth.let_go()
    assert bench.since() == ["a released"]


def test_whom_a_full_lease_had_stopped_reads_on_when_it_goes(bench):
    lease = bench.lease
    caller = some_party("caller", bench.out)
    request_ = Delivery(request(F.C_STORE_RQ), ended=False, valve=caller.valve)
    bench.party.lane.enter(request_, 3)
    lease.fills()
    bench.since()
    bench.berth.drop("enough", Fault.ELSEWHERE)
    assert bench.since() == ["caller resumed", "a aborted 0,0"]


def test_a_lease_is_read_from_when_it_goes_back(bench):
    bench.party.valve.close("a full caller")
    bench.berth.let_go()
    assert bench.since() == ["a paused", "a resumed", "a given back"]


def test_a_lease_ends_once(bench):
    bench.berth.let_go()
    bench.berth.let_go()
    assert not bench.berth.drop("nothing", Fault.ELSEWHERE)
    bench.berth.overdue("nothing")
    bench.berth.close()
    assert bench.since() == ["a given back"]


# the end of the crossing


def test_a_lease_that_lingers_goes_back_at_the_end_once(bench):
    bench.berth.done(F.C_STORE_RQ)
    bench.berth.close()
    bench.clock.advance(3600)
    assert bench.since() == ["a given back"]


def test_a_busy_lease_is_aborted_at_the_end(bench):
    bench.user.busy.append(bench.party)
    bench.berth.close()
    assert bench.since() == ["a aborted 0,0"]


# what comes from the lease


def test_what_comes_is_passed_on(bench):
    bench.lease.says(EVENT)
    assert bench.since() == ["received"]


@pytest.mark.row(59)
def test_nonsense_ends_the_association_with_what_it_deserves(bench):
    lease = bench.lease
    bench.user.hears = breaking(ProtocolError("no", AbortReason.UNEXPECTED_PARAMETER))
    lease.says(EVENT)
    assert bench.since() == ["received", "a aborted 2,5", "lost"]
    assert (lease.why, lease.fault) == ("protocol error: no", Fault.UPSTREAM)


def test_nonsense_on_a_lease_that_has_just_gone_back_is_nobodys_loss(bench):
    def finishes(party):
        bench.berth.done(F.C_FIND_RQ)
        raise ProtocolError("late")

    bench.user.hears = finishes
    bench.lease.says(EVENT)
    assert bench.since() == ["received", "a given back"]


def test_a_lost_lease_is_reported_once_and_nothing_is_due_any_more(bench):
    lease = bench.lease
    lease.fills()
    lease.falls()
    assert bench.since() == ["lost"]
    assert bench.berth.is_over
    assert bench.clock.getDelayedCalls() == []


def test_a_lingering_lease_that_is_lost_lingers_no_more(bench):
    bench.berth.done(F.C_STORE_RQ)
    bench.lease.falls()
    bench.clock.advance(3600)
    assert bench.since() == ["lost"]


# time


@pytest.mark.row(58)
def test_an_upstream_that_takes_nothing_for_too_long_is_given_up(bench):
    lease = bench.lease
    lease.fills()
    bench.clock.advance(MANNERS.stall_timeout - 0.1)
    assert bench.since() == []
    bench.clock.advance(0.1)
    assert bench.since() == ["a aborted 0,0", "overdue"]
    assert (lease.why, lease.fault) == ("took nothing for 30 s", Fault.UPSTREAM)


def test_an_upstream_that_takes_more_in_time_is_kept(bench):
    lease = bench.lease
    lease.fills()
    lease.drains()
    bench.clock.advance(3600)
    assert bench.since() == []


def test_an_upstream_may_say_that_it_is_full_with_every_write(bench):
    lease = bench.lease
    lease.fills()
    lease.fills()
    lease.drains()
    bench.clock.advance(3600)
    assert bench.since() == []


def test_an_upstream_that_is_full_again_has_its_whole_time_again(bench):
    lease = bench.lease
    lease.fills()
    bench.clock.advance(MANNERS.stall_timeout - 0.1)
    lease.drains()
    lease.fills()
    bench.clock.advance(MANNERS.stall_timeout - 0.1)
    assert bench.since() == []
    bench.clock.advance(0.1)
    assert bench.since() == ["a aborted 0,0", "overdue"]


def test_an_upstream_that_drains_without_having_been_full_is_no_news(bench):
    bench.lease.drains()
    assert bench.since() == []


def test_manners_are_those_of_the_upstream():
    bench = Bench(stall_timeout=7.0)
    bench.lease.fills()
    bench.clock.advance(7.0)
    assert bench.lease.why == "took nothing for 7 s"

"""Attempts: an upstream that fails costs the caller nothing but time, as long as there is another.

See tests/doubles.py for how to read the lines. The bank writes down what is wished for: "not a" is
an upstream to avoid, "at b" one to prefer, "fresh" an association that has not rested.
"""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.ports import ContextRefused, Fault, Negotiated, Terms, Unavailable
from relay.bridge.pressure import HELD_MAXIMUM
from relay.policy.affinity import by_association, by_operation
from relay.wire.command import CommandField as F
from relay.wire.reader import LAST
from relay.wire.user_information import AsynchronousOperationsWindow, UserInformation
from tests.doubles import (
    COMMITMENT,
    FIND,
    GET,
    MANNERS,
    MOVE,
    MPPS,
    ROOMY,
    Association,
    Crossing,
    Shelf,
    accepting,
    cancel,
    established,
    reply,
    request,
    some_budget,
)
from tests.vectors import VERIFICATION, p_data, pdv

ECHO = request(F.C_ECHO_RQ, 1, VERIFICATION, dataset=False)
STORE = request(F.C_STORE_RQ)
QUERY = request(F.C_FIND_RQ, 1, FIND)
STORED = reply(F.C_STORE_RQ)


@pytest.fixture
def crossing():
    return established()


def storing(crossing, *parts, name="a", **more):
    """A C-STORE of which these parts have been sent on; its association."""
    crossing.caller.begins(STORE, *parts, on=3)
    association = attrs.evolve(crossing.association(name), **more)
    crossing.bank.grants(association)
    crossing.since()
    return association


# in the middle of an object


def test_an_object_whose_upstream_dies_is_sent_whole_to_another_while_the_caller_goes_on(crossing):
    a = storing(crossing, "PI")
    a.falls()
    assert crossing.since() == ["lease archive not a"]
    crossing.caller.goes_on("XE")
    assert crossing.since() == []
    b = crossing.lends("b")
    assert crossing.since() == ["b 3: C-STORE-RQ 1 +", "b 3: PI~", "b 3: XE~"]
    crossing.caller.ends("LS")
    b.says(STORED, on=3)
    assert crossing.since() == ["b 3: LS", "caller 3: C-STORE-RSP 1 0000"]
    assert not crossing.caller.is_paused


def test_an_object_that_was_sent_in_full_goes_to_the_same_upstream_first(crossing):  # 56
    crossing.caller.says(STORE, "PIXELS", on=3)
    crossing.lends().falls()
    assert crossing.since()[-1] == "lease archive fresh"
    crossing.lends("a").says(reply(F.C_STORE_RQ, 1, 0x0111), on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0111"


def test_an_upstream_that_does_not_answer_in_time_is_not_waited_for_twice(crossing):
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends()
    crossing.since()
    crossing.clock.advance(MANNERS.response_timeout)
    assert crossing.since() == ["a aborted 0,0", "lease archive not a"]
    assert a.fault is Fault.UPSTREAM
    crossing.lends("b").says(STORED, on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


def test_an_upstream_that_stops_taking_is_left_for_another(crossing):
    a = storing(crossing, "PI")
    a.fills()
    assert crossing.caller.is_paused
    crossing.clock.advance(MANNERS.stall_timeout)
    assert crossing.since() == [
        "caller paused",
        "caller resumed",
        "a aborted 0,0",
        "lease archive not a",
    ]


def test_an_association_that_was_closed_while_it_rested_is_replaced_at_the_same_upstream(crossing):
    storing(crossing, "PI", is_stale=True).falls()
    assert crossing.since() == ["lease archive fresh"]
    another = crossing.lends("a")
    crossing.caller.ends("X")
    another.says(STORED, on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


def test_what_two_upstreams_failed_on_is_not_tried_on_a_third(crossing):  # 73
    storing(crossing, "PI").falls()
    crossing.lends("b").falls()
    crossing.since()
    crossing.caller.goes_on("XEL")
    assert crossing.since() == []
    crossing.caller.ends("S")
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 A700"]


def test_what_the_second_upstream_says_goes_back_unchanged(crossing):
    storing(crossing, "PI").falls()
    b = crossing.lends("b")
    crossing.caller.ends("X")
    b.says(reply(F.C_STORE_RQ, 1, 0xA900), on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 A900"


def test_when_no_other_can_be_had_the_rest_is_drained_and_the_caller_told(crossing):  # 54
    storing(crossing, "PI").falls()
    crossing.bank.grants(Unavailable())
    crossing.caller.goes_on("XEL")
    assert crossing.since() == ["lease archive not a"]
    crossing.caller.ends("S")
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 A700"]


def test_when_no_other_holds_the_context_that_is_what_the_caller_is_told(crossing):
    storing(crossing, "PI").falls()
    crossing.bank.grants(ContextRefused())
    crossing.caller.ends("X")
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0122"


def test_the_next_operation_goes_where_the_last_one_ended(crossing):
    storing(crossing, "PI").falls()
    b = crossing.lends("b")
    crossing.caller.ends("X")
    b.says(STORED, on=3)
    crossing.clock.advance(MANNERS.linger)
    crossing.since()
    crossing.caller.says(request(F.C_STORE_RQ, 2), "MORE", on=3)
    assert crossing.since() == ["lease archive at b"]


# other services


def test_a_c_echo_is_sent_again(crossing):
    crossing.caller.says(ECHO)
    crossing.lends().falls()
    crossing.lends("b").says(reply(F.C_ECHO_RQ))
    assert crossing.since()[-2:] == ["caller 1: C-ECHO-RSP 1 0000", "b given back"]


def test_a_c_find_is_sent_again_before_its_first_response(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    crossing.lends().falls()
    crossing.lends("b")
    assert crossing.since()[-2:] == ["b 5: C-FIND-RQ 1 +", "b 5: NAME"]


def test_a_c_find_is_not_sent_again_once_a_match_has_been_passed_on(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    a.says(reply(F.C_FIND_RQ, 1, 0xFF00, dataset=True), "MATCH", on=5)
    a.falls()
    assert crossing.since()[-1] == "caller 5: C-FIND-RSP 1 A700"


def test_a_c_find_that_was_cancelled_is_not_sent_again(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    crossing.caller.says(cancel(1), on=5)
    a.falls()
    assert crossing.since()[-1] == "caller 5: C-FIND-RSP 1 A700"


@pytest.mark.parametrize(
    ("field", "on", "sop_class"),
    [(F.C_GET_RQ, 9, GET), (F.C_MOVE_RQ, 7, MOVE), (F.N_ACTION_RQ, 11, COMMITMENT)]
    + [(each, 13, MPPS) for each in (F.N_CREATE_RQ, F.N_SET_RQ, F.N_DELETE_RQ, F.N_GET_RQ)],
)
def test_what_may_have_had_an_effect_is_not_sent_again(crossing, field, on, sop_class):
    crossing.caller.says(request(field, 1, sop_class), "DATA", on=on)
    crossing.lends().falls()
    assert len(crossing.bank.lent) == 1
    assert crossing.bank.wanted == []


# an option for callers that take any status for final


def test_where_a_pool_aborts_a_failure_is_an_abort_whatever_the_operation():
    crossing = Crossing()
    crossing.bank.granted = Terms(by_association, aborts=True)
    crossing.asks()
    asked, _ = crossing.bank.asked["archive"]
    crossing.bank.answer("archive", Negotiated("a", accepting(asked.offer), ROOMY))
    crossing.since()
    crossing.caller.says(STORE, "X", on=3)
    crossing.bank.grants(Unavailable())
    assert crossing.since() == ["lease archive", "caller aborted 2,0"]


# how often, and how soon


def test_a_retry_waits_for_as_long_as_the_pool_says(crossing):
    a = storing(crossing, "PI")
    crossing.bank.pause = 3.0
    a.falls()
    crossing.caller.goes_on("XE")
    crossing.clock.advance(2.9)
    assert crossing.since() == []
    crossing.clock.advance(0.1)
    assert crossing.since() == ["lease archive not a"]
    crossing.lends("b")
    assert crossing.since() == ["b 3: C-STORE-RQ 1 +", "b 3: PI~", "b 3: XE~"]


def test_a_retry_that_waits_ends_with_the_crossing(crossing):
    a = storing(crossing, "PI")
    crossing.bank.pause = 3.0
    a.falls()
    crossing.abort()
    assert crossing.clock.getDelayedCalls() == []


def test_a_pool_that_bears_no_more_retries_has_failed(crossing):
    a = storing(crossing, "PI")
    crossing.bank.pause = None
    a.falls()
    crossing.caller.ends("X")
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 A700"]


# what is told to the bank


@pytest.mark.parametrize("status", [0x0000, 0xA700, 0xB000])
def test_an_upstream_is_credited_with_its_answer_and_the_time_it_took(crossing, status):
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends()
    crossing.clock.advance(1.5)
    a.says(reply(F.C_STORE_RQ, 1, status), on=3)
    assert a.answers == [(status, 1.5)]


def test_an_answer_before_the_request_had_left_took_no_time(crossing):
    a = storing(crossing, "PI")
    crossing.clock.advance(5)
    a.says(reply(F.C_STORE_RQ, 1, 0xA900), on=3)
    assert a.answers == [(0xA900, 0.0)]


def test_what_the_caller_leaves_unfinished_is_not_the_upstreams_fault(crossing):
    a = storing(crossing, "PI")
    crossing.abort()
    assert a.fault is Fault.ELSEWHERE


# counting


def test_what_was_sent_again_is_counted_and_what_may_have_been_performed(crossing):
    storing(crossing, "PI").falls()
    b = crossing.lends("b")
    crossing.caller.ends("X")
    b.says(STORED, on=3)
    crossing.caller.says(request(F.C_STORE_RQ, 2), "MORE", on=3)
    b.falls()
    crossing.lends("b").says(reply(F.C_STORE_RQ, 2), on=3)
    crossing.release()
    outcome = crossing.outcome
    assert (outcome.resent, outcome.ambiguous, outcome.failed) == (2, 1, 0)
    assert outcome.operations == {F.C_STORE_RQ: 2}
    assert outcome.bytes_up == 7
    assert outcome.upstreams == ["a", "b"]


# flow


def test_while_a_replay_waits_for_its_upstream_the_caller_is_read_on(crossing):
    storing(crossing, "ONE").falls()
    b = Slow("b", crossing.out, held=crossing.association().held)
    crossing.since()
    crossing.bank.grants(b)
    assert crossing.since() == ["b 3: C-STORE-RQ 1 +"]
    crossing.caller.goes_on("TWO")
    crossing.caller.ends("END")
    assert crossing.since() == []
    assert not crossing.caller.is_paused
    b.is_slow = False
    b.drains()
    assert crossing.since() == ["b 3: ONE~", "b 3: TWO~", "b 3: END"]
    b.says(STORED, on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 0000"]


def test_a_replay_that_has_caught_up_with_a_full_upstream_stops_the_caller(crossing):
    storing(crossing, "ONE").falls()
    b = Brimming("b", crossing.out, held=crossing.association().held)
    crossing.since()
    crossing.bank.grants(b)
    assert crossing.since() == ["b 3: C-STORE-RQ 1 +", "b 3: ONE~", "caller paused"]
    b.drains()
    assert crossing.since() == ["caller resumed"]


def test_the_callers_request_has_left_when_the_replay_has(crossing):
    crossing.caller.says(STORE, "PIXELS", on=3)
    crossing.lends().falls()
    b = Slow("b", crossing.out, held=crossing.association().held)
    crossing.bank.grants(b)
    crossing.clock.advance(MANNERS.stall_timeout - 1)
    b.is_slow = False
    b.drains()
    crossing.clock.advance(MANNERS.response_timeout - 1)
    b.says(STORED, on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


# what can be kept


def test_past_the_budget_an_object_streams_on_and_its_failure_is_the_callers():  # 54
    crossing = established(budget=some_budget(window=1500, disk=0))
    a = storing(crossing, "x" * 600)
    crossing.caller.goes_on("y" * 600)
    crossing.caller.goes_on("z" * 600)
    assert crossing.budget.used_memory == 0
    a.falls()
    crossing.caller.ends("w")
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 A700"


def test_past_the_window_it_goes_to_a_file_and_comes_back_from_there():
    crossing = established(budget=some_budget(window=0))
    storing(crossing, "PI", "XE").falls()
    b = crossing.lends("b")
    crossing.caller.ends("LS")
    b.says(STORED, on=3)
    assert b.got[-1].dataset == b"PIXELS"
    assert crossing.budget.used_disk == 0


def test_while_it_waits_for_another_upstream_a_full_budget_stops_the_caller():
    crossing = established(budget=some_budget(window=0, memory=0, disk=4))
    storing(crossing, "PI").falls()
    crossing.since()
    crossing.caller.goes_on("XEL")
    assert crossing.since() == ["caller paused"]
    b = crossing.lends("b")
    assert crossing.since() == ["b 3: C-STORE-RQ 1 +", "b 3: PIXEL~", "caller resumed"]
    crossing.caller.ends("S")
    b.says(STORED, on=3)
    assert (b.got[-1].dataset, crossing.budget.used_disk) == (b"PIXELS", 0)


def test_a_full_disk_makes_an_object_one_that_cannot_be_sent_again():
    crossing = established(budget=some_budget(window=0))
    crossing.budget.overflow = lambda: Shelf(is_full=True)
    a = storing(crossing, "PI")
    crossing.caller.ends("X")
    a.says(STORED, on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


def test_what_is_lost_while_it_waits_is_a_failure_and_the_lease_goes_back_unused():
    shelf = Shelf()
    crossing = established(budget=some_budget(window=0))
    crossing.budget.overflow = lambda: shelf
    storing(crossing, "PI").falls()
    shelf.is_full = True
    crossing.caller.goes_on("XE")
    crossing.lends("b")
    crossing.caller.ends("LS")
    assert crossing.since()[1:] == ["b given back", "caller 3: C-STORE-RSP 1 A700"]


def test_what_is_lost_during_a_replay_aborts_the_half_of_it_that_has_left():
    shelf = Shelf()
    crossing = established(budget=some_budget(window=0))
    crossing.budget.overflow = lambda: shelf
    storing(crossing, "PI").falls()
    b = Slow("b", crossing.out, held=crossing.association().held)
    crossing.bank.grants(b)
    shelf.content.clear()
    b.is_slow = False
    crossing.since()
    b.drains()
    crossing.caller.ends("XELS")
    assert crossing.since() == ["b aborted 0,0", "caller 3: C-STORE-RSP 1 A700"]
    assert b.fault is Fault.ELSEWHERE


def test_of_an_object_that_failed_only_so_much_is_taken():
    crossing = established(discard=10)
    storing(crossing, "PI").falls()
    crossing.bank.grants(Unavailable())
    crossing.caller.goes_on("12345", "67890")
    assert crossing.since() == ["lease archive not a"]
    crossing.caller.goes_on("!")
    assert crossing.since() == ["caller aborted 2,0"]


def test_nothing_is_kept_once_the_upstream_has_answered(crossing):
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends()
    assert crossing.budget.used_memory > 0
    a.says(STORED, on=3)
    assert crossing.budget.used_memory == 0


def test_nothing_is_kept_when_the_caller_goes(crossing):
    storing(crossing, "PI")
    crossing.lose()
    assert crossing.budget.used_memory == 0


def test_before_the_first_lease_no_more_is_held_than_of_what_cannot_be_sent_again(crossing):
    crossing.caller.begins(STORE, bytes(HELD_MAXIMUM), on=3)
    assert crossing.caller.is_paused
    crossing.lends()
    assert not crossing.caller.is_paused


# what has begun without a byte of body


def test_a_dataset_of_which_only_the_header_came_is_sent_again_with_it(crossing):
    """Without it the next bytes would pass for PDUs: a caller could write what it likes."""
    crossing.caller.begins(STORE, on=3)
    crossing.lends()
    rest = p_data(pdv(3, LAST, b"PIXELS"))
    crossing.caller.feeds(rest[:12])
    crossing.bank.lent[0].falls()
    b = crossing.lends("b")
    crossing.caller.feeds(rest[12:])
    b.says(STORED, on=3)
    assert b.got[-1].dataset == b"PIXELS"
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


def test_an_empty_dataset_is_sent_again_with_its_end(crossing):
    crossing.caller.says(STORE, "", on=3)
    crossing.lends().falls()
    b = crossing.lends("b")
    assert b.got[-1].ended


# timers, and what is answered once


def test_a_retry_that_was_put_off_has_its_response_timed_like_any_other(crossing):
    a = storing(crossing, "PI")
    crossing.bank.pause = 1.0
    a.falls()
    crossing.clock.advance(1.0)
    b = crossing.lends("b")
    crossing.caller.ends("X")
    crossing.clock.advance(MANNERS.response_timeout)
    assert b.why == "no response in 60 s"


def test_the_last_fragment_of_what_was_too_much_is_not_answered_behind_the_abort():
    crossing = established(discard=1)
    crossing.caller.says(request(0x0002), "TOO MUCH", on=3)
    assert crossing.since() == ["caller aborted 2,0"]


def test_a_lost_record_is_one_failure_and_one_answer():
    shelf = Shelf()
    crossing = established(budget=some_budget(window=0))
    crossing.budget.overflow = lambda: shelf
    storing(crossing, "PI").falls()
    crossing.caller.ends("XELS")
    shelf.content.clear()
    crossing.lends("b")
    crossing.release()
    assert crossing.outcome.failed == 1
    assert crossing.since().count("caller 3: C-STORE-RSP 1 A700") == 1


def test_a_response_in_line_when_its_upstream_was_lost_times_nothing(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    crossing.session.full()
    a.says(reply(F.C_FIND_RQ, 1, 0xFF00, dataset=True), "MATCH", on=5)
    a.falls()
    crossing.session.drained()
    crossing.release()
    assert crossing.clock.getDelayedCalls() == []


# what is being taken out, and what is bound to nothing


def test_a_lease_that_is_recalled_does_not_linger(crossing):
    a = storing(crossing, "PI", is_recalled=True)
    crossing.caller.ends("X")
    a.says(STORED, on=3)
    assert crossing.since()[-1] == "a given back"


def test_by_operation_each_object_is_balanced_anew():
    crossing = Crossing()
    crossing.bank.granted = Terms(by_operation)
    crossing.asks()
    asked, _ = crossing.bank.asked["archive"]
    crossing.bank.answer("archive", Negotiated("a", accepting(asked.offer), ROOMY))
    crossing.caller.says(STORE, "X", on=3)
    crossing.lends().says(STORED, on=3)
    crossing.since()
    crossing.caller.says(request(F.C_STORE_RQ, 2), "Y", on=3)
    assert crossing.since() == ["a given back", "lease archive"]


# an asynchronous window


@pytest.fixture
def asynchronous():
    window = AsynchronousOperationsWindow(2, 0)
    information = UserInformation(maximum_length=16384, asynchronous_operations_window=window)
    return established(information=information, window=8)


def test_operations_of_an_asynchronous_window_are_spread_and_answered_as_they_come(asynchronous):
    crossing = asynchronous
    for message_id in (1, 2, 3):
        crossing.caller.says(request(F.C_STORE_RQ, message_id), f"N{message_id}", on=3)
    a, b = crossing.lends("a"), crossing.lends("b")
    assert crossing.since() == [
        "lease archive",
        "lease archive",
        "a 3: C-STORE-RQ 1 +",
        "a 3: N1",
        "b 3: C-STORE-RQ 2 +",
        "b 3: N2",
    ]
    b.says(reply(F.C_STORE_RQ, 2), on=3)
    assert crossing.since() == [
        "caller 3: C-STORE-RSP 2 0000",
        "b 3: C-STORE-RQ 3 +",
        "b 3: N3",
    ]
    a.says(reply(F.C_STORE_RQ, 1), on=3)
    b.says(reply(F.C_STORE_RQ, 3), on=3)
    crossing.clock.advance(MANNERS.linger)
    assert crossing.since() == [
        "caller 3: C-STORE-RSP 1 0000",
        "caller 3: C-STORE-RSP 3 0000",
        "b given back",
        "a given back",
    ]


def test_of_an_asynchronous_window_one_upstream_may_fail_and_the_others_go_on(asynchronous):
    crossing = asynchronous
    crossing.caller.says(STORE, "ONE", on=3)
    crossing.caller.begins(request(F.C_STORE_RQ, 2), "TW", on=3)
    a, b = crossing.lends("a"), crossing.lends("b")
    b.falls()
    a.says(STORED, on=3)
    crossing.caller.ends("O")
    c = crossing.lends("c") if crossing.bank.wanted else a
    c.says(reply(F.C_STORE_RQ, 2), on=3)
    assert [each for each in crossing.since() if each.startswith("caller")] == [
        "caller 3: C-STORE-RSP 1 0000",
        "caller 3: C-STORE-RSP 2 0000",
    ]
    assert c.got[-1].dataset == b"TWO"


def test_a_response_to_the_operation_of_another_association_is_an_abort_to_its_upstream(
    asynchronous,
):
    crossing = asynchronous
    for message_id in (1, 2):
        crossing.caller.says(request(F.C_STORE_RQ, message_id), "X", on=3)
    a = crossing.lends("a")
    crossing.lends("b")
    crossing.since()
    a.says(reply(F.C_STORE_RQ, 2), on=3)
    assert crossing.since()[0] == "a aborted 2,5"


# whatever happens when


class Slow(Association):
    """An association that is full as soon as a command has been written to it."""

    is_slow = True

    def command(self, context_id, command_set):
        super().command(context_id, command_set)
        if self.is_slow:
            self.fills()


class Brimming(Association):
    """An association that is full as soon as fragments have been written to it."""

    def fragments(self, context_id, fragments):
        super().fragments(context_id, fragments)
        self.fills()


parts = st.lists(st.binary(min_size=1, max_size=700), min_size=1, max_size=12)


@given(parts, st.data())
def test_whenever_upstreams_fail_the_one_that_answers_has_the_whole_object(parts, data):
    window = data.draw(st.sampled_from([0, 1000, 3000, 2**20]))
    crossing = established(budget=some_budget(window=window))
    crossing.caller.begins(STORE, on=3)
    at = crossing.lends("a")
    falls = data.draw(st.lists(st.integers(0, len(parts)), max_size=1))
    for place, part in enumerate(parts):
        if place in falls:
            at.falls()
            at = crossing.lends("b")
        (crossing.caller.ends if place == len(parts) - 1 else crossing.caller.goes_on)(part)
    if len(parts) in falls:
        at.falls()
        at = crossing.lends("b")
    at.says(STORED, on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"
    assert at.got[-1].dataset == b"".join(parts)
    assert (crossing.budget.used_memory, crossing.budget.used_disk) == (0, 0)

"""Operations, and the window that lets as many as negotiated be outstanding in a direction."""

from __future__ import annotations

import sys

import pytest

from relay.bridge.delivery import Delivery
from relay.bridge.operation import Operation, Window
from relay.policy.failover import Choice
from relay.policy.leasing import CONCURRENT, HOLDS
from relay.wire.command import NO_DATASET, decode, encode
from relay.wire.command import CommandField as F
from relay.wire.negotiation import Context
from tests.doubles import Clock, cancel, request, some_party
from tests.vectors import CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN

CT = Context(CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN)


def operation(invoker, message_id=1, dataset=False, field=F.C_STORE_RQ):
    command_set = request(field, message_id, dataset=dataset)
    delivery = Delivery(command_set, ended=not dataset, valve=invoker.valve)
    return Operation(invoker, 1, CT, decode(command_set), delivery)


class Starts:
    """A window whose starts are written down; `shut` keeps it from starting any."""

    def __init__(self, size=1):
        self.started: list[Operation] = []
        self.shut = False
        self.window = Window(self.started.append, lambda: not self.shut, size)


@pytest.fixture
def starts():
    return Starts()


@pytest.fixture
def caller():
    return some_party()


# an operation


def test_an_operation_is_known_by_its_request(caller):
    one = operation(caller, 7)
    assert (one.message_id, one.field) == (7, F.C_STORE_RQ)


@pytest.mark.parametrize(
    ("elements", "uid"),
    [
        ({0x1000: "1.2.3"}, b"1.2.3\0"),
        ({0x1001: "1.2.34"}, b"1.2.34"),
        ({0x1000: b"", 0x1001: "1.2.34"}, b"1.2.34"),
        ({}, b""),
    ],
)
def test_an_operation_is_of_an_instance_affected_or_requested(caller, elements, uid):
    common = {0x0100: F.N_SET_RQ, 0x0110: 1, 0x0800: NO_DATASET}
    command_set = encode(common | elements)
    delivery = Delivery(command_set, ended=True, valve=caller.valve)
    assert Operation(caller, 1, CT, decode(command_set), delivery).instance == uid


def test_the_request_leaves_on_the_performers_context(caller):
    out: list[str] = []
    one, performer = operation(caller, 7), some_party("a", out)
    one.perform(performer, 5)
    assert out == ["a 5: C-STORE-RQ 7"]
    assert (one.performer, one.performed_on) == (performer, 5)


def test_a_cancel_that_came_early_leaves_right_behind_the_request(caller):
    out: list[str] = []
    one = operation(caller, 7)
    one.cancel = Delivery(cancel(7), ended=True)
    one.perform(some_party("a", out), 5)
    assert out == ["a 5: C-STORE-RQ 7", "a 5: C-CANCEL-RQ 7"]


def test_a_timer_is_stopped_once_and_for_all(caller):
    clock = Clock()
    fired: list[str] = []
    one = operation(caller)
    one.timer = clock.callLater(5, fired.append, "late")
    one.stop_timer()
    one.stop_timer()
    clock.advance(6)
    assert fired == []
    assert one.timer is None


def test_a_timer_that_came_due_needs_no_stopping(caller):
    clock = Clock()
    one = operation(caller)
    one.timer = clock.callLater(5, one.stop_timer)
    clock.advance(6)
    assert one.timer is None


# the window


def test_the_first_operation_starts_and_the_others_wait(starts, caller):
    first, second, third = (operation(caller, each) for each in (1, 2, 3))
    for each in (first, second, third):
        starts.window.enter(each)
    assert starts.started == [first]
    assert starts.window.outstanding == (first,)
    assert list(starts.window) == [first, second, third]
    starts.window.leave(first)
    assert starts.started == [first, second]
    assert starts.window.outstanding == (second,)


def test_an_empty_window_has_nothing_outstanding(starts, caller):
    assert starts.window.outstanding == ()
    only = operation(caller)
    starts.window.enter(only)
    starts.window.leave(only)
    assert starts.window.outstanding == ()
    assert starts.started == [only]


def test_an_operation_that_was_never_there_leaves_unnoticed(starts, caller):
    first = operation(caller, 1)
    starts.window.enter(first)
    starts.window.leave(operation(caller, 2))
    assert starts.window.outstanding == (first,)
    assert starts.started == [first]


def test_what_was_removed_makes_room_when_the_window_proceeds(starts, caller):
    first, second = operation(caller, 1), operation(caller, 2)
    starts.window.enter(first)
    starts.window.enter(second)
    starts.window.remove(first)
    assert starts.started == [first]
    starts.window.proceed()
    assert starts.started == [first, second]


def test_what_was_refused_in_line_does_not_start_and_what_has_started_stays(starts, caller):
    first, second, third = (operation(caller, each) for each in (1, 2, 3))
    for each in (first, second, third):
        starts.window.enter(each)
    starts.window.withdraw(second)
    starts.window.withdraw(first)
    assert starts.window.outstanding == (first,)
    starts.window.leave(first)
    assert starts.started == [first, third]


def test_nothing_starts_twice(starts, caller):
    only = operation(caller)
    starts.window.enter(only)
    starts.window.proceed()
    assert starts.started == [only]


def test_a_shut_window_starts_nothing_until_it_is_open_again(starts, caller):
    first, second = operation(caller, 1), operation(caller, 2)
    starts.window.enter(first)
    starts.shut = True
    starts.window.enter(second)
    starts.window.leave(first)
    assert starts.started == [first]
    starts.shut = False
    starts.window.proceed()
    assert starts.started == [first, second]


def test_a_thousand_operations_that_end_at_once_do_not_nest(caller):
    served = []

    def start(each):
        served.append(each.message_id)
        if each.message_id:
            window.leave(each)

    window = Window(start, lambda: True)
    count = 2 * sys.getrecursionlimit()
    blocker = operation(caller, 0)
    window.enter(blocker)
    for message_id in range(1, count):
        window.enter(operation(caller, message_id))
    window.leave(blocker)
    assert served == list(range(count))


def test_an_operation_is_found_by_its_invoker_and_message_id(starts, caller):
    other = some_party("other")
    mine, others = operation(caller, 7), operation(other, 7)
    starts.window.enter(others)
    starts.window.enter(mine)
    assert starts.window.find(caller, 7) is mine
    assert starts.window.find(other, 7) is others
    assert starts.window.find(caller, 8) is None
    assert starts.window.find(some_party("third"), 7) is None


def test_what_a_lost_invoker_waits_for_is_forgotten_and_the_next_starts(starts, caller):
    lost = some_party("lost")
    first, second, third = operation(lost, 1), operation(lost, 2), operation(caller, 3)
    for each in (first, second, third):
        starts.window.enter(each)
    starts.window.forget(lost)
    assert list(starts.window) == [third]
    assert starts.started == [first, third]


def test_what_was_sent_for_a_lost_invoker_is_outstanding_until_it_is_answered(starts, caller):
    lost = some_party("lost")
    first, second = operation(lost, 1), operation(caller, 2)
    starts.window.enter(first)
    starts.window.enter(second)
    first.perform(some_party("performer"), 1)
    starts.window.forget(lost)
    assert starts.window.outstanding == (first,)
    assert starts.started == [first]
    starts.window.leave(first)
    assert starts.started == [first, second]


# an asynchronous window


def test_as_many_as_the_window_has_room_for_are_outstanding(caller):
    starts = Starts(size=2)
    first, second, third = (operation(caller, each) for each in (1, 2, 3))
    for each in (first, second, third):
        starts.window.enter(each)
    assert starts.started == [first, second]
    starts.window.leave(second)
    assert starts.window.outstanding == (first, third)


@pytest.mark.parametrize("field", sorted(set(HOLDS) - CONCURRENT))
def test_what_others_may_depend_on_is_outstanding_alone(caller, field):
    starts = Starts(size=3)
    first, last = operation(caller, 1), operation(caller, 3)
    alone = operation(caller, 2, field=field)
    for each in (first, alone, last):
        starts.window.enter(each)
    assert starts.started == [first]
    starts.window.leave(first)
    assert starts.started == [first, alone]
    starts.window.leave(alone)
    assert starts.started == [first, alone, last]


def test_who_performs_has_one_operation_and_it_is_found(caller):
    starts = Starts(size=2)
    first, second, performer = operation(caller, 1), operation(caller, 2), some_party("b")
    for each in (first, second):
        starts.window.enter(each)
    second.perform(performer, 1)
    assert starts.window.performed_by(performer) is second
    assert starts.window.performed_by(some_party("c")) is None


# again


def test_an_operation_that_is_rewound_has_no_performer_and_knows_where_to_go(caller):
    one, failed = operation(caller, 7), some_party("a", [])
    one.perform(failed, 5)
    one.rewind(Choice(avoid=frozenset({"a"})))
    assert (one.performer, one.berth, one.requested_at) == (None, None, None)
    assert one.choice.avoid == {"a"}
    out: list[str] = []
    one.perform(some_party("b", out), 3)
    assert out == ["b 3: C-STORE-RQ 7"]

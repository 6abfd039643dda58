"""Guards: what is too long, or odd where that is refused, is stopped before it is all there.

See tests/doubles.py for how to read the lines.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.guard import Guard
from relay.bridge.outcome import End
from relay.bridge.ports import Fault, Unavailable
from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.command import CommandField as F
from relay.wire.command import decode
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.reader import COMMAND, LAST
from relay.wire.user_information import AsynchronousOperationsWindow, UserInformation
from tests.doubles import COMMITMENT, FIND, established, reply, request
from tests.vectors import VERIFICATION, p_data, pdv

STORE = request(F.C_STORE_RQ)
STORED = reply(F.C_STORE_RQ)
ECHO = request(F.C_ECHO_RQ, 9, VERIFICATION, dataset=False)
SHORT = Bounds(max_object=10)
STRICT = Bounds(strict=True)


def too_late():
    raise AssertionError("nothing was too large")


# the guard


def test_without_bounds_for_them_messages_are_not_looked_at():
    assert Guard.of(BOUNDS, STORE, too_late) is None
    assert Guard.of(Bounds(max_items=1, max_command=1024), b"odd", too_late) is None


@given(st.integers(1, 1000), st.lists(st.integers(0, 100), max_size=30))
def test_a_dataset_passes_up_to_its_bound_and_not_beyond(most, parts):
    calls, size = [], 0
    guard = Guard.of(Bounds(max_object=most), STORE, lambda: calls.append(size))
    assert guard is not None
    for part in parts:
        size += part
        assert guard.passes(size, ended=False) == (size <= most)
        if size > most:
            break
    assert calls == ([size] if size > most else [])


@pytest.mark.parametrize("size", [0, 1, 2, 10, 11])
def test_where_odd_lengths_are_refused_it_is_the_end_that_tells(size):
    guard = Guard.of(STRICT, STORE, too_late)
    assert guard is not None
    assert guard.passes(size, ended=False)
    if size % 2 == 0:
        assert guard.passes(size, ended=True)
        return
    with pytest.raises(ProtocolError, match="a dataset of odd length") as caught:
        guard.passes(size, ended=True)
    answer = (caught.value.source, caught.value.reason)
    assert answer == (AbortSource.SERVICE_PROVIDER, AbortReason.INVALID_PARAMETER)


def test_a_bound_alone_refuses_no_odd_length():
    guard = Guard.of(SHORT, STORE + b"x", too_late)
    assert guard is not None
    assert guard.passes(9, ended=True)


# objects that are too large


@pytest.fixture
def crossing():
    return established(bounds=SHORT)


@pytest.mark.row(37)
def test_an_object_that_is_too_large_is_taken_to_its_end_and_refused(crossing):
    crossing.caller.begins(STORE, "12345", on=3)
    a = crossing.lends()
    crossing.caller.goes_on("67890")
    crossing.since()
    crossing.caller.goes_on("X", "Y")
    assert crossing.since() == ["a aborted 0,0"]
    assert a.fault is Fault.REFUSED
    crossing.caller.ends("Z")
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 A700"]
    crossing.release()
    assert (crossing.outcome.end, crossing.outcome.failed) == (End.RELEASED, 1)
    assert list(crossing.outcome.notes) == ["an object was larger than max_object"]


@pytest.mark.row(37)
@pytest.mark.parametrize("cut", range(1, 11))
def test_no_upstream_gets_the_end_of_an_object_that_is_too_large(crossing, cut):
    crossing.caller.begins(STORE, "12345678901"[:cut], on=3)
    a = crossing.lends()
    crossing.caller.ends("12345678901"[cut:])
    assert a.is_over
    assert not a.got[-1].ended
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 A700"


def test_an_object_of_just_that_length_is_delivered(crossing):
    crossing.caller.says(STORE, "12345", "67890", on=3)
    crossing.lends().says(STORED, on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


def test_the_next_object_goes_by_another_association(crossing):
    crossing.caller.begins(STORE, "1", on=3)
    crossing.lends()
    crossing.caller.ends("more than ten")
    crossing.since()
    crossing.caller.says(request(F.C_STORE_RQ, 2), "PIXELS", on=3)
    crossing.lends().says(reply(F.C_STORE_RQ, 2), on=3)
    assert crossing.since() == [
        "lease archive",
        "a 3: C-STORE-RQ 2 +",
        "a 3: PIXELS",
        "caller 3: C-STORE-RSP 2 0000",
    ]


def test_an_object_that_is_too_large_is_not_tried_elsewhere(crossing):
    crossing.caller.begins(STORE, "12345", on=3)
    crossing.lends().falls()
    b = crossing.lends("b")
    crossing.since()
    crossing.caller.ends("678901")
    assert crossing.since() == ["b aborted 0,0", "caller 3: C-STORE-RSP 1 A700"]
    assert not b.got[-1].ended
    assert crossing.session.is_idle


@pytest.mark.parametrize("how", ["granted", "unavailable"])
def test_one_that_grows_too_large_before_there_is_a_lease_leaves_by_none(crossing, how):
    crossing.caller.begins(STORE, "12345", on=3)
    crossing.caller.goes_on("678901")
    assert crossing.since() == ["lease archive"]
    if how == "granted":
        crossing.lends()
        assert crossing.since() == ["a given back"]
    else:
        crossing.bank.grants(Unavailable())
    crossing.caller.ends()
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 A700"]
    crossing.release()
    assert crossing.outcome.failed == 1


def test_one_that_waits_to_be_sent_again_is_not_any_more(crossing):
    crossing.bank.pause = 5.0
    crossing.caller.begins(STORE, "12345", on=3)
    crossing.lends().falls()
    crossing.caller.ends("678901")
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 A700"
    crossing.clock.advance(5)
    assert crossing.since() == []


def test_one_in_line_behind_another_operation_is_never_begun(crossing):
    crossing.caller.says(request(F.C_STORE_RQ, 1), "PIXELS", on=3)
    a = crossing.lends()
    crossing.caller.says(request(F.C_STORE_RQ, 2), "12345678901", on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 2 A700"
    a.says(STORED, on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 0000"]
    crossing.caller.says(request(F.C_STORE_RQ, 3), "PIXELS", on=3)
    assert crossing.since() == ["a 3: C-STORE-RQ 3 +", "a 3: PIXELS"]


def test_in_a_window_the_operations_beside_it_go_on():
    information = UserInformation(
        16384, asynchronous_operations_window=AsynchronousOperationsWindow(2, 1)
    )
    crossing = established(information=information, window=2, bounds=SHORT)
    crossing.caller.says(request(F.C_STORE_RQ, 1), "PIXELS", on=3)
    a = crossing.lends("a")
    crossing.caller.begins(request(F.C_STORE_RQ, 2), "12345", on=3)
    b = crossing.lends("b")
    crossing.caller.ends("678901")
    assert b.is_over and not a.is_over
    a.says(STORED, on=3)
    assert crossing.since()[-2:] == ["caller 3: C-STORE-RSP 2 A700", "caller 3: C-STORE-RSP 1 0000"]


@pytest.mark.parametrize(
    ("field", "sop_class", "on", "status"),
    [
        (F.C_FIND_RQ, FIND, 5, "A700"),
        (F.N_ACTION_RQ, COMMITMENT, 11, "0213"),
        (F.C_ECHO_RQ, VERIFICATION, 1, "0213"),
    ],
)
def test_other_operations_are_refused_by_a_status_of_their_own(
    crossing, field, sop_class, on, status
):
    crossing.caller.begins(request(field, 1, sop_class), "12345", on=on)
    crossing.lends()
    crossing.caller.ends("678901")
    name = F(field).name.removesuffix("_RQ").replace("_", "-")
    assert crossing.since()[-2:] == ["a aborted 0,0", f"caller {on}: {name}-RSP 1 {status}"]


def test_an_answer_that_came_before_the_end_stands(crossing):
    crossing.caller.begins(STORE, "12345", on=3)
    a = crossing.lends()
    a.says(reply(F.C_STORE_RQ, 1, 0xA900), on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 A900"
    crossing.caller.goes_on("678901")
    assert crossing.since() == ["a aborted 0,0"]
    crossing.caller.ends("more")
    assert crossing.session.is_idle
    crossing.caller.says(ECHO)
    assert crossing.since() == ["lease archive"]


def test_with_half_an_answer_under_way_there_is_only_an_abort_left(crossing):
    crossing.caller.begins(request(F.C_FIND_RQ, 1, FIND), "12345", on=5)
    crossing.lends().begins(reply(F.C_FIND_RQ, 1, 0xFF00, dataset=True), "MAT", on=5)
    crossing.since()
    crossing.caller.goes_on("678901")
    assert crossing.since() == ["a aborted 0,0", "caller aborted 2,0"]


def test_of_what_is_too_large_only_so_much_more_is_taken():
    crossing = established(bounds=SHORT, discard=10)
    crossing.caller.begins(STORE, "12345", on=3)
    crossing.lends()
    crossing.caller.goes_on("678901")
    crossing.since()
    crossing.caller.goes_on("1234567890")
    assert crossing.since() == []
    crossing.caller.goes_on("1")
    assert crossing.since() == ["caller aborted 2,0"]


def test_a_response_of_the_caller_that_is_too_large_ends_the_association(crossing):
    crossing.caller.says(request(F.N_ACTION_RQ, 1, COMMITMENT), "INSTANCES", on=11)
    a = crossing.lends()
    a.says(reply(F.N_ACTION_RQ), on=11)
    a.says(request(F.N_EVENT_REPORT_RQ, 9, COMMITMENT), "a report as long as it likes", on=11)
    crossing.since()
    crossing.caller.begins(reply(F.N_EVENT_REPORT_RQ, 9, dataset=True), "12345678901", on=11)
    assert crossing.since()[-1] == "caller aborted 2,0"
    assert crossing.outcome.why == "the dataset of a response is larger than max_object"


def test_what_upstreams_say_is_not_held_to_the_callers_bounds(crossing):
    crossing.caller.says(request(F.C_FIND_RQ, 1, FIND), "QUERY", on=5)
    a = crossing.lends()
    a.says(reply(F.C_FIND_RQ, 1, 0xFF00, dataset=True), "a match, and rather long", on=5)
    a.says(reply(F.C_FIND_RQ), on=5)
    assert crossing.since()[-2:] == ["caller 5: C-FIND-RSP 1 0000", "a given back"]


# odd lengths, where they are refused


@pytest.mark.row(38)
def test_a_dataset_of_odd_length_ends_the_association_before_its_end_leaves():
    crossing = established(bounds=STRICT)
    crossing.caller.begins(STORE, "PIX", on=3)
    a = crossing.lends()
    crossing.caller.ends("ELSE")
    assert crossing.since()[-2:] == ["a aborted 0,0", "caller aborted 2,6"]
    assert not a.got[-1].ended
    assert crossing.outcome.why == "protocol error: a dataset of odd length"


@pytest.mark.row(38)
def test_a_dataset_of_odd_fragments_and_even_length_is_taken():
    crossing = established(bounds=STRICT)
    crossing.caller.says(STORE, "PIX", "ELS", on=3)
    crossing.lends().says(STORED, on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


@pytest.mark.row(38)
def test_a_command_set_of_odd_length_ends_the_association():
    crossing = established(bounds=STRICT)
    odd = STORE + bytes.fromhex("0000 0010 01000000") + b"1"
    assert decode(odd).has_dataset
    crossing.caller.feeds(p_data(pdv(3, COMMAND | LAST, odd)))
    assert crossing.since() == ["caller aborted 2,6"]

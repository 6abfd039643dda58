"""The exchange: every service as a transcript, and what becomes of it when a peer misbehaves.

See tests/doubles.py for how to read the lines.
"""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.outcome import End
from relay.bridge.ports import ContextRefused, Unavailable
from relay.bridge.pressure import HELD_MAXIMUM
from relay.policy.routing import Route
from relay.wire.command import NO_DATASET, encode
from relay.wire.command import CommandField as F
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.negotiation import Context
from relay.wire.pdu import Abort
from relay.wire.reader import COMMAND, LAST
from relay.wire.upperlayer import Loss
from tests.doubles import (
    COMMITMENT,
    FIND,
    GET,
    MANNERS,
    MOVE,
    MPPS,
    SOP_CLASSES,
    WORKLIST,
    at,
    cancel,
    established,
    reply,
    request,
)
from tests.vectors import (
    CT_IMAGE_STORAGE,
    IMPLICIT_LITTLE_ENDIAN,
    VERIFICATION,
    p_data,
    pdv,
)

ECHO = request(F.C_ECHO_RQ, 1, VERIFICATION, dataset=False)
STORE = request(F.C_STORE_RQ)
QUERY = request(F.C_FIND_RQ, 1, FIND)
MATCH = reply(F.C_FIND_RQ, 1, 0xFF00, dataset=True)
ACTION = request(F.N_ACTION_RQ, 1, COMMITMENT)
EVENT = request(F.N_EVENT_REPORT_RQ, 9, COMMITMENT)


@pytest.fixture
def crossing():
    return established()


def for_the_last_time(crossing):
    """The same, of a pool that bears no retries: what fails there has failed."""
    crossing.bank.pause = None
    return crossing


@pytest.fixture
def strict(crossing):
    return for_the_last_time(crossing)


def lines(crossing, who):
    """What was written to one of the peers."""
    return [each for each in crossing.since() if each.startswith(who)]


# each service


def test_c_echo_crosses_and_its_lease_goes_back_at_once(crossing):
    crossing.caller.says(ECHO)
    assert crossing.since() == ["lease archive"]
    a = crossing.lends()
    assert crossing.since() == ["a 1: C-ECHO-RQ 1"]
    a.says(reply(F.C_ECHO_RQ))
    assert crossing.since() == ["caller 1: C-ECHO-RSP 1 0000", "a given back"]


def test_c_store_crosses_as_it_comes_and_its_lease_lingers_for_the_next(crossing):
    crossing.caller.begins(STORE, "PIX", on=3)
    a = crossing.lends()
    assert crossing.since() == ["lease archive", "a 3: C-STORE-RQ 1 +", "a 3: PIX~"]
    crossing.caller.goes_on("EL")
    crossing.caller.ends("S")
    assert crossing.since() == ["a 3: EL~", "a 3: S"]
    a.says(reply(F.C_STORE_RQ), on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 0000"]
    crossing.caller.says(request(F.C_STORE_RQ, 2), "MORE", on=3)
    assert crossing.since() == ["a 3: C-STORE-RQ 2 +", "a 3: MORE"]
    a.says(reply(F.C_STORE_RQ, 2), on=3)
    crossing.clock.advance(MANNERS.linger)
    assert crossing.since() == ["caller 3: C-STORE-RSP 2 0000", "a given back"]


def test_half_a_pdu_of_a_dataset_has_left_before_the_other_half_comes(crossing):
    crossing.caller.begins(STORE, on=3)
    crossing.lends()
    crossing.since()
    pdu = p_data(pdv(3, LAST, b"PIXELS"))
    crossing.caller.feeds(pdu[:15])
    assert crossing.since() == ["a 3: PIX~"]
    crossing.caller.feeds(pdu[15:])
    assert crossing.since() == ["a 3: ELS"]


def test_c_find_crosses_with_its_pending_responses_and_gives_its_lease_back_at_once(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    a.says(MATCH, "ONE", on=5)
    a.says(reply(F.C_FIND_RQ, 1, 0xFF01, dataset=True), "TWO", on=5)
    a.says(reply(F.C_FIND_RQ), on=5)
    assert crossing.since() == [
        "lease archive",
        "a 5: C-FIND-RQ 1 +",
        "a 5: NAME",
        "caller 5: C-FIND-RSP 1 FF00 +",
        "caller 5: ONE",
        "caller 5: C-FIND-RSP 1 FF01 +",
        "caller 5: TWO",
        "caller 5: C-FIND-RSP 1 0000",
        "a given back",
    ]


def test_a_c_find_can_be_cancelled_between_its_responses(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    a.says(MATCH, "ONE", on=5)
    crossing.since()
    crossing.caller.says(cancel(1), on=5)
    a.says(reply(F.C_FIND_RQ, 1, 0xFE00), on=5)
    assert crossing.since() == [
        "a 5: C-CANCEL-RQ 1",
        "caller 5: C-FIND-RSP 1 FE00",
        "a given back",
    ]


def test_c_get_crosses_with_the_archives_c_stores_down_and_their_responses_up(crossing):
    crossing.caller.says(request(F.C_GET_RQ, 4, GET), "STUDY", on=9)
    assert crossing.since() == ["lease archive exactly"]
    a = crossing.lends()
    crossing.since()
    for message_id in (1, 2):
        a.begins(request(F.C_STORE_RQ, message_id), "PIX", on=3)
        a.ends("ELS")
        crossing.caller.says(reply(F.C_STORE_RQ, message_id), on=3)
        assert crossing.since() == [
            f"caller 3: C-STORE-RQ {message_id} +",
            "caller 3: PIX~",
            "caller 3: ELS",
            f"a 3: C-STORE-RSP {message_id} 0000",
        ]
        a.says(reply(F.C_GET_RQ, 4, 0xFF00), on=9)
        assert crossing.since() == ["caller 9: C-GET-RSP 4 FF00"]
    a.says(reply(F.C_GET_RQ, 4), on=9)
    assert crossing.since() == ["caller 9: C-GET-RSP 4 0000", "a given back"]


def test_a_c_get_can_be_cancelled_while_a_c_store_is_on_its_way_down(crossing):
    crossing.caller.says(request(F.C_GET_RQ, 4, GET), "STUDY", on=9)
    a = crossing.lends()
    a.begins(request(F.C_STORE_RQ, 1), "PIX", on=3)
    crossing.since()
    crossing.caller.says(cancel(4), on=9)
    a.ends("ELS")
    crossing.caller.says(reply(F.C_STORE_RQ, 1, 0xA700), on=3)
    a.says(reply(F.C_GET_RQ, 4, 0xFE00), on=9)
    assert crossing.since() == [
        "a 9: C-CANCEL-RQ 4",
        "caller 3: ELS",
        "a 3: C-STORE-RSP 1 A700",
        "caller 9: C-GET-RSP 4 FE00",
        "a given back",
    ]


def test_c_move_crosses_with_its_pending_responses(crossing):
    crossing.caller.says(request(F.C_MOVE_RQ, 3, MOVE), "STUDY", on=7)
    a = crossing.lends()
    a.says(reply(F.C_MOVE_RQ, 3, 0xFF00), on=7)
    a.says(reply(F.C_MOVE_RQ, 3, 0xB000, dataset=True), "FAILED", on=7)
    assert crossing.since()[3:] == [
        "caller 7: C-MOVE-RSP 3 FF00",
        "caller 7: C-MOVE-RSP 3 B000 +",
        "caller 7: FAILED",
        "a given back",
    ]


NORMALISED = [
    (F.N_EVENT_REPORT_RQ, 11, COMMITMENT),
    (F.N_GET_RQ, 13, MPPS),
    (F.N_SET_RQ, 13, MPPS),
    (F.N_ACTION_RQ, 11, COMMITMENT),
    (F.N_CREATE_RQ, 13, MPPS),
    (F.N_DELETE_RQ, 13, MPPS),
]


@pytest.mark.parametrize(("field", "on", "sop_class"), NORMALISED)
@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("tells", [True, False])
def test_dimse_n_crosses_with_and_without_datasets_on_a_lease_kept_to_the_end(
    crossing, field, on, sop_class, asks, tells
):
    name = field.name.replace("_", "-")
    crossing.caller.says(request(field, 1, sop_class, asks), *["ASKED"] * asks, on=on)
    a = crossing.lends()
    a.says(reply(field, 1, dataset=tells), *["TOLD"] * tells, on=on)
    assert crossing.since() == [
        "lease archive",
        f"a {on}: {name} 1{' +' * asks}",
        *[f"a {on}: ASKED"] * asks,
        f"caller {on}: {name[:-2]}RSP 1 0000{' +' * tells}",
        *[f"caller {on}: TOLD"] * tells,
    ]
    crossing.clock.advance(3600)
    crossing.release()
    assert crossing.since() == ["caller released", "a released"]


def test_the_report_on_an_action_comes_back_on_the_same_association(crossing):
    crossing.caller.says(ACTION, "INSTANCES", on=11)
    a = crossing.lends()
    a.says(reply(F.N_ACTION_RQ), on=11)
    crossing.since()
    a.says(EVENT, "COMMITTED", on=11)
    crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 9), on=11)
    assert crossing.since() == [
        "caller 11: N-EVENT-REPORT-RQ 9 +",
        "caller 11: COMMITTED",
        "a 11: N-EVENT-REPORT-RSP 9 0000",
    ]


def test_both_sides_may_have_a_request_outstanding_with_the_same_message_id(crossing):
    crossing.caller.says(ACTION, "INSTANCES", on=11)
    a = crossing.lends()
    a.says(request(F.N_EVENT_REPORT_RQ, 1, COMMITMENT, dataset=False), on=11)
    crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 1), on=11)
    a.says(reply(F.N_ACTION_RQ, 1), on=11)
    assert crossing.since()[3:] == [
        "caller 11: N-EVENT-REPORT-RQ 1",
        "a 11: N-EVENT-REPORT-RSP 1 0000",
        "caller 11: N-ACTION-RSP 1 0000",
    ]


def test_an_upstream_that_asks_while_it_lingers_is_answered_before_the_lease_goes_back():
    crossing = at("while lingering")
    (a,) = crossing.bank.lent
    a.says(request(F.C_ECHO_RQ, 5, VERIFICATION, dataset=False))
    crossing.clock.advance(MANNERS.linger)
    assert crossing.since() == ["caller 1: C-ECHO-RQ 5"]
    crossing.caller.says(reply(F.C_ECHO_RQ, 5))
    crossing.clock.advance(MANNERS.linger)
    assert crossing.since() == ["a 1: C-ECHO-RSP 5 0000", "a given back"]


@pytest.mark.parametrize("status", [0x0000, 0xB000, 0xA700, 0xC001, 0x0111, 0x0124])
def test_the_status_that_the_upstream_said_goes_back_unchanged(crossing, status):
    crossing.caller.says(STORE, "PIXELS", on=3)
    crossing.lends().says(reply(F.C_STORE_RQ, 1, status), on=3)
    assert crossing.since()[-1] == f"caller 3: C-STORE-RSP 1 {status:04X}"


# counting


def test_what_crossed_is_counted_by_operation_and_direction(crossing):
    crossing.caller.says(STORE, "PIX", "ELS", on=3)
    crossing.lends().says(reply(F.C_STORE_RQ), on=3)
    crossing.caller.says(QUERY, "NAME", on=5)
    (a,) = crossing.bank.lent
    a.says(MATCH, "ONE", on=5)
    a.says(reply(F.C_FIND_RQ), on=5)
    crossing.release()
    outcome = crossing.outcome
    assert outcome.operations == {F.C_STORE_RQ: 1, F.C_FIND_RQ: 1}
    assert (outcome.bytes_up, outcome.bytes_down, outcome.odd) == (10, 3, 1)
    assert outcome.upstreams == ["a"]
    assert outcome.failed == 0
    assert outcome.statuses == {0x0000: 2}


def test_what_the_caller_performs_is_counted_too(crossing):
    crossing.caller.says(ACTION, "INSTANCES", on=11)
    a = crossing.lends()
    a.says(reply(F.N_ACTION_RQ), on=11)
    a.says(EVENT, "COMMITTED!", on=11)
    crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 9, dataset=True), "ok", on=11)
    crossing.release()
    outcome = crossing.outcome
    assert outcome.operations == {F.N_ACTION_RQ: 1, F.N_EVENT_REPORT_RQ: 1}
    assert (outcome.bytes_up, outcome.bytes_down) == (11, 10)


# one operation at a time


@pytest.mark.row(70)
def test_a_second_request_is_held_until_the_first_is_answered(crossing):
    crossing.caller.says(STORE, "ONE", on=3)
    crossing.caller.says(request(F.C_STORE_RQ, 2), "TWO", on=3)
    a = crossing.lends()
    assert crossing.since() == ["lease archive", "a 3: C-STORE-RQ 1 +", "a 3: ONE"]
    a.says(reply(F.C_STORE_RQ, 1), on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 0000", "a 3: C-STORE-RQ 2 +", "a 3: TWO"]


@pytest.mark.row(70)
def test_behind_a_held_request_a_cancel_of_the_first_is_still_read(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    crossing.caller.says(request(F.C_STORE_RQ, 2), "TWO", on=3)
    crossing.caller.says(cancel(1), on=5)
    crossing.lends()
    assert crossing.since()[1:] == ["a 5: C-FIND-RQ 1 +", "a 5: NAME", "a 5: C-CANCEL-RQ 1"]


@pytest.mark.row(70)
def test_behind_a_held_request_an_abort_is_still_read(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    crossing.lends()
    crossing.caller.says(request(F.C_STORE_RQ, 2), "TWO", on=3)
    crossing.since()
    crossing.abort()
    assert crossing.since() == ["a aborted 0,0"]


def test_a_request_that_is_cancelled_while_it_is_held_is_cancelled_when_it_leaves(crossing):
    crossing.caller.says(ECHO)
    a = crossing.lends()
    crossing.caller.says(request(F.C_FIND_RQ, 2, FIND), "NAME", on=5)
    crossing.caller.says(cancel(2), on=5)
    crossing.caller.says(cancel(2), on=5)
    crossing.since()
    a.says(reply(F.C_ECHO_RQ))
    crossing.lends("b")
    assert crossing.since() == [
        "caller 1: C-ECHO-RSP 1 0000",
        "a given back",
        "lease archive",
        "b 5: C-FIND-RQ 2 +",
        "b 5: NAME",
        "b 5: C-CANCEL-RQ 2",
    ]


def test_a_cancel_of_nothing_or_of_what_is_answered_is_dropped(crossing):
    crossing.caller.says(cancel(7), on=5)
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    a.begins(reply(F.C_FIND_RQ, 1, 0, dataset=True), "LA", on=5)
    crossing.since()
    crossing.caller.says(cancel(1), on=5)
    a.ends("ST")
    crossing.caller.says(cancel(1), on=5)
    assert crossing.since() == ["caller 5: ST", "a given back"]


def test_an_upstream_may_cancel_what_it_asked_for(crossing):
    crossing.caller.says(ACTION, "INSTANCES", on=11)
    a = crossing.lends()
    a.says(request(F.C_FIND_RQ, 9, FIND), "NAME", on=5)
    a.says(cancel(9), on=5)
    assert crossing.since()[-1] == "caller 5: C-CANCEL-RQ 9"


def test_a_cancel_of_a_refused_request_leaves_nothing_behind(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    crossing.caller.says(cancel(1), on=5)
    crossing.bank.grants(Unavailable())
    crossing.caller.says(cancel(1), on=5)
    assert crossing.since() == ["lease archive", "caller 5: C-FIND-RSP 1 A700"]


@pytest.mark.row(71)
def test_a_response_before_the_requests_dataset_has_ended_is_passed_on(crossing):
    crossing.caller.begins(STORE, "PIX", on=3)
    a = crossing.lends()
    crossing.since()
    a.says(reply(F.C_STORE_RQ, 1, 0xA700), on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 A700"]
    crossing.clock.advance(3600)
    crossing.caller.ends("ELS")
    assert crossing.since() == ["a 3: ELS"]
    crossing.clock.advance(MANNERS.linger)
    assert crossing.since() == ["a given back"]


@pytest.mark.row(71)
def test_a_lease_goes_back_only_after_both_request_and_response_have_ended(crossing):
    crossing.caller.begins(QUERY, "NA", on=5)
    a = crossing.lends()
    a.says(reply(F.C_FIND_RQ, 1, 0xA700), on=5)
    crossing.since()
    crossing.caller.ends("ME")
    assert crossing.since() == ["a 5: ME", "a given back"]


@pytest.mark.row(71)
def test_an_upstream_that_goes_after_an_early_response_is_not_missed(crossing):
    crossing.caller.begins(STORE, "PIX", on=3)
    a = crossing.lends()
    a.says(reply(F.C_STORE_RQ, 1, 0xA700), on=3)
    a.falls()
    crossing.since()
    crossing.caller.goes_on("EL")
    crossing.caller.ends("S")
    crossing.caller.says(ECHO)
    assert crossing.since() == ["lease archive"]
    crossing.release()
    assert crossing.outcome.operations == {F.C_STORE_RQ: 1}
    assert crossing.outcome.failed == 0


def test_a_pending_response_before_the_requests_dataset_has_ended_is_passed_on(crossing):
    crossing.caller.begins(QUERY, "NA", on=5)
    a = crossing.lends()
    a.says(MATCH, "ONE", on=5)
    crossing.caller.ends("ME")
    a.says(reply(F.C_FIND_RQ), on=5)
    assert crossing.since()[3:] == [
        "caller 5: C-FIND-RSP 1 FF00 +",
        "caller 5: ONE",
        "a 5: ME",
        "caller 5: C-FIND-RSP 1 0000",
        "a given back",
    ]


# bad requests


@pytest.mark.row(42)
def test_a_message_id_in_flight_is_refused_and_the_first_goes_on(crossing):
    crossing.caller.says(STORE, "ONE", on=3)
    a = crossing.lends()
    crossing.since()
    crossing.caller.begins(STORE, "TW", on=3)
    assert crossing.since() == []
    crossing.caller.ends("O")
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 0210"]
    a.says(reply(F.C_STORE_RQ), on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 0000"]


def test_a_message_id_that_is_held_is_refused_too(crossing):
    crossing.caller.says(STORE, "ONE", on=3)
    for _ in range(2):
        crossing.caller.says(request(F.C_STORE_RQ, 2), "TWO", on=3)
    assert crossing.since() == ["lease archive", "caller 3: C-STORE-RSP 2 0210"]


def test_a_message_id_may_be_used_again_after_its_answer(crossing):
    crossing.caller.says(STORE, "ONE", on=3)
    a = crossing.lends()
    a.says(reply(F.C_STORE_RQ), on=3)
    crossing.caller.says(STORE, "TWO", on=3)
    assert crossing.since()[-1] == "a 3: TWO"


@pytest.mark.row(40)
@pytest.mark.parametrize("field", [0x0002, 0x0FFE, 0x7FFF, 0x0000])
@pytest.mark.parametrize("dataset", [True, False])
def test_an_unknown_command_field_is_refused(crossing, field, dataset):
    crossing.caller.says(request(field, 5, dataset=dataset), *["DATA"] * dataset, on=3)
    assert crossing.since() == [f"caller 3: {field | 0x8000:04X} 5 0211"]
    crossing.caller.says(ECHO)
    assert crossing.since() == ["lease archive"]


@pytest.mark.row(41)
def test_a_c_store_of_another_class_than_its_context_is_refused(crossing):
    crossing.caller.says(request(F.C_STORE_RQ, 1, VERIFICATION), "PIXELS", on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 1 0122"]


@pytest.mark.row(41)
def test_of_other_services_the_upstream_judges_the_class(crossing):
    crossing.caller.says(request(F.N_CREATE_RQ, 1, CT_IMAGE_STORAGE), "STEP", on=13)
    crossing.lends()
    assert crossing.since()[-1] == "a 13: STEP"


WITHOUT_TYPE = encode({0x0100: int(F.C_STORE_RQ), 0x0110: 8})
WITHOUT_ID = encode({0x0100: int(F.C_STORE_RQ), 0x0800: NO_DATASET})
WITHOUT_FIELD = encode({0x0110: 8, 0x0800: NO_DATASET})
WITHOUT_STATUS = encode({0x0100: int(F.C_FIND_RSP), 0x0120: 1, 0x0800: NO_DATASET})


@pytest.mark.row(39)
@pytest.mark.parametrize("dataset", [True, False])
def test_a_malformed_request_is_refused_and_the_association_goes_on(crossing, dataset):
    crossing.caller.says(WITHOUT_TYPE, *["PIX", "ELS"] * dataset, on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 8 0212"]
    crossing.caller.says(ECHO)
    assert crossing.since() == ["lease archive"]


@pytest.mark.row(39)
def test_the_dataset_of_a_malformed_request_goes_nowhere(crossing):
    crossing.caller.says(STORE, "PIXELS", on=3)
    crossing.lends().says(reply(F.C_STORE_RQ), on=3)
    crossing.since()
    crossing.caller.says(WITHOUT_TYPE, "PIX", "ELS", on=3)
    assert crossing.since() == ["caller 3: C-STORE-RSP 8 0212"]


@pytest.mark.row(39)
@pytest.mark.parametrize("command_set", [WITHOUT_ID, WITHOUT_FIELD, WITHOUT_STATUS, b"", b"\0" * 5])
def test_a_malformed_command_that_cannot_be_answered_is_an_abort(crossing, command_set):
    crossing.caller.says(command_set, on=3)
    assert crossing.since() == ["caller aborted 0,0"]
    assert crossing.outcome.end is End.ABORTED_BY_RELAY
    assert crossing.outcome.why.startswith("protocol error: malformed command set")


@pytest.mark.row(37)
def test_a_command_set_that_never_ends_is_an_abort(crossing):
    for _ in range(64):
        crossing.caller.feeds(p_data(pdv(3, COMMAND, bytes(1024))))
    assert crossing.since() == []
    crossing.caller.feeds(p_data(pdv(3, COMMAND, bytes(1024))))
    assert crossing.since() == ["caller aborted 0,0"]


@pytest.mark.row(35)
def test_a_message_on_a_context_that_was_not_accepted_is_an_abort(crossing):
    crossing.caller.says(STORE, "PIXELS", on=99)
    assert crossing.since() == ["caller aborted 2,5"]


@pytest.mark.row(36)
@pytest.mark.parametrize(
    "data",
    [
        p_data(pdv(3, LAST, b"PIXELS")),
        p_data(pdv(3, COMMAND | LAST, STORE), pdv(5, LAST, b"PIXELS")),
        p_data(pdv(3, COMMAND | LAST, STORE), pdv(3, COMMAND | LAST, STORE)),
        p_data(pdv(3, COMMAND, STORE[:20]), pdv(5, COMMAND | LAST, STORE[20:])),
        p_data(pdv(3, COMMAND, STORE[:20]), pdv(3, LAST, b"PIXELS")),
        p_data(pdv(3, COMMAND | LAST, STORE), pdv(3, 0, b"PIX"), pdv(3, COMMAND | LAST, ECHO)),
    ],
)
def test_what_is_not_due_is_an_abort(crossing, data):
    crossing.caller.feeds(data)
    assert lines(crossing, "caller") == ["caller aborted 2,5"]
    assert crossing.bank.wanted == []


@pytest.mark.row(67)
def test_a_wrong_or_missing_group_length_does_not_matter(crossing):
    wrong = STORE[:8] + b"\xff\xff\xff\x7f" + STORE[12:]
    crossing.caller.says(wrong, "ONE", on=3)
    a = crossing.lends()
    a.says(reply(F.C_STORE_RQ)[12:], on=3)
    assert crossing.since() == [
        "lease archive",
        "a 3: C-STORE-RQ 1 +",
        "a 3: ONE",
        "caller 3: C-STORE-RSP 1 0000",
    ]


@pytest.mark.row(68)
@pytest.mark.parametrize("kind", [0x0000, 0x0001, 0x0102, 0xFEFE])
def test_any_dataset_type_but_0101_says_that_a_dataset_follows(crossing, kind):
    command_set = encode(
        {0x0002: CT_IMAGE_STORAGE, 0x0100: int(F.C_STORE_RQ), 0x0110: 1, 0x0800: kind}
    )
    crossing.caller.says(command_set, "PIXELS", on=3)
    crossing.lends()
    assert crossing.since() == ["lease archive", "a 3: C-STORE-RQ 1 +", "a 3: PIXELS"]


@pytest.mark.row(69)
def test_reserved_bits_of_the_control_header_do_not_matter(crossing):
    crossing.caller.feeds(p_data(pdv(3, 0xFC | COMMAND | LAST, STORE), pdv(3, 0xA8 | LAST, b"X")))
    crossing.lends()
    assert crossing.since() == ["lease archive", "a 3: C-STORE-RQ 1 +", "a 3: X"]


def test_the_command_set_itself_passes_unchanged(crossing):
    odd_but_whole = STORE + encode({0x1000: "1.2.3\0"})[12:]
    crossing.caller.says(odd_but_whole, "X", on=3)
    (message,) = crossing.lends().got
    assert message.command_set == odd_but_whole


@pytest.mark.parametrize(
    ("command_set", "on"),
    [
        (reply(F.C_STORE_RQ, 1), 3),
        (reply(F.N_EVENT_REPORT_RQ, 1), 11),
        (reply(0x0002, 1), 3),
    ],
)
def test_a_response_of_a_caller_that_nobody_asked_is_an_abort(crossing, command_set, on):
    crossing.caller.says(command_set, on=on)
    assert crossing.since() == ["caller aborted 2,5"]


@pytest.mark.parametrize(
    ("command_set", "on"),
    [
        (reply(F.N_EVENT_REPORT_RQ, 8), 11),
        (reply(F.N_ACTION_RQ, 9), 11),
        (reply(F.N_EVENT_REPORT_RQ, 9), 3),
    ],
)
def test_a_callers_response_to_another_request_is_an_abort(command_set, on):
    crossing = at("before the caller's response")
    crossing.caller.says(command_set, on=on)
    assert crossing.since() == ["a aborted 0,0", "caller aborted 2,5"]


def test_a_second_response_of_a_caller_is_an_abort():
    crossing = at("before the caller's response")
    for _ in range(2):
        crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 9), on=11)
    assert crossing.since() == [
        "a 11: N-EVENT-REPORT-RSP 9 0000",
        "a released",
        "caller aborted 2,5",
    ]


# bad upstreams: whatever they do wrong, the caller never hears 0000 that they did not say


NONSENSE = [
    (reply(F.C_STORE_RQ, 7), 3),  # to another request
    (reply(F.C_FIND_RQ, 1), 3),  # of another service
    (reply(F.C_STORE_RQ, 1), 5),  # on another context
    (reply(F.C_STORE_RQ, 1), 99),  # on a context that does not hold
    (WITHOUT_STATUS, 3),
    (WITHOUT_ID, 3),
    (b"rubbish!", 3),
]


@pytest.mark.row(59)
@pytest.mark.parametrize(("command_set", "on"), NONSENSE)
def test_nonsense_of_an_upstream_is_an_abort_to_it_and_a_failure_to_the_caller(
    strict, command_set, on
):
    strict.caller.says(STORE, "PIXELS", on=3)
    a = strict.lends()
    strict.since()
    a.says(command_set, on=on)
    to_it, to_the_caller = strict.since()
    assert to_it.startswith("a aborted")
    assert to_the_caller == "caller 3: C-STORE-RSP 1 A700"


@pytest.mark.row(59)
def test_an_upstreams_dataset_out_of_turn_is_an_abort_to_it(strict):
    strict.caller.says(STORE, "PIXELS", on=3)
    a = strict.lends()
    strict.since()
    a.ends("rubbish")
    assert strict.since() == ["a aborted 2,5", "caller 3: C-STORE-RSP 1 A700"]


def test_a_response_to_no_request_is_an_abort_to_the_upstream_alone():
    crossing = at("while lingering")
    crossing.bank.lent[0].says(reply(F.C_STORE_RQ), on=3)
    assert crossing.since() == ["a aborted 2,5"]
    crossing.caller.says(request(F.C_STORE_RQ, 2), "MORE", on=3)
    assert crossing.since() == ["lease archive"]


def test_a_second_final_response_is_an_abort_to_the_upstream_alone(crossing):
    crossing.caller.begins(STORE, "PIX", on=3)
    a = crossing.lends()
    a.says(reply(F.C_STORE_RQ), on=3)
    crossing.since()
    a.says(reply(F.C_STORE_RQ), on=3)
    crossing.caller.ends("ELS")
    crossing.caller.says(ECHO)
    assert crossing.since() == ["a aborted 2,5", "lease archive"]


def test_a_malformed_request_of_an_upstream_is_refused_and_its_association_is_not_reused():
    crossing = at("while lingering")
    (a,) = crossing.bank.lent
    a.says(WITHOUT_TYPE, on=3)
    assert crossing.since() == ["a 3: C-STORE-RSP 8 0212"]
    crossing.clock.advance(MANNERS.linger)
    assert crossing.since() == ["a aborted 0,0"]


def test_an_upstreams_request_on_a_context_that_the_caller_lacks_is_refused():
    crossing = established({3: CT_IMAGE_STORAGE})
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends("a", {3: CT_IMAGE_STORAGE, 11: COMMITMENT})
    crossing.since()
    a.says(EVENT, "COMMITTED", on=11)
    assert crossing.since() == ["a 11: N-EVENT-REPORT-RSP 9 0122"]


def test_an_unknown_request_of_an_upstream_is_refused(crossing):
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends()
    crossing.since()
    a.says(request(0x0002, 9), "DATA", on=3)
    assert crossing.since() == ["a 3: 8002 9 0211"]


def test_a_message_id_in_flight_of_an_upstream_is_refused(crossing):
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends()
    crossing.since()
    a.says(EVENT, "ONE", on=11)
    a.says(EVENT, "TWO", on=11)
    assert crossing.since()[2:] == ["a 11: N-EVENT-REPORT-RSP 9 0210"]


# no upstream, or one that goes


FAILURES = [
    (F.C_STORE_RQ, 3, CT_IMAGE_STORAGE, "A700", "A700"),
    (F.C_FIND_RQ, 5, FIND, "A700", "A700"),
    (F.C_MOVE_RQ, 7, MOVE, "A702", "A702"),
    (F.C_GET_RQ, 9, GET, "A702", "A702"),
    (F.C_ECHO_RQ, 1, VERIFICATION, None, None),
    (F.N_EVENT_REPORT_RQ, 11, COMMITMENT, "0110", None),
    (F.N_ACTION_RQ, 11, COMMITMENT, "0213", None),
    (F.N_GET_RQ, 13, MPPS, "0213", None),
    (F.N_SET_RQ, 13, MPPS, "0213", None),
    (F.N_CREATE_RQ, 13, MPPS, "0213", None),
    (F.N_DELETE_RQ, 13, MPPS, "0213", None),
]
"""Field, context, class; the status when nobody was asked, and when who was asked has gone."""


def answered(field, on, status):
    name = field.name.replace("RQ", "RSP").replace("_", "-")
    return f"caller {on}: {name} 1 {status}" if status else "caller aborted 2,0"


@pytest.mark.parametrize(("field", "on", "sop_class", "unasked", "asked"), FAILURES)
def test_without_an_upstream_the_caller_is_told_so(crossing, field, on, sop_class, unasked, asked):
    crossing.caller.says(request(field, 1, sop_class), "DATA", on=on)
    crossing.bank.grants(Unavailable())
    assert lines(crossing, "caller") == [answered(field, on, unasked)]


@pytest.mark.parametrize(("field", "on", "sop_class", "unasked", "asked"), FAILURES)
def test_when_an_upstream_goes_without_an_answer_the_caller_is_told_so(
    strict, field, on, sop_class, unasked, asked
):
    strict.caller.says(request(field, 1, sop_class), "DATA", on=on)
    strict.lends().falls()
    assert lines(strict, "caller") == [answered(field, on, asked)]


@pytest.mark.parametrize(("field", "on", "sop_class", "unasked", "asked"), FAILURES)
def test_a_context_that_the_upstream_does_not_take_any_more_is_refused(
    crossing, field, on, sop_class, unasked, asked
):
    crossing.caller.says(request(field, 1, sop_class), "DATA", on=on)
    crossing.bank.grants(ContextRefused())
    # A report that cannot be delivered is to be made again.
    expected = unasked if field == F.N_EVENT_REPORT_RQ else "0122"
    assert lines(crossing, "caller") == [answered(field, on, expected)]


LOSSES = {
    "connection lost": Loss(),
    "aborted": Loss(Abort(AbortSource.SERVICE_PROVIDER, AbortReason.NOT_SPECIFIED)),
    "protocol error": Loss(error=ProtocolError("a broken PDU")),
}
"""A release by the upstream comes as a loss, too."""


def falls(loss):
    return lambda a: a.falls(LOSSES[loss])


def breaks_the_rules(a):
    a.feeds(p_data(pdv(99, COMMAND | LAST, ECHO)))


ENDS = {**{name: falls(name) for name in LOSSES}, "breaks the rules": breaks_the_rules}


@pytest.mark.parametrize("end", ENDS)
class TestAnUpstreamThatGoes:
    """Each way an upstream association can end, at each point: what the caller is told."""

    def gone(self, point, end):
        crossing = for_the_last_time(at(point))
        (a,) = crossing.bank.lent
        ENDS[end](a)
        return crossing

    def told(self, crossing):
        return lines(crossing, "caller")

    def serves_on(self, crossing):
        """Whether the caller's next operation gets a new lease and is answered."""
        crossing.caller.says(request(F.C_STORE_RQ, 5), "MORE", on=3)
        crossing.lends("b").says(reply(F.C_STORE_RQ, 5), on=3)
        return crossing.since() == [
            "lease archive",
            "b 3: C-STORE-RQ 5 +",
            "b 3: MORE",
            "caller 3: C-STORE-RSP 5 0000",
        ]

    @pytest.mark.row(54)
    def test_inside_the_dataset_the_rest_is_drained_and_a700_answered(self, end):
        crossing = self.gone("inside the dataset", end)
        assert self.told(crossing) == []
        crossing.caller.goes_on("EL")
        assert self.told(crossing) == []
        crossing.caller.ends("S")
        assert self.told(crossing) == ["caller 3: C-STORE-RSP 1 A700"]
        assert self.serves_on(crossing)

    @pytest.mark.parametrize("point", ["before the response", "inside the response"])
    def test_before_its_response_is_whole_a700_is_answered(self, end, point):
        crossing = self.gone(point, end)
        assert self.told(crossing) == ["caller 3: C-STORE-RSP 1 A700"]
        assert self.serves_on(crossing)

    def test_between_responses_a700_is_the_last_of_them(self, end):
        crossing = self.gone("between responses", end)
        assert self.told(crossing) == ["caller 5: C-FIND-RSP 1 A700"]
        assert self.serves_on(crossing)

    @pytest.mark.parametrize(
        "point", ["inside the response's dataset", "inside the upstream's request"]
    )
    def test_inside_a_message_to_the_caller_only_an_abort_is_left(self, end, point):
        crossing = self.gone(point, end)
        assert self.told(crossing) == ["caller aborted 2,0"]
        assert crossing.outcome.end is End.ABORTED_BY_RELAY

    @pytest.mark.row(57)
    @pytest.mark.parametrize(
        "point", ["while lingering", "inside a command while lingering", "while kept"]
    )
    def test_while_nothing_is_asked_of_it_nobody_notices(self, end, point):
        crossing = self.gone(point, end)
        assert self.told(crossing) == []
        if point.startswith("inside"):
            rest = request(F.C_STORE_RQ)[20:]
            crossing.caller.feeds(p_data(pdv(3, COMMAND | LAST, rest), pdv(3, LAST, b"X")))
            crossing.lends("c").says(reply(F.C_STORE_RQ), on=3)
            assert self.told(crossing) == ["caller 3: C-STORE-RSP 1 0000"]
        else:
            assert self.serves_on(crossing)

    def test_before_the_caller_has_answered_it_the_answer_goes_nowhere(self, end):
        crossing = self.gone("before the caller's response", end)
        crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 9), on=11)
        assert self.told(crossing) == []
        assert self.serves_on(crossing)

    def test_while_the_caller_answers_it_the_rest_goes_nowhere(self, end):
        crossing = self.gone("inside the caller's response", end)
        crossing.caller.ends("EN")
        assert self.told(crossing) == []
        assert self.serves_on(crossing)


def test_a_callers_answer_to_a_lost_upstream_is_never_taken_for_one_to_another():
    crossing = at("before the caller's response")
    crossing.bank.lent[0].falls()
    crossing.caller.says(request(F.N_ACTION_RQ, 2, COMMITMENT, dataset=False), on=11)
    b = crossing.lends("b")
    b.says(EVENT, "AGAIN", on=11)
    crossing.since()
    crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 9), on=11)
    assert crossing.since() == ["caller 11: N-EVENT-REPORT-RQ 9 +", "caller 11: AGAIN"]
    crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 9, 0x0110), on=11)
    assert crossing.since() == ["b 11: N-EVENT-REPORT-RSP 9 0110"]


def test_after_a_failure_the_requests_that_were_held_are_served(strict):
    for message_id in (1, 2):
        strict.caller.says(request(F.C_STORE_RQ, message_id), "X", on=3)
    strict.lends().falls()
    assert strict.since()[3:] == ["caller 3: C-STORE-RSP 1 A700", "lease archive"]


def test_objects_of_failures_are_named_whoever_says_that_they_failed(strict):
    strict.session.outcome.identify = bytes.decode
    for uid, field in (("1.21", 0x0002), ("1.22", F.C_STORE_RQ), ("1.23", F.C_STORE_RQ)):
        numbers = {0x0100: field, 0x0110: 1, 0x0800: 0}
        strict.caller.says(encode({0x0002: CT_IMAGE_STORAGE, 0x1000: uid, **numbers}), "X", on=3)
        if uid == "1.22":
            strict.lends().says(reply(F.C_STORE_RQ, status=0xC000), on=3)
        elif uid == "1.23":
            strict.bank.lent[0].falls()
    strict.release()
    assert list(strict.outcome.objects) == ["1.21", "1.22", "1.23"]


def test_failures_are_counted(strict):
    strict.caller.says(STORE, "X", on=3)
    strict.lends().falls()
    strict.caller.says(request(0x0002), "X", on=3)
    strict.caller.says(WITHOUT_TYPE, on=3)
    strict.release()
    assert strict.outcome.failed == 3
    assert strict.outcome.statuses == {0xA700: 1, 0x0211: 1, 0x0212: 1}
    assert not strict.outcome.operations


# time


@pytest.mark.row(58)
def test_a_response_that_does_not_come_in_time_is_a_failure(strict):
    strict.caller.says(STORE, "PIXELS", on=3)
    a = strict.lends()
    strict.since()
    strict.clock.advance(MANNERS.response_timeout - 0.1)
    assert strict.since() == []
    strict.clock.advance(0.1)
    assert strict.since() == ["a aborted 0,0", "caller 3: C-STORE-RSP 1 A700"]
    assert a.why == "no response in 60 s"


def test_the_time_of_a_response_begins_when_the_request_has_left(crossing):
    crossing.caller.begins(STORE, "PIX", on=3)
    crossing.lends()
    crossing.clock.advance(3600)
    crossing.caller.ends("ELS")
    crossing.clock.advance(MANNERS.response_timeout - 0.1)
    assert lines(crossing, "caller") == []


def test_each_pending_response_gives_the_upstream_its_time_again(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    for _ in range(3):
        crossing.clock.advance(MANNERS.response_timeout - 0.1)
        a.says(MATCH, "ONE", on=5)
    crossing.since()
    crossing.clock.advance(MANNERS.response_timeout)
    assert crossing.since() == ["a aborted 0,0", "caller 5: C-FIND-RSP 1 A700"]


def test_a_response_that_stops_in_the_middle_is_not_waited_for_forever():
    crossing = at("inside the response's dataset")
    crossing.clock.advance(MANNERS.response_timeout)
    assert crossing.since() == ["a aborted 0,0", "caller aborted 2,0"]


RETRIEVALS = [(F.C_GET_RQ, 9, GET), (F.C_MOVE_RQ, 7, MOVE)]


@pytest.mark.parametrize(("field", "on", "sop_class"), RETRIEVALS)
def test_a_retrieval_may_take_as_long_as_it_likes(crossing, field, on, sop_class):
    crossing.caller.says(request(field, 1, sop_class), "STUDY", on=on)
    crossing.lends()
    crossing.since()
    crossing.clock.advance(24 * 3600)
    assert crossing.since() == []


def test_a_caller_may_take_as_long_as_its_upstream_allows():
    crossing = at("before the caller's response")
    crossing.clock.advance(24 * 3600)
    assert crossing.since() == []


@pytest.fixture
def owing(crossing):
    """A C-GET's sub-operation awaits the caller's response."""
    crossing.caller.says(request(F.C_GET_RQ, 4, GET), "STUDY", on=9)
    crossing.lends().says(request(F.C_STORE_RQ, 1), "PIXELS", on=3)
    crossing.caller.begins(request(F.C_STORE_RQ, 5), on=3)
    crossing.since()
    return crossing


def test_a_caller_that_sends_too_much_ahead_of_a_response_is_not_waited_for_forever(owing):
    owing.caller.goes_on(bytes(HELD_MAXIMUM))
    assert owing.since() == ["caller paused"]
    owing.clock.advance(MANNERS.response_timeout)
    assert owing.since() == ["a aborted 0,0", "caller resumed", "caller aborted 2,0"]


def test_a_caller_that_sends_ahead_what_can_be_held_may_answer_late(owing):
    owing.caller.goes_on(bytes(HELD_MAXIMUM // 2))
    owing.clock.advance(24 * 3600)
    assert owing.since() == []


def test_an_upstream_that_has_gone_has_no_time_left_for_the_callers_response(owing):
    owing.caller.goes_on(bytes(HELD_MAXIMUM // 2))
    owing.bank.lent[0].falls()
    owing.caller.goes_on(bytes(HELD_MAXIMUM))
    owing.clock.advance(MANNERS.response_timeout)
    assert not [line for line in owing.since() if "caller aborted" in line]


def test_an_upstream_is_not_blamed_for_a_caller_that_does_not_take_its_response():
    crossing = at("between responses")
    (a,) = crossing.bank.lent
    crossing.session.full()
    a.begins(MATCH, "MAT", on=5)
    crossing.since()
    crossing.clock.advance(10 * MANNERS.response_timeout)
    assert crossing.since() == []
    crossing.session.drained()
    a.ends("CH")
    crossing.clock.advance(MANNERS.response_timeout)
    assert crossing.since() == [
        "a resumed",
        "caller 5: CH",
        "a aborted 0,0",
        "caller 5: C-FIND-RSP 1 A700",
    ]


def test_no_timer_outlives_an_operation(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    a.says(MATCH, "ONE", on=5)
    a.says(reply(F.C_FIND_RQ), on=5)
    assert crossing.clock.getDelayedCalls() == []


# context ids


def test_messages_go_by_the_ids_of_each_side():
    crossing = established({1: VERIFICATION, 3: CT_IMAGE_STORAGE, 11: COMMITMENT})
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends("a", {1: CT_IMAGE_STORAGE, 3: COMMITMENT})
    a.says(reply(F.C_STORE_RQ), on=1)
    a.says(EVENT, "COMMITTED", on=3)
    crossing.caller.says(reply(F.N_EVENT_REPORT_RQ, 9), on=11)
    assert crossing.since() == [
        "lease archive",
        "a 1: C-STORE-RQ 1 +",
        "a 1: PIXELS",
        "caller 3: C-STORE-RSP 1 0000",
        "caller 11: N-EVENT-REPORT-RQ 9 +",
        "caller 11: COMMITTED",
        "a 3: N-EVENT-REPORT-RSP 9 0000",
    ]


def test_a_failure_is_answered_on_the_callers_own_id():
    crossing = for_the_last_time(established({7: CT_IMAGE_STORAGE}))
    crossing.caller.says(STORE, "PIXELS", on=7)
    crossing.lends("a", {1: CT_IMAGE_STORAGE}).falls()
    assert crossing.since()[-1] == "caller 7: C-STORE-RSP 1 A700"


def test_a_cancel_goes_by_the_id_of_its_operation():
    crossing = established({7: FIND})
    crossing.caller.says(QUERY, "NAME", on=7)
    crossing.lends("a", {1: FIND})
    crossing.caller.says(cancel(1), on=7)
    assert crossing.since()[-1] == "a 1: C-CANCEL-RQ 1"


def test_of_equal_contexts_the_same_id_is_used_where_it_holds():
    crossing = established({1: CT_IMAGE_STORAGE, 3: CT_IMAGE_STORAGE})
    crossing.caller.says(STORE, "PIXELS", on=3)
    a = crossing.lends("a", {1: CT_IMAGE_STORAGE, 3: CT_IMAGE_STORAGE})
    a.says(reply(F.C_STORE_RQ), on=3)
    assert crossing.since()[1:] == [
        "a 3: C-STORE-RQ 1 +",
        "a 3: PIXELS",
        "caller 3: C-STORE-RSP 1 0000",
    ]


# either side slower than the other


def test_a_full_upstream_stops_the_caller_until_it_drains(crossing):
    crossing.caller.begins(STORE, "PIX", on=3)
    a = crossing.lends()
    crossing.since()
    a.fills()
    crossing.caller.goes_on("read already")
    a.drains()
    assert crossing.since() == ["caller paused", "a 3: read already~", "caller resumed"]


@pytest.mark.row(58)
def test_an_upstream_that_never_reads_ends_the_operation(strict):
    strict.caller.begins(STORE, "PIX", on=3)
    a = strict.lends()
    a.fills()
    strict.since()
    strict.clock.advance(MANNERS.stall_timeout)
    assert strict.since() == ["caller resumed", "a aborted 0,0"]
    strict.caller.ends("ELS")
    assert strict.since() == ["caller 3: C-STORE-RSP 1 A700"]


def test_a_full_caller_stops_its_upstream_until_it_drains():
    crossing = at("inside the response's dataset")
    (a,) = crossing.bank.lent
    crossing.session.full()
    a.goes_on("read already")
    crossing.session.drained()
    assert crossing.since() == ["a paused", "caller 5: read already~", "a resumed"]


def test_many_small_responses_into_a_full_caller_keep_the_upstream_stopped(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    crossing.since()
    crossing.session.full()
    for _ in range(20):
        a.says(MATCH, "ONE", on=5)
        assert a.is_paused
    assert crossing.since().count("a paused") == 1
    crossing.session.drained()
    assert crossing.since() == ["a resumed"]


def test_a_lease_goes_back_readable_though_the_caller_is_full(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    a = crossing.lends()
    crossing.session.full()
    a.says(MATCH, "ONE", on=5)
    crossing.since()
    a.says(reply(F.C_FIND_RQ), on=5)
    assert crossing.since() == ["caller 5: C-FIND-RSP 1 0000", "a resumed", "a given back"]
    crossing.session.drained()
    assert crossing.since() == []


def test_a_caller_that_takes_no_answers_is_served_no_further_ones(crossing):
    for message_id in (1, 2):
        crossing.caller.says(request(F.C_FIND_RQ, message_id, FIND), "NAME", on=5)
    a = crossing.lends()
    crossing.session.full()
    a.says(reply(F.C_FIND_RQ, 1), on=5)
    assert "lease archive" not in crossing.since()[2:]
    crossing.session.drained()
    assert crossing.since() == ["lease archive"]


@pytest.mark.parametrize("bad", [request(0x0002, dataset=False), WITHOUT_TYPE])
def test_a_caller_that_takes_no_answers_is_not_read_from_for_more_to_refuse(crossing, bad):
    crossing.session.full()
    crossing.caller.says(bad, on=3)
    assert crossing.caller.is_paused
    crossing.session.drained()
    assert not crossing.caller.is_paused


def test_while_a_lease_is_awaited_only_so_much_is_held(crossing):
    crossing.caller.begins(STORE, on=3)
    crossing.caller.goes_on(bytes(HELD_MAXIMUM // 2))
    assert crossing.since() == ["lease archive"]
    crossing.caller.goes_on(bytes(HELD_MAXIMUM // 2))
    assert crossing.since() == ["caller paused"]
    crossing.lends()
    assert crossing.since()[-1] == "caller resumed"


def test_what_is_held_is_dropped_when_there_is_no_lease(crossing):
    crossing.caller.begins(STORE, on=3)
    crossing.caller.goes_on(bytes(HELD_MAXIMUM))
    crossing.since()
    crossing.bank.grants(Unavailable())
    crossing.caller.goes_on(bytes(HELD_MAXIMUM))
    crossing.caller.ends("X")
    assert crossing.since() == ["caller resumed", "caller 3: C-STORE-RSP 1 A700"]


@pytest.mark.row(64, 70)
def test_of_many_requests_behind_one_that_waits_only_so_much_is_held(crossing):
    message_id = 0
    while not crossing.caller.is_paused:
        message_id += 1
        crossing.caller.says(request(F.C_STORE_RQ, message_id), bytes(1000), on=3)
    assert message_id < HELD_MAXIMUM // 1000
    held = message_id
    a = crossing.lends()
    for each in range(1, held + 1):
        a.says(reply(F.C_STORE_RQ, each), on=3)
    assert not crossing.caller.is_paused
    assert len(a.got) == held


def test_commands_that_wait_are_held_within_the_same_bound(crossing):
    comment = bytes(8000)
    for message_id in range(1, 11):
        long = request(F.C_STORE_RQ, message_id, dataset=False) + encode({0x5110: comment})[12:]
        crossing.caller.says(long, on=3)
    assert crossing.caller.is_paused


def test_cancels_are_not_held_for_longer_than_what_they_cancel(crossing):
    crossing.caller.says(QUERY, "NAME", on=5)
    for _ in range(2000):
        crossing.caller.says(cancel(1), on=5)
    a = crossing.lends()
    assert len(a.got) == 2
    a.says(reply(F.C_FIND_RQ, 1, 0xFE00), on=5)
    assert not crossing.caller.is_paused
    for _ in range(2000):
        crossing.caller.says(QUERY, "NAME", on=5)
        crossing.caller.says(cancel(1), on=5)
        crossing.bank.grants(Unavailable())
    assert not crossing.caller.is_paused


def test_a_thousand_requests_that_waited_and_fail_do_not_nest(crossing):
    crossing.caller.says(STORE, "X", on=3)
    count = sys.getrecursionlimit() + 1
    for message_id in range(2, count):
        crossing.caller.says(request(F.C_STORE_RQ, message_id, dataset=False), on=3)
    crossing.bank.at_once = Unavailable
    crossing.bank.grants(Unavailable())
    assert lines(crossing, "caller 3:")[-1] == f"caller 3: C-STORE-RSP {count - 1} A700"


@pytest.mark.row(71)
def test_an_early_answer_of_a_full_upstream_does_not_leave_the_caller_stopped(crossing):
    crossing.caller.begins(STORE, "PIX", on=3)
    a = crossing.lends()
    a.says(reply(F.C_STORE_RQ, 1, 0xA700), on=3)
    a.fills()
    crossing.caller.ends("ELS")
    crossing.since()
    assert crossing.caller.is_paused
    crossing.clock.advance(MANNERS.linger)
    assert crossing.since() == ["caller resumed", "a released"]


# two pools on one association


TWO = (Route("ris", services=frozenset({"worklist"})), Route("archive"))


@pytest.fixture
def two():
    """A caller with an archive and a RIS; both have been asked for something."""
    crossing = established({3: CT_IMAGE_STORAGE, 5: WORKLIST, 7: FIND}, routes=TWO)
    crossing.caller.says(request(F.C_STORE_RQ, 1), "X", on=3)
    crossing.lends("a", {3: CT_IMAGE_STORAGE, 7: FIND}).says(reply(F.C_STORE_RQ), on=3)
    crossing.caller.says(request(F.C_FIND_RQ, 2, WORKLIST), "LIST", on=5)
    crossing.lends("r", {5: WORKLIST})
    crossing.since()
    return crossing


def test_each_context_is_served_by_its_own_pool(two):
    a, r = two.bank.lent
    r.says(reply(F.C_FIND_RQ, 2), on=5)
    two.caller.says(request(F.C_STORE_RQ, 3), "Y", on=3)
    assert two.since() == [
        "caller 5: C-FIND-RSP 2 0000",
        "r given back",
        "a 3: C-STORE-RQ 3 +",
        "a 3: Y",
    ]
    assert not a.is_over
    two.release()
    assert two.outcome.upstreams == ["a", "r"]


def test_messages_of_two_upstreams_to_the_caller_are_not_interleaved(two):
    a, r = two.bank.lent
    a.begins(request(F.C_FIND_RQ, 9, FIND), "QU", on=7)
    r.says(reply(F.C_FIND_RQ, 2, 0xFF00, dataset=True), "ITEM", on=5)
    assert two.since() == ["caller 7: C-FIND-RQ 9 +", "caller 7: QU~"]
    a.ends("ERY")
    assert two.since() == [
        "caller 7: ERY",
        "caller 5: C-FIND-RSP 2 FF00 +",
        "caller 5: ITEM",
    ]


def test_an_operation_ends_with_its_final_response_though_others_waited_with_it(two):
    a, r = two.bank.lent
    a.begins(request(F.C_FIND_RQ, 9, FIND), "QU", on=7)
    r.says(reply(F.C_FIND_RQ, 2, 0xFF00, dataset=True), "ITEM", on=5)
    r.says(reply(F.C_FIND_RQ, 2), on=5)
    two.since()
    a.ends("ERY")
    assert two.since() == [
        "caller 7: ERY",
        "caller 5: C-FIND-RSP 2 FF00 +",
        "caller 5: ITEM",
        "caller 5: C-FIND-RSP 2 0000",
        "r given back",
    ]
    two.abort()
    assert two.outcome.operations == {F.C_STORE_RQ: 1, F.C_FIND_RQ: 1}


def test_an_upstream_is_stopped_whose_messages_wait_for_anothers(two):
    a, r = two.bank.lent
    a.begins(request(F.C_FIND_RQ, 9, FIND), "QU", on=7)
    while not r.is_paused:
        r.says(reply(F.C_FIND_RQ, 2, 0xFF00, dataset=True), bytes(1000), on=5)
    assert len(two.caller.got) == 2
    a.ends("ERY")
    assert not r.is_paused
    assert 60 < len(two.caller.got) < 70


def test_an_upstream_is_not_blamed_for_waiting_for_anothers_message(two):
    a, r = two.bank.lent
    a.begins(request(F.C_FIND_RQ, 9, FIND), "QU", on=7)
    r.says(reply(F.C_FIND_RQ, 2, 0xFF00, dataset=True), "ITEM", on=5)
    two.since()
    two.clock.advance(MANNERS.response_timeout)
    assert two.since() == []
    a.ends("ERY")
    two.clock.advance(MANNERS.response_timeout)
    assert two.since()[-2:] == ["r aborted 0,0", "caller 5: C-FIND-RSP 2 A700"]


def test_what_a_lost_upstream_had_said_in_full_is_passed_on(two):
    a, r = two.bank.lent
    a.begins(request(F.C_FIND_RQ, 9, FIND), "QU", on=7)
    r.says(reply(F.C_FIND_RQ, 2, 0xFF00, dataset=True), "ITEM", on=5)
    r.falls()
    two.since()
    a.ends("ERY")
    assert two.since() == [
        "caller 7: ERY",
        "caller 5: C-FIND-RSP 2 FF00 +",
        "caller 5: ITEM",
        "caller 5: C-FIND-RSP 2 A700",
    ]


def test_the_last_response_of_a_lost_upstream_is_what_the_caller_is_told(two):
    a, r = two.bank.lent
    a.begins(request(F.C_FIND_RQ, 9, FIND), "QU", on=7)
    r.says(reply(F.C_FIND_RQ, 2), on=5)
    r.falls()
    two.since()
    a.ends("ERY")
    assert two.since() == ["caller 7: ERY", "caller 5: C-FIND-RSP 2 0000"]


def test_what_a_lost_upstream_had_half_said_or_asked_for_is_forgotten(two):
    a, r = two.bank.lent
    a.begins(request(F.C_FIND_RQ, 9, FIND), "QU", on=7)
    r.says(request(F.C_ECHO_RQ, 5, dataset=False), on=5)
    r.begins(reply(F.C_FIND_RQ, 2, 0xFF00, dataset=True), "IT", on=5)
    r.falls()
    two.since()
    a.ends("ERY")
    assert two.since() == ["caller 7: ERY", "caller 5: C-FIND-RSP 2 A700"]


def test_a_response_of_another_upstream_than_the_one_at_work_is_an_abort_to_it():
    crossing = established({3: CT_IMAGE_STORAGE, 5: WORKLIST}, routes=TWO)
    crossing.caller.says(STORE, "X", on=3)
    a = crossing.lends("a", {3: CT_IMAGE_STORAGE})
    a.says(reply(F.C_STORE_RQ), on=3)
    crossing.caller.says(request(F.C_FIND_RQ, 2, WORKLIST), "LIST", on=5)
    r = crossing.lends("r", {3: WORKLIST})
    crossing.since()
    a.says(reply(F.C_FIND_RQ, 2), on=3)
    assert crossing.since() == ["a aborted 2,5"]
    r.says(reply(F.C_FIND_RQ, 2), on=3)
    assert crossing.since() == ["caller 5: C-FIND-RSP 2 0000", "r given back"]


def test_requests_of_two_upstreams_reach_the_caller_one_after_the_other(two):
    a, r = two.bank.lent
    a.says(request(F.C_FIND_RQ, 9, FIND), "QUERY", on=7)
    r.says(request(F.C_FIND_RQ, 9, WORKLIST), "LIST", on=5)
    assert two.since() == ["caller 7: C-FIND-RQ 9 +", "caller 7: QUERY"]
    two.caller.says(reply(F.C_FIND_RQ, 9), on=7)
    assert two.since() == [
        "a 7: C-FIND-RSP 9 0000",
        "caller 5: C-FIND-RQ 9 +",
        "caller 5: LIST",
    ]


def test_a_cancel_is_of_the_upstreams_own_request_and_of_no_other_with_that_id(two):
    a, r = two.bank.lent
    a.says(request(F.C_FIND_RQ, 9, FIND), "QUERY", on=7)
    two.since()
    r.says(cancel(9), on=5)
    assert two.since() == []


def test_a_lease_does_not_go_back_while_its_upstreams_request_waits_in_line(two):
    a, r = two.bank.lent
    a.says(request(F.C_FIND_RQ, 9, FIND), "QUERY", on=7)
    r.says(request(F.C_FIND_RQ, 9, WORKLIST), "LIST", on=5)
    r.says(reply(F.C_FIND_RQ, 2), on=5)
    two.clock.advance(MANNERS.linger)
    assert "r given back" not in two.since()
    two.release()
    assert two.since() == ["caller released", "a aborted 0,0", "r aborted 0,0"]


def test_a_lost_upstreams_request_in_line_is_forgotten_and_the_next_one_goes(two):
    a, r = two.bank.lent
    a.says(request(F.C_FIND_RQ, 9, FIND), "QUERY", on=7)
    r.says(request(F.C_FIND_RQ, 9, WORKLIST), "LIST", on=5)
    r.says(reply(F.C_FIND_RQ, 2), on=5)
    r.falls()
    two.since()
    two.caller.says(reply(F.C_FIND_RQ, 9), on=7)
    assert two.since() == ["a 7: C-FIND-RSP 9 0000"]


# the exchange itself


def test_an_exchange_is_idle_when_nothing_is_under_way(crossing):
    assert crossing.session.is_idle
    crossing.caller.says(ECHO)
    assert not crossing.session.is_idle
    crossing.lends().says(reply(F.C_ECHO_RQ))
    assert crossing.session.is_idle


def test_half_a_command_is_not_idle():
    assert not at("inside the command").session.is_idle


def test_no_byte_of_a_peer_shows_in_the_reason_of_an_abort(crossing):
    crossing.caller.says(encode({0x0100: 1, 0x0800: NO_DATASET, 0x1000: "DOE^JANE"}), on=3)
    assert "DOE" not in crossing.outcome.why


def test_leases_are_asked_for_the_callers_title_and_with_the_narrowed_offer(crossing):
    crossing.caller.says(STORE, "X", on=3)
    ((wanted, _),) = crossing.bank.wanted
    assert wanted.asked.titles.calling == b"MODALITY        "
    assert wanted.context == Context(CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN)
    offered = {each.id: each.transfer_syntaxes for each in wanted.asked.offer.contexts}
    assert offered == dict.fromkeys(SOP_CLASSES, (IMPLICIT_LITTLE_ENDIAN,))


@given(st.binary(max_size=80), st.integers(0, 255))
def test_no_command_set_makes_the_relay_say_success(command_set, control):
    crossing = established()
    crossing.caller.feeds(p_data(pdv(3, control, command_set)))
    assert not [each for each in crossing.since() if each.endswith("0000")]


def test_nobody_is_waited_for_on_account_of_a_request_that_was_in_line_at_the_end():
    routes = (Route("archive", services=frozenset({"query-retrieve"})), Route("commitment"))
    crossing = established(routes=routes)
    crossing.caller.says(request(F.N_ACTION_RQ, 1, COMMITMENT), "INSTANCES", on=11)
    crossing.lends("c").says(reply(F.N_ACTION_RQ), on=11)
    crossing.caller.says(QUERY, "NAME", on=5)
    crossing.lends("a").begins(MATCH, "ONE", on=5)
    crossing.bank.lent[0].says(request(F.N_EVENT_REPORT_RQ, 9, COMMITMENT, dataset=False), on=11)
    crossing.release()
    assert crossing.clock.getDelayedCalls() == []

"""Failing: what a requestor is told when no upstream performs; never success."""

from __future__ import annotations

import pytest

from relay.policy.failing import (
    UNPERFORMED,
    context_refused_status,
    failure_status,
    too_large_status,
)
from relay.policy.leasing import HOLDS
from relay.wire.command import CommandField as F

UNSENT = {
    F.C_ECHO_RQ: None,
    F.C_STORE_RQ: 0xA700,
    F.C_FIND_RQ: 0xA700,
    F.C_GET_RQ: 0xA702,
    F.C_MOVE_RQ: 0xA702,
    F.N_EVENT_REPORT_RQ: 0x0110,
    F.N_GET_RQ: 0x0213,
    F.N_SET_RQ: 0x0213,
    F.N_ACTION_RQ: 0x0213,
    F.N_CREATE_RQ: 0x0213,
    F.N_DELETE_RQ: 0x0213,
}

SENT = {field: status if field.name.startswith("C_") else None for field, status in UNSENT.items()}
"""Whether an upstream has performed an N- operation by halves, nobody can say: an abort."""


@pytest.mark.parametrize(("field", "status"), UNSENT.items())
def test_the_answer_to_what_no_upstream_was_asked(field, status):
    assert failure_status(field, sent=False) == status


@pytest.mark.parametrize(("field", "status"), SENT.items())
def test_the_answer_to_what_an_upstream_was_asked_before_it_went(field, status):
    assert failure_status(field, sent=True) == status


@pytest.mark.parametrize("field", UNSENT)
@pytest.mark.parametrize("sent", [False, True])
def test_a_requestor_that_takes_any_status_for_final_is_told_none(field, sent):
    assert failure_status(field, sent, aborts=True) is None


def test_every_operation_is_accounted_for():
    assert set(UNSENT) == set(HOLDS)


def test_a_failure_is_never_success_and_never_pending():
    assert not {0x0000, 0xFF00, 0xFF01} & set(UNPERFORMED.values())


def test_what_is_no_operation_has_no_status():
    assert failure_status(0x0FFF, sent=False) is None


def test_a_context_that_is_refused_is_a_class_not_supported_but_for_a_report():
    assert context_refused_status(F.C_STORE_RQ) == 0x0122
    assert context_refused_status(F.N_EVENT_REPORT_RQ) == 0x0110


@pytest.mark.row(37)
@pytest.mark.parametrize(("field", "status"), UNSENT.items())
def test_what_is_too_large_is_a_failure_whatever_the_operation(field, status):
    assert too_large_status(field) == (0x0213 if status is None else status)

"""Refusing: what the relay answers itself, and that it is never success."""

from __future__ import annotations

import pytest

from relay.policy.leasing import HOLDS
from relay.policy.refusing import refusal
from relay.wire.command import CommandField as F
from relay.wire.command import decode
from tests.doubles import request
from tests.vectors import CT_IMAGE_STORAGE, VERIFICATION


def command(field, sop_class=CT_IMAGE_STORAGE):
    return decode(request(field, 1, sop_class))


@pytest.mark.parametrize("field", HOLDS)
def test_a_request_of_its_contexts_own_class_goes_on(field):
    assert refusal(command(field), CT_IMAGE_STORAGE, is_in_flight=False) is None


@pytest.mark.row(40)
@pytest.mark.parametrize("field", [0x0002, 0x0777, 0x7FFF])
@pytest.mark.parametrize("is_in_flight", [False, True])
def test_an_operation_that_nobody_knows(field, is_in_flight):
    assert refusal(command(field), CT_IMAGE_STORAGE, is_in_flight) == 0x0211


@pytest.mark.row(42)
@pytest.mark.parametrize("field", HOLDS)
def test_a_message_id_that_is_in_flight(field):
    assert refusal(command(field, VERIFICATION), CT_IMAGE_STORAGE, is_in_flight=True) == 0x0210


@pytest.mark.row(41)
@pytest.mark.parametrize("field", HOLDS)
def test_another_class_than_the_contexts_is_refused_for_c_store_alone(field):
    status = refusal(command(field, VERIFICATION), CT_IMAGE_STORAGE, is_in_flight=False)
    assert status == (0x0122 if field is F.C_STORE_RQ else None)

"""Leasing: how long a lease lasts, by operation (docs/architecture.md)."""

from __future__ import annotations

import pytest

from relay.policy.leasing import HOLDS, OPEN_ENDED, WANTS_ALL_CONTEXTS, Hold
from relay.wire.command import CommandField as F

REQUESTS = {each for each in F if each < 0x8000 and each is not F.C_CANCEL_RQ}


def test_every_request_has_its_hold_and_nothing_else_has():
    assert set(HOLDS) == REQUESTS


@pytest.mark.parametrize("field", [F.C_ECHO_RQ, F.C_FIND_RQ, F.C_GET_RQ, F.C_MOVE_RQ])
def test_a_lease_for_these_ends_with_the_operation(field):
    assert HOLDS[field] is Hold.OPERATION


def test_a_lease_for_c_store_waits_for_the_next_one():
    assert HOLDS[F.C_STORE_RQ] is Hold.LINGER


@pytest.mark.parametrize("field", sorted(each for each in REQUESTS if each.name.startswith("N_")))
def test_a_lease_for_any_dimse_n_lasts_as_long_as_the_callers_association(field):
    assert HOLDS[field] is Hold.ASSOCIATION


def test_only_c_get_wants_exactly_its_own_contexts():
    assert set(WANTS_ALL_CONTEXTS) == {F.C_GET_RQ}


def test_retrievals_alone_may_take_as_long_as_they_like():
    assert set(OPEN_ENDED) == {F.C_GET_RQ, F.C_MOVE_RQ}

"""Affinity: operations with equal keys keep to one upstream; None keeps to nothing."""

from __future__ import annotations

import pytest

from relay.policy.affinity import AFFINITIES, by_association, by_operation
from relay.policy.leasing import HOLDS
from relay.wire.command import CommandSet

OPERATIONS = [
    CommandSet(field, number, None, False, None, "1.2.3", None)
    for number, field in enumerate(HOLDS, 1)
]


def test_the_names_are_those_of_the_documentation():
    assert sorted(AFFINITIES) == ["association", "operation"]
    assert AFFINITIES["association"] is by_association
    assert AFFINITIES["operation"] is by_operation


def test_by_association_all_operations_have_one_key():
    (key,) = {by_association(each) for each in OPERATIONS}
    assert key is not None


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda each: hex(each.field))
def test_by_operation_none_has_a_key(operation):
    assert AFFINITIES["operation"](operation) is None

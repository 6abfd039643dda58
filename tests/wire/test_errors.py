"""The answers to what goes wrong have the numbers of the standard."""

from __future__ import annotations

import pytest

from relay.wire.errors import (
    AbortReason,
    AbortSource,
    ACSERejectReason,
    PresentationRejectReason,
    ProtocolError,
    RejectResult,
    RejectSource,
    UserRejectReason,
)


@pytest.mark.parametrize(
    ("kind", "numbers"),
    [
        (AbortSource, [0, 2]),
        (AbortReason, [0, 1, 2, 4, 5, 6]),
        (RejectResult, [1, 2]),
        (RejectSource, [1, 2, 3]),
        (UserRejectReason, [1, 2, 3, 7]),
        (ACSERejectReason, [1, 2]),
        (PresentationRejectReason, [1, 2]),
    ],
)
def test_the_numbers_are_those_of_the_standard(kind, numbers):
    assert [int(member) for member in kind] == numbers


def test_the_reasons_of_an_abort_are_in_the_order_of_their_numbers():
    assert [member.name for member in AbortReason] == [
        "NOT_SPECIFIED",
        "UNRECOGNIZED_PDU",
        "UNEXPECTED_PDU",
        "UNRECOGNIZED_PARAMETER",
        "UNEXPECTED_PARAMETER",
        "INVALID_PARAMETER",
    ]


def test_an_error_carries_the_answer_that_it_deserves():
    error = ProtocolError("a PDU")
    assert (str(error), error.source, error.reason) == ("a PDU", 2, 6)
    error = ProtocolError("a PDU", AbortReason.UNEXPECTED_PDU, AbortSource.SERVICE_USER)
    assert (error.source, error.reason) == (0, 2)

"""Admission: what is refused before routing, and in which order (bad-inputs 21 to 23, 30, 32)."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.admission import (
    CALLED_NOT_RECOGNIZED,
    CALLING_NOT_RECOGNIZED,
    CONTEXT_NOT_SUPPORTED,
    TOO_MANY,
    UNAVAILABLE,
    UNFIT,
    VERSION_REJECTED,
    judge,
)
from relay.wire.negotiation import LONGEST_USER_INFORMATION
from relay.wire.pdu import AssociateRJ, ae_field
from relay.wire.user_information import UserIdentityRQ, UserInformation
from tests.doubles import associate

GOOD = associate()


def changed(**fields):
    return attrs.evolve(GOOD, **fields)


def announcing(maximum):
    return changed(user_information=UserInformation(maximum_length=maximum))


@pytest.mark.parametrize(
    ("rejection", "numbers"),
    [
        (VERSION_REJECTED, (1, 2, 2)),
        (CONTEXT_NOT_SUPPORTED, (1, 1, 2)),
        (CALLING_NOT_RECOGNIZED, (1, 1, 3)),
        (CALLED_NOT_RECOGNIZED, (1, 1, 7)),
        (UNFIT, (1, 2, 1)),
        (TOO_MANY, (2, 3, 2)),
        (UNAVAILABLE, (2, 3, 1)),
    ],
)
def test_rejections_have_the_numbers_of_the_standard(rejection, numbers):
    assert rejection == AssociateRJ(*numbers)


def test_a_request_with_nothing_wrong_is_let_in():
    assert judge(GOOD, None) is None


@pytest.mark.parametrize("version", [0, 2, 0xFFFE])
def test_a_version_without_bit_0_is_refused(version):
    assert judge(changed(protocol_version=version), None) is VERSION_REJECTED


@pytest.mark.parametrize("version", [1, 3, 0xFFFF])
def test_other_version_bits_beside_bit_0_do_not_matter(version):
    assert judge(changed(protocol_version=version), None) is None


@pytest.mark.parametrize("name", ["", "1.2.840.10008.3.1.1.2", "1.2.840.10008.3.1.1.1.1"])
def test_another_application_context_is_refused(name):
    assert judge(changed(application_context=name), None) is CONTEXT_NOT_SUPPORTED


BAD_TITLES = [b" " * 16, b"\0" * 16, b"A\0B".ljust(16), b"A\nB".ljust(16), b"\x7fA".ljust(16)]


@pytest.mark.parametrize("field", BAD_TITLES)
def test_a_called_title_that_is_blank_or_has_control_characters_is_refused(field):
    assert judge(changed(called_field=field), None) is CALLED_NOT_RECOGNIZED


@pytest.mark.parametrize("field", BAD_TITLES)
def test_a_calling_title_that_is_blank_or_has_control_characters_is_refused(field):
    assert judge(changed(calling_field=field), None) is CALLING_NOT_RECOGNIZED


@pytest.mark.parametrize(
    "field", [b"DEVICE\0\0\0\0\0\0\0\0\0\0", b"  DEVICE\0       ", b"../x".ljust(16)]
)
def test_padding_that_devices_send_and_odd_but_legal_titles_are_let_in(field):
    assert judge(changed(calling_field=field, called_field=field), None) is None


@pytest.mark.parametrize("maximum", [1, 127])
def test_a_maximum_length_under_128_is_refused(maximum):
    assert judge(announcing(maximum), None) is UNFIT


@pytest.mark.parametrize("maximum", [None, 0, 128, 16384, 2**32 - 1])
def test_any_other_maximum_length_is_let_in_and_so_is_none(maximum):
    assert judge(announcing(maximum), None) is None


def test_where_there_is_no_room_a_caller_is_to_try_again():
    assert judge(GOOD, TOO_MANY) is TOO_MANY


def test_who_is_not_in_the_allow_list_is_told_so():
    assert judge(GOOD, CALLING_NOT_RECOGNIZED) is CALLING_NOT_RECOGNIZED
    assert judge(changed(protocol_version=0), CALLED_NOT_RECOGNIZED) is VERSION_REJECTED


def test_what_is_wrong_for_good_is_said_before_what_may_pass():
    both = changed(
        protocol_version=0,
        application_context="1.2.3",
        called_field=bytes(16),
        calling_field=bytes(16),
        user_information=UserInformation(maximum_length=1),
    )
    answers = []
    for right in (
        {"protocol_version": 1},
        {"application_context": GOOD.application_context},
        {"called_field": GOOD.called_field},
        {"calling_field": GOOD.calling_field},
        {"user_information": GOOD.user_information},
    ):
        answers.append(judge(both, TOO_MANY))
        both = attrs.evolve(both, **right)
    answers.append(judge(both, TOO_MANY))
    assert answers == [
        VERSION_REJECTED,
        CONTEXT_NOT_SUPPORTED,
        CALLED_NOT_RECOGNIZED,
        CALLING_NOT_RECOGNIZED,
        UNFIT,
        TOO_MANY,
    ]


@given(
    st.text(alphabet=st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=16)
)
def test_every_printable_title_is_let_in(title):
    assert judge(changed(called_field=ae_field(title)), None) is None


def test_user_information_too_long_to_be_passed_on_is_refused():
    """A peer's own class UID and version name are replaced, and ours may be longer."""
    identity = UserIdentityRQ(5, False, bytes(LONGEST_USER_INFORMATION - 10))
    fitting = UserInformation(user_identity=identity)
    assert fitting.length == LONGEST_USER_INFORMATION
    assert judge(changed(user_information=fitting), None) is None
    longer = UserInformation(user_identity=attrs.evolve(identity, secondary_field=b"1"))
    assert judge(changed(user_information=longer), None) == UNFIT

"""User information and its sub-items: by hand, round and round, and broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire.errors import ProtocolError
from relay.wire.user_information import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from tests import vectors
from tests.vectors import CT_IMAGE_STORAGE, STORAGE_SERVICE, octets
from tests.wire import strategies

SUB_ITEMS = [
    (
        RoleSelection(CT_IMAGE_STORAGE, scu=False, scp=True),
        octets("54 00 001D 0019 '1.2.840.10008.5.1.4.1.1.2' 00 01"),
    ),
    (AsynchronousOperationsWindow(1, 65535), octets("53 00 0004 0001 FFFF")),
    (
        SOPClassExtendedNegotiation(CT_IMAGE_STORAGE, b"\x01\x00\x02"),
        octets("56 00 001E 0019 '1.2.840.10008.5.1.4.1.1.2' 01 00 02"),
    ),
    (
        SOPClassCommonExtendedNegotiation(CT_IMAGE_STORAGE, STORAGE_SERVICE, ("1.2.3", "1.2.34")),
        octets(
            "57 00 003F 0019 '1.2.840.10008.5.1.4.1.1.2' 0011 '1.2.840.10008.4.2'"
            "000F 0005 '1.2.3' 0006 '1.2.34'"
        ),
    ),
    (
        SOPClassCommonExtendedNegotiation(CT_IMAGE_STORAGE, STORAGE_SERVICE),
        octets("57 00 0030 0019 '1.2.840.10008.5.1.4.1.1.2' 0011 '1.2.840.10008.4.2' 0000"),
    ),
    (
        UserIdentityRQ(2, True, b"someone", b"secret"),
        octets("58 00 0013 02 01 0007 'someone' 0006 'secret'"),
    ),
    (UserIdentityRQ(1, False, b"someone"), octets("58 00 000D 01 00 0007 'someone' 0000")),
    (UserIdentityAC(b"ticket"), octets("59 00 0008 0006 'ticket'")),
]

EVERYTHING = UserInformation(
    maximum_length=16384,
    implementation_class_uid="2.25.1",
    implementation_version_name="RELAY_01",
    asynchronous_operations_window=AsynchronousOperationsWindow(1, 1),
    roles=(RoleSelection(CT_IMAGE_STORAGE, scu=True, scp=False),),
    extended=(SOPClassExtendedNegotiation(CT_IMAGE_STORAGE, b"\x01"),),
    common_extended=(SOPClassCommonExtendedNegotiation(CT_IMAGE_STORAGE, STORAGE_SERVICE),),
    user_identity=UserIdentityRQ(1, False, b"someone"),
    user_identity_response=UserIdentityAC(b"ticket"),
)


def split(raw):
    """(type, body) of each sub-item."""
    while raw:
        stop = 4 + int.from_bytes(raw[2:4])
        yield raw[0], raw[4:stop]
        raw = raw[stop:]


@pytest.mark.parametrize(("value", "raw"), SUB_ITEMS)
def test_a_sub_item_is_read_and_written_as_the_standard_says(value, raw):
    assert value.encode() == raw
    assert type(value).decode(raw[4:]) == value


@pytest.mark.parametrize(("value", "raw"), SUB_ITEMS)
def test_a_sub_item_that_is_cut_off_is_refused_or_is_another(value, raw):
    for length in range(len(raw) - 4):
        try:
            found = type(value).decode(raw[4 : 4 + length])
        except ProtocolError:
            continue
        # Only information of no fixed length can be shorter and still be whole.
        assert isinstance(found, SOPClassExtendedNegotiation)
        assert value.information.startswith(found.information)


@pytest.mark.parametrize("value", [SUB_ITEMS[0][0], SUB_ITEMS[1][0]])
def test_a_sub_item_of_fixed_length_with_trailing_data_is_refused(value):
    with pytest.raises(ProtocolError, match="bytes where"):
        type(value).decode(value.encode()[4:] + b"\0")


@pytest.mark.parametrize("value", [SUB_ITEMS[3][0], SUB_ITEMS[5][0], SUB_ITEMS[7][0]])
def test_what_stands_behind_the_last_counted_field_is_skipped(value):
    assert type(value).decode(value.encode()[4:] + b"reserved") == value


def test_a_related_class_longer_than_its_list_is_refused():
    with pytest.raises(ProtocolError, match="a related general SOP class UID is longer"):
        SOPClassCommonExtendedNegotiation.decode(octets("0000 0000 0004 0003 '1.' 0000"))


def test_a_role_other_than_0_or_1_is_not_taken():
    assert RoleSelection.decode(octets("0003 '1.2' 02 FF")) == RoleSelection("1.2", False, False)


@given(
    st.one_of(
        strategies.role_selections(),
        strategies.windows,
        strategies.extended(),
        strategies.common_extended(),
        strategies.identities(),
        strategies.identity_answers,
    )
)
def test_a_sub_item_survives_encoding(value):
    raw = value.encode()
    assert raw[0] == value.kind
    assert type(value).decode(raw[4:]) == value


@given(strategies.user_information())
def test_user_information_survives_encoding(information):
    raw = information.encode()
    assert raw[:4] == vectors.item(0x50, raw[4:])[:4]
    assert UserInformation.decode(raw[4:]) == information
    assert information.length == len(raw) - 4


def test_user_information_without_anything_is_accepted():
    assert UserInformation.decode(b"") == UserInformation()
    assert UserInformation().encode() == octets("50 00 0000")


def test_the_sub_items_are_written_in_ascending_order():
    assert [kind for kind, _ in split(EVERYTHING.encode()[4:])] == list(range(0x51, 0x5A))


def test_sub_items_are_read_in_any_order_and_unknown_ones_skipped():
    raw = EVERYTHING.encode()[4:]
    ordered = [vectors.item(kind, body) for kind, body in split(raw)]
    unknown = octets("7F 00 0003 010203")
    assert UserInformation.decode(unknown + unknown.join(reversed(ordered))) == EVERYTHING


def test_of_a_sub_item_that_should_stand_once_the_last_counts():
    raw = octets("51 00 0004 00000001  51 00 0004 00000002")
    assert UserInformation.decode(raw).maximum_length == 2


@pytest.mark.parametrize("body", [b"", b"\0\0\1", b"\0\0\0\1\0"])
def test_a_maximum_length_that_is_not_four_bytes_is_refused(body):
    with pytest.raises(ProtocolError, match="maximum length"):
        UserInformation.decode(vectors.item(0x51, body))


def test_a_malformed_sub_item_spoils_the_whole():
    with pytest.raises(ProtocolError, match="asynchronous operations window"):
        UserInformation.decode(octets("51 00 0004 00004000  53 00 0003 000100"))


def test_the_lengths_of_16000_sub_items_are_bounded_by_the_bytes_present():
    flood = octets("54 00 FFFF") * 16_000
    with pytest.raises(ProtocolError, match="longer than its parent"):
        UserInformation.decode(flood[:65_535])


@given(st.sampled_from([each[0] for each in SUB_ITEMS]), st.binary(max_size=60))
def test_a_sub_item_of_any_bytes_is_read_or_refused_with_a_protocol_error(like, raw):
    try:
        value = type(like).decode(raw)
    except ProtocolError:
        return
    assert type(value).decode(value.encode()[4:]) == value


@given(st.lists(st.tuples(st.integers(0x50, 0x5A), st.binary(max_size=30)), max_size=6))
def test_user_information_of_any_bytes_is_read_or_refused_with_a_protocol_error(sub_items):
    raw = b"".join(vectors.item(kind, body) for kind, body in sub_items)
    try:
        information = UserInformation.decode(raw)
    except ProtocolError:
        return
    assert UserInformation.decode(information.encode()[4:]) == information


def test_who_identifies_himself_does_not_show():
    shown = repr(EVERYTHING) + str(UserIdentityRQ(2, True, b"someone", b"secret"))
    assert "UserIdentityRQ" in shown
    assert not any(word in shown for word in ("someone", "secret", "ticket"))


@pytest.mark.parametrize("kind", range(7))
def test_a_user_has_a_name_where_a_name_is_what_is_shown(kind):
    username = UserIdentityRQ(kind, False, b"ann", b"secret").username
    assert username == (b"ann" if kind in (1, 2) else None)


def test_a_broken_identity_is_refused_without_being_quoted():
    with pytest.raises(ProtocolError) as refused:
        UserIdentityRQ.decode(octets("02 01 0007 'someone' 0010 'secret'"))
    assert "someone" not in str(refused.value) and "secret" not in str(refused.value)

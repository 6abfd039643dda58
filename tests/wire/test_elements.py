"""Elements of a command set: what is replaced, and that all the rest stays as it came."""

from __future__ import annotations

import struct
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import tag_for_keyword
from pydicom.filereader import read_dataset

from relay.wire.command import CommandField, decode, encode
from relay.wire.elements import (
    GROUP_LENGTH,
    MESSAGE_ID,
    MESSAGE_ID_BEING_RESPONDED_TO,
    MOVE_DESTINATION,
    MOVE_ORIGINATOR,
    MOVE_ORIGINATOR_MESSAGE_ID,
    ae,
    group_length,
    replaced,
    text_of,
    value,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
STORE: dict[int, int | str | bytes] = {
    0x0002: CT,
    0x0100: CommandField.C_STORE_RQ,
    MESSAGE_ID: 7,
    0x0700: 0,
    0x0800: 0x0001,
    0x1000: "1.2.3",
    MOVE_ORIGINATOR: b"RELAY ",
    MOVE_ORIGINATOR_MESSAGE_ID: 300,
}
FAILED = struct.pack("<HHL", 0x0008, 0x0058, 4) + b"1.2\0"
"""What Orthanc puts into a command set."""


def element(number, raw, group=0, length=None):
    """The bytes of one element, whatever its length field is to say."""
    return struct.pack("<HHL", group, number, len(raw) if length is None else length) + raw


def by_pydicom(data):
    return read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)


numbers = st.integers(1, 0xFFFF)
raws = st.binary(max_size=6).map(lambda raw: raw + raw)
values = st.integers(0, 0xFFFF) | st.sampled_from([CT, "1.2"]) | raws
sets = st.dictionaries(numbers | st.sampled_from(sorted(STORE)), values, max_size=8)


@st.composite
def runs(draw):
    """Elements with or without a group length, in any order, some of them of other groups."""
    elements = draw(sets)
    parts = [encode({number: each})[12:] for number, each in elements.items()]
    if draw(st.booleans()):
        parts.append(group_length(len(b"".join(parts))))
    others = st.builds(element, numbers | st.just(GROUP_LENGTH), raws, st.integers(1, 0xFFFF))
    parts += draw(st.lists(others, max_size=2))
    return elements, b"".join(draw(st.permutations(parts)))


def written(each):
    """The bytes that stand for a value."""
    return encode({1: each})[20:]


@given(runs(), st.data())
def test_what_is_replaced_has_its_new_value_and_all_else_its_own(run, data):
    elements, before = run
    new = data.draw(st.dictionaries(st.sampled_from([*elements, 1, 0xFFFF]), values))
    after = replaced(before, new)
    for number, each in elements.items():
        assert value(after, number) == written(new.get(number, each))
    for number in new.keys() - elements.keys():
        assert value(after, number) is None


@given(runs())
def test_the_same_values_change_nothing(run):
    elements, data = run
    assert replaced(data, elements) == data
    assert replaced(data, {}) == data


@given(runs(), sets)
def test_replacing_and_putting_back_changes_nothing(run, new):
    elements, data = run
    assert replaced(replaced(data, new), elements) == data


@given(runs(), sets)
def test_the_group_length_counts_what_there_is_of_group_0000(run, new):
    elements, data = run
    after = replaced(data, new)
    had, has = value(data, GROUP_LENGTH), value(after, GROUP_LENGTH)
    size = sum(8 + len(value(after, number) or b"") for number in elements)
    assert has == (None if had is None else struct.pack("<L", size))


@given(st.integers(0, 0xFFFF), st.text("ABC_", min_size=1, max_size=16), st.integers(0, 0xFFFF))
def test_pydicom_reads_the_new_values(message_id, title, originator_id):
    new: dict[int, int | str | bytes] = {
        MESSAGE_ID: message_id,
        MOVE_ORIGINATOR: ae(title),
        MOVE_ORIGINATOR_MESSAGE_ID: originator_id,
    }
    data = replaced(encode(STORE), new)
    assert data == encode(STORE | new)
    read = by_pydicom(data)
    assert decode(data).message_id == read.MessageID == message_id
    assert read.MoveOriginatorApplicationEntityTitle == title
    assert read.MoveOriginatorMessageID == originator_id
    assert read.CommandGroupLength == len(data) - 12


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_the_kind_of_buffer_makes_no_difference(kind):
    data = encode(STORE)
    assert value(kind(data), MESSAGE_ID) == b"\7\0"
    assert replaced(kind(data), {MESSAGE_ID: 8}) == encode(STORE | {MESSAGE_ID: 8})


def test_an_element_that_is_not_there_is_neither_found_nor_added():
    data = encode(STORE)
    assert value(data, MOVE_DESTINATION) is None
    assert replaced(data, {MOVE_DESTINATION: ae("ELSEWHERE")}) == data


def test_an_element_of_another_group_is_neither_read_nor_replaced():
    data = element(MESSAGE_ID, b"no", group=8) + encode(STORE) + FAILED
    assert value(data, MESSAGE_ID) == b"\7\0"
    assert value(data, 0x0058) is None
    new: dict[int, int | str | bytes] = {MESSAGE_ID: 8, 0x0058: b""}
    assert replaced(data, new) == (
        element(MESSAGE_ID, b"no", group=8) + encode(STORE | {MESSAGE_ID: 8}) + FAILED
    )


def test_of_a_repeated_element_the_first_is_read_and_each_replaced():
    data = element(MESSAGE_ID, b"\1\0") + element(MESSAGE_ID, b"\2\0")
    assert value(data, MESSAGE_ID) == b"\1\0"
    assert replaced(data, {MESSAGE_ID: 3}) == element(MESSAGE_ID, b"\3\0") * 2


@pytest.mark.parametrize("raw", [b"", b"\1\0", b"\xff\xff\xff\xff"])
def test_a_group_length_that_was_wrong_is_right_afterwards(raw):
    data = encode(STORE)
    assert replaced(element(GROUP_LENGTH, raw) + data[12:], {}) == data


def test_a_group_length_is_not_added():
    data = encode(STORE)[12:]
    assert replaced(data, {MESSAGE_ID: 8}) == encode(STORE | {MESSAGE_ID: 8})[12:]


def test_the_group_length_may_not_be_given():
    with pytest.raises(ValueError, match="computed"):
        replaced(encode(STORE), {GROUP_LENGTH: 4})


@pytest.mark.parametrize("number", [-1, 0x10000])
def test_a_number_beyond_16_bits_is_refused(number):
    with pytest.raises(struct.error):
        replaced(encode(STORE), {MESSAGE_ID: number})


@pytest.mark.parametrize("rest", [b"\0", element(MESSAGE_ID, b"\1\0", length=3), bytes(7)])
def test_behind_an_element_that_is_not_whole_nothing_is_read_or_changed(rest):
    data = encode(STORE)
    assert value(data + rest, 0x0120) is None
    assert replaced(data + rest, {MESSAGE_ID: 8}) == encode(STORE | {MESSAGE_ID: 8}) + rest
    assert replaced(rest, {MESSAGE_ID: 8}) == rest
    assert value(rest, MESSAGE_ID) is None


@given(st.binary(max_size=60), sets)
def test_nothing_that_comes_is_refused(data, new):
    replaced(data, new)
    value(data, MESSAGE_ID)


@pytest.mark.parametrize(
    ("title", "raw"), [("EVEN", b"EVEN"), ("ODD", b"ODD "), ("", b""), ("\xc4", b"\xc4 ")]
)
def test_an_ae_title_is_padded_with_a_space_to_even_length(title, raw):
    assert ae(title) == raw
    assert text_of(raw) == title


@pytest.mark.parametrize("raw", [b"A B", b" A B ", b"A B\0", b"\0 A B \0\0", b"A B".ljust(16)])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_text_is_without_spaces_and_nuls_around_it(kind, raw):
    assert text_of(kind(raw)) == "A B"


@pytest.mark.parametrize(
    ("number", "keyword"),
    [
        (GROUP_LENGTH, "CommandGroupLength"),
        (MESSAGE_ID, "MessageID"),
        (MESSAGE_ID_BEING_RESPONDED_TO, "MessageIDBeingRespondedTo"),
        (MOVE_DESTINATION, "MoveDestination"),
        (MOVE_ORIGINATOR, "MoveOriginatorApplicationEntityTitle"),
        (MOVE_ORIGINATOR_MESSAGE_ID, "MoveOriginatorMessageID"),
    ],
)
def test_the_elements_are_those_of_the_standard(number, keyword):
    assert number == tag_for_keyword(keyword)

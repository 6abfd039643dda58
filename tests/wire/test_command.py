"""Command sets: what is read, what is refused, what is answered; pydicom and pynetdicom agree."""

from __future__ import annotations

import struct
import traceback
import tracemalloc
from io import BytesIO

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_description, dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pynetdicom import dimse_messages, dimse_primitives
from pynetdicom.pdu_primitives import P_DATA
from pynetdicom.status import code_to_category

from relay.wire.command import (
    COMMAND_SET_MAXIMUM,
    CommandField,
    CommandSet,
    MalformedCommand,
    Status,
    decode,
    encode,
    response,
)

CT = "1.2.840.10008.5.1.4.1.1.2"
INSTANCE = "1.2.826.0.1.3680043.8.498.1"

Elements = dict[int, int | str | bytes]

STORE_RQ: Elements = {
    0x0002: CT,
    0x0100: 0x0001,
    0x0110: 7,
    0x0700: 0,
    0x0800: 0x0001,
    0x1000: INSTANCE,
}
STORE_RSP: Elements = {
    0x0002: CT,
    0x0100: 0x8001,
    0x0120: 7,
    0x0800: 0x0101,
    0x0900: 0,
    0x1000: INSTANCE,
}
ACTION_RQ: Elements = {
    0x0003: "1.2.840.10008.1.20.1",
    0x0100: 0x0130,
    0x0110: 65535,
    0x0800: 0x0102,
    0x1001: "1.2.840.10008.1.20.1.1",
    0x1008: 1,
}
CANCEL_RQ: Elements = {0x0100: 0x0FFF, 0x0120: 9, 0x0800: 0x0101}
ALL = [STORE_RQ, STORE_RSP, ACTION_RQ, CANCEL_RQ]


def element(number, value, group=0, length=None):
    """The bytes of one element, whatever its length field is to say."""
    return struct.pack("<HHL", group, number, len(value) if length is None else length) + value


def us(number, value):
    return element(number, struct.pack("<H", value))


def without(elements, *numbers):
    return {number: value for number, value in elements.items() if number not in numbers}


def refusal(data):
    """What `decode` has against these bytes."""
    with pytest.raises(MalformedCommand) as caught:
        decode(data)
    return caught.value


def by_pydicom(data):
    return read_dataset(BytesIO(data), is_implicit_VR=True, is_little_endian=True)


def from_pydicom(dataset):
    stream = DicomBytesIO()
    stream.is_implicit_VR = stream.is_little_endian = True
    write_dataset(stream, dataset)
    return stream.getvalue()


def seen_by_pydicom(dataset):
    """The record that agrees with what pydicom reads."""
    return CommandSet(
        dataset.CommandField,
        dataset.get("MessageID"),
        dataset.get("MessageIDBeingRespondedTo"),
        dataset.CommandDataSetType != 0x0101,
        dataset.get("Status"),
        dataset.get("AffectedSOPClassUID"),
        dataset.get("RequestedSOPClassUID"),
    )


# Generated command sets


numbers = st.integers(0, 0xFFFF)
uids = st.lists(st.integers(0, 2**40), min_size=1, max_size=4).map(
    lambda arcs: ".".join(["1.2", *map(str, arcs)])
)
fields = st.sampled_from(CommandField).map(int) | numbers
VALUES = {
    "US": numbers,
    "UL": st.integers(0, 2**32 - 1),
    "UI": uids,
    "AE": st.from_regex(r"[A-Z0-9_]{1,16}", fullmatch=True),
    "LO": st.from_regex(r"[A-Za-z0-9 ]{0,63}[a-z]", fullmatch=True),
    "AT": st.lists(st.integers(0, 2**32 - 1), min_size=2, max_size=4),
}
OPTIONAL = [
    "CommandGroupLength",
    "AffectedSOPClassUID",
    "RequestedSOPClassUID",
    "MessageID",
    "MessageIDBeingRespondedTo",
    "MoveDestination",
    "Priority",
    "Status",
    "OffendingElement",
    "ErrorComment",
    "ErrorID",
    "AffectedSOPInstanceUID",
    "RequestedSOPInstanceUID",
    "EventTypeID",
    "AttributeIdentifierList",
    "ActionTypeID",
    "NumberOfRemainingSuboperations",
    "NumberOfFailedSuboperations",
    "MoveOriginatorApplicationEntityTitle",
    "MoveOriginatorMessageID",
]


def needed(field):
    if field & 0x8000:
        return ["MessageIDBeingRespondedTo", "Status"]
    return ["MessageIDBeingRespondedTo" if field == CommandField.C_CANCEL_RQ else "MessageID"]


@st.composite
def datasets(draw):
    """A pydicom dataset that is a lawful command set, with whatever else a command may hold."""
    dataset = Dataset()
    dataset.CommandField = draw(fields)
    dataset.CommandDataSetType = draw(st.just(0x0101) | numbers)
    others = draw(st.sets(st.sampled_from(OPTIONAL)))
    for keyword in sorted({*others, *needed(dataset.CommandField)}):
        setattr(dataset, keyword, draw(VALUES[dictionary_VR(tag_for_keyword(keyword) or 0)]))
    return dataset


@st.composite
def near_misses(draw):
    """A command set with some elements added, in any order, some bytes changed, and perhaps cut."""
    lawful = draw(st.sampled_from(ALL))
    run = [encode({number: value})[12:] for number, value in lawful.items()]
    strange = st.sampled_from([*STORE_RSP, *ACTION_RQ, 0x0000]) | numbers
    for number in draw(st.lists(strange, max_size=3)):
        run.append(element(number, draw(st.binary(min_size=2, max_size=2) | st.binary(max_size=6))))
    data = bytearray(b"".join(draw(st.permutations(run))))
    for at in draw(st.lists(st.integers(0, len(data) - 1), max_size=2)):
        data[at] = draw(st.integers(0, 255))
    return bytes(data[: draw(st.just(len(data)) | st.integers(0, len(data)))])


# Agreement with pydicom and pynetdicom


@given(datasets())
def test_decode_agrees_with_pydicom(dataset):
    assert decode(from_pydicom(dataset)) == seen_by_pydicom(dataset)


@given(datasets())
def test_pydicom_reads_from_encode_what_went_in(dataset):
    elements = {}
    for item in dataset.group_dataset(0):
        if item.tag.element == 0:
            continue
        if item.VR == "AT":
            value = b"".join(struct.pack("<HH", tag.group, tag.element) for tag in item.value)
        elif item.VR in ("AE", "LO"):
            value = item.value.encode() + b" " * (len(item.value) % 2)
        else:
            value = item.value
        elements[item.tag.element] = value
    data = encode(elements)
    read = by_pydicom(data)
    dataset.CommandGroupLength = len(data) - 12
    assert read == dataset
    assert decode(data) == seen_by_pydicom(dataset)


MESSAGES = {kind.__name__: kind for kind in dimse_messages.DIMSEMessage.__subclasses__()}
PARAMETERS = {
    "AffectedSOPClassUID": CT,
    "RequestedSOPClassUID": "1.2.840.10008.1.20.1",
    "MessageID": 258,
    "MessageIDBeingRespondedTo": 513,
    "Priority": 2,
    "Status": 0xFF01,
    "AffectedSOPInstanceUID": INSTANCE,
    "RequestedSOPInstanceUID": "1.2.840.10008.1.20.1.1",
    "MoveDestination": "ARCHIVE",
    "MoveOriginatorApplicationEntityTitle": "MODALITY",
    "MoveOriginatorMessageID": 3,
    "ErrorComment": "odd",
    "ErrorID": 4,
    "EventTypeID": 2,
    "ActionTypeID": 1,
    "OffendingElement": [0x00100010, 0x00100020],
    "AttributeIdentifierList": [0x00100010, 0x00100020],
    "NumberOfRemainingSuboperations": 1,
    "NumberOfCompletedSuboperations": 2,
    "NumberOfFailedSuboperations": 3,
    "NumberOfWarningSuboperations": 4,
}
DATASETS = [
    "ActionInformation",
    "ActionReply",
    "AttributeList",
    "DataSet",
    "EventInformation",
    "EventReply",
    "Identifier",
    "ModificationList",
]


def message_of_pynetdicom(name, with_dataset):
    primitive = getattr(dimse_primitives, name.rpartition("_R")[0])()
    message = MESSAGES[name]()
    for item in message.command_set:
        if item.keyword in PARAMETERS:
            setattr(primitive, item.keyword, PARAMETERS[item.keyword])
    if with_dataset:
        for keyword in DATASETS:
            if hasattr(primitive, keyword):
                setattr(primitive, keyword, BytesIO(b"\x10\0\x10\0\x02\0\0\0A "))
    message.primitive_to_message(primitive)
    return message


def sent_by_pynetdicom(message):
    """The bytes of the command set, without the message control header in front of them."""
    first = next(message.encode_msg(1, 0))
    return first.presentation_data_value_list[0][1][1:]


def test_the_messages_are_those_that_pynetdicom_knows():
    assert {member.name for member in CommandField} == set(MESSAGES)
    assert len(CommandField) == 23


@pytest.mark.parametrize("with_dataset", [False, True])
@pytest.mark.parametrize("name", sorted(MESSAGES))
def test_decode_agrees_with_pynetdicom(name, with_dataset):
    message = message_of_pynetdicom(name, with_dataset)
    command = decode(sent_by_pynetdicom(message))
    assert command == seen_by_pydicom(message.command_set)
    assert command.field == CommandField[name]


def test_some_messages_of_pynetdicom_carried_a_dataset_and_some_did_not():
    def has_dataset(name):
        return decode(sent_by_pynetdicom(message_of_pynetdicom(name, True))).has_dataset

    assert has_dataset("C_STORE_RQ")
    assert has_dataset("N_CREATE_RSP")
    assert not has_dataset("C_ECHO_RQ")


REQUESTS = sorted(name for name in MESSAGES if name.endswith("_RQ") and name != "C_CANCEL_RQ")


@pytest.mark.parametrize("name", REQUESTS)
def test_pynetdicom_takes_the_response_for_one_to_its_request(name):
    message = message_of_pynetdicom(name, with_dataset=True)
    answer = response(sent_by_pynetdicom(message), Status.PROCESSING_FAILURE, "Out of order")
    primitive = P_DATA()
    primitive.presentation_data_value_list.append((1, b"\x03" + answer))
    received = dimse_messages.DIMSEMessage()
    assert received.decode_msg(primitive)
    assert type(received).__name__ == name[:-1] + "SP"
    asked, answered = message.command_set, received.command_set
    kind = "Affected" if "AffectedSOPClassUID" in asked else "Requested"
    assert answered.AffectedSOPClassUID == asked[f"{kind}SOPClassUID"].value
    assert answered.get("AffectedSOPInstanceUID") == asked.get(f"{kind}SOPInstanceUID")
    assert answered.MessageIDBeingRespondedTo == asked.MessageID
    assert answered.Status == 0x0110
    assert answered.ErrorComment == "Out of order"


# What a command set says


def test_a_request_is_read():
    assert decode(encode(STORE_RQ)) == CommandSet(0x0001, 7, None, True, None, CT, None)


def test_a_response_is_read():
    assert decode(encode(STORE_RSP)) == CommandSet(0x8001, None, 7, False, 0x0000, CT, None)


def test_a_request_with_a_requested_sop_class_is_read():
    storage_commitment = "1.2.840.10008.1.20.1"
    command = decode(encode(ACTION_RQ))
    assert command == CommandSet(0x0130, 65535, None, True, None, None, storage_commitment)


def test_a_cancel_is_read_though_it_has_no_message_id():
    assert decode(encode(CANCEL_RQ)) == CommandSet(0x0FFF, None, 9, False, None, None, None)


@pytest.mark.parametrize("elements", ALL)
@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_the_kind_of_buffer_makes_no_difference(elements, kind):
    data = encode(elements)
    assert decode(kind(data)) == decode(data)


@pytest.mark.parametrize("kind", [bytearray, memoryview])
def test_a_malformed_set_is_refused_alike_in_any_buffer(kind):
    data = encode(STORE_RQ)[:-1]
    assert attrs.asdict(refusal(kind(data))) == attrs.asdict(refusal(data))
    assert response(kind(data), Status.MISTYPED_ARGUMENT) == response(data, 0x0212)


@pytest.mark.parametrize("value", [0x0000, 0x0001, 0x0100, 0x0102, 0xFEFE, 0xFFFF])
def test_any_dataset_type_but_0101_says_that_a_dataset_follows(value):
    assert decode(encode(STORE_RQ | {0x0800: value})).has_dataset


def test_dataset_type_0101_says_that_none_follows():
    assert not decode(encode(STORE_RQ | {0x0800: 0x0101})).has_dataset


@pytest.mark.parametrize("padding", [b"", b"\0", b" ", b"\0\0", b" \0 "])
def test_trailing_padding_of_a_sop_class_is_stripped(padding):
    raw = CT.encode() + padding
    assert decode(encode(STORE_RQ | {0x0002: raw})).affected_sop_class == CT
    assert decode(encode(STORE_RQ | {0x0003: raw})).requested_sop_class == CT


def test_a_sop_class_is_otherwise_left_as_it_came():
    raw = b" 1.2\0\xe9\n3 "
    assert decode(encode(STORE_RQ | {0x0002: raw})).affected_sop_class == " 1.2\0\xe9\n3"


def test_a_sop_class_of_two_bytes_is_not_taken_for_a_number():
    command = decode(encode(STORE_RQ | {0x0002: "12", 0x0003: "34"}))
    assert (command.affected_sop_class, command.requested_sop_class) == ("12", "34")


def test_the_affected_sop_class_goes_before_the_requested_one():
    assert decode(encode({0x0003: "1.3", **STORE_RQ})).sop_class == CT
    assert decode(encode(STORE_RQ | {0x0002: "", 0x0003: "1.3"})).sop_class == "1.3"
    assert decode(encode(without(STORE_RQ, 0x0002))).sop_class is None


@pytest.mark.parametrize("group_length", [b"", b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x01\0"])
def test_a_wrong_group_length_makes_no_difference(group_length):
    data = encode(STORE_RQ)
    assert decode(element(0x0000, group_length) + data[12:]) == decode(data)


def test_a_missing_group_length_makes_no_difference():
    data = encode(STORE_RQ)
    assert decode(data[12:]) == decode(data)


@given(st.permutations(sorted(STORE_RQ)))
def test_elements_are_read_in_any_order(order):
    data = b"".join(encode({number: STORE_RQ[number]})[12:] for number in order)
    assert decode(data) == decode(encode(STORE_RQ))


def test_unknown_elements_are_skipped_whatever_their_length():
    unknown = {0x0001: b"1", 0x0200: b"", 0x0701: b"12", 0x5110: b"text", 0xFFFF: b"12345"}
    assert decode(encode(STORE_RQ | unknown)) == decode(encode(STORE_RQ))


def test_elements_that_the_relay_does_not_read_may_be_empty():
    empty = {0x0700: b"", 0x1030: b"", 0x1031: b""}
    assert decode(encode(STORE_RQ | empty)) == decode(encode(STORE_RQ))


@pytest.mark.parametrize("field", CommandField)
def test_a_message_is_a_request_or_a_response_as_its_name_says(field):
    command = CommandSet(int(field), 1, 1, False, 0, None, None)
    assert command.is_request == field.name.endswith("_RQ")
    assert command.is_response == field.name.endswith("_RSP")
    assert command.is_cancel == (field.name == "C_CANCEL_RQ")


@pytest.mark.parametrize("field", [0x0000, 0x0002, 0x7FFF])
def test_an_unknown_command_field_without_the_high_bit_is_a_request(field):
    command = decode(encode(STORE_RQ | {0x0100: field}))
    assert (command.field, command.is_request, command.is_response) == (field, True, False)


@pytest.mark.parametrize("field", [0x8000, 0x8FFF, 0xFFFF])
def test_an_unknown_command_field_with_the_high_bit_is_a_response(field):
    command = decode(encode(STORE_RSP | {0x0100: field}))
    assert (command.field, command.is_request, command.is_response) == (field, False, True)
    assert not command.is_cancel


@pytest.mark.parametrize(
    ("status", "pending"),
    [(0xFF00, True), (0xFF01, True), (0xFF02, False), (0xFE00, False), (0x0000, False)],
)
def test_only_ff00_and_ff01_are_pending(status, pending):
    assert decode(encode(STORE_RSP | {0x0900: status})).pending is pending


@pytest.mark.parametrize(
    ("statuses", "failed"),
    [
        ((0x0110, 0x0122, 0x0210, 0x0213), True),
        ((0xA700, 0xA900, 0xAFFF, 0xC000, 0xCFFF), True),
        ((0x0000, 0x0001, 0x0107, 0x0116, 0xB000, 0xBFFF), False),
        ((0xFE00, 0xFF00, 0xFF01), False),
    ],
    ids=["general", "of a service", "success and warnings", "cancel and pending"],
)
def test_a_status_is_a_failure_or_not_as_annex_c_says(statuses, failed):
    assert {decode(encode(STORE_RSP | {0x0900: each})).failed for each in statuses} == {failed}


def test_a_request_has_not_failed():
    assert decode(encode(STORE_RQ)).failed is False


def test_a_request_is_not_pending():
    assert decode(encode(STORE_RQ)).pending is False


def test_a_command_set_cannot_be_changed():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        decode(encode(STORE_RQ)).message_id = 8  # type: ignore[misc]


# What is refused


@pytest.mark.parametrize(
    ("elements", "number", "name"),
    [
        (STORE_RQ, 0x0100, "(0000,0100) Command Field"),
        (STORE_RQ, 0x0110, "(0000,0110) Message ID"),
        (STORE_RQ, 0x0800, "(0000,0800) Command Data Set Type"),
        (STORE_RSP, 0x0100, "(0000,0100) Command Field"),
        (STORE_RSP, 0x0120, "(0000,0120) Message ID Being Responded To"),
        (STORE_RSP, 0x0800, "(0000,0800) Command Data Set Type"),
        (STORE_RSP, 0x0900, "(0000,0900) Status"),
        (CANCEL_RQ, 0x0100, "(0000,0100) Command Field"),
        (CANCEL_RQ, 0x0120, "(0000,0120) Message ID Being Responded To"),
        (CANCEL_RQ, 0x0800, "(0000,0800) Command Data Set Type"),
    ],
)
class TestAnElementThatTheMessageNeeds:
    def test_may_not_be_missing(self, elements, number, name):
        error = refusal(encode(without(elements, number)))
        assert (error.element, error.reason) == (name, "is missing")
        assert error.field == (None if number == 0x0100 else elements[0x0100])
        assert error.message_id == (None if number == 0x0110 else elements.get(0x0110))

    @pytest.mark.parametrize("value", [b"", b"\1", b"\1\0\0", b"\1\0\0\0"])
    def test_may_not_have_another_length_than_two(self, elements, number, name, value):
        error = refusal(encode(elements | {number: value}))
        assert (error.element, error.reason) == (name, "is not two bytes long")
        assert error.field == (None if number == 0x0100 else elements[0x0100])
        assert error.message_id == (None if number == 0x0110 else elements.get(0x0110))

    def test_may_not_be_repeated(self, elements, number, name):
        data = encode(elements)
        error = refusal(data + us(number, elements[number]))
        assert (error.element, error.reason) == (name, "is repeated")
        assert error.field == elements[0x0100]
        assert error.message_id == elements.get(0x0110)


def test_nothing_at_all_is_no_command_set():
    assert str(refusal(b"")) == "malformed command set: (0000,0100) Command Field is missing"


@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0x0000, "(0000,0000) Command Group Length"),
        (0x0002, "(0000,0002) Affected SOP Class UID"),
        (0x1000, "(0000,1000) Affected SOP Instance UID"),
        (0x5110, "another element"),
    ],
)
def test_elements_that_the_relay_does_not_need_may_not_be_repeated_either(number, name):
    twice = element(number, b"1.23") * 2
    error = refusal(encode(without(STORE_RQ, number))[12:] + twice)
    assert (error.element, error.reason) == (name, "is repeated")
    assert (error.field, error.message_id) == (0x0001, 7)


def test_an_empty_element_that_is_repeated_at_the_very_end_is_seen():
    error = refusal(encode(STORE_RQ) + element(0x5110, b"") * 2)
    assert error.reason == "is repeated"


@pytest.mark.parametrize("group", [0x0001, 0x0002, 0x0008, 0x0100, 0xFFFF])
@pytest.mark.parametrize("number", [0x0100, 0x0110, 0x0002])
def test_an_element_of_another_group_is_skipped(group, number):
    """Orthanc says in a C-GET response's command set, as (0008,0058), which instances failed."""
    data = encode(STORE_RQ)
    assert decode(data + element(number, b"99", group)) == decode(data)
    assert decode(element(number, b"99", group) + data) == decode(data)


@pytest.mark.parametrize("length", [5, 0xFFFFFFFF])
def test_an_element_of_another_group_beyond_the_end_is_refused(length):
    error = refusal(encode(STORE_RQ) + element(0x0058, b"\0" * 4, 8, length))
    assert (error.element, error.reason) == ("another element", "reaches beyond the end")
    assert (error.field, error.message_id) == (0x0001, 7)


@pytest.mark.parametrize("length", [3, 4, 0x7FFFFFFF, 0xFFFFFFFF])
@pytest.mark.parametrize(
    ("number", "name"),
    [
        (0x0003, "(0000,0003) Requested SOP Class UID"),
        (0x0120, "(0000,0120) Message ID Being Responded To"),
        (0x1001, "(0000,1001) Requested SOP Instance UID"),
        (0x1005, "another element"),
    ],
)
def test_a_value_beyond_the_end_is_refused(number, name, length):
    error = refusal(encode(STORE_RQ) + element(number, b"12", length=length))
    assert (error.element, error.reason) == (name, "reaches beyond the end")
    assert (error.field, error.message_id) == (0x0001, 7)


@pytest.mark.parametrize(
    "number", sorted({0x0000, 0x0003, 0x0902, *ACTION_RQ, *STORE_RSP} - {0x1008})
)
def test_an_element_that_the_relay_knows_is_called_by_its_name_in_the_standard(number):
    error = refusal(element(number, b"", length=1))
    assert error.element == f"(0000,{number:04X}) {dictionary_description(number)}"


@pytest.mark.parametrize("length", [0, 1])
def test_a_number_whose_value_is_cut_off_is_refused(length):
    error = refusal(encode(STORE_RQ) + element(0x0120, b"1"[:length], length=2))
    assert error.element == "(0000,0120) Message ID Being Responded To"
    assert error.reason == "reaches beyond the end"


@pytest.mark.parametrize("length", range(1, 8))
def test_an_element_header_that_is_cut_off_is_refused(length):
    error = refusal(encode(STORE_RQ) + b"\0" * length)
    assert (error.element, error.reason) == ("an element header", "is cut off")
    assert (error.field, error.message_id) == (0x0001, 7)


@pytest.mark.parametrize("fault", [us(0x0110, 8), us(0x0100, 0x0020)])
def test_of_a_repeated_number_the_first_is_reported(fault):
    error = refusal(encode(STORE_RQ) + fault)
    assert (error.field, error.message_id) == (0x0001, 7)


def test_nothing_behind_a_fault_is_believed():
    error = refusal(us(0x0100, 0x0001) + element(0x1001, b"", length=99) + us(0x0110, 7))
    assert (error.field, error.message_id) == (0x0001, None)


@pytest.mark.parametrize("elements", ALL)
def test_a_command_set_cut_at_any_byte_is_refused_or_whole(elements):
    """Only a cut behind a whole element and all that the message needs leaves a command set."""
    data, whole = encode(elements), decode(encode(elements))
    last_needed = max({0x0100, 0x0110, 0x0120, 0x0800, 0x0900} & set(elements))
    sound = {
        len(encode({number: value for number, value in elements.items() if number <= last}))
        for last in elements
        if last >= last_needed
    }
    for cut in range(len(data)):
        if cut in sound:
            assert decode(data[:cut]) == whole
        else:
            refusal(data[:cut])


# Hostile bytes


def answer_or_none(data):
    try:
        return response(data, Status.MISTYPED_ARGUMENT)
    except MalformedCommand:
        return None


@given(near_misses() | st.binary(max_size=200))
def test_decode_raises_nothing_but_malformed_command(data):
    message: CommandSet | MalformedCommand
    try:
        message = decode(data)
    except MalformedCommand as error:
        message = error
    answer = answer_or_none(data)
    field, message_id = message.field, message.message_id
    if field is None or message_id is None or field >= 0x8000 or field == CommandField.C_CANCEL_RQ:
        assert answer is None
    else:
        said = decode(answer or b"")
        assert (said.field, said.responding_to) == (field | 0x8000, message_id)


@given(near_misses())
def test_whatever_decode_takes_pydicom_reads_alike(data):
    try:
        command = decode(data)
    except MalformedCommand:
        return
    read = by_pydicom(data)

    def number(element):
        return int.from_bytes(read.get_item(element).value, "little") if element in read else None

    def uid(element):
        if element not in read:
            return None
        return (read.get_item(element).value or b"").decode("latin-1").rstrip("\0 ")

    has_dataset = number(0x0800) != 0x0101
    numbers_read = number(0x0100), number(0x0110), number(0x0120), has_dataset, number(0x0900)
    assert command == CommandSet(*numbers_read, uid(0x0002), uid(0x0003))


def padded_to(size):
    data = encode(STORE_RQ)
    return data + element(0x5110, bytes(size - len(data) - 8))


def test_a_command_set_of_the_maximum_length_is_read():
    data = padded_to(COMMAND_SET_MAXIMUM)
    assert len(data) == 65536
    assert decode(data) == decode(encode(STORE_RQ))
    assert response(data, 0x0110) == response(encode(STORE_RQ), 0x0110)


def test_a_longer_command_set_is_refused_unread():
    data = padded_to(COMMAND_SET_MAXIMUM + 1)
    error = refusal(data)
    assert str(error) == "malformed command set: the command set is longer than 65536 bytes"
    assert (error.field, error.message_id) == (None, None)
    assert answer_or_none(data) is None


def test_as_many_elements_as_fit_are_read_in_the_worst_order():
    room = (COMMAND_SET_MAXIMUM - len(encode(STORE_RQ))) // 8
    run = b"".join(element(number, b"") for number in range(0x2000 + room, 0x2000, -1))
    assert decode(encode(STORE_RQ) + run) == decode(encode(STORE_RQ))


def test_nothing_is_allocated_on_a_declared_length():
    data = encode(STORE_RQ) + element(0x0002, b"", length=0xFFFFFFFF)
    tracemalloc.start()
    try:
        refusal(data)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 1024 * 1024


# What may be said of it

CANARY = "CANARY^JANE"


@pytest.mark.parametrize("number", [0x0002, 0x0003, 0x0902, 0x1000, 0x1001, 0x1030, 0x5110])
@pytest.mark.parametrize("fault", [b"", b"\0", us(0x0110, 8), element(0x0120, b"CANA")])
def test_no_value_of_the_wire_shows_in_a_repr_or_an_error(number, fault):
    data = encode(STORE_RQ | {number: CANARY}) + fault
    try:
        shown = repr(decode(data))
    except MalformedCommand as error:
        shown = "".join([repr(error), str(error), *map(str, error.args)])
        shown += "".join(traceback.format_exception_only(error))
    assert "CANA" not in shown
    assert "CommandSet(field=1, message_id=7" in shown or "malformed command set" in shown


@pytest.mark.parametrize("prefix", [b"", b"\0\0"])
def test_bytes_in_the_place_of_a_tag_or_length_are_not_quoted(prefix):
    shown = repr(refusal(prefix + b"CANARY^JANE")) + str(refusal(prefix + b"CANARY^JANE"))
    for quoted in ("CANA", "4143", "4343", "4E41", "16707", "17217"):
        assert quoted not in shown


def test_an_error_says_where_and_what():
    error = refusal(encode(without(STORE_RQ, 0x0800)))
    assert isinstance(error, ValueError)
    assert str(error) == "malformed command set: (0000,0800) Command Data Set Type is missing"


# encode


def test_the_bytes_of_a_c_echo_are_those_of_the_standard():
    echo = encode({0x0800: 0x0101, 0x0002: "1.2.840.10008.1.1", 0x0110: 1, 0x0100: 0x0030})
    assert echo == (
        b"\0\0\0\0\x04\0\0\0\x38\0\0\0"
        b"\0\0\x02\0\x12\0\0\x001.2.840.10008.1.1\0"
        b"\0\0\0\x01\x02\0\0\0\x30\0"
        b"\0\0\x10\x01\x02\0\0\0\x01\0"
        b"\0\0\0\x08\x02\0\0\0\x01\x01"
    )


def test_an_even_uid_is_not_padded():
    assert encode({0x0002: "1.23"})[12:] == element(0x0002, b"1.23")


@pytest.mark.parametrize("value", [b"", b"1", b"12", b"odd"])
def test_bytes_are_written_as_they_are(value):
    assert encode({0x0902: value})[12:] == element(0x0902, value)


def test_a_member_of_an_enum_is_written_as_a_number():
    assert encode({0x0900: Status.OUT_OF_RESOURCES})[12:] == us(0x0900, 0xA700)


def test_the_group_length_may_not_be_given():
    with pytest.raises(ValueError, match="Command Group Length is computed"):
        encode(STORE_RQ | {0x0000: 1})


@pytest.mark.parametrize("elements", [{0x0110: 0x10000}, {0x0110: -1}, {0x10000: 1}])
def test_what_does_not_fit_sixteen_bits_is_not_written(elements):
    with pytest.raises(struct.error):
        encode(elements)


# response


def test_a_response_repeats_what_the_standard_wants_repeated():
    answer = response(encode(STORE_RQ), Status.OUT_OF_RESOURCES)
    assert answer == encode(STORE_RSP | {0x0900: 0xA700})


def test_a_requested_sop_class_and_instance_are_answered_as_affected():
    answer = response(encode(ACTION_RQ), Status.PROCESSING_FAILURE)
    assert answer == encode(
        {
            0x0002: ACTION_RQ[0x0003],
            0x0100: 0x8130,
            0x0120: 65535,
            0x0800: 0x0101,
            0x0900: 0x0110,
            0x1000: ACTION_RQ[0x1001],
        }
    )


def test_an_unknown_operation_is_answered_under_its_own_number():
    answer = decode(response(encode(STORE_RQ | {0x0100: 0x0777}), Status.UNRECOGNIZED_OPERATION))
    assert (answer.field, answer.status) == (0x8777, 0x0211)


def test_a_request_without_uids_is_answered_without():
    request = encode(without(STORE_RQ, 0x0002, 0x1000))
    assert by_pydicom(response(request, Status.MISTYPED_ARGUMENT)).keys() == {
        tag_for_keyword(keyword)
        for keyword in (
            "CommandGroupLength",
            "CommandField",
            "MessageIDBeingRespondedTo",
            "CommandDataSetType",
            "Status",
        )
    }


@pytest.mark.parametrize(
    ("raw", "echoed"),
    [
        (b"1.23", b"1.23"),
        (b"1.2", b"1.2\0"),
        (b"1.2\0", b"1.2\0"),
        (b"1." + b"2" * 62, b"1." + b"2" * 62),
        (b"1." + b"2" * 63, None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("number", [0x0002, 0x1000])
def test_a_uid_is_repeated_as_it_came_unless_it_is_too_long_for_one(raw, echoed, number):
    answer = response(encode(STORE_RQ | {number: raw}), Status.PROCESSING_FAILURE)
    expected = without(STORE_RSP, number) | {0x0900: 0x0110}
    assert answer == encode(expected if echoed is None else expected | {number: echoed})


def test_every_status_that_the_relay_may_say_is_a_failure():
    assert {member.name: member.value for member in Status} == {
        "PROCESSING_FAILURE": 0x0110,
        "SOP_CLASS_NOT_SUPPORTED": 0x0122,
        "DUPLICATE_INVOCATION": 0x0210,
        "UNRECOGNIZED_OPERATION": 0x0211,
        "MISTYPED_ARGUMENT": 0x0212,
        "RESOURCE_LIMITATION": 0x0213,
        "OUT_OF_RESOURCES": 0xA700,
        "OUT_OF_RESOURCES_SUBOPERATIONS": 0xA702,
        "MOVE_DESTINATION_UNKNOWN": 0xA801,
    }
    assert {code_to_category(member) for member in Status} == {"Failure"}


@pytest.mark.parametrize("status", Status)
def test_a_response_says_the_status_that_it_was_given(status):
    assert decode(response(encode(STORE_RQ), status)).status == status


def test_the_relay_never_says_success_itself():
    with pytest.raises(ValueError, match="success"):
        response(encode(STORE_RQ), 0x0000)


@pytest.mark.parametrize(
    ("comment", "written"),
    [
        ("even", b"even"),
        ("odd", b"odd "),
        ("x" * 64, b"x" * 64),
        ("x" * 65, b"x" * 64),
        ("a\\b\nc\x7fdé~ []", b"a?b?c?d?~ []"),
    ],
)
def test_an_error_comment_is_a_legal_lo(comment, written):
    answer = response(encode(STORE_RQ), Status.PROCESSING_FAILURE, comment)
    assert answer == encode(STORE_RSP | {0x0900: 0x0110, 0x0902: written})


@pytest.mark.parametrize("comment", [None, ""])
def test_no_error_comment_is_written_where_there_is_nothing_to_say(comment):
    assert response(encode(STORE_RQ), 0x0110, comment) == response(encode(STORE_RQ), 0x0110)


@given(st.text())
def test_pydicom_reads_any_error_comment(comment):
    answer = by_pydicom(response(encode(STORE_RQ), Status.PROCESSING_FAILURE, comment))
    assert len(answer.get("ErrorComment", "")) <= 64
    assert decode(from_pydicom(answer)).status == 0x0110


@pytest.mark.parametrize(
    "fault", [b"\0", us(0x0110, 8), element(0x0010, b"", 8, 1), element(0x1001, b"", length=9)]
)
def test_a_malformed_request_is_answered_where_its_head_can_be_read(fault):
    request = encode(STORE_RQ) + fault
    refusal(request)
    answer = response(request, Status.MISTYPED_ARGUMENT)
    assert answer == encode(STORE_RSP | {0x0900: 0x0212})


@pytest.mark.parametrize(
    ("elements", "name"),
    [
        (without(STORE_RQ, 0x0100), "(0000,0100) Command Field"),
        (without(STORE_RQ, 0x0110), "(0000,0110) Message ID"),
        (STORE_RQ | {0x0100: b"\1"}, "(0000,0100) Command Field"),
        (STORE_RQ | {0x0110: b"\1\0\0\0"}, "(0000,0110) Message ID"),
        ({}, "(0000,0100) Command Field"),
    ],
)
def test_a_request_whose_head_cannot_be_read_is_not_answered(elements, name):
    with pytest.raises(MalformedCommand) as caught:
        response(encode(elements), Status.MISTYPED_ARGUMENT)
    assert (caught.value.element, caught.value.reason) == (name, "cannot be read")
    expected = refusal(encode(elements))
    assert (caught.value.field, caught.value.message_id) == (expected.field, expected.message_id)


@pytest.mark.parametrize("elements", [STORE_RSP | {0x0110: 7}, CANCEL_RQ | {0x0110: 7}])
def test_what_is_no_request_for_an_answer_is_not_answered(elements):
    with pytest.raises(MalformedCommand) as caught:
        response(encode(elements), Status.MISTYPED_ARGUMENT)
    assert caught.value.element == "(0000,0100) Command Field"
    assert caught.value.reason == "is never answered"
    assert (caught.value.field, caught.value.message_id) == (elements[0x0100], 7)

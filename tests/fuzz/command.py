"""The command decoder: what it makes of a command set, and what is answered and replaced.

The input is a command set, as a peer might have sent it.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

from relay.wire import elements
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
from tests import vectors
from tests.fuzz import plain

US = {0x0100: "field", 0x0110: "message_id", 0x0120: "responding_to", 0x0900: "status"}
"""Elements of two bytes, and what they are called when they are decoded."""
DATASET_TYPE, NO_DATASET = 0x0800, 0x0101
AFFECTED, REQUESTED = 0x0002, 0x0003
CANCEL, RESPONSE = 0x0FFF, 0x8000

LONGEST_TEXT = 120
"""Characters that an error says: it names an element, and quotes nothing."""
LONGEST_ANSWER = 4 * 10 + 2 * (8 + 64) + 8 + 64 + 12
"""Bytes: four numbers, two UIDs, a comment, and the length in front of them."""

WORDS = (
    *(struct.pack("<HHLH", 0, number, 2, 1) for number in (*US, DATASET_TYPE)),
    *(struct.pack("<HHLH", 0, 0x0100, 2, field) for field in CommandField),
    struct.pack("<HHLH", 0, DATASET_TYPE, 2, NO_DATASET),
    *(struct.pack("<HHL", 0, number, 4) for number in (0, AFFECTED, REQUESTED, 0x1000, 0x1001)),
    struct.pack("<HHL", 0, elements.MOVE_DESTINATION, 16) + b"ARCHIVE         ",
    struct.pack("<HHL", 8, 0x58, 4),
    vectors.VERIFICATION.encode() + b"\0",
)


def check(data: bytes) -> None:
    """AssertionError where something does not hold."""
    told = _decoded(data)
    expected = _expected(data)
    if expected is None:
        assert isinstance(told, MalformedCommand), "what is malformed was read"
        _what_is_said_all_the_same(told, data)
    else:
        assert isinstance(told, CommandSet), f"what is sound was refused: {told}"
        assert {name: getattr(told, name) for name in expected} == expected
        _encoded(told, data)
    for kind in (bytearray, memoryview):
        assert str(_decoded(kind(data))) == str(told)
    _answered(data, Status.PROCESSING_FAILURE, "why\\\x00not" * 9)
    _answered(data, Status.MISTYPED_ARGUMENT, None)
    _replaced(data)


def _decoded(data: Any) -> CommandSet | MalformedCommand:
    try:
        return decode(data)
    except MalformedCommand as error:
        assert len(str(error)) <= LONGEST_TEXT and str(error).isprintable()
        return error


def _sound(data: bytes) -> list[tuple[int, int, bytes]]:
    """The elements up to the first that is cut off."""
    found = []
    with suppress(plain.Broken):
        for each in plain.elements(data):
            found.append(each)  # one by one: an exception may follow
    return found


def _expected(data: bytes) -> dict[str, Any] | None:
    """What is to be made of it; None where it is malformed."""
    try:
        found = [(number, value) for group, number, value in plain.elements(data) if not group]
    except plain.Broken:
        return None
    its = dict(found)
    is_even = all(len(its[each]) == 2 for each in (*US, DATASET_TYPE) if each in its)
    if len(its) != len(found) or len(data) > COMMAND_SET_MAXIMUM or not is_even:
        return None
    if not _needed(its) <= its.keys():
        return None
    numbers = {
        name: int.from_bytes(its[each], "little") for each, name in US.items() if each in its
    }
    return {
        **dict.fromkeys(US.values()),
        **numbers,
        "has_dataset": int.from_bytes(its[DATASET_TYPE], "little") != NO_DATASET,
        "affected_sop_class": plain.text(its[AFFECTED]) if AFFECTED in its else None,
        "requested_sop_class": plain.text(its[REQUESTED]) if REQUESTED in its else None,
    }


def _value(raw: bytes | None) -> int | None:
    return int.from_bytes(raw, "little") if raw is not None and len(raw) == 2 else None


def _needed(its: dict[int, bytes]) -> set[int]:
    field = int.from_bytes(its.get(0x0100, b""), "little")
    if field & RESPONSE:
        return {0x0100, DATASET_TYPE, 0x0120, 0x0900}
    return {0x0100, DATASET_TYPE, 0x0120 if field == CANCEL else 0x0110}


def _first(data: bytes, wanted: int) -> bytes | None:
    """The value of the first such element that is whole."""
    found = (value for group, number, value in _sound(data) if not group and number == wanted)
    return next(found, None)


def _number(data: bytes, wanted: int) -> int | None:
    return _value(_first(data, wanted))


def _what_is_said_all_the_same(error: MalformedCommand, data: bytes) -> None:
    assert error.message_id == _number(data, 0x0110)
    assert error.field == _number(data, 0x0100)


def _encoded(told: CommandSet, data: bytes) -> None:
    """Written anew it says the same."""
    its = {number: value for group, number, value in _sound(data) if not group and number}
    raw = encode(its)
    assert decode(raw) == told
    assert raw[8:12] == (len(raw) - 12).to_bytes(4, "little")


def _answered(data: bytes, status: Status, comment: str | None) -> None:
    """An answer is owed to requests, and to nothing else; it repeats what it may."""
    field, message_id = _number(data, 0x0100), _number(data, 0x0110)
    is_owed = not (field is None or message_id is None or field & RESPONSE or field == CANCEL)
    try:
        raw = response(data, status, comment)
    except MalformedCommand as error:
        assert not is_owed
        assert (error.field, error.message_id) == (field, message_id)
        return
    assert is_owed and field is not None
    assert len(raw) <= LONGEST_ANSWER
    told = decode(raw)
    assert (told.field, told.responding_to) == (field | RESPONSE, message_id)
    assert (told.status, told.has_dataset) == (status, False)
    for _, _, value in plain.elements(raw):
        assert len(value) % 2 == 0


def _replaced(data: bytes) -> None:
    """What is replaced is, and all else is as it came."""
    values: dict[int, int | str | bytes] = {
        elements.MOVE_DESTINATION: elements.ae("RELAY"),
        elements.MESSAGE_ID: 7,
    }
    out = elements.replaced(data, values)
    before, after = _sound(data), _sound(out)
    assert [each[:2] for each in before] == [each[:2] for each in after]
    size = 0
    for (group, number, was), (_, _, now) in zip(before, after, strict=True):
        expected = was
        if not group and number in values:
            expected = {elements.MESSAGE_ID: b"\7\0"}.get(number, b"RELAY ")
        if not (group == number == 0):
            assert now == expected
            size += 8 + len(now) if not group else 0
    lengths = [now for group, number, now in after if group == number == 0]
    assert all(each == size.to_bytes(4, "little") for each in lengths)
    assert elements.value(out, elements.MOVE_DESTINATION) == (
        None if _first(data, elements.MOVE_DESTINATION) is None else b"RELAY "
    )

"""DIMSE command sets, read as far as the relay needs and no further (PS3.7 6.3.1, Annex E).

A command set is a run of elements of group 0000 in Implicit VR Little Endian: group (2 bytes),
element (2), length (4), value. Seven of them decide how a message crosses; the rest is skipped, and
the bytes themselves pass unchanged. `decode` runs once per message on the hot path; when it meets
something wrong, a slower second walk finds out what can still be said about the message.

Instance UIDs, AE titles and comments are never kept, and no text made here quotes the wire.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from enum import IntEnum

import attrs

from relay.wire.elements import (
    AFFECTED_SOP_INSTANCE,
    GROUP_LENGTH,
    HEADER,
    MESSAGE_ID,
    MESSAGE_ID_BEING_RESPONDED_TO,
    REQUESTED_SOP_INSTANCE,
    Buffer,
    encoded,
    evened,
    group_length,
    walk,
)

COMMAND_SET_MAXIMUM = 64 * 1024  # bytes; a real one has some hundreds
UID_MAXIMUM = 64  # bytes (PS3.5 table 6.2-1, UI)
ERROR_COMMENT_MAXIMUM = 64  # characters (PS3.5 table 6.2-1, LO)
NO_DATASET = 0x0101  # (0000,0800); any other value says that a dataset follows

_RESPONSE = 0x8000  # the bit that tells a response's Command Field from its request's
_CANCEL = 0x0FFF  # a plain int: looking up an enum's member costs where every message passes
_PENDING = (0xFF00, 0xFF01)
_FAILURES = frozenset((0x01, 0x02, *range(0xA0, 0xB0), *range(0xC0, 0xD0)))  # upper bytes
_WARNINGS = (0x0107, 0x0116)

_header = HEADER.unpack_from
_us = struct.Struct("<H").unpack_from

_ELSEWHERE = -1  # stands for any element of another group
_AFFECTED_SOP_CLASS = 0x0002
_REQUESTED_SOP_CLASS = 0x0003
_COMMAND_FIELD = 0x0100
_DATASET_TYPE = 0x0800
_STATUS = 0x0900
_ERROR_COMMENT = 0x0902

_NAMES = {
    GROUP_LENGTH: "Command Group Length",
    _AFFECTED_SOP_CLASS: "Affected SOP Class UID",
    _REQUESTED_SOP_CLASS: "Requested SOP Class UID",
    _COMMAND_FIELD: "Command Field",
    MESSAGE_ID: "Message ID",
    MESSAGE_ID_BEING_RESPONDED_TO: "Message ID Being Responded To",
    _DATASET_TYPE: "Command Data Set Type",
    _STATUS: "Status",
    _ERROR_COMMENT: "Error Comment",
    AFFECTED_SOP_INSTANCE: "Affected SOP Instance UID",
    REQUESTED_SOP_INSTANCE: "Requested SOP Instance UID",
}
_NUMBERS = frozenset(
    (_COMMAND_FIELD, MESSAGE_ID, MESSAGE_ID_BEING_RESPONDED_TO, _DATASET_TYPE, _STATUS)
)

_NEEDED_BY_REQUEST = (_DATASET_TYPE, MESSAGE_ID)
_NEEDED_BY_CANCEL = (_DATASET_TYPE, MESSAGE_ID_BEING_RESPONDED_TO)
_NEEDED_BY_RESPONSE = (_DATASET_TYPE, MESSAGE_ID_BEING_RESPONDED_TO, _STATUS)


class CommandField(IntEnum):
    """The messages of DIMSE (PS3.7 table E.1-1, (0000,0100))."""

    C_STORE_RQ = 0x0001
    C_STORE_RSP = 0x8001
    C_GET_RQ = 0x0010
    C_GET_RSP = 0x8010
    C_FIND_RQ = 0x0020
    C_FIND_RSP = 0x8020
    C_MOVE_RQ = 0x0021
    C_MOVE_RSP = 0x8021
    C_ECHO_RQ = 0x0030
    C_ECHO_RSP = 0x8030
    N_EVENT_REPORT_RQ = 0x0100
    N_EVENT_REPORT_RSP = 0x8100
    N_GET_RQ = 0x0110
    N_GET_RSP = 0x8110
    N_SET_RQ = 0x0120
    N_SET_RSP = 0x8120
    N_ACTION_RQ = 0x0130
    N_ACTION_RSP = 0x8130
    N_CREATE_RQ = 0x0140
    N_CREATE_RSP = 0x8140
    N_DELETE_RQ = 0x0150
    N_DELETE_RSP = 0x8150
    C_CANCEL_RQ = _CANCEL


class Status(IntEnum):
    """What the relay itself may say (PS3.7 Annex C, PS3.4 B.2.3 and C.4.2); never success."""

    PROCESSING_FAILURE = 0x0110
    SOP_CLASS_NOT_SUPPORTED = 0x0122
    DUPLICATE_INVOCATION = 0x0210
    UNRECOGNIZED_OPERATION = 0x0211
    MISTYPED_ARGUMENT = 0x0212
    RESOURCE_LIMITATION = 0x0213
    OUT_OF_RESOURCES = 0xA700
    OUT_OF_RESOURCES_SUBOPERATIONS = 0xA702
    MOVE_DESTINATION_UNKNOWN = 0xA801


@attrs.define(eq=False)
class MalformedCommand(ValueError):
    """A command set that breaks PS3.7 6.3.1 or Annex E.

    `element` names where, `reason` what; neither quotes the wire. `message_id` and `field` are
    those of the message where they could be read all the same: then the sender of a request is
    owed a response (0212), else only A-ABORT is left.
    """

    element: str
    reason: str
    message_id: int | None = None
    field: int | None = None

    def __str__(self) -> str:
        return f"malformed command set: {self.element} {self.reason}"


@attrs.frozen
class CommandSet:
    """What the relay knows of a message; absent elements are None.

    The SOP classes are as they came, decoded as Latin-1 and without trailing NULs and spaces. They
    stay out of the repr, because nothing keeps a peer from sending something else in their place.
    """

    field: int
    message_id: int | None
    responding_to: int | None
    has_dataset: bool
    status: int | None
    affected_sop_class: str | None = attrs.field(repr=False)
    requested_sop_class: str | None = attrs.field(repr=False)

    @property
    def is_response(self) -> bool:
        return self.field & _RESPONSE != 0

    @property
    def is_request(self) -> bool:
        """Whatever is not a response, C-CANCEL included."""
        return self.field & _RESPONSE == 0

    @property
    def is_cancel(self) -> bool:
        return self.field == _CANCEL

    @property
    def pending(self) -> bool:
        """More responses follow to the same request (PS3.7 Annex C)."""
        return self.status in _PENDING

    @property
    def failed(self) -> bool:
        """Its status is of the type Failure or Refused (PS3.7 Annex C)."""
        status = self.status
        return status is not None and status >> 8 in _FAILURES and status not in _WARNINGS

    @property
    def sop_class(self) -> str | None:
        """The affected SOP class, or the requested one (N-GET, N-SET, N-ACTION, N-DELETE)."""
        return self.affected_sop_class or self.requested_sop_class


def decode(data: Buffer) -> CommandSet:
    """The command set that `data` holds, the whole of it and nothing else.

    Elements may come in any order, Command Group Length may be wrong or missing, unknown elements
    are skipped, and so are those of other groups, which do not belong here: Orthanc lists the
    instances that a C-GET failed on as (0008,0058) in the command set itself. A repeated element is
    refused (6.3.1: "at most once"), since the relay might go by the one and the archive by the
    other. Raises MalformedCommand.
    """
    end = len(data)
    if end > COMMAND_SET_MAXIMUM:
        raise MalformedCommand("the command set", f"is longer than {COMMAND_SET_MAXIMUM} bytes")
    numbers: dict[int, int] = {}
    affected = requested = None
    at, previous, ascending = 0, -1, True
    while at < end:
        try:
            group, element, length = _header(data, at)
        except struct.error:
            raise _malformed(data, "an element header", "is cut off") from None
        start = at + 8
        at = start + length
        if at > end:
            what = _name(_ELSEWHERE if group else element)
            raise _malformed(data, what, "reaches beyond the end")
        if group:
            continue
        ascending, previous = ascending and element > previous, element
        if length == 2 and element > _REQUESTED_SOP_CLASS:
            numbers[element] = _us(data, start)[0]
        elif element == _AFFECTED_SOP_CLASS:
            affected = _uid(data[start:at])
        elif element == _REQUESTED_SOP_CLASS:
            requested = _uid(data[start:at])
        elif element in _NUMBERS:
            raise _malformed(data, _name(element), "is not two bytes long")
    if not ascending:
        _refuse_repeats(data)
    return _complete(data, numbers, affected, requested)


def encode(elements: Mapping[int, int | str | bytes]) -> bytes:
    """A command set of the elements given by their number in group 0000.

    Values are of the kinds that `encoded` takes. Command Group Length is computed, and may not be
    given: ValueError. An int or an element number beyond 16 bits raises struct.error.
    """
    if GROUP_LENGTH in elements:
        raise ValueError("Command Group Length is computed")
    body = b"".join(encoded(number, elements[number]) for number in sorted(elements))
    return group_length(len(body)) + body


def response(request: Buffer, status: int, error_comment: str | None = None) -> bytes:
    """The command set, without a dataset, that answers `request` with `status`.

    `request` is a command set as it came; one that `decode` refuses will do as long as its Command
    Field and Message ID can be read. Raises MalformedCommand where they can't, or where the message
    is none that is ever answered (a response, C-CANCEL). The request's SOP class and instance are
    repeated where they are of legal length. `error_comment` is cut at 64 characters, and what an LO
    may not hold becomes a question mark. ValueError for 0000: success is the upstream's word alone.
    """
    if status == 0:
        raise ValueError("the relay never says success itself")
    found = _sound_elements(request)
    field, message_id = _number(found, _COMMAND_FIELD), _number(found, MESSAGE_ID)
    if field is None or message_id is None:
        unread = _COMMAND_FIELD if field is None else MESSAGE_ID
        raise MalformedCommand(_name(unread), "cannot be read", message_id, field)
    if field & _RESPONSE or field == _CANCEL:
        raise MalformedCommand(_name(_COMMAND_FIELD), "is never answered", message_id, field)
    elements: dict[int, int | str | bytes] = {
        _COMMAND_FIELD: field | _RESPONSE,
        MESSAGE_ID_BEING_RESPONDED_TO: message_id,
        _DATASET_TYPE: NO_DATASET,
        _STATUS: status,
    }
    elements |= _echoed(found, _AFFECTED_SOP_CLASS, _REQUESTED_SOP_CLASS)
    elements |= _echoed(found, AFFECTED_SOP_INSTANCE, REQUESTED_SOP_INSTANCE)
    if error_comment:
        elements[_ERROR_COMMENT] = _comment(error_comment)
    return encode(elements)


def _name(element: int) -> str:
    """What to call an element: by number only where it is known, or bytes would be quoted."""
    name = _NAMES.get(element)
    return f"(0000,{element:04X}) {name}" if name else "another element"


def _uid(raw: Buffer) -> str:
    return str(raw, "latin-1").rstrip("\0 ")


def _needed(field: int | None) -> tuple[int, ...]:
    """The elements without which a message of that Command Field cannot be relayed."""
    if field is None:
        return (_COMMAND_FIELD,)
    if field & _RESPONSE:
        return _NEEDED_BY_RESPONSE
    return _NEEDED_BY_CANCEL if field == _CANCEL else _NEEDED_BY_REQUEST


def _complete(
    data: Buffer, numbers: Mapping[int, int], affected: str | None, requested: str | None
) -> CommandSet:
    """The command set of these elements, once none is missing that its message needs."""
    get = numbers.get
    for element in _needed(get(_COMMAND_FIELD)):
        if element not in numbers:
            raise _malformed(data, _name(element), "is missing")
    return CommandSet(
        numbers[_COMMAND_FIELD],
        get(MESSAGE_ID),
        get(MESSAGE_ID_BEING_RESPONDED_TO),
        numbers[_DATASET_TYPE] != NO_DATASET,
        get(_STATUS),
        affected,
        requested,
    )


def _refuse_repeats(data: Buffer) -> None:
    seen = set()
    for group, element, _, _ in walk(data):
        if group:
            continue
        if element in seen:
            raise _malformed(data, _name(element), "is repeated")
        seen.add(element)


def _malformed(data: Buffer, element: str, reason: str) -> MalformedCommand:
    found = _sound_elements(data)
    return MalformedCommand(
        element, reason, _number(found, MESSAGE_ID), _number(found, _COMMAND_FIELD)
    )


def _sound_elements(data: Buffer) -> dict[int, bytes]:
    """What can be read of a command set that may be malformed; the first where one is repeated."""
    found: dict[int, bytes] = {}
    if len(data) <= COMMAND_SET_MAXIMUM:
        for group, element, start, end in walk(data):
            if not group:
                found.setdefault(element, bytes(data[start:end]))
    return found


def _number(found: Mapping[int, bytes], element: int) -> int | None:
    value = found.get(element, b"")
    return int.from_bytes(value, "little") if len(value) == 2 else None


def _echoed(found: Mapping[int, bytes], affected: int, requested: int) -> dict[int, bytes]:
    """The affected element of a response, from the request's affected or requested one."""
    value = found.get(affected) or found.get(requested) or b""
    if not value or len(value) > UID_MAXIMUM:
        return {}
    return {affected: evened(value, b"\0")}


def _comment(text: str) -> bytes:
    printable = re.sub(rb"[^ -\[\]-~]", b"?", text.encode("ascii", "replace"))
    return evened(printable[:ERROR_COMMENT_MAXIMUM], b" ")

"""Elements of a command set, one by one: found, read, replaced (PS3.7 6.3.1, Annex E).

A command set is a run of elements in Implicit VR Little Endian: group (2 bytes), element (2),
length (4), value. What they say together is for `command` to judge; here nothing is refused. What
is not replaced stays byte for byte as it came, elements of other groups included.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from typing import TypeAlias

Buffer: TypeAlias = bytes | bytearray | memoryview

HEADER = struct.Struct("<HHL")
_US_ELEMENT = struct.Struct("<HHLH")
_UL_ELEMENT = struct.Struct("<HHLL")

GROUP_LENGTH = 0x0000
MESSAGE_ID = 0x0110
MESSAGE_ID_BEING_RESPONDED_TO = 0x0120
MOVE_DESTINATION = 0x0600
AFFECTED_SOP_INSTANCE = 0x1000
REQUESTED_SOP_INSTANCE = 0x1001
MOVE_ORIGINATOR = 0x1030  # an AE title
MOVE_ORIGINATOR_MESSAGE_ID = 0x1031


def walk(data: Buffer) -> Iterator[tuple[int, int, int, int]]:
    """Group, number, start and end of the value, of each up to the first that is not whole."""
    at = 0
    while at + HEADER.size <= len(data):
        group, element, length = HEADER.unpack_from(data, at)
        start = at + HEADER.size
        at = start + length
        if at > len(data):
            return
        yield group, element, start, at


def value(command_set: Buffer, element: int) -> bytes | None:
    """The value of that element of group 0000, padding and all; the first where it is repeated."""
    for group, number, start, end in walk(command_set):
        if number == element and not group:
            return bytes(command_set[start:end])
    return None


def replaced(command_set: Buffer, values: Mapping[int, int | str | bytes]) -> bytes:
    """The command set with other values of these elements of group 0000, where it has them.

    Values are of the kinds that `encoded` takes. Command Group Length, where it is there, counts
    anew, and may not be given: ValueError. What is behind the first element that is not whole is
    left as it came.
    """
    if GROUP_LENGTH in values:
        raise ValueError("Command Group Length is computed")
    parts: list[bytes] = []
    lengths_at: list[int] = []
    size = end = 0
    for group, number, start, end in walk(command_set):
        part = bytes(command_set[start - HEADER.size : end])
        if not group and number == GROUP_LENGTH:
            lengths_at.append(len(parts))
        elif not group:
            part = encoded(number, values[number]) if number in values else part
            size += len(part)
        parts.append(part)
    for at in lengths_at:
        parts[at] = group_length(size)
    return b"".join((*parts, command_set[end:]))


def encoded(number: int, value: int | str | bytes) -> bytes:
    """An element of group 0000, header and all.

    An int is written as US, a str as UI padded with NUL to even length, bytes as they are. An int
    or an element number beyond 16 bits raises struct.error.
    """
    if isinstance(value, int):
        return _US_ELEMENT.pack(0, number, 2, value)
    raw = evened(value.encode("latin-1"), b"\0") if isinstance(value, str) else value
    return HEADER.pack(0, number, len(raw)) + raw


def group_length(size: int) -> bytes:
    """Command Group Length, saying that `size` bytes of group 0000 follow."""
    return _UL_ELEMENT.pack(0, GROUP_LENGTH, 4, size)


def ae(title: str) -> bytes:
    """An AE title as a value, padded with a space to even length."""
    return evened(title.encode("latin-1"), b" ")


def text_of(value: Buffer) -> str:
    """The text of a value, without spaces and NULs around it."""
    return str(value, "latin-1").strip("\0 ")


def evened(value: bytes, padding: bytes) -> bytes:
    """The value, made even in length."""
    return value + padding if len(value) % 2 else value

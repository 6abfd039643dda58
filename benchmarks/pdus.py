"""What the sender and the archive say, by struct alone: nothing of relay/ may judge relay/.

As little of PS3.8 9.3 and PS3.7 9.3.1 as storing takes. Peers are trusted to be well-behaved; what
is not understood raises ValueError.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

ASSOCIATE_RQ, ASSOCIATE_AC, P_DATA, RELEASE_RQ, RELEASE_RP = 1, 2, 4, 5, 6
COMMAND, LAST = 1, 2
"""Bits of the message control header (PS3.8 E.2)."""

C_STORE_RQ, C_STORE_RSP = 0x0001, 0x8001
C_ECHO_RQ, C_ECHO_RSP = 0x0030, 0x8030
SOP_CLASS, FIELD, MESSAGE_ID, RESPONDING_TO, PRIORITY, DATASET_TYPE, STATUS, SOP_INSTANCE = (
    0x0002,
    0x0100,
    0x0110,
    0x0120,
    0x0700,
    0x0800,
    0x0900,
    0x1000,
)
"""Elements of group 0000 (PS3.7 table E.1-1)."""

NO_DATASET = 0x0101
CONTEXT_ID = 1
CT_IMAGE_STORAGE = b"1.2.840.10008.5.1.4.1.1.2\0"
EXPLICIT_LITTLE = b"1.2.840.10008.1.2.1"

PDU_HEADER = Struct(">BxL")
PDV_HEADER = Struct(">LBB")
P_DATA_HEADERS = Struct(">BxLLBB")
_ASSOCIATE = Struct(">HH16s16s32s")
_ITEM = Struct(">BxH")
_ELEMENT = Struct("<HHL")
_US = Struct("<H")
_APPLICATION_CONTEXT = b"1.2.840.10008.3.1.1.1"
_IMPLEMENTATION = b"2.25.302475618399417716271848617395116354823"


def p_data(control: int, body: bytes, context_id: int = CONTEXT_ID) -> bytes:
    """A P-DATA-TF of one fragment."""
    return P_DATA_HEADERS.pack(P_DATA, len(body) + 6, len(body) + 2, context_id, control) + body


def associate_rq(calling: bytes, called: bytes, maximum: int) -> bytes:
    """A request for one context, CT images in Explicit VR Little Endian."""
    syntaxes = _item(0x30, CT_IMAGE_STORAGE.rstrip(b"\0")) + _item(0x40, EXPLICIT_LITTLE)
    context = _item(0x20, bytes((CONTEXT_ID, 0, 0, 0)) + syntaxes)
    head = _ASSOCIATE.pack(1, 0, called.ljust(16), calling.ljust(16), bytes(32))
    return _associate(ASSOCIATE_RQ, head, context, maximum)


def associate_ac(request: bytes, maximum: int) -> bytes:
    """An answer to the body of a request: every context accepted with its first transfer syntax."""
    contexts = b"".join(
        _item(0x21, bytes((body[0], 0, 0, 0)) + _item(0x40, _first_transfer_syntax(body[4:])))
        for kind, body in items(request[_ASSOCIATE.size :])
        if kind == 0x20
    )
    return _associate(ASSOCIATE_AC, request[: _ASSOCIATE.size], contexts, maximum)


def accepted_maximum(answer: bytes) -> int:
    """The maximum length in the body of an A-ASSOCIATE-AC, in bytes; ValueError when refused."""
    for kind, body in items(answer[_ASSOCIATE.size :]):
        if kind == 0x21 and body[2] != 0:
            raise ValueError("the context was refused")
        if kind == 0x50:
            return int.from_bytes(dict(items(body))[0x51], "big")
    raise ValueError("an answer without user information")


def items(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The type and body of each item."""
    at = 0
    while at < len(body):
        kind, length = _ITEM.unpack_from(body, at)
        at += _ITEM.size + length
        yield kind, body[at - length : at]


def instance(number: int) -> bytes:
    """The SOP Instance UID of an object: of the same, even length for all."""
    return b"2.25.1%011d\0" % number


def c_store_rq(message_id: int, instance: bytes) -> bytes:
    """The command set of a C-STORE-RQ of a CT image; `instance` is a UID of even length."""
    return _command_set(
        (SOP_CLASS, CT_IMAGE_STORAGE),
        (FIELD, _US.pack(C_STORE_RQ)),
        (MESSAGE_ID, _US.pack(message_id)),
        (PRIORITY, _US.pack(0)),
        (DATASET_TYPE, _US.pack(1)),
        (SOP_INSTANCE, instance),
    )


def c_store_rsp(request: bytes, status: int = 0) -> bytes:
    """The command set that answers the one of a C-STORE-RQ; ValueError for any other."""
    asked = elements(request)
    if asked[FIELD] != _US.pack(C_STORE_RQ):
        raise ValueError("not a C-STORE request")
    return _command_set(
        (SOP_CLASS, asked[SOP_CLASS]),
        (FIELD, _US.pack(C_STORE_RSP)),
        (RESPONDING_TO, asked[MESSAGE_ID]),
        (DATASET_TYPE, _US.pack(NO_DATASET)),
        (STATUS, _US.pack(status)),
        (SOP_INSTANCE, asked[SOP_INSTANCE]),
    )


def c_echo_rsp(request: bytes) -> bytes | None:
    """The command set that answers the one of a C-ECHO-RQ with success; None for any other."""
    asked = elements(request)
    if asked[FIELD] != _US.pack(C_ECHO_RQ):
        return None
    return _command_set(
        (SOP_CLASS, asked[SOP_CLASS]),
        (FIELD, _US.pack(C_ECHO_RSP)),
        (RESPONDING_TO, asked[MESSAGE_ID]),
        (DATASET_TYPE, _US.pack(NO_DATASET)),
        (STATUS, _US.pack(0)),
    )


def stored(response: bytes) -> tuple[int, int]:
    """Of a C-STORE-RSP's command set: the message that it responds to, and the status."""
    said = elements(response)
    if said[FIELD] != _US.pack(C_STORE_RSP):
        raise ValueError("not a C-STORE response")
    return _US.unpack(said[RESPONDING_TO])[0], _US.unpack(said[STATUS])[0]


def elements(command_set: bytes) -> dict[int, bytes]:
    """The values of a command set, by element."""
    found, at = {}, 0
    while at < len(command_set):
        _, element, length = _ELEMENT.unpack_from(command_set, at)
        at += _ELEMENT.size + length
        found[element] = command_set[at - length : at]
    return found


def _command_set(*pairs: tuple[int, bytes]) -> bytes:
    body = b"".join(_ELEMENT.pack(0, number, len(value)) + value for number, value in pairs)
    return _ELEMENT.pack(0, 0, 4) + len(body).to_bytes(4, "little") + body


def _associate(kind: int, head: bytes, contexts: bytes, maximum: int) -> bytes:
    information = _item(0x51, maximum.to_bytes(4, "big")) + _item(0x52, _IMPLEMENTATION)
    body = head + _item(0x10, _APPLICATION_CONTEXT) + contexts + _item(0x50, information)
    return PDU_HEADER.pack(kind, len(body)) + body


def _first_transfer_syntax(body: bytes) -> bytes:
    return next(syntax for kind, syntax in items(body) if kind == 0x40)


def _item(kind: int, body: bytes) -> bytes:
    return _ITEM.pack(kind, len(body)) + body

"""Items inside A-ASSOCIATE PDUs, and the presentation context items (PS3.8 9.3.2 and 9.3.3).

Each class, here and in user_information.py, is one item with `encode`, giving its bytes with the
item header, and `decode`, taking the bytes behind the header. Lengths are bounded by the bytes
present: nothing is allocated on a declared length. UIDs are `str`, decoded as Latin-1 so that any
bytes survive the crossing, without the padding that some devices send.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum
from struct import Struct

import attrs

from relay.wire.errors import ProtocolError

ITEM_HEADER = Struct(">BxH")
"""Type and length in front of every item (PS3.8 9.3.1)."""

_US = Struct(">H")


class ItemType(IntEnum):
    """Item types: PS3.8 tables 9-12 to 9-18 and Annex D, PS3.7 Annex D.3.3."""

    APPLICATION_CONTEXT = 0x10
    PRESENTATION_CONTEXT_RQ = 0x20
    PRESENTATION_CONTEXT_AC = 0x21
    ABSTRACT_SYNTAX = 0x30
    TRANSFER_SYNTAX = 0x40
    USER_INFORMATION = 0x50
    MAXIMUM_LENGTH = 0x51
    IMPLEMENTATION_CLASS_UID = 0x52
    ASYNCHRONOUS_OPERATIONS_WINDOW = 0x53
    ROLE_SELECTION = 0x54
    IMPLEMENTATION_VERSION_NAME = 0x55
    SOP_CLASS_EXTENDED_NEGOTIATION = 0x56
    SOP_CLASS_COMMON_EXTENDED_NEGOTIATION = 0x57
    USER_IDENTITY_RQ = 0x58
    USER_IDENTITY_AC = 0x59


class ContextResult(IntEnum):
    """Result of a presentation context (PS3.8 table 9-18)."""

    ACCEPTANCE = 0
    USER_REJECTION = 1
    NO_REASON = 2
    ABSTRACT_SYNTAX_NOT_SUPPORTED = 3
    TRANSFER_SYNTAXES_NOT_SUPPORTED = 4


def item(kind: ItemType, body: bytes) -> bytes:
    """An item with its four-byte header."""
    return ITEM_HEADER.pack(kind, len(body)) + body


def items(body: bytes) -> Iterator[tuple[int, bytes]]:
    """The (type, body) of each item; ProtocolError where one is longer than its parent."""
    at = 0
    while at < len(body):
        if at + 4 > len(body):
            raise ProtocolError("an item header is cut off by the end of its parent")
        kind, length = ITEM_HEADER.unpack_from(body, at)
        at += 4
        if at + length > len(body):
            raise ProtocolError(f"item {kind:02X}H is longer than its parent")
        yield kind, body[at : at + length]
        at += length


def uid(raw: bytes) -> str:
    """A UID from the wire, without trailing padding."""
    return raw.rstrip(b"\0 ").decode("latin-1")


def counted(body: bytes, at: int, what: str) -> tuple[bytes, int]:
    """A field behind its two-byte length, and where the next one begins."""
    if at + 2 > len(body):
        raise ProtocolError(f"{what}: its length is cut off")
    (length,) = _US.unpack_from(body, at)
    stop = at + 2 + length
    if stop > len(body):
        raise ProtocolError(f"{what} is longer than its parent")
    return body[at + 2 : stop], stop


def count(field: bytes) -> bytes:
    """A field with its two-byte length in front."""
    return _US.pack(len(field)) + field


def exactly(body: bytes, length: int, what: str) -> None:
    """ProtocolError unless `body` has `length` bytes."""
    if len(body) != length:
        raise ProtocolError(f"{what}: {len(body)} bytes where {length} are due")


@attrs.frozen
class PresentationContextRQ:
    """A proposed presentation context (PS3.8 9.3.2.2)."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]

    def encode(self) -> bytes:
        """The item with its sub-items."""
        body = bytes((self.id, 0, 0, 0)) + item(
            ItemType.ABSTRACT_SYNTAX, self.abstract_syntax.encode("latin-1")
        )
        for syntax in self.transfer_syntaxes:
            body += item(ItemType.TRANSFER_SYNTAX, syntax.encode("latin-1"))
        return item(ItemType.PRESENTATION_CONTEXT_RQ, body)

    @classmethod
    def decode(cls, body: bytes) -> PresentationContextRQ:
        """ProtocolError for an even id, or other than one abstract and some transfer syntaxes."""
        identifier = _context_id(body)
        abstract: list[str] = []
        transfer: list[str] = []
        for kind, value in items(body[4:]):
            if kind == ItemType.ABSTRACT_SYNTAX:
                abstract.append(uid(value))
            elif kind == ItemType.TRANSFER_SYNTAX:
                transfer.append(uid(value))
        if len(abstract) != 1 or not transfer:
            raise ProtocolError(f"context {identifier} lacks its abstract or transfer syntax")
        return cls(identifier, abstract[0], tuple(transfer))


@attrs.frozen
class PresentationContextAC:
    """The answer to a presentation context (PS3.8 9.3.3.2).

    `transfer_syntax` is not significant unless the result is acceptance.
    """

    id: int
    result: int
    transfer_syntax: str

    def encode(self) -> bytes:
        """The item with its one sub-item."""
        syntax = item(ItemType.TRANSFER_SYNTAX, self.transfer_syntax.encode("latin-1"))
        return item(ItemType.PRESENTATION_CONTEXT_AC, bytes((self.id, 0, self.result, 0)) + syntax)

    @classmethod
    def decode(cls, body: bytes) -> PresentationContextAC:
        """ProtocolError for an even id, or an acceptance without a transfer syntax."""
        identifier = _context_id(body)
        found = items(body[4:])
        syntaxes = [uid(value) for kind, value in found if kind == ItemType.TRANSFER_SYNTAX]
        if body[2] == ContextResult.ACCEPTANCE and len(syntaxes) != 1:
            raise ProtocolError(f"context {identifier} is accepted without one transfer syntax")
        return cls(identifier, body[2], syntaxes[0] if syntaxes else "")


def _context_id(body: bytes) -> int:
    if len(body) < 4:
        raise ProtocolError("a presentation context item is too short")
    if not body[0] & 1:
        raise ProtocolError(f"presentation context id {body[0]} is not odd")
    return body[0]

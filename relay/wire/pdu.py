"""The seven PDUs of the upper layer (PS3.8 9.3), and the sizes that bound them.

P-DATA-TF has no class here: its body is never gathered. The reader gives its fragments as they
come (reader.py) and the writer frames them (writer.py). A decoded PDU is a value: `encode` and
`decode` are inverse, apart from padding and from items that nobody knows.
"""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import ClassVar, TypeAlias

import attrs

from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.items import (
    ItemType,
    PresentationContextAC,
    PresentationContextRQ,
    item,
    items,
    uid,
)
from relay.wire.user_information import UserInformation

PDU_HEADER_LENGTH = 6
"""Bytes of type, reserved and length in front of every PDU (PS3.8 9.3.1)."""

PDV_HEADER_LENGTH = 6
"""Bytes of length, context id and message control header in front of a fragment (PS3.8 9.3.5.1)."""

ASSOCIATE_MAXIMUM = 1024 * 1024
"""Longest A-ASSOCIATE body that is read, in bytes. The standard has no bound; 128 contexts with 60
transfer syntaxes each take half of this."""

DEFAULT_MAXIMUM_LENGTH = 16 * 1024
"""Assumed of a peer that names no maximum length: what DCMTK and most devices use."""

SMALLEST_MAXIMUM_LENGTH = 128
"""A peer that takes less is refused: it could not be sent a command set in reasonable pieces."""

LARGEST_MAXIMUM_LENGTH = 2**32 - 1
"""What a maximum length of 0, no limit, amounts to (the length field has four bytes)."""

APPLICATION_CONTEXT = "1.2.840.10008.3.1.1.1"
"""The one DICOM application context name (PS3.7 A.2.1)."""

_HEADER = Struct(">BxL")
_ASSOCIATE = Struct(">H2x16s16s32s")

ASSOCIATE_FIXED_LENGTH = _ASSOCIATE.size
"""Bytes between an A-ASSOCIATE PDU's header and its items (PS3.8 tables 9-11 and 9-17)."""


class PDUType(IntEnum):
    """PDU types (PS3.8 9.3.2 to 9.3.8)."""

    ASSOCIATE_RQ = 1
    ASSOCIATE_AC = 2
    ASSOCIATE_RJ = 3
    P_DATA_TF = 4
    RELEASE_RQ = 5
    RELEASE_RP = 6
    ABORT = 7


def frame(kind: PDUType, body: bytes) -> bytes:
    """A PDU: header and body."""
    return _HEADER.pack(kind, len(body)) + body


def ae_field(title: str) -> bytes:
    """An AE title as its field of 16 bytes, padded with spaces."""
    return title.encode("latin-1").ljust(16)[:16]


def ae_title(field: bytes) -> str:
    """The AE title in a field: without the spaces that are not significant, and NULs behind it."""
    return field.decode("latin-1").rstrip("\0 ").lstrip(" ")


@attrs.frozen
class _Associate:
    """What A-ASSOCIATE-RQ and -AC have in common (PS3.8 tables 9-11 and 9-17).

    AE titles and `reserved` are the fields' bytes: an acceptance repeats those of the request.
    """

    called_field: bytes
    calling_field: bytes
    user_information: UserInformation
    application_context: str
    protocol_version: int
    reserved: bytes

    @property
    def called(self) -> str:
        """The called AE title."""
        return ae_title(self.called_field)

    @property
    def calling(self) -> str:
        """The calling AE title."""
        return ae_title(self.calling_field)

    def _encode(self, kind: PDUType, contexts: bytes) -> bytes:
        head = _ASSOCIATE.pack(
            self.protocol_version, self.called_field, self.calling_field, self.reserved
        )
        name = item(ItemType.APPLICATION_CONTEXT, self.application_context.encode("latin-1"))
        return frame(kind, head + name + contexts + self.user_information.encode())


@attrs.frozen
class AssociateRQ(_Associate):
    """A-ASSOCIATE-RQ (PS3.8 9.3.2)."""

    contexts: tuple[PresentationContextRQ, ...]

    def encode(self) -> bytes:
        """The PDU."""
        return self._encode(PDUType.ASSOCIATE_RQ, b"".join(each.encode() for each in self.contexts))

    @classmethod
    def decode(cls, body: bytes) -> AssociateRQ:
        """ProtocolError for what cannot be read, no context at all, and an id used twice."""
        head, name, contexts, information = _parts(body, ItemType.PRESENTATION_CONTEXT_RQ)
        proposed = tuple(map(PresentationContextRQ.decode, contexts))
        if not proposed:
            raise ProtocolError("an association request without a presentation context")
        _no_id_twice([each.id for each in proposed])
        return cls(head[1], head[2], information, name, head[0], head[3], proposed)


@attrs.frozen
class AssociateAC(_Associate):
    """A-ASSOCIATE-AC (PS3.8 9.3.3)."""

    contexts: tuple[PresentationContextAC, ...]

    def encode(self) -> bytes:
        """The PDU."""
        return self._encode(PDUType.ASSOCIATE_AC, b"".join(each.encode() for each in self.contexts))

    @classmethod
    def decode(cls, body: bytes) -> AssociateAC:
        """ProtocolError for what cannot be read, and an id used twice."""
        head, name, contexts, information = _parts(body, ItemType.PRESENTATION_CONTEXT_AC)
        answered = tuple(map(PresentationContextAC.decode, contexts))
        _no_id_twice([each.id for each in answered])
        return cls(head[1], head[2], information, name, head[0], head[3], answered)


def _no_id_twice(ids: list[int]) -> None:
    if len(set(ids)) != len(ids):
        raise ProtocolError("a presentation context id is used twice")


_Head: TypeAlias = tuple[int, bytes, bytes, bytes]


def _parts(body: bytes, context: ItemType) -> tuple[_Head, str, list[bytes], UserInformation]:
    """Fixed fields, application context name, context items, user information."""
    if len(body) < _ASSOCIATE.size:
        raise ProtocolError("an A-ASSOCIATE PDU is shorter than its fixed fields")
    name, contexts, information = "", [], UserInformation()
    for kind, value in items(body[_ASSOCIATE.size :]):
        if kind == ItemType.APPLICATION_CONTEXT:
            name = uid(value)
        elif kind == context:
            contexts.append(value)
        elif kind == ItemType.USER_INFORMATION:
            information = UserInformation.decode(value)
    return _ASSOCIATE.unpack_from(body), name, contexts, information


@attrs.frozen
class AssociateRJ:
    """A-ASSOCIATE-RJ (PS3.8 9.3.4); the numbers as they came, so that they can be passed on."""

    result: int
    source: int
    reason: int

    def encode(self) -> bytes:
        """The PDU."""
        return frame(PDUType.ASSOCIATE_RJ, bytes((0, self.result, self.source, self.reason)))

    @classmethod
    def decode(cls, body: bytes) -> AssociateRJ:
        """ProtocolError unless it is four bytes."""
        return cls(*_four(body, "A-ASSOCIATE-RJ")[1:])


@attrs.frozen
class ReleaseRQ:
    """A-RELEASE-RQ (PS3.8 9.3.6)."""

    kind: ClassVar = PDUType.RELEASE_RQ

    def encode(self) -> bytes:
        """The PDU."""
        return frame(self.kind, bytes(4))

    @classmethod
    def decode(cls, body: bytes) -> ReleaseRQ:
        """ProtocolError unless it is four bytes."""
        _four(body, "A-RELEASE-RQ")
        return cls()


@attrs.frozen
class ReleaseRP:
    """A-RELEASE-RP (PS3.8 9.3.7)."""

    kind: ClassVar = PDUType.RELEASE_RP

    def encode(self) -> bytes:
        """The PDU."""
        return frame(self.kind, bytes(4))

    @classmethod
    def decode(cls, body: bytes) -> ReleaseRP:
        """ProtocolError unless it is four bytes."""
        _four(body, "A-RELEASE-RP")
        return cls()


@attrs.frozen
class Abort:
    """A-ABORT (PS3.8 9.3.8); the numbers as they came."""

    source: int = AbortSource.SERVICE_USER
    reason: int = AbortReason.NOT_SPECIFIED

    def encode(self) -> bytes:
        """The PDU."""
        return frame(PDUType.ABORT, bytes((0, 0, self.source, self.reason)))

    @classmethod
    def decode(cls, body: bytes) -> Abort:
        """ProtocolError unless it is four bytes."""
        return cls(*_four(body, "A-ABORT")[2:])


def _four(body: bytes, what: str) -> bytes:
    if len(body) != 4:
        raise ProtocolError(f"{what} of {len(body)} bytes where 4 are due")
    return body


PDU: TypeAlias = AssociateRQ | AssociateAC | AssociateRJ | ReleaseRQ | ReleaseRP | Abort

DECODERS: dict[int, type[PDU]] = {
    PDUType.ASSOCIATE_RQ: AssociateRQ,
    PDUType.ASSOCIATE_AC: AssociateAC,
    PDUType.ASSOCIATE_RJ: AssociateRJ,
    PDUType.RELEASE_RQ: ReleaseRQ,
    PDUType.RELEASE_RP: ReleaseRP,
    PDUType.ABORT: Abort,
}
"""The class of each PDU type but P-DATA-TF."""

BODY_MAXIMUM: dict[int, int] = {
    PDUType.ASSOCIATE_RQ: ASSOCIATE_MAXIMUM,
    PDUType.ASSOCIATE_AC: ASSOCIATE_MAXIMUM,
    PDUType.ASSOCIATE_RJ: 4,
    PDUType.RELEASE_RQ: 4,
    PDUType.RELEASE_RP: 4,
    PDUType.ABORT: 4,
}
"""Bytes that each may have, judged on the header, before anything is gathered."""

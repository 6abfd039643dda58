"""The user information item and its sub-items (PS3.8 9.3.2.3, Annex D; PS3.7 Annex D.3.3).

What identifies a user never shows in a repr.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import ClassVar

import attrs

from relay.wire.items import ItemType, count, counted, exactly, item, items, uid

_NAMED = (1, 2)  # user name alone, and with a passcode (PS3.7 D.3.3.7.1)

_UL = Struct(">L")
_WINDOW = Struct(">HH")


@attrs.frozen
class RoleSelection:
    """SCP/SCU role selection for a SOP class (PS3.7 D.3.3.4)."""

    kind: ClassVar = ItemType.ROLE_SELECTION
    sop_class_uid: str
    scu: bool
    scp: bool

    def encode(self) -> bytes:
        """The sub-item."""
        roles = bytes((self.scu, self.scp))
        return item(self.kind, count(self.sop_class_uid.encode("latin-1")) + roles)

    @classmethod
    def decode(cls, body: bytes) -> RoleSelection:
        """ProtocolError unless a UID and two bytes are there."""
        sop_class, at = counted(body, 0, "SOP class UID of a role selection")
        exactly(body[at:], 2, "roles of a role selection")
        return cls(uid(sop_class), body[at] == 1, body[at + 1] == 1)


@attrs.frozen
class AsynchronousOperationsWindow:
    """How many operations may be outstanding; 0 is no limit (PS3.7 D.3.3.3)."""

    kind: ClassVar = ItemType.ASYNCHRONOUS_OPERATIONS_WINDOW
    invoked: int
    performed: int

    def encode(self) -> bytes:
        """The sub-item."""
        return item(self.kind, _WINDOW.pack(self.invoked, self.performed))

    @classmethod
    def decode(cls, body: bytes) -> AsynchronousOperationsWindow:
        """ProtocolError unless it is four bytes."""
        exactly(body, 4, "asynchronous operations window")
        return cls(*_WINDOW.unpack(body))


@attrs.frozen
class SOPClassExtendedNegotiation:
    """Service class application information for a SOP class (PS3.7 D.3.3.5)."""

    kind: ClassVar = ItemType.SOP_CLASS_EXTENDED_NEGOTIATION
    sop_class_uid: str
    information: bytes

    def encode(self) -> bytes:
        """The sub-item."""
        return item(self.kind, count(self.sop_class_uid.encode("latin-1")) + self.information)

    @classmethod
    def decode(cls, body: bytes) -> SOPClassExtendedNegotiation:
        """ProtocolError where the UID does not fit."""
        sop_class, at = counted(body, 0, "SOP class UID of an extended negotiation")
        return cls(uid(sop_class), body[at:])


@attrs.frozen
class SOPClassCommonExtendedNegotiation:
    """Service class and related general SOP classes of a SOP class (PS3.7 D.3.3.6).

    It stands in requests only.
    """

    kind: ClassVar = ItemType.SOP_CLASS_COMMON_EXTENDED_NEGOTIATION
    sop_class_uid: str
    service_class_uid: str
    related_general_sop_class_uids: tuple[str, ...] = ()

    def encode(self) -> bytes:
        """The sub-item; its second byte is the version, 0."""
        related = b"".join(
            count(each.encode("latin-1")) for each in self.related_general_sop_class_uids
        )
        names = (self.sop_class_uid, self.service_class_uid)
        head = b"".join(count(each.encode("latin-1")) for each in names)
        return item(self.kind, head + count(related))

    @classmethod
    def decode(cls, body: bytes) -> SOPClassCommonExtendedNegotiation:
        """ProtocolError where a UID does not fit; bytes behind the last field are reserved."""
        sop_class, at = counted(body, 0, "SOP class UID of a common extended negotiation")
        service_class, at = counted(body, at, "service class UID of a common extended negotiation")
        related, _ = counted(body, at, "related general SOP classes")
        return cls(uid(sop_class), uid(service_class), tuple(_related(related)))


def _related(body: bytes) -> Iterator[str]:
    at = 0
    while at < len(body):
        each, at = counted(body, at, "a related general SOP class UID")
        yield uid(each)


@attrs.frozen
class UserIdentityRQ:
    """Who asks (PS3.7 D.3.3.7.1): 1 user name, 2 with passcode, 3 Kerberos, 4 SAML, 5 JWT."""

    kind: ClassVar = ItemType.USER_IDENTITY_RQ
    identity_type: int
    positive_response_requested: bool
    primary_field: bytes = attrs.field(repr=False)
    secondary_field: bytes = attrs.field(default=b"", repr=False)

    def encode(self) -> bytes:
        """The sub-item."""
        head = bytes((self.identity_type, self.positive_response_requested))
        return item(self.kind, head + count(self.primary_field) + count(self.secondary_field))

    @property
    def username(self) -> bytes | None:
        """The name of the user; None where another kind of identity is shown."""
        return self.primary_field if self.identity_type in _NAMED else None

    @classmethod
    def decode(cls, body: bytes) -> UserIdentityRQ:
        """ProtocolError where a field does not fit."""
        primary, at = counted(body, 2, "primary field of a user identity")
        secondary, _ = counted(body, at, "secondary field of a user identity")
        return cls(body[0], body[1] == 1, primary, secondary)


@attrs.frozen
class UserIdentityAC:
    """The server's answer to a user identity (PS3.7 D.3.3.7.2)."""

    kind: ClassVar = ItemType.USER_IDENTITY_AC
    server_response: bytes = attrs.field(repr=False)

    def encode(self) -> bytes:
        """The sub-item."""
        return item(self.kind, count(self.server_response))

    @classmethod
    def decode(cls, body: bytes) -> UserIdentityAC:
        """ProtocolError where the response does not fit."""
        response, _ = counted(body, 0, "server response of a user identity")
        return cls(response)


@attrs.frozen
class UserInformation:
    """The user information item (PS3.8 9.3.2.3, Annex D); None or () where a sub-item is absent.

    `maximum_length` is in bytes of a P-DATA PDU's body; 0 means no limit.
    """

    maximum_length: int | None = None
    implementation_class_uid: str | None = None
    implementation_version_name: str | None = None
    asynchronous_operations_window: AsynchronousOperationsWindow | None = None
    roles: tuple[RoleSelection, ...] = ()
    extended: tuple[SOPClassExtendedNegotiation, ...] = ()
    common_extended: tuple[SOPClassCommonExtendedNegotiation, ...] = ()
    user_identity: UserIdentityRQ | None = None
    user_identity_response: UserIdentityAC | None = None

    def encode(self) -> bytes:
        """The item, its sub-items in ascending order of type as PS3.7 shows them."""
        return item(ItemType.USER_INFORMATION, b"".join(self._sub_items()))

    @property
    def length(self) -> int:
        """Bytes of the sub-items; an item can hold 65,535."""
        return sum(map(len, self._sub_items()))

    def _sub_items(self) -> Iterator[bytes]:
        if self.maximum_length is not None:
            yield item(ItemType.MAXIMUM_LENGTH, _UL.pack(self.maximum_length))
        if self.implementation_class_uid is not None:
            name = self.implementation_class_uid.encode("latin-1")
            yield item(ItemType.IMPLEMENTATION_CLASS_UID, name)
        if self.asynchronous_operations_window is not None:
            yield self.asynchronous_operations_window.encode()
        for role in self.roles:
            yield role.encode()
        if self.implementation_version_name is not None:
            name = self.implementation_version_name.encode("latin-1")
            yield item(ItemType.IMPLEMENTATION_VERSION_NAME, name)
        for extended in self.extended:
            yield extended.encode()
        for common in self.common_extended:
            yield common.encode()
        if self.user_identity is not None:
            yield self.user_identity.encode()
        if self.user_identity_response is not None:
            yield self.user_identity_response.encode()

    @classmethod
    def decode(cls, body: bytes) -> UserInformation:
        """Unknown sub-items are skipped (PS3.8 D.2); a malformed known one is a ProtocolError."""
        found: dict[str, list[object]] = {}
        for kind, value in items(body):
            if kind in _SUB_ITEMS:
                name, decode = _SUB_ITEMS[kind]
                found.setdefault(name, []).append(decode(value))
        return cls(
            **{  # type: ignore[arg-type]
                name: tuple(values) if name in _REPEATED else values[-1]
                for name, values in found.items()
            }
        )


def _maximum_length(body: bytes) -> int:
    exactly(body, 4, "maximum length")
    (length,) = _UL.unpack(body)
    return int(length)


_REPEATED = frozenset({"roles", "extended", "common_extended"})

_SUB_ITEMS: dict[int, tuple[str, Callable[[bytes], object]]] = {
    ItemType.MAXIMUM_LENGTH: ("maximum_length", _maximum_length),
    ItemType.IMPLEMENTATION_CLASS_UID: ("implementation_class_uid", uid),
    ItemType.ASYNCHRONOUS_OPERATIONS_WINDOW: (
        "asynchronous_operations_window",
        AsynchronousOperationsWindow.decode,
    ),
    ItemType.ROLE_SELECTION: ("roles", RoleSelection.decode),
    ItemType.IMPLEMENTATION_VERSION_NAME: ("implementation_version_name", uid),
    ItemType.SOP_CLASS_EXTENDED_NEGOTIATION: ("extended", SOPClassExtendedNegotiation.decode),
    ItemType.SOP_CLASS_COMMON_EXTENDED_NEGOTIATION: (
        "common_extended",
        SOPClassCommonExtendedNegotiation.decode,
    ),
    ItemType.USER_IDENTITY_RQ: ("user_identity", UserIdentityRQ.decode),
    ItemType.USER_IDENTITY_AC: ("user_identity_response", UserIdentityAC.decode),
}

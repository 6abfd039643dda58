"""DICOM peers for tests: a caller that sends what it is told, byte for byte, and an archive.

Both write down what they hear: control PDUs decoded, messages whole. They frame with struct alone
(vectors.py), and hold to no rules but those that a test asks for.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

import attrs
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from relay.wire.command import CommandField, CommandSet, decode, encode
from relay.wire.pdu import DECODERS, Abort, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    VERIFICATION,
    item,
    p_data,
    pdu,
    pdv,
)

APPLICATION_CONTEXT_NAME = "1.2.840.10008.3.1.1.1"
PATIENT_ROOT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
STORAGE_COMMITMENT = "1.2.840.10008.1.20.1"

ECHO, STORE, FIND, MOVE, GET, COMMITMENT = 1, 3, 5, 7, 9, 11
"""Context ids of what a caller proposes unless it is told otherwise."""

PROPOSED = {
    ECHO: VERIFICATION,
    STORE: CT_IMAGE_STORAGE,
    FIND: PATIENT_ROOT_FIND,
    MOVE: PATIENT_ROOT_MOVE,
    GET: PATIENT_ROOT_GET,
    COMMITMENT: STORAGE_COMMITMENT,
}

NO_DATASET = 0x0101
A_DATASET = 0x0001
PIECE = 4000
"""Bytes of dataset in a P-DATA-TF."""

SUCCESS = 0x0000
PENDING = 0xFF00


@attrs.frozen
class Message:
    """A message as it was heard: the context, its command set, the bytes of its dataset."""

    context_id: int
    command_set: bytes
    dataset: bytes

    @property
    def command(self) -> CommandSet:
        return decode(self.command_set)

    @property
    def told(self) -> tuple[str, int | None, int | None]:
        """What a response says: which it is, to which Message ID, and the status."""
        command = self.command
        return CommandField(command.field).name, command.responding_to, command.status


# what is said


def context_item(identifier: int, abstract: str, *syntaxes: str, kind: int = 0x20) -> bytes:
    """A presentation context item of a request."""
    body = bytes((identifier, 0, 0, 0)) + item(0x30, abstract.encode())
    return item(kind, body + b"".join(item(0x40, each.encode()) for each in syntaxes))


def proposals(contexts: Iterable[int] = tuple(PROPOSED)) -> bytes:
    """The items of these contexts, in both uncompressed little endian syntaxes."""
    syntaxes = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
    return b"".join(context_item(each, PROPOSED[each], *syntaxes) for each in contexts)


def associate_rq(
    contexts: bytes | None = None,
    *,
    called: bytes = b"RELAY",
    calling: bytes = b"MODALITY",
    user_items: bytes = b"",
    maximum: int | None = 16384,
    version: int = 1,
    application_context: str = APPLICATION_CONTEXT_NAME,
    more_items: bytes = b"",
) -> bytes:
    """An A-ASSOCIATE-RQ, of well-behaved parts unless others are given."""
    user = item(0x51, struct.pack(">L", maximum)) if maximum is not None else b""
    body = struct.pack(">H2x16s16s32x", version, called.ljust(16), calling.ljust(16))
    body += item(0x10, application_context.encode())
    body += proposals() if contexts is None else contexts
    return pdu(1, body + item(0x50, user + user_items) + more_items)


def identity(primary: bytes, secondary: bytes = b"", kind: int = 2) -> bytes:
    """A user identity sub-item."""
    fields = b"".join(struct.pack(">H", len(each)) + each for each in (primary, secondary))
    return item(0x58, bytes((kind, 0)) + fields)


def element(group: int, number: int, value: bytes) -> bytes:
    """An element of a dataset, or a command set, in Implicit VR Little Endian."""
    return struct.pack("<HHL", group, number, len(value)) + value


def command_of(field: int, message_id: int = 1, dataset: int = NO_DATASET, **more: Any) -> bytes:
    """A request's command set; `more` are elements by e0002 and the like."""
    elements = {int(name[1:], 16): value for name, value in more.items()}
    return encode({0x0100: field, 0x0110: message_id, 0x0800: dataset, **elements})


def response_of(request: CommandSet, status: int, dataset: int = NO_DATASET, **more: Any) -> bytes:
    """The command set of a response to `request`."""
    elements = {int(name[1:], 16): value for name, value in more.items()}
    return encode(
        {
            0x0100: request.field | 0x8000,
            0x0120: request.message_id or 0,
            0x0800: dataset,
            0x0900: status,
            **elements,
        }
    )


def said(context_id: int, command_set: bytes, dataset: bytes | None = None) -> bytes:
    """A message in P-DATA-TFs of one fragment each."""
    command = p_data(pdv(context_id, 3, command_set))
    return command if dataset is None else command + last(context_id, dataset)


def last(context_id: int, dataset: bytes) -> bytes:
    """A dataset to its end, in P-DATA-TFs that any peer takes."""
    cuts = range(0, len(dataset), PIECE) or range(1)
    return b"".join(
        p_data(pdv(context_id, 2 if at + PIECE >= len(dataset) else 0, dataset[at : at + PIECE]))
        for at in cuts
    )


def echo(message_id: int = 1) -> bytes:
    """A C-ECHO."""
    return said(ECHO, command_of(CommandField.C_ECHO_RQ, message_id, e0002=VERIFICATION))


def store_command(message_id: int = 1, instance: str | bytes = "1.2.3", **more: Any) -> bytes:
    """The command set of a C-STORE."""
    elements = {"e0002": CT_IMAGE_STORAGE, "e0700": 0, "e1000": instance, **more}
    return command_of(CommandField.C_STORE_RQ, message_id, A_DATASET, **elements)


def store(dataset: bytes, message_id: int = 1, **more: Any) -> bytes:
    """A C-STORE."""
    return said(STORE, store_command(message_id, **more), dataset)


def find(identifier: bytes, message_id: int = 1) -> bytes:
    """A C-FIND."""
    request = command_of(
        CommandField.C_FIND_RQ, message_id, A_DATASET, e0002=PATIENT_ROOT_FIND, e0700=0
    )
    return said(FIND, request, identifier)


# who says it


class Peer(Protocol):
    """One end of an association.

    `heard` has what came: decoded control PDUs and `Message`s. A polite peer closes the connection
    when the association is over.
    """

    is_polite = True
    transport: Any

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.why_lost: Failure | None = None
        self._buffer = b""
        self._parts: dict[bool, bytes] = {True: b"", False: b""}

    @property
    def is_closed(self) -> bool:
        """Whether the connection is gone."""
        return self.why_lost is not None

    def since(self) -> list[Any]:
        """What was heard since the last time."""
        heard, self.heard = self.heard, []
        return heard

    def say(self, data: bytes) -> None:
        """Send these bytes."""
        self.transport.write(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.why_lost = reason

    def dataReceived(self, data: bytes) -> None:
        self._buffer += data
        while len(self._buffer) >= 6:
            kind, length = struct.unpack_from(">BxL", self._buffer)
            if len(self._buffer) < 6 + length:
                return
            body, self._buffer = self._buffer[6 : 6 + length], self._buffer[6 + length :]
            self._pdu(kind, body)

    def _pdu(self, kind: int, body: bytes) -> None:
        if kind == 4:
            self._data(body)
            return
        control = DECODERS[kind].decode(body)
        self.heard.append(control)
        self.hears(control)
        if self.is_polite and isinstance(control, Abort | AssociateRJ | ReleaseRP):
            self.transport.loseConnection()

    def _data(self, body: bytes) -> None:
        while body:
            length, context_id, control = struct.unpack_from(">LBB", body)
            fragment, body = body[6 : 4 + length], body[4 + length :]
            self._parts[bool(control & 1)] += fragment
            self.hears_fragment(bool(control & 1), fragment)
            if control & 2:
                self._part_ended(context_id, bool(control & 1))

    def _part_ended(self, context_id: int, is_command: bool) -> None:
        if is_command and decode(self._parts[True]).has_dataset:
            return
        message = Message(context_id, self._parts[True], self._parts[False])
        self._parts = {True: b"", False: b""}
        self.heard.append(message)
        self.hears(message)

    def hears(self, what: Any) -> None:
        """A control PDU or a message; archives answer."""

    def hears_fragment(self, is_command: bool, fragment: bytes) -> None:
        """A fragment of a message that is not complete."""


class Caller(Peer):
    """A modality."""

    def messages(self) -> list[tuple[str, int | None, int | None]]:
        """What the messages heard since the last time say."""
        return [each.told for each in self.since() if isinstance(each, Message)]


def accept_all(request: AssociateRQ, maximum: int = 16384, user_items: bytes = b"") -> bytes:
    """The A-ASSOCIATE-AC that takes each context with its first transfer syntax."""
    answers = b"".join(
        item(
            0x21,
            bytes((each.id, 0, 0, 0)) + item(0x40, each.transfer_syntaxes[0].encode("latin-1")),
        )
        for each in request.contexts
    )
    return acceptance(request, answers, maximum, user_items)


def acceptance(
    request: AssociateRQ, answers: bytes, maximum: int = 16384, user_items: bytes = b""
) -> bytes:
    """An A-ASSOCIATE-AC with these presentation context items."""
    body = struct.pack(">H2x", 1) + request.called_field + request.calling_field + bytes(32)
    body += item(0x10, APPLICATION_CONTEXT_NAME.encode()) + answers
    return pdu(2, body + item(0x50, item(0x51, struct.pack(">L", maximum)) + user_items))


@attrs.define
class Script:
    """How an archive behaves. What is None is left unanswered."""

    associate: Callable[[AssociateRQ], bytes | None] = accept_all
    answer: Callable[[Message], bytes | None] = attrs.field(default=lambda each: succeed(each))
    release: bytes | None = attrs.field(default=ReleaseRP().encode())


def succeed(message: Message) -> bytes | None:
    """Success, to whatever may be answered."""
    command = message.command
    if command.is_response or command.is_cancel:
        return None
    return said(message.context_id, response_of(command, SUCCESS))


class Archive(Peer):
    """One association with an archive; what it says is in its factory's script."""

    factory: Archives

    def hears(self, what: Any) -> None:
        script = self.factory.script
        answer = None
        if isinstance(what, AssociateRQ):
            answer = script.associate(what)
        elif isinstance(what, ReleaseRQ):
            answer = script.release
        elif isinstance(what, Message):
            answer = script.answer(what)
        if answer is not None:
            self.say(answer)

    def hang_up(self) -> None:
        """Close the connection instead of an answer."""
        self.transport.loseConnection()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.factory.open.remove(self)


class Archives(Factory):
    """An archive: all its associations, and those that are open."""

    noisy = False

    def __init__(self) -> None:
        self.script = Script()
        self.associations: list[Archive] = []
        self.open: list[Archive] = []
        self.most = 0
        """Associations that were open at a time."""

    def buildProtocol(self, addr: object) -> Archive:  # type: ignore[override]
        archive = Archive()
        archive.factory = self
        self.associations.append(archive)
        self.open.append(archive)
        self.most = max(self.most, len(self.open))
        return archive

    @property
    def heard(self) -> list[Any]:
        """What all associations heard, one after another."""
        return [each for association in self.associations for each in association.heard]

    @property
    def messages(self) -> list[Message]:
        """The messages among it."""
        return [each for each in self.heard if isinstance(each, Message)]

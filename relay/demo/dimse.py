"""What the embedded archive and modality have in common: whole messages over an association.

The relay itself never gathers a dataset; its two neighbours here may. Command sets are those of
PS3.7 9.3 and Annex E.
"""

from __future__ import annotations

from collections.abc import Mapping

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from relay.bridge.messages import Assembler, Expect
from relay.transport.association import AssociationProtocol
from relay.wire.command import (
    NO_DATASET,
    CommandField,
    CommandSet,
    MalformedCommand,
    decode,
    encode,
)
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.negotiation import Context
from relay.wire.pdu import PDV_HEADER_LENGTH, AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import LAST, Buffer, Fragments, Piece
from relay.wire.upperlayer import Loss

SUCCESS, PENDING, CANCELLED = 0x0000, 0xFF00, 0xFE00

MAXIMUM = 128 * 1024
"""The maximum length that both announce, in bytes."""

ARTIM = 10.0
"""Seconds."""

_RESPONSE = 0x8000
_DATASET = 0x0102  # anything but NO_DATASET
_MEDIUM = 0  # of three priorities
_WITH_PRIORITY = {CommandField.C_STORE_RQ, CommandField.C_FIND_RQ}


class Conversation(AssociationProtocol):
    """One end of an association, message by message: `began`, `part` by part, `ended`."""

    def __init__(self, clock: IReactorTime, is_requestor: bool) -> None:
        super().__init__(clock, ARTIM)
        self.contexts: Mapping[int, Context] = {}
        self._assembler = Assembler()
        self._room: Deferred[None] | None = None
        self.start(self, MAXIMUM, is_requestor)

    def began(self, context_id: int, command: CommandSet, command_set: bytes) -> None:
        """A message; `command_set` is its command set as it came."""

    def part(self, body: Buffer) -> None:
        """Bytes of its dataset."""

    def ended(self) -> None:
        """It is complete."""

    def cancelled(self) -> None:
        """The peer wants no more of what it asked for."""

    def say(self, context_id: int, command_set: bytes, dataset: bytes = b"") -> None:
        """Send a message."""
        self.command(context_id, command_set)
        if dataset:
            self.fragments(context_id, whole(context_id, dataset))

    async def room(self) -> None:
        """Wait until the peer has taken most of what was sent."""
        if self._room is not None:
            await self._room

    # AssociationUser

    def associate_indication(self, request: AssociateRQ) -> None:
        """A request for an association."""

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        """The answer to one."""

    def data_indication(self, fragments: Fragments) -> None:
        """Put messages together. ProtocolError where their order, or a command set, is broken."""
        if fragments.is_command:
            command_set = self._assembler.command(fragments)
            if command_set is not None:
                self._begin(fragments.context_id, command_set)
            return
        self._assembler.dataset(fragments)
        for body in fragments.bodies():
            self.part(body)
        if fragments.ended:
            self.ended()

    def release_indication(self) -> None:
        """The peer has finished."""
        self.layer.release_response()

    def release_confirmation(self) -> None:
        """The peer agrees to have finished; the connection is being closed."""

    def abort_indication(self, loss: Loss) -> None:
        """The association is gone."""

    def full(self) -> None:
        """More is unsent than the transport likes."""
        self._room = Deferred()

    def drained(self) -> None:
        """It has gone."""
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)

    # within

    def _begin(self, context_id: int, command_set: bytes) -> None:
        if context_id not in self.contexts:
            what = f"a message on context {context_id}, which was not accepted"
            raise ProtocolError(what, AbortReason.UNEXPECTED_PARAMETER)
        try:
            command = decode(command_set)
        except MalformedCommand as malformed:
            raise ProtocolError(str(malformed)) from None
        if command.is_cancel:
            self.cancelled()
            return
        self._assembler.expect = Expect.DATASET if command.has_dataset else Expect.COMMAND
        self.began(context_id, command, command_set)
        if not command.has_dataset:
            self.ended()


def whole(context_id: int, dataset: bytes) -> Fragments:
    """A dataset as one fragment, which the writer cuts to what the peer takes."""
    size = len(dataset)
    pieces, longest = [Piece(size, 0, size)], size + PDV_HEADER_LENGTH
    return Fragments(context_id, LAST, dataset, size, 0, longest, passable=False, listed=pieces)


def request(
    field: CommandField, message_id: int, sop_class: str, instance: str, has_dataset: bool
) -> bytes:
    """The command set of a request; `instance` is left out where it is empty."""
    elements: dict[int, int | str | bytes] = {
        0x0002: sop_class,
        0x0100: field,
        0x0110: message_id,
        0x0800: _DATASET if has_dataset else NO_DATASET,
    }
    if field in _WITH_PRIORITY:
        elements[0x0700] = _MEDIUM
    if instance:
        elements[0x1000] = instance
    return encode(elements)


def response(command: CommandSet, status: int, instance: str, has_dataset: bool) -> bytes:
    """The command set that answers `command`; `instance` is left out where it is empty."""
    elements: dict[int, int | str | bytes] = {
        0x0100: command.field | _RESPONSE,
        0x0120: command.message_id or 0,
        0x0800: _DATASET if has_dataset else NO_DATASET,
        0x0900: status,
    }
    if command.sop_class:
        elements[0x0002] = command.sop_class
    if instance:
        elements[0x1000] = instance
    return encode(elements)

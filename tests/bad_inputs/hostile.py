"""Two hostile banks, byte for byte: callers and archives that say what they like, when they like.

What is said waits in a mouth until it is let out, in pieces of any size, so that any two things may
cross. Each keeps a note of what was truly said, by which the relay can be convicted.
"""

from __future__ import annotations

from typing import Any

import attrs
from twisted.internet.protocol import connectionDone
from twisted.python.failure import Failure

from relay.wire.command import CommandField, CommandSet, decode
from relay.wire.pdu import AssociateRQ, ReleaseRP, ReleaseRQ
from tests.peers import Archive, Archives, Caller, Message, Peer, accept_all

SUCCESS = 0x0000
PENDING = (0xFF00, 0xFF01)

Object = tuple[int | None, bytes]
"""A stored object as somebody said it: the Message ID and the dataset."""


READ = 64 * 1024
"""Bytes that come in one read, at most."""


def pieces(said: bytes) -> list[bytes]:
    """As they are read, if they are said in one breath."""
    return [said[at : at + READ] for at in range(0, len(said), READ)]


class Witness(Peer):
    """Reads what a caller says, slowly and on its own: which messages it has said to the end.

    `asked` are the Message IDs of all its requests, also of those whose dataset has not ended.

    Of one that says what is no PDU it reads no more.
    """

    is_polite = False

    def __init__(self) -> None:
        super().__init__()
        self.objects: set[Object] = set()
        self.asked: list[int | None] = []
        self._is_lost = False

    def dataReceived(self, data: bytes) -> None:
        if self._is_lost:
            return
        try:
            super().dataReceived(data)
        except Exception:
            # Whatever it is that it cannot read, nothing behind it counts as said.
            self._is_lost = True

    def hears(self, what: Any) -> None:
        if isinstance(what, Message):
            self.objects.add((what.command.message_id, what.dataset))

    def _part_ended(self, context_id: int, is_command: bool) -> None:
        if is_command:
            self.asked.append(decode(self._parts[True]).message_id)
        super()._part_ended(context_id, is_command)


@attrs.define(eq=False)
class Mouth:
    """What one peer has yet to say. `claims` become true once what they are about was let out."""

    pending: bytearray = attrs.field(factory=bytearray)
    claims: list[tuple[int, int | None]] = attrs.field(factory=list)
    """Where in `pending` a success ends, and the Message ID that it is for."""

    def add(self, said: bytes, success_of: int | None = None) -> None:
        """Say this, too, which may be a success."""
        self.pending += said
        if success_of is not None:
            self.claims.append((len(self.pending), success_of))

    def let_out(self, size: int) -> tuple[bytes, list[int | None]]:
        """The next bytes, `size` of them at most, and of what they complete the success."""
        said = bytes(self.pending[:size])
        del self.pending[:size]
        made = [about for end, about in self.claims if end <= len(said)]
        left = [(end - len(said), about) for end, about in self.claims if end > len(said)]
        self.claims = left
        return said, made


class HostileCaller(Caller):
    """A caller; `witness` has what it said, `answers` the final answers that it got."""

    is_polite = False

    def __init__(self) -> None:
        super().__init__()
        self.mouth = Mouth()
        self.witness = Witness()
        self.finals: list[tuple[int | None, int | None]] = []

    def speak(self, size: int) -> None:
        """Let out so many bytes."""
        said, _ = self.mouth.let_out(size)
        self.witness.dataReceived(said)
        for piece in pieces(said):
            self.say(piece)

    def hears(self, what: Any) -> None:
        if isinstance(what, Message):
            command = what.command
            if command.is_response and command.status not in PENDING:
                self.finals.append((command.responding_to, command.status))


class HostileArchive(Archive):
    """One association of a hostile archive; `asked` is what it was asked on it so far."""

    factory: HostileArchives

    def __init__(self) -> None:
        super().__init__()
        self.mouth = Mouth()
        self.asked: list[tuple[int, CommandSet]] = []
        self._heard_of: set[int | None] = set()
        self._claimed: set[int | None] = set()

    def speak(self, size: int) -> None:
        """Let out so many bytes."""
        said, made = self.mouth.let_out(size)
        self._claimed.update(made)
        self._note_successes()
        for piece in pieces(said):
            self.say(piece)

    def hears(self, what: Any) -> None:
        if isinstance(what, AssociateRQ):
            answer = self.factory.mood(what)
            if answer is not None:
                self._answer(answer)
        elif isinstance(what, ReleaseRQ):
            self._answer(ReleaseRP().encode())
        elif isinstance(what, Message) and what.command.field == CommandField.C_STORE_RQ:
            self.factory.delivered.append((what.command.message_id, what.dataset))

    def _note_successes(self) -> None:
        # One that was guessed, and is asked for afterwards, was said as well.
        self.factory.successes |= self._claimed & self._heard_of

    def _answer(self, answer: bytes) -> None:
        self.mouth.add(answer)
        if not self.factory.is_slow:
            self.speak(len(self.mouth.pending))

    def _part_ended(self, context_id: int, is_command: bool) -> None:
        if is_command:
            command = decode(self._parts[True])
            if not command.is_response and not command.is_cancel:
                self.asked.append((context_id, command))
                self._heard_of.add(command.message_id)
                self._note_successes()
        super()._part_ended(context_id, is_command)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.asked.clear()


class HostileArchives(Archives):
    """A hostile archive: `mood` answers requests for associations.

    One that `is_slow` lets out its answers to control PDUs no sooner than others.

    `delivered` are the objects that it got whole, `successes` the Message IDs for which it has said
    0000 where it had been asked.
    """

    open: list[HostileArchive]  # type: ignore[assignment]

    def __init__(self) -> None:
        super().__init__()
        self.mood: Any = accept_all
        self.is_slow = False
        self.delivered: list[Object] = []
        self.successes: set[int | None] = set()

    def buildProtocol(self, addr: object) -> HostileArchive:  # type: ignore[override]
        archive = HostileArchive()
        archive.factory = self
        self.open.append(archive)
        return archive

"""What the embedded archive does when asked: echo, store, find. Each is one request's life."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import attrs
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater
from twisted.python.failure import Failure

from relay.demo.datasets import decoded, encoded
from relay.demo.dimse import CANCELLED, PENDING, SUCCESS
from relay.demo.query import Unsuitable, find
from relay.demo.store import Incoming, Store, Unreadable
from relay.wire.command import CommandSet, Status
from relay.wire.negotiation import Context
from relay.wire.reader import Buffer

CANNOT_UNDERSTAND = 0xC000
DOES_NOT_MATCH = 0xA900  # an identifier that does not go with its SOP class (PS3.4 C.4.1.1.4)


class Asker(Protocol):
    """The association on which a request came."""

    clock: IReactorTime

    def answer(self, request: Request, status: int, dataset: bytes = b"") -> None:
        """Send a response; any but a pending one is the last."""

    async def room(self) -> None:
        """Wait until responses have been taken."""


@attrs.frozen
class Request:
    """Who asks for what; `instance` is the affected SOP Instance UID as it came."""

    asker: Asker
    context_id: int
    context: Context
    command: CommandSet
    instance: str = attrs.field(repr=False)

    def answer(self, status: int, dataset: bytes = b"") -> None:
        """Respond."""
        self.asker.answer(self, status, dataset)


class Operation(Protocol):
    """A request at work."""

    def part(self, body: Buffer) -> None:
        """Bytes of its dataset."""

    def ended(self) -> None:
        """The request is complete."""

    def cancel(self) -> None:
        """The caller wants no more of it."""

    def lost(self) -> None:
        """The caller has gone."""


@attrs.define(eq=False)
class Answering:
    """C-ECHO, and all that is not served: nothing but a status."""

    request: Request
    status: int

    def part(self, body: Buffer) -> None:
        """Of no use."""

    def ended(self) -> None:
        """Answer."""
        self.request.answer(self.status)

    def cancel(self) -> None:
        """It is over in no time."""

    def lost(self) -> None:
        """Nothing was begun."""


@attrs.define(eq=False)
class Storing:
    """C-STORE: bytes go to a file as they come; success is said when that has its name."""

    request: Request
    archive: str
    store: Store
    _incoming: Incoming | None = None
    _status: int = SUCCESS

    def __attrs_post_init__(self) -> None:
        try:
            self._incoming = self.store.begin(
                self.archive, self.request.context, self.request.instance
            )
        except OSError:
            self._fail(Status.OUT_OF_RESOURCES)

    def part(self, body: Buffer) -> None:
        """On to the disk."""
        try:
            if self._incoming is not None:
                self._incoming.write(body)
        except OSError:
            self._fail(Status.OUT_OF_RESOURCES)

    def ended(self) -> None:
        """Say how it went."""
        try:
            if self._incoming is not None:
                self._incoming.complete()
        except OSError:
            self._fail(Status.OUT_OF_RESOURCES)
        except Unreadable:
            self._fail(CANNOT_UNDERSTAND)
        self._incoming = None
        self.request.answer(self._status)

    def cancel(self) -> None:
        """C-STORE cannot be cancelled."""

    def lost(self) -> None:
        """What is incomplete is never stored."""
        self._discard()

    def _fail(self, status: int) -> None:
        self._status = status
        self._discard()

    def _discard(self) -> None:
        incoming, self._incoming = self._incoming, None
        if incoming is not None:
            incoming.discard()


@attrs.define(eq=False)
class Finding:
    """C-FIND: a pending response for each match, at the pace at which they are taken."""

    request: Request
    store: Store
    _identifier: bytearray = attrs.field(factory=bytearray, repr=False)
    _work: Deferred[None] | None = None
    _is_cancelled: bool = False

    def part(self, body: Buffer) -> None:
        """Of the identifier."""
        self._identifier += body

    def ended(self) -> None:
        """Begin to answer."""
        self._work = Deferred.fromCoroutine(self._answer())
        self._work.addErrback(Failure.trap, CancelledError)

    def cancel(self) -> None:
        """The next response is the last."""
        self._is_cancelled = True

    def lost(self) -> None:
        """Nobody listens any more."""
        if self._work is not None:
            self._work.cancel()

    async def _answer(self) -> None:
        asker = self.request.asker
        try:
            for response in self._responses():
                self.request.answer(PENDING, response)
                # A turn of the reactor, in which a C-CANCEL may come.
                await deferLater(asker.clock, 0)
                await asker.room()
                if self._is_cancelled:
                    self.request.answer(CANCELLED)
                    return
            self.request.answer(SUCCESS)
        except CancelledError:
            raise
        except Unsuitable:
            self.request.answer(DOES_NOT_MATCH)
        except Exception:  # pydicom's are of all kinds, and quote what they found
            self.request.answer(CANNOT_UNDERSTAND)

    def _responses(self) -> Iterator[bytes]:
        context = self.request.context
        identifier = decoded(bytes(self._identifier), context.transfer_syntax)
        found = find(identifier, context.abstract_syntax, self.store.headers())
        return (encoded(each, context.transfer_syntax) for each in found)

"""The embedded modality: an SCU that calls the relay over a real socket, one request at a time."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import count
from typing import Self

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IAddress, IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory

from relay.demo.dimse import ARTIM, MAXIMUM, Conversation, request
from relay.wire.command import CommandField, CommandSet
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.items import PresentationContextRQ
from relay.wire.negotiation import Answer, Context, Offer
from relay.wire.pdu import AssociateAC, AssociateRJ, ae_field
from relay.wire.reader import Buffer
from relay.wire.upperlayer import Loss

AE_TITLE = "MODALITY"
MOST_CONTEXTS = 128
"""Ids are odd, and one byte (PS3.8 9.3.2.2)."""


class NotAnswered(Exception):
    """There is no association to be answered on; the text says why."""


@attrs.frozen
class Response:
    """A status with the dataset that came with it."""

    status: int
    dataset: bytes = attrs.field(repr=False)


class _Once(Factory):
    """Gives the one protocol that was made beforehand."""

    noisy = False

    def __init__(self, modality: Modality) -> None:
        self.modality = modality

    def buildProtocol(self, addr: IAddress | None) -> Modality:
        return self.modality


class Modality(Conversation):
    """The modality's end of an association.

    `contexts` are proposed, each with its one transfer syntax, at most `MOST_CONTEXTS` of them;
    `called` is the AE title to call.
    """

    def __init__(self, clock: IReactorTime, called: str, contexts: Iterable[Context]) -> None:
        super().__init__(clock, is_requestor=True)
        self._called = called
        self._offer = _offer(contexts)
        self._message_ids = count(1)
        self._waiting: Deferred[None] | None = None
        self._responses: list[Response] = []
        self._command: CommandSet
        self._dataset = bytearray()

    @classmethod
    async def call(
        cls,
        clock: IReactorTime,
        endpoint: IStreamClientEndpoint,
        called: str,
        contexts: Iterable[Context],
    ) -> Self:
        """An established association. `NotAnswered` where there is none to be had."""
        modality = cls(clock, called, contexts)
        established = modality._wait()
        try:
            await endpoint.connect(_Once(modality))
        except ConnectError as error:
            raise NotAnswered(f"no connection ({type(error).__name__})") from None
        await established
        return modality

    async def ask(
        self, context: Context, field: CommandField, instance: str = "", dataset: bytes = b""
    ) -> list[Response]:
        """Send a request; gives all its responses. `NotAnswered` where they can't come."""
        ids = {held: each for each, held in self.contexts.items()}
        if not self.layer.established:
            raise NotAnswered("the association has ended")
        if context not in ids:
            raise NotAnswered("its presentation context was refused")
        answered, self._responses = self._wait(), []
        command = (field, next(self._message_ids), context.abstract_syntax, instance)
        self.say(ids[context], request(*command, has_dataset=bool(dataset)), dataset)
        await answered
        return self._responses

    async def release(self) -> None:
        """End the association in order."""
        if self.layer.established:
            self.layer.release()
            self.drop_in(ARTIM)
        await self.closed

    def connectionMade(self) -> None:
        """Ask for the association."""
        super().connectionMade()
        fields = ae_field(AE_TITLE), ae_field(self._called)
        self.layer.connected(self._offer.request(*fields, MAXIMUM))

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        """The relay's answer, which is an archive's."""
        if isinstance(answer, AssociateRJ):
            numbers = f"({answer.result},{answer.source},{answer.reason})"
            self._go_on(NotAnswered(f"the association was rejected {numbers}"))
        else:
            self.contexts = Answer.of(self._offer, answer).in_force(self._offer)
            self._go_on()

    def abort_indication(self, loss: Loss) -> None:
        """The association is gone."""
        self._go_on(NotAnswered(str(loss)))

    def began(self, context_id: int, command: CommandSet, command_set: bytes) -> None:
        """A response."""
        if self._waiting is None or not command.is_response:
            raise ProtocolError("a message that is not due", AbortReason.UNEXPECTED_PARAMETER)
        self._command, self._dataset = command, bytearray()

    def part(self, body: Buffer) -> None:
        """Bytes of its dataset."""
        self._dataset += body

    def ended(self) -> None:
        """It is complete."""
        assert self._command.status is not None
        self._responses.append(Response(self._command.status, bytes(self._dataset)))
        if not self._command.pending:
            self._go_on()

    def _wait(self) -> Deferred[None]:
        self._waiting = Deferred()
        return self._waiting

    def _go_on(self, error: NotAnswered | None = None) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None) if error is None else waiting.errback(error)


def _offer(contexts: Iterable[Context]) -> Offer:
    """Contexts as proposed, with the ids 1, 3, 5, ... (PS3.8 9.3.2.2)."""
    return Offer(
        tuple(
            PresentationContextRQ(2 * place + 1, each.abstract_syntax, (each.transfer_syntax,))
            for place, each in enumerate(contexts)
        )
    )

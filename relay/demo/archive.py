"""A door of the embedded archive: an SCP of C-ECHO, C-STORE and C-FIND behind TLS.

It takes every transfer syntax, stores datasets as they arrive, and finds what came by any door.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.defer import DeferredList
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, connectionDone
from twisted.internet.ssl import CertificateOptions
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure

from relay.demo.datasets import UNCOMPRESSED, instance_of
from relay.demo.dimse import MAXIMUM, PENDING, SUCCESS, Conversation, response
from relay.demo.operations import Answering, Finding, Operation, Request, Storing
from relay.demo.query import MODELS
from relay.demo.store import Store
from relay.policy.services import service_of
from relay.wire.command import CommandField, CommandSet, Status
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from relay.wire.negotiation import Answer, Offer, acceptance
from relay.wire.pdu import AssociateRQ
from relay.wire.reader import Buffer


class Archive(Factory):
    """One door: `name` is what the relay calls it."""

    noisy = False
    _port: Any

    def __init__(self, name: str, reactor: Any, store: Store) -> None:
        self.name = name
        self.reactor = reactor
        self.store = store
        self.connections: set[ArchiveAssociation] = set()

    def listen(self, host: str, tls: CertificateOptions) -> int:
        """Open the door at a free port of `host`; gives the port."""
        factory = TLSMemoryBIOFactory(tls, False, self, clock=self.reactor)
        self._port = self.reactor.listenTCP(0, factory, interface=host)
        return int(self._port.getHost().port)

    async def stop(self) -> None:
        """Close the door, and drop whatever came in by it."""
        await self._port.stopListening()
        connections = list(self.connections)
        for each in connections:
            each.drop()
        await DeferredList([each.closed for each in connections])

    def buildProtocol(self, addr: IAddress | None) -> ArchiveAssociation:
        """The archive's end of a connection."""
        association = ArchiveAssociation(self)
        self.connections.add(association)
        return association


class ArchiveAssociation(Conversation):
    """The archive's end of an association: one operation at a time."""

    def __init__(self, archive: Archive) -> None:
        super().__init__(archive.reactor, is_requestor=False)
        self.archive = archive
        self._operation: Operation | None = None

    def connectionMade(self) -> None:
        """A request is due; ARTIM runs, over the TLS handshake too."""
        super().connectionMade()
        self.layer.connected()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The caller is gone; what it has not completed is undone."""
        if self._operation is not None:
            self._operation.lost()
        self.archive.connections.discard(self)
        super().connectionLost(reason)

    def associate_indication(self, request: AssociateRQ) -> None:
        """Accept all that is served here."""
        answer = Answer(tuple(map(_judged, request.contexts)))
        self.contexts = answer.in_force(Offer.of(request))
        self.layer.accept(acceptance(request, answer, MAXIMUM), request)

    def began(self, context_id: int, command: CommandSet, command_set: bytes) -> None:
        """A request. ProtocolError before the last one was answered, and for a response."""
        if self._operation is not None or command.is_response:
            raise ProtocolError("a message that is not due", AbortReason.UNEXPECTED_PARAMETER)
        context = self.contexts[context_id]
        request = Request(self, context_id, context, command, instance_of(command_set))
        self._operation = self._of(request)

    def _of(self, request: Request) -> Operation:
        is_query = request.context.abstract_syntax in MODELS
        match request.command.field:
            case CommandField.C_ECHO_RQ:
                return Answering(request, SUCCESS)
            case CommandField.C_STORE_RQ if not is_query:
                return Storing(request, self.archive.name, self.archive.store)
            case CommandField.C_FIND_RQ if is_query:
                return Finding(request, self.archive.store)
        return Answering(request, Status.UNRECOGNIZED_OPERATION)

    def part(self, body: Buffer) -> None:
        """Bytes of the request's dataset."""
        if self._operation is not None:
            self._operation.part(body)

    def ended(self) -> None:
        """The request is complete."""
        if self._operation is not None:
            self._operation.ended()

    def cancelled(self) -> None:
        """The caller wants no more; it may have had everything already."""
        if self._operation is not None:
            self._operation.cancel()

    def answer(self, request: Request, status: int, dataset: bytes = b"") -> None:
        """Send a response; any but a pending one is the last."""
        if status != PENDING:
            self._operation = None
        if self.layer.established:
            command_set = response(request.command, status, request.instance, bool(dataset))
            self.say(request.context_id, command_set, dataset)


def _judged(proposed: PresentationContextRQ) -> PresentationContextAC:
    """All of storage as it comes; a query and C-ECHO in what can be read and written here."""
    service, syntaxes = service_of(proposed.abstract_syntax), proposed.transfer_syntaxes
    if service == "verification" or proposed.abstract_syntax in MODELS:
        syntaxes = tuple(each for each in syntaxes if each in UNCOMPRESSED)
    elif service != "storage":
        result = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
        return PresentationContextAC(proposed.id, result, syntaxes[0])
    if not syntaxes:
        result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
        return PresentationContextAC(proposed.id, result, proposed.transfer_syntaxes[0])
    return PresentationContextAC(proposed.id, ContextResult.ACCEPTANCE, syntaxes[0])

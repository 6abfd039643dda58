"""An archive in this process, by pynetdicom: it answers every service and tells what it heard."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from io import BytesIO
from types import TracebackType
from typing import Any, Self

import attrs
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage
from pynetdicom import (
    AE,
    ALL_TRANSFER_SYNTAXES,
    AllStoragePresentationContexts,
    BasicWorklistManagementPresentationContexts,
    ModalityPerformedPresentationContexts,
    PrintManagementPresentationContexts,
    QueryRetrievePresentationContexts,
    StorageCommitmentPresentationContexts,
    VerificationPresentationContexts,
    build_context,
    evt,
)
from pynetdicom.pdu import P_DATA_TF
from pynetdicom.presentation import PresentationContext
from pynetdicom.service_class import StorageServiceClass
from pynetdicom.sop_class import register_uid

from tests.interop.doors import CALLER, Door
from tests.interop.pki import Pki
from tests.interop.server import LOOPBACK

PENDING, CANCELLED, SUCCESS = 0xFF00, 0xFE00, 0x0000
PATIENCE_S = 30.0

FIELDS = (
    "AffectedSOPClassUID",
    "AffectedSOPInstanceUID",
    "RequestedSOPClassUID",
    "RequestedSOPInstanceUID",
    "MoveDestination",
    "ActionTypeID",
    "EventTypeID",
    "AttributeIdentifierList",
    "MoveOriginatorApplicationEntityTitle",
    "MoveOriginatorMessageID",
)
DATASETS = (
    "DataSet",
    "Identifier",
    "ActionInformation",
    "AttributeList",
    "ModificationList",
    "EventInformation",
)


@attrs.frozen
class Heard:
    """A request as it reached the archive: who asked whom, for what, and the dataset's bytes."""

    service: str
    calling: str
    called: str
    transfer_syntax: str
    fields: Mapping[str, str]
    dataset: bytes

    @classmethod
    def of(cls, event: Any) -> Heard:
        """Return what `event`, a request, holds; the Message ID is left out."""
        request, requestor = event.request, event.assoc.requestor
        fields = {name: getattr(request, name, None) for name in FIELDS}
        datasets = (getattr(request, name, None) for name in DATASETS)
        return cls(
            service=type(request).__name__.replace("_", "-"),
            calling=requestor.ae_title.strip(),
            called=requestor.primitive.called_ae_title.strip(),
            transfer_syntax=str(event.context.transfer_syntax),
            fields={name: str(value) for name, value in fields.items() if value is not None},
            dataset=next((data.getvalue() for data in datasets if isinstance(data, BytesIO)), b""),
        )


@attrs.frozen
class Script:
    """What the archive answers; by default success, and to a C-FIND the identifier itself."""

    status: int = SUCCESS
    answer: Dataset | None = None
    """The dataset of N-* responses, and of the N-EVENT-REPORT that follows an N-ACTION."""
    reports: bool = True
    """Whether N-ACTION is followed by a report on its own association."""
    holdings: Sequence[Dataset] = ()
    """What C-FIND, C-GET and C-MOVE find."""
    finds_nothing: bool = False
    waits_for_cancel: bool = False
    destinations: Mapping[str, int | Door] = attrs.field(factory=dict)
    """AE titles to which it moves, with their ports on loopback, or how they are called there."""
    identity: tuple[bool, bytes | None] = (True, None)
    """Whether the user is let in, and the server response."""
    extended: Mapping[str, bytes] = attrs.field(factory=dict)
    """Answers to SOP class extended negotiation."""


@attrs.define
class Archive:
    """A pynetdicom archive on a free port, behind TLS where a `pki` is given.

    Tests set its script and read what it heard. Requests arrive on threads of pynetdicom; a
    response leaves after its request was noted. What others report by N-EVENT-REPORT is in `told`
    as well, for those that wait for it.
    """

    pki: Pki | None = None
    ae_title: str = "ARCHIVE"
    maximum_pdu: int = 16382
    port: int = attrs.field(init=False, default=0)

    script: Script = attrs.field(init=False, factory=Script)
    heard: list[Heard] = attrs.field(init=False, factory=list)
    told: queue.Queue[Heard] = attrs.field(init=False, factory=queue.Queue)
    negotiated: dict[str, Any] = attrs.field(init=False, factory=dict)
    reports: queue.Queue[tuple[Dataset, Dataset | None]] = attrs.field(
        init=False, factory=queue.Queue
    )

    _ae: AE = attrs.field(init=False, repr=False)
    _report_due: threading.Event = attrs.field(init=False, factory=threading.Event, repr=False)

    def __enter__(self) -> Self:
        self._ae = _entity(self.ae_title, self.maximum_pdu)
        server: Any = self._ae.start_server(
            (LOOPBACK, 0),
            block=False,
            evt_handlers=self._handlers(),
            ssl_context=self.pki.server_context() if self.pki else None,
        )
        self.port = server.socket.getsockname()[1]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ae.shutdown()

    def forget(self) -> None:
        """Forget what was heard, and answer as at first."""
        self.script = Script()
        self.heard.clear()
        self.told = queue.Queue()
        self.negotiated.clear()

    def _handlers(self) -> list[Any]:
        simple = (evt.EVT_C_ECHO, evt.EVT_C_STORE, evt.EVT_N_DELETE)
        answered = (evt.EVT_N_GET, evt.EVT_N_SET, evt.EVT_N_CREATE)
        return [
            *((event, self._on_simple) for event in simple),
            *((event, self._on_answered) for event in answered),
            (evt.EVT_N_ACTION, self._on_action),
            (evt.EVT_N_EVENT_REPORT, self._on_report),
            (evt.EVT_C_FIND, self._on_find),
            (evt.EVT_C_GET, self._on_get),
            (evt.EVT_C_MOVE, self._on_move),
            (evt.EVT_PDU_SENT, self._on_pdu_sent),
            (evt.EVT_USER_ID, self._on_identity),
            (evt.EVT_SOP_EXTENDED, self._on_extended),
            (evt.EVT_SOP_COMMON, self._on_common),
            (evt.EVT_ASYNC_OPS, self._on_async),
        ]

    def _on_simple(self, event: Any) -> int:
        self.heard.append(Heard.of(event))
        return self.script.status

    def _on_answered(self, event: Any) -> tuple[int, Dataset | None]:
        return self._on_simple(event), self.script.answer

    def _on_action(self, event: Any) -> tuple[int, Dataset | None]:
        if self.script.reports:
            self._report_due.set()
        return self._on_simple(event), None

    def _on_report(self, event: Any) -> tuple[int, None]:
        status = self._on_simple(event)
        self.told.put(self.heard[-1])
        return status, None

    def _on_find(self, event: Any) -> Iterator[tuple[int, Dataset | None]]:
        self.heard.append(Heard.of(event))
        found = self.script.holdings or [event.identifier]
        for identifier in () if self.script.finds_nothing else found:
            yield PENDING, identifier
        if self.script.waits_for_cancel:
            yield _cancelled_in_time(event), None

    def _on_get(self, event: Any) -> Iterator[Any]:
        self.heard.append(Heard.of(event))
        yield len(self.script.holdings)
        yield from ((PENDING, dataset) for dataset in self.script.holdings)

    def _on_move(self, event: Any) -> Iterator[Any]:
        self.heard.append(Heard.of(event))
        yield _call(self.script.destinations.get(event.request.MoveDestination.strip()))
        yield len(self.script.holdings) + self.script.waits_for_cancel
        yield from ((PENDING, dataset) for dataset in self.script.holdings)
        if self.script.waits_for_cancel:
            yield _cancelled_in_time(event), None

    def _on_pdu_sent(self, event: Any) -> None:
        """Report, as soon as the response to N-ACTION is on its way, on its association."""
        if self._report_due.is_set() and isinstance(event.pdu, P_DATA_TF):
            self._report_due.clear()
            threading.Thread(target=self._report, args=(event.assoc, self.heard[-1])).start()

    def _report(self, association: Any, action: Heard) -> None:
        of = (action.fields["RequestedSOPClassUID"], action.fields["RequestedSOPInstanceUID"])
        self.reports.put(association.send_n_event_report(self.script.answer, 1, *of))

    def _on_identity(self, event: Any) -> tuple[bool, bytes | None]:
        fields = (event.user_id_type, event.primary_field, event.secondary_field)
        self.negotiated["identity"] = fields
        return self.script.identity

    def _on_extended(self, event: Any) -> Mapping[str, bytes]:
        self.negotiated["extended"] = dict(event.app_info)
        return self.script.extended

    def _on_common(self, event: Any) -> Mapping[str, Any]:
        self.negotiated["common"] = {
            str(uid): (item.service_class_uid, list(item.related_general_sop_class_identification))
            for uid, item in event.items.items()
        }
        return {}

    def _on_async(self, event: Any) -> tuple[int, int]:
        self.negotiated["async"] = (event.nr_invoked, event.nr_performed)
        return 3, 3


RETIRED = ("1.2.840.10008.5.1.4.1.1.6",)
"""Retired storage SOP classes that real objects are still of, and that pynetdicom doesn't know."""

for _uid in RETIRED:
    register_uid(_uid, f"RetiredStorage{_uid.rpartition('.')[2]}", StorageServiceClass)


def sole(archive: Archive) -> Heard:
    """Return the one request that the archive heard, from the caller and to its own title."""
    (request,) = archive.heard
    assert (request.calling, request.called) == (CALLER, archive.ae_title)
    return request


def _entity(ae_title: str, maximum_pdu: int) -> AE:
    entity = AE(ae_title)
    entity.maximum_pdu_size = maximum_pdu
    entity.maximum_associations = 64
    for uid in (*map(_abstract, AllStoragePresentationContexts), *RETIRED):
        entity.add_supported_context(uid, ALL_TRANSFER_SYNTAXES, scu_role=True, scp_role=True)
    for uid in map(_abstract, OTHERS):
        entity.add_supported_context(uid, scu_role=True, scp_role=True)
    return entity


def _abstract(context: PresentationContext) -> str:
    return str(context.abstract_syntax)


MOVED = [build_context(CTImageStorage)]
"""What C-MOVE's sub-operations offer to the destination."""

OTHERS = [
    *VerificationPresentationContexts,
    *QueryRetrievePresentationContexts,
    *BasicWorklistManagementPresentationContexts,
    *StorageCommitmentPresentationContexts,
    *ModalityPerformedPresentationContexts,
    *PrintManagementPresentationContexts,
]


def _call(destination: int | Door | None) -> tuple[Any, ...]:
    """Return how pynetdicom is to call a destination, by its own AE title unless there's a door."""
    match destination:
        case None:
            return None, None
        case Door(port, called, tls):
            secure = {"tls_args": (tls, "localhost")} if tls else {}
            return LOOPBACK, port, {"contexts": MOVED, "ae_title": called, **secure}
        case port:
            return LOOPBACK, port, {"contexts": MOVED}


def _cancelled_in_time(event: Any) -> int:
    """Wait for the C-CANCEL of a request; return the status that it deserves, else a failure."""
    never = threading.Event()
    for _ in range(int(PATIENCE_S / 0.01)):
        if event.is_cancelled:
            return CANCELLED
        never.wait(0.01)
    return 0xC001

"""A modality in this process, by pynetdicom: associations that are released, or the test fails."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid
from pynetdicom import AE, build_context
from pynetdicom.dsutils import encode

from tests.interop.doors import CALLER, Door
from tests.interop.relay_process import CANARY
from tests.interop.server import LOOPBACK

PATIENCE_S = 30.0


class Checkpoint(threading.Event):
    """Where pynetdicom's reactor waits while a service is used; `clear` returns when it does.

    pynetdicom takes its reactor for paused an instant too early, and the reactor may then take the
    response away from whoever waits for it, which shows with a peer that answers at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._reached = threading.Event()
        self.set()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; say so where that is not the case."""
        if not self.is_set():
            self._reached.set()
        return super().wait(timeout)

    def clear(self) -> None:
        """Clear it, and wait until the reactor has come here."""
        self._reached.clear()
        super().clear()
        self._reached.wait(PATIENCE_S)


def associate(
    door: Door,
    sop_classes: Sequence[str] = (),
    *,
    contexts: Sequence[Any] = (),
    items: Sequence[Any] = (),
    handlers: Sequence[Any] = (),
    calling: str = CALLER,
) -> Any:
    """Ask for an association and return it, accepted or not.

    `contexts` are asked for in place of the default transfer syntaxes of `sop_classes`, `items`
    are further items of user information, `handlers` serve what the archive asks for.
    """
    entity = AE(calling)
    entity.acse_timeout = entity.dimse_timeout = entity.network_timeout = PATIENCE_S
    association = entity.associate(
        LOOPBACK,
        door.port,
        contexts=list(contexts) or [build_context(uid) for uid in sop_classes],
        ae_title=door.called,
        ext_neg=list(items),
        evt_handlers=list(handlers),
        tls_args=(door.tls, "localhost") if door.tls else None,
    )
    association._reactor_checkpoint = Checkpoint()
    return association


@contextmanager
def associated(door: Door, *args: Any, **kwargs: Any) -> Iterator[Any]:
    """Hold an association as `associate` asks for it; at the end it is released in order."""
    association = associate(door, *args, **kwargs)
    assert association.is_established
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    association.release()
    assert association.is_released


def rejection(association: Any) -> tuple[int, int, int]:
    """Return result, source and reason of a rejection; fail where it was none.

    pynetdicom closes the connection as it is told to. If it then asks, late, whether there was one,
    it takes it for a failure to connect, and leaves the answer in its queue.
    """
    answer = association.acceptor.primitive
    if answer is None:
        answer = association.dul.to_user_queue.get(timeout=PATIENCE_S)
    assert answer.result != 0
    return answer.result, answer.result_source, answer.diagnostic


def ct_image(size: int = 0) -> Dataset:
    """Return a CT object with a UID of its own and `size` bytes of pixel data."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.SOPClassUID = CTImageStorage
    dataset.SOPInstanceUID = generate_uid()
    dataset.PatientID = CANARY
    dataset.add_new("PixelData", "OB", (bytes(range(256)) * (size // 256 + 1))[:size])
    return dataset


def identifier(**elements: object) -> Dataset:
    """Return a dataset of `elements`, by keyword."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def studies(count: int) -> list[Dataset]:
    """Return `count` identifiers such as an archive finds."""
    return [
        identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID=generate_uid(), StudyID=str(number))
        for number in range(count)
    ]


QUERY = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="", StudyID="")


def statuses(responses: Iterable[tuple[Dataset, Any]]) -> list[int]:
    """Return the statuses of responses, in the order in which they came."""
    return [status.Status for status, _ in responses]


def explicit(sop_class: str) -> Any:
    """Return a context of one transfer syntax, so that bytes can be compared."""
    return build_context(sop_class, ExplicitVRLittleEndian)


def encoded(dataset: Dataset, *, implicit: bool = False) -> bytes:
    """Return a dataset as pynetdicom sends it."""
    return encode(dataset, implicit, True) or b""

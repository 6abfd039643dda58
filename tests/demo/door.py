"""A door of the embedded archive on a reactor in memory, without TLS, and modalities that call."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from pydicom.dataset import Dataset
from pynetdicom.dsutils import split_dataset
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint
from twisted.trial.unittest import SynchronousTestCase

from relay.demo.archive import Archive
from relay.demo.datasets import encoded
from relay.demo.modality import Modality, NotAnswered, Response
from relay.demo.query import PATIENT_ROOT, STUDY_ROOT
from relay.demo.store import Store
from relay.wire.command import CommandField
from relay.wire.negotiation import Context
from tests.network import Network
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    VERIFICATION,
)

PORT = 104
STORE = Context(CT_IMAGE_STORAGE, EXPLICIT_LITTLE_ENDIAN)
ECHO = Context(VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
GARBAGE = b"\x08\0\x40\x11SQ\0\0\xff\xff\xff\xffCANARY, not an item"
"""No dataset: a sequence that has no items."""
STUDIES = Context(STUDY_ROOT, IMPLICIT_LITTLE_ENDIAN)
PATIENTS = Context(PATIENT_ROOT, EXPLICIT_LITTLE_ENDIAN)
ALL = (STORE, ECHO, STUDIES, PATIENTS)


class DoorTestCase(SynchronousTestCase):
    """A test with an open door, and an empty store behind it."""

    def setUp(self) -> None:
        self.folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.network = Network()
        self.store = Store(self.folder)
        self.archive = Archive("archive-a", self.network, self.store)
        self.network.listenTCP(PORT, self.archive)

    def settled(self, work: Any) -> Any:
        """What the coroutine `work` comes to when nothing moves any more."""
        result = Deferred.fromCoroutine(work)
        self.network.settle()
        return self.successResultOf(result)

    def not_answered(self, work: Any) -> str:
        """Why the coroutine `work` fails, when nothing moves any more."""
        result = Deferred.fromCoroutine(work)
        self.network.settle()
        return str(self.failureResultOf(result, NotAnswered).value)

    def call(self, *contexts: Context, kind: type[Modality] = Modality) -> Modality:
        """A modality with an association."""
        endpoint = TCP4ClientEndpoint(self.network, "127.0.0.1", PORT)
        return self.settled(kind.call(self.network, endpoint, "ANY", contexts or ALL))

    def ask(self, modality: Modality, *request: Any) -> list[Response]:
        """All that is answered to a request."""
        return self.settled(modality.ask(*request))

    def put(self, **elements: object) -> int:
        """Store an object of these elements; returns the status."""
        dataset = identifier(**elements)
        request = (CommandField.C_STORE_RQ, str(elements.get("SOPInstanceUID", "1.2.3")))
        modality = self.call()
        (response,) = self.ask(modality, STORE, *request, encoded(dataset, STORE.transfer_syntax))
        self.settled(modality.release())
        return response.status

    def names(self) -> list[str]:
        """Of the files in the store."""
        return sorted(path.name for path in self.folder.iterdir())


def identifier(**elements: object) -> Dataset:
    """A dataset of these elements, by keyword."""
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def dataset_in(path: Path) -> bytes:
    """What follows the file meta group of a Part 10 file, as pynetdicom sees it."""
    return path.read_bytes()[split_dataset(path)[1] :]

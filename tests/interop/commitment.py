"""Storage commitment: what is asked for by N-ACTION, and the report about it by N-EVENT-REPORT."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom import build_context, build_role
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StorageCommitmentPushModel,
    StorageCommitmentPushModelInstance,
)

from tests.interop.caller import associated, identifier
from tests.interop.doors import Door

MODEL = StorageCommitmentPushModel
INSTANCE = (StorageCommitmentPushModel, StorageCommitmentPushModelInstance)
REQUEST, ALL_STORED, SOME_FAILED = 1, 1, 2
"""The Action Type ID of a request, and Event Type IDs of a report (PS3.4 J.3)."""


def transaction(instances: Iterable[str] = ()) -> Dataset:
    """Return a transaction about these CT images, or about one that nobody has."""
    items = [
        identifier(ReferencedSOPClassUID=CTImageStorage, ReferencedSOPInstanceUID=uid)
        for uid in (instances or [generate_uid()])
    ]
    return identifier(TransactionUID=generate_uid(), ReferencedSOPSequence=items)


def ask(door: Door, about: Dataset, calling: str, **kwargs: Any) -> int:
    """Ask for commitment, on an association for that alone; return the status of the N-ACTION."""
    with associated(door, [MODEL], calling=calling, **kwargs) as association:
        status, _ = association.send_n_action(about, REQUEST, *INSTANCE)
    return int(status.Status)


def report(door: Door, about: Dataset, calling: str, event: int = ALL_STORED) -> int:
    """Report on a new association, with roles reversed; return the status of the answer."""
    roles = {"contexts": [build_context(MODEL)], "items": [build_role(MODEL, scp_role=True)]}
    with associated(door, calling=calling, **roles) as association:
        status, _ = association.send_n_event_report(about, event, *INSTANCE)
    return int(status.Status)

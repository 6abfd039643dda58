"""What a requestor is told when no upstream can, or could, perform its operation.

Never success: that is the upstream's word alone. A status says that the operation failed and may be
tried again; where DICOM has no such status for the operation, or its effect is unknown, the
association is aborted.
"""

from __future__ import annotations

from relay.wire.command import CommandField, Status

UNPERFORMED: dict[int, Status] = {
    CommandField.C_STORE_RQ: Status.OUT_OF_RESOURCES,
    CommandField.C_FIND_RQ: Status.OUT_OF_RESOURCES,
    CommandField.C_GET_RQ: Status.OUT_OF_RESOURCES_SUBOPERATIONS,
    CommandField.C_MOVE_RQ: Status.OUT_OF_RESOURCES_SUBOPERATIONS,
    CommandField.N_EVENT_REPORT_RQ: Status.PROCESSING_FAILURE,
    CommandField.N_GET_RQ: Status.RESOURCE_LIMITATION,
    CommandField.N_SET_RQ: Status.RESOURCE_LIMITATION,
    CommandField.N_ACTION_RQ: Status.RESOURCE_LIMITATION,
    CommandField.N_CREATE_RQ: Status.RESOURCE_LIMITATION,
    CommandField.N_DELETE_RQ: Status.RESOURCE_LIMITATION,
}

_RETRIEVING = frozenset(
    {
        CommandField.C_STORE_RQ,
        CommandField.C_FIND_RQ,
        CommandField.C_GET_RQ,
        CommandField.C_MOVE_RQ,
    }
)
"""Operations that may be told of a failure also after they were sent."""


def failure_status(field: int, sent: bool, aborts: bool = False) -> Status | None:
    """The status for a request `field` that failed; None where only an abort is honest.

    `sent`: whether the upstream may have begun to perform it. `aborts`: the requestor takes any
    status for final, and would not try again: no status is honest with it.
    """
    if aborts or (sent and field not in _RETRIEVING):
        return None
    return UNPERFORMED.get(field)


def too_large_status(field: int) -> Status:
    """The status for a request `field` whose dataset is longer than is taken: nobody got all of it,
    so nobody can have performed it."""
    return UNPERFORMED.get(field, Status.RESOURCE_LIMITATION)


def context_refused_status(field: int) -> Status:
    """The status for a request `field` whose context its upstream does not accept.

    A report that cannot be delivered is a processing failure: its sender will report again.
    """
    is_report = field == CommandField.N_EVENT_REPORT_RQ
    return Status.PROCESSING_FAILURE if is_report else Status.SOP_CLASS_NOT_SUPPORTED

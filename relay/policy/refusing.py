"""What the relay answers a request with, itself, before anybody is asked to perform it: pure."""

from __future__ import annotations

from relay.policy.leasing import HOLDS
from relay.wire.command import CommandField, CommandSet, Status


def refusal(command: CommandSet, abstract_syntax: str, is_in_flight: bool) -> Status | None:
    """The status that refuses a request on a context of `abstract_syntax`; None: it goes on.

    `is_in_flight`: another request of its invoker has the same Message ID (PS3.7 C.4). The SOP
    class is held to the context's for C-STORE alone: of other services archives know better.
    """
    if command.field not in HOLDS:
        return Status.UNRECOGNIZED_OPERATION
    if is_in_flight:
        return Status.DUPLICATE_INVOCATION
    is_store = command.field == CommandField.C_STORE_RQ
    if is_store and command.sop_class != abstract_syntax:
        return Status.SOP_CLASS_NOT_SUPPORTED
    return None

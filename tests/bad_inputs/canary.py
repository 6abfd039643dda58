"""A canary in a patient's place, wherever a peer may say something; and how to find where it went.

Nothing of what is here may come out of a log, at any level and in any form of it. AE titles are no
patient's, and are logged: they hold no canary here, unless they stand where none is expected.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from typing import Any

import attrs
from twisted.logger import LogEvent, eventAsJSON, eventAsText
from twisted.python.failure import Failure

from relay import logs
from relay.wire.command import CommandField
from relay.wire.pdu import AssociateRQ
from tests.peers import (
    A_DATASET,
    COMMITMENT,
    ECHO,
    FIND,
    GET,
    MOVE,
    PROPOSED,
    STORE,
    Message,
    accept_all,
    associate_rq,
    command_of,
    context_item,
    element,
    identity,
    proposals,
    response_of,
    said,
)
from tests.vectors import EXPLICIT_LITTLE_ENDIAN, item

CANARY = "CANARY"
"""Stands for a patient: it must not come out."""

SECRET = CANARY.encode()
SECRET_UID = "2.25.6765786582"
"""Stands for what identifies an object, of which only a keyed hash may ever be logged."""

FORMS = (
    CANARY,
    SECRET_UID,
    SECRET.hex(),
    base64.b64encode(SECRET).decode(),
    SECRET_UID.encode().hex(),
    str(list(SECRET))[1:-1],
)
"""How one may look; without regard to case."""

PATIENT = element(0x0010, 0x0010, SECRET + b"^JANE ") + element(0x0010, 0x0020, SECRET + b"42")
PRIVATE = element(0x0011, 0x0010, SECRET + b" PRIVATE") + element(0x0011, 0x1001, SECRET * 100)
RECORD = PATIENT + PRIVATE + element(0x0020, 0x000D, SECRET_UID.encode() + b"\0")

UIDS = (0x0002, 0x0003, 0x1000, 0x1001)
ELEMENTS = (
    *UIDS,
    *(0x0600, 0x0700, 0x0901, 0x0902, 0x0903, 0x1002, 0x1005, 0x1008),
    *(0x1020, 0x1021, 0x1022, 0x1023, 0x1030, 0x1031),
    *(0x0001, 0x0010, 0x0200, 0x0300, 0x0400, 0x0850, 0x0860, 0x4000, 0x4010, 0x5010, 0x5020),
    *(0x5110, 0x5120, 0x5130, 0x5140, 0x5150, 0x5160, 0x5170, 0x5180, 0x5190, 0x51A0, 0x51B0),
)
"""Of command sets (PS3.7 tables E.1-1, E.2-1), but for those by which a message is known."""

SERVICES = {
    CommandField.C_ECHO_RQ: ECHO,
    CommandField.C_STORE_RQ: STORE,
    CommandField.C_FIND_RQ: FIND,
    CommandField.C_MOVE_RQ: MOVE,
    CommandField.C_GET_RQ: GET,
    CommandField.N_EVENT_REPORT_RQ: COMMITMENT,
    CommandField.N_GET_RQ: COMMITMENT,
    CommandField.N_SET_RQ: COMMITMENT,
    CommandField.N_ACTION_RQ: COMMITMENT,
    CommandField.N_CREATE_RQ: COMMITMENT,
    CommandField.N_DELETE_RQ: COMMITMENT,
}
"""All of DIMSE, each with the context that it is asked on."""

ELSEWHERE = element(0x0008, 0x0058, SECRET_UID.encode() + b"\0") + PATIENT
"""Elements of other groups, which a command set has no room for and may hold all the same."""


# what is said


def user_items() -> bytes:
    """Sub-items of user information: all that there are, and one that nobody knows."""
    role = len(SECRET_UID).to_bytes(2, "big") + SECRET_UID.encode()
    common = role + role + len(role).to_bytes(2, "big") + role
    return b"".join(
        (
            item(0x52, SECRET_UID.encode()),
            item(0x54, role + b"\1\1"),
            item(0x55, SECRET),
            item(0x56, role + SECRET),
            item(0x57, common),
            identity(SECRET, SECRET),
            item(0x5F, SECRET),
        )
    )


def request(**how: Any) -> bytes:
    """An A-ASSOCIATE-RQ."""
    return associate_rq(
        proposals() + context_item(99, SECRET_UID, EXPLICIT_LITTLE_ENDIAN, SECRET_UID),
        user_items=user_items(),
        more_items=item(0x77, SECRET),
        **how,
    )


def acceptance(asked: AssociateRQ) -> bytes:
    """An archive's A-ASSOCIATE-AC to it, which takes all that is real."""
    return accept_all(asked, user_items=user_items())


def elements(**more: Any) -> dict[str, Any]:
    """Elements of a command set, as tests/peers.py takes them; `more` stand in their place."""
    values = {each: SECRET_UID if each in UIDS else SECRET for each in ELEMENTS}
    return {f"e{each:04x}": value for each, value in values.items()} | more


def asked(field: int, message_id: int = 1, **more: Any) -> bytes:
    """A request of DIMSE with its dataset, on the context that it belongs on."""
    context_id = SERVICES.get(CommandField(field), STORE)
    its = elements(e0002=PROPOSED[context_id], **more)
    command = command_of(field, message_id, A_DATASET, **its)
    return said(context_id, command + ELSEWHERE, RECORD)


@attrs.frozen
class Answering:
    """An archive that answers each request with `status`, and says all that it can beside that."""

    status: int

    def __call__(self, message: Message) -> bytes | None:
        command = message.command
        if command.is_response or command.is_cancel:
            return None
        answer = response_of(command, self.status, A_DATASET, **elements())
        return said(message.context_id, answer + ELSEWHERE, RECORD)


@attrs.frozen
class Always:
    """An archive that gives the same answer to everything."""

    answer: bytes

    def __call__(self, what: object) -> bytes:
        return self.answer


# what came out


def forms_of(event: LogEvent) -> Iterator[str]:
    """All that a log could make of an event: its text, JSON, and what its values hold."""
    yield eventAsText(event, includeTraceback=True)
    yield eventAsJSON(dict(event))
    yield from filter(None, (form(event) for form in logs.FORMS.values()))
    yield from _inside(dict(event), set())


def _inside(value: Any, seen: set[int]) -> Iterator[str]:
    if id(value) in seen:
        return
    seen.add(id(value))
    yield repr(value)
    if isinstance(value, str | bytes):
        return
    if isinstance(value, Mapping):
        yield from (form for pair in value.items() for each in pair for form in _inside(each, seen))
    elif isinstance(value, list | tuple | set | frozenset):
        yield from (form for each in value for form in _inside(each, seen))
    elif isinstance(value, Failure):
        yield value.getTraceback()
        yield from _inside(value.value, seen)
    elif isinstance(value, BaseException):
        yield from _inside(value.args, seen)
    elif attrs.has(type(value)):
        names = (each.name for each in attrs.fields(type(value)))
        yield from (form for name in names for form in _inside(getattr(value, name, None), seen))


def found_in(text: str) -> list[str]:
    """Which forms of a canary a text holds."""
    text = text.casefold()
    return [form for form in FORMS if form.casefold() in text]

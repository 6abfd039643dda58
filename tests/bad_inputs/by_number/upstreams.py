"""What an archive says that it should not, by row: the A-ABORT that it hears, and what the caller
is told of it, which is never success.

A row is (number, what it is, what is said, what the archive hears); the last is None where its own
end is taken as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from relay.wire.pdu import Abort, AssociateAC, AssociateRQ, ReleaseRP
from tests import vectors
from tests.bad_inputs.by_number.callers import OF_CT, STORED, longer, response
from tests.bad_inputs.by_number.cases import Case
from tests.bad_inputs.by_number.loopback import Loopback
from tests.bad_inputs.case import (
    INVALID_PARAMETER,
    NO_ASSOCIATION,
    TRY_AGAIN,
    UNEXPECTED,
    UNEXPECTED_PARAMETER,
    UNRECOGNIZED,
)
from tests.peers import (
    A_DATASET,
    COMMITMENT,
    FIND,
    GET,
    MOVE,
    PATIENT_ROOT_FIND,
    PROPOSED,
    STORAGE_COMMITMENT,
    STORE,
    Message,
    accept_all,
    acceptance,
    associate_rq,
    command_of,
    echo,
    find,
    said,
    store,
    store_command,
    succeed,
)
from tests.vectors import IMPLICIT_LITTLE_ENDIAN, item, p_data, pdu, pdv

DATA = 4
"""The type of a P-DATA-TF."""

ANNOUNCED = 131072
"""Bytes: the maximum length that the relay announces to archives."""

MOVES, GETS = PROPOSED[MOVE], PROPOSED[GET]
MOVING = command_of(0x0021, 1, A_DATASET, e0002=MOVES, e0600="MODALITY", e0700=0)
GETTING = command_of(0x0010, 1, A_DATASET, e0002=GETS, e0700=0)
ACTION = command_of(
    0x0130, 1, A_DATASET, e0003=STORAGE_COMMITMENT, e1001="1.2.840.10008.1.20.1.1", e1008=1
)

OF_ANOTHER = response(STORE, 0x8001, 0, 7, **OF_CT)

ANSWERS: tuple[tuple[int, str, bytes, Abort | None], ...] = (
    (1, "an HTTP response", b"HTTP/1.1 400 Bad Request\r\n\r\n", UNRECOGNIZED),
    (2, "PDU type 44H", pdu(0x44, b""), UNRECOGNIZED),
    (6, "an acceptance of 4 GiB", bytes.fromhex("02 00 FFFFFFFF"), INVALID_PARAMETER),
    (7, "longer than announced", b"\x04\0" + (ANNOUNCED + 1).to_bytes(4, "big"), INVALID_PARAMETER),
    (8, "no PDV", pdu(4, b""), INVALID_PARAMETER),
    (9, "a PDV of 1 byte", pdu(4, b"\0\0\0\x01\x03\x03"), INVALID_PARAMETER),
    (10, "a PDV beyond its PDU", pdu(4, b"\0\0\x10\0\x03\x03COMMAND!"), INVALID_PARAMETER),
    (11, "a release of 5 bytes", pdu(5, bytes(5)), INVALID_PARAMETER),
    (11, "a rejection of 3 bytes", pdu(3, bytes(3)), INVALID_PARAMETER),
    (11, "an abort of 5 bytes", pdu(7, bytes(5)), None),
    (14, "a request for an association", associate_rq(), UNEXPECTED),
    (14, "a second acceptance", vectors.ASSOCIATE_AC, UNEXPECTED),
    (14, "a rejection", vectors.ASSOCIATE_RJ, UNEXPECTED),
    (14, "an agreement to a release", ReleaseRP().encode(), UNEXPECTED),
    (35, "a context of nobody", said(99, store_command()), UNEXPECTED_PARAMETER),
    (36, "a dataset first", p_data(pdv(STORE, 2, b"x")), UNEXPECTED_PARAMETER),
    (36, "a second command", p_data(pdv(STORE, 1, b"x"), pdv(FIND, 3, b"x")), UNEXPECTED_PARAMETER),
    (37, "a command without end", p_data(pdv(STORE, 1, bytes(65537))), NO_ASSOCIATION),
    (39, "no command set", said(STORE, b"no command set at all"), NO_ASSOCIATION),
    (59, "success to another message", OF_ANOTHER, UNEXPECTED_PARAMETER),
    (59, "success to a query", response(STORE, 0x8020, 0), UNEXPECTED_PARAMETER),
    (59, "success on another context", response(FIND, 0x8001, 0), UNEXPECTED_PARAMETER),
)
"""Said to an object that is to be stored."""

Acceptance = Callable[[AssociateRQ], bytes]


def accepting(*contexts: tuple[int, int]) -> Acceptance:
    """An acceptance of what was asked for, and behind it of these (id, result)."""
    syntax = item(0x40, IMPLICIT_LITTLE_ENDIAN.encode())
    more = b"".join(item(0x21, bytes((each, 0, result, 0)) + syntax) for each, result in contexts)
    return lambda request: acceptance(request, more)


def with_items(user_items: bytes, maximum: int = 16384) -> Acceptance:
    """An acceptance with these sub-items."""
    return lambda request: accept_all(request, maximum, user_items)


def with_half_an_item(request: AssociateRQ) -> bytes:
    """An acceptance that ends in the middle of an item."""
    whole = accept_all(request)
    return whole[:2] + (len(whole) - 6 + 3).to_bytes(4, "big") + whole[6:] + b"\x10\0\xff"


ACCEPTANCES: tuple[tuple[int, str, Acceptance, Abort], ...] = (
    (1, "an HTTP response", lambda _: b"HTTP/1.1 400 Bad Request\r\n\r\n", UNRECOGNIZED),
    (6, "an acceptance of 4 GiB", lambda _: bytes.fromhex("02 00 FFFFFFFF"), INVALID_PARAMETER),
    (11, "a rejection of 5 bytes", lambda _: pdu(3, bytes(5)), INVALID_PARAMETER),
    (14, "a request", lambda _: associate_rq(), UNEXPECTED),
    (15, "data first", lambda _: echo(), UNEXPECTED),
    (18, "a long sub-item", with_items(longer(item(0x52, b"2.25.1"))), INVALID_PARAMETER),
    (18, "half an item", with_half_an_item, INVALID_PARAMETER),
    (
        19,
        "16,000 sub-items of 64 KiB",
        with_items(bytes.fromhex("56 00 FFFF") * 16000),
        INVALID_PARAMETER,
    ),
    (26, "context id 2", accepting((2, 0)), INVALID_PARAMETER),
    (27, "a context id twice", accepting((1, 0), (1, 0)), INVALID_PARAMETER),
    (30, "a maximum of 6 bytes", with_items(b"", 6), INVALID_PARAMETER),
)
"""Said to a request for an association."""

TOLERATED: tuple[tuple[int, str, Acceptance], ...] = (
    (20, "an unknown sub-item", with_items(item(0x5F, b"what"))),
    (28, "a context that nobody asked for", accepting((99, 0))),
    (29, "no context at all", accepting()),
    (30, "a maximum of 0", with_items(b"", 0)),
)
"""The same, where there is nothing to be said against it."""

SERVICES: tuple[tuple[str, bytes, bytes], ...] = (
    ("a C-ECHO", echo(), Abort(2, 0).encode()),
    ("a C-FIND", find(b"identifier"), response(FIND, 0x8020, 0xA700, e0002=PATIENT_ROOT_FIND)),
    ("a C-MOVE", said(MOVE, MOVING, b"identifier"), response(MOVE, 0x8021, 0xA702, e0002=MOVES)),
    ("a C-GET", said(GET, GETTING, b"identifier"), response(GET, 0x8010, 0xA702, e0002=GETS)),
    ("an N-ACTION", said(COMMITMENT, ACTION, b"instances"), Abort(2, 0).encode()),
)
"""What a caller asked, and what it is told where an archive answers with nonsense."""

FAILED = response(STORE, 0x8001, 0xA700, **OF_CT)


def cases() -> Iterator[Case]:
    """All of them: where there is no other archive, and where there is."""
    for row, what, data, hears in ANSWERS:
        yield Case(row, f"an archive's: {what}", partial(_fails, data, hears))
        act = partial(_fails_over, data, hears)
        yield Case(row, f"an archive's, and a second one: {what}", act, count=2)
        yield Case(row, f"an archive's, at rest: {what}", partial(_ends_at_rest, data, hears))
    for what, asked, answer in SERVICES:
        act = partial(_fails_otherwise, asked, answer)
        yield Case(59, f"an archive's nonsense to {what}", act)
    for row, what, accept, heard in ACCEPTANCES:
        yield Case(row, f"an archive's answer: {what}", partial(_refuses, accept, heard))
    for row, what, accept in TOLERATED:
        yield Case(row, f"an archive's answer: {what}", partial(_tolerates, accept))


def _aborts(bed: Loopback) -> list[Abort]:
    bed.settle()
    return [each for each in bed.archive.heard if isinstance(each, Abort)]


def _once(data: bytes) -> Callable[[Message], bytes | None]:
    """Say this to objects, and what is right to all else."""
    return lambda message: data if message.context_id == STORE else succeed(message)


def _fails(data: bytes, hears: Abort | None, bed: Loopback) -> None:
    bed.archive.script.answer = _once(data)
    caller = bed.associate(None, store(b"pixels"))
    bed.hears(caller, FAILED)
    assert set(_aborts(bed)) == ({hears} if hears else set()), _aborts(bed)
    bed.mend()
    caller.say(store(b"pixels"))
    bed.hears(caller, STORED)
    bed.release(caller)


def _fails_over(data: bytes, hears: Abort | None, bed: Loopback) -> None:
    bed.archive.script.answer = _once(data)
    caller = bed.associate(None, store(b"pixels"))
    bed.hears(caller, STORED)
    assert set(_aborts(bed)) == ({hears} if hears else set()), _aborts(bed)
    (message,) = bed.archives[1].messages
    assert message == Message(STORE, store_command(), b"pixels"), message
    bed.release(caller)


def _ends_at_rest(data: bytes, hears: Abort | None, bed: Loopback) -> None:
    """Nobody leases the association, and whoever calls next has another."""
    bed.answers_an_echo()
    (archive,) = bed.archive.open
    archive.say(data)
    bed.settle(lambda: archive.is_closed)
    assert set(_aborts(bed)) == ({hears} if hears else set()), _aborts(bed)


def _fails_otherwise(asked: bytes, answer: bytes, bed: Loopback) -> None:
    bed.archive.script.answer = lambda message: pdu(0x44, b"")
    caller = bed.associate(None, asked)
    bed.hears(caller, answer)
    if answer[0] == DATA:
        bed.release(caller)
    else:
        bed.is_over(caller)


def _refuses(accept: Acceptance, hears: Abort, bed: Loopback) -> None:
    bed.archive.script.associate = accept
    # A title that nothing is remembered of.
    caller = bed.call(associate_rq(calling=b"STRANGER"))
    bed.hears(caller, TRY_AGAIN.encode())
    bed.is_over(caller)
    assert set(_aborts(bed)) == {hears}, bed.archive.heard


def _tolerates(accept: Acceptance, bed: Loopback) -> None:
    bed.archive.script.associate = accept
    caller = bed.call(associate_rq(calling=b"STRANGER"))
    bed.settle(lambda: caller.heard)
    (answer,) = caller.heard
    assert isinstance(answer, AssociateAC), answer
    caller.taken()
    bed.release(caller)

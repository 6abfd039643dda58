"""What a caller says that it should not, by row, and the bytes that it is told.

A row is (number, what it is, what is said, what is answered). Nothing here is more than bytes: what
takes time, two parties or a certain archive is in scenes.py.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from relay.wire.negotiation import IMPLEMENTATION_CLASS_UID, IMPLEMENTATION_VERSION_NAME
from relay.wire.pdu import Abort, AssociateRJ, AssociateRQ, ReleaseRP
from tests import vectors
from tests.bad_inputs.by_number.cases import Case
from tests.bad_inputs.by_number.loopback import Loopback
from tests.bad_inputs.case import (
    CALLED_UNKNOWN,
    CALLING_UNKNOWN,
    NO_ASSOCIATION,
    UNEXPECTED,
    UNRECOGNIZED,
    without,
)
from tests.peers import (
    A_DATASET,
    ECHO,
    FIND,
    NO_DATASET,
    STORAGE_COMMITMENT,
    STORE,
    accept_all,
    associate_rq,
    command_of,
    context_item,
    echo,
    element,
    find,
    last,
    proposals,
    said,
    store,
    store_command,
)
from tests.vectors import (
    CT_IMAGE_STORAGE,
    HTTP_REQUEST,
    IMPLICIT_LITTLE_ENDIAN,
    TLS_CLIENT_HELLO,
    VERIFICATION,
    item,
    p_data,
    pdu,
    pdv,
)

Row = tuple[int, str, bytes, bytes]

ANNOUNCED = 16384
"""Bytes: the maximum length that the relay announces here."""


def longer(inner: bytes, by: int = 100) -> bytes:
    """An item that says it were longer."""
    return inner[:2] + (len(inner) - 4 + by).to_bytes(2, "big") + inner[4:]


def response(context_id: int, field: int, status: int, to: Any = 1, **more: Any) -> bytes:
    """A response on the wire."""
    elements = {"e0120": to, "e0900": status, **more}
    command = command_of(field | 0x8000, 0, NO_DATASET, **elements)
    return said(context_id, without_message_id(command))


def without_message_id(command: bytes) -> bytes:
    """Responses have none of their own."""
    body = without(command[12:], 0x0110)
    return element(0, 0, len(body).to_bytes(4, "little")) + body


THE_RELAYS_OWN = item(0x52, IMPLEMENTATION_CLASS_UID.encode()) + item(
    0x55, IMPLEMENTATION_VERSION_NAME.encode()
)
"""Sub-items of an acceptance."""

OF_CT = {"e0002": CT_IMAGE_STORAGE, "e1000": "1.2.3"}

RANDOM = b"\xff" + random.Random(20260101).randbytes(200)
A_CONTEXT = context_item(1, VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
A_SYNTAX = item(0x30, VERIFICATION.encode())

STRANGERS: tuple[Row, ...] = (
    (1, "an HTTP request", HTTP_REQUEST, NO_ASSOCIATION.encode()),
    (1, "a TLS ClientHello", TLS_CLIENT_HELLO, NO_ASSOCIATION.encode()),
    (1, "random bytes", RANDOM, NO_ASSOCIATION.encode()),
    (6, "a request of 4 GiB", bytes.fromhex("01 00 FFFFFFFF"), NO_ASSOCIATION.encode()),
    (15, "data first", echo(), NO_ASSOCIATION.encode()),
    (18, "a long context", associate_rq(longer(A_CONTEXT)), NO_ASSOCIATION.encode()),
    (
        18,
        "a long syntax",
        associate_rq(item(0x20, bytes((1, 0, 0, 0)) + A_SYNTAX + longer(item(0x40, b"1.2")))),
        NO_ASSOCIATION.encode(),
    ),
    (
        18,
        "a long role",
        associate_rq(user_items=item(0x54, b"\xff\xff1.2")),
        NO_ASSOCIATION.encode(),
    ),
    (
        19,
        "16,000 sub-items of 64 KiB",
        associate_rq(user_items=bytes.fromhex("56 00 FFFF") * 16000),
        NO_ASSOCIATION.encode(),
    ),
    (21, "protocol version 2", associate_rq(version=2), AssociateRJ(1, 2, 2).encode()),
    (
        22,
        "another application",
        associate_rq(application_context="1.2.840.10008.3.1.1.2"),
        AssociateRJ(1, 1, 2).encode(),
    ),
    (23, "a blank called title", associate_rq(called=b" "), CALLED_UNKNOWN.encode()),
    (23, "a NUL in it", associate_rq(called=b"REL\0AY"), CALLED_UNKNOWN.encode()),
    (23, "a blank calling title", associate_rq(calling=b"\0" * 16), CALLING_UNKNOWN.encode()),
    (23, "a line end in it", associate_rq(calling=b"A\r\nB"), CALLING_UNKNOWN.encode()),
    (24, "a called title like a path", associate_rq(called=b"../x"), CALLED_UNKNOWN.encode()),
    (25, "an unknown called title", associate_rq(called=b"NOBODY"), CALLED_UNKNOWN.encode()),
    (
        26,
        "context id 0",
        associate_rq(context_item(0, VERIFICATION, IMPLICIT_LITTLE_ENDIAN)),
        NO_ASSOCIATION.encode(),
    ),
    (
        26,
        "context id 2",
        associate_rq(context_item(2, VERIFICATION, IMPLICIT_LITTLE_ENDIAN)),
        NO_ASSOCIATION.encode(),
    ),
    (27, "a context id twice", associate_rq(A_CONTEXT * 2), NO_ASSOCIATION.encode()),
    (30, "a maximum of 127 bytes", associate_rq(maximum=127), AssociateRJ(1, 2, 1).encode()),
    (65, "no context", associate_rq(b""), NO_ASSOCIATION.encode()),
)
"""Said on a new connection, which is closed."""

ACCEPTED: tuple[tuple[int, str, bytes], ...] = (
    (20, "an unknown item", associate_rq(more_items=item(0x77, b"what"))),
    (20, "an unknown sub-item", associate_rq(user_items=item(0x5F, b"what"))),
    (21, "protocol version 0xFFFF", associate_rq(version=0xFFFF)),
    (23, "trailing NULs", associate_rq(called=b"RELAY\0\0\0", calling=b"MODALITY \0 ")),
    (24, "a calling title like a path", associate_rq(calling=b"../x")),
    (
        28,
        "a transfer syntax three times",
        associate_rq(context_item(1, VERIFICATION, *[IMPLICIT_LITTLE_ENDIAN] * 3)),
    ),
    (30, "a maximum of 0", associate_rq(maximum=0)),
    (66, "no maximum, no implementation", associate_rq(maximum=None)),
    (46, "shell metacharacters", associate_rq(calling=b"$(reboot);`x`|&")),
)
"""Requests that are accepted all the same: answered by the archive's own acceptance."""

TWO_PDUS = p_data(pdv(STORE, 3, store_command())) + p_data(pdv(STORE, 0, b"pixels"))

HURT: tuple[Row, ...] = (
    (2, "PDU type 0", pdu(0, b""), UNRECOGNIZED.encode()),
    (2, "PDU type 47H", HTTP_REQUEST, UNRECOGNIZED.encode()),
    (7, "longer than announced", b"\x04\0" + (ANNOUNCED + 1).to_bytes(4, "big"), b"6"),
    (8, "no PDV", pdu(4, b""), b"6"),
    (8, "five bytes of one", pdu(4, bytes(5)), b"6"),
    (9, "a PDV of 1 byte", pdu(4, b"\0\0\0\x01\x01\x03"), b"6"),
    (10, "a PDV beyond its PDU", pdu(4, b"\0\0\x10\0\x01\x03COMMAND!"), b"6"),
    (11, "a release of 5 bytes", pdu(5, bytes(5)), b"6"),
    (11, "a rejection of 3 bytes", pdu(3, bytes(3)), b"6"),
    (11, "an abort of 5 bytes", pdu(7, bytes(5)), b""),
    (14, "a second request", associate_rq(), UNEXPECTED.encode()),
    (14, "an acceptance", vectors.ASSOCIATE_AC, UNEXPECTED.encode()),
    (14, "a rejection", vectors.ASSOCIATE_RJ, UNEXPECTED.encode()),
    (14, "an agreement to a release", ReleaseRP().encode(), UNEXPECTED.encode()),
    (35, "a context of nobody", said(99, command_of(0x30)), b"5"),
    (36, "a dataset first", p_data(pdv(STORE, 2, b"pixels")), b"5"),
    (36, "a command where a dataset is due", TWO_PDUS + echo(), b"5"),
    (36, "another context", TWO_PDUS + p_data(pdv(FIND, 2, b"pixels")), b"5"),
    (
        36,
        "interleaved",
        p_data(pdv(STORE, 3, store_command(1))) + p_data(pdv(STORE, 3, store_command(2))),
        b"5",
    ),
    (37, "a command without end", p_data(pdv(STORE, 1, bytes(8192))) * 9, Abort(0, 0).encode()),
    (39, "no command at all", said(STORE, b"no command set at all"), Abort(0, 0).encode()),
    (
        39,
        "no Message ID",
        said(STORE, without(store_command(), 0x0110)),
        Abort(0, 0).encode(),
    ),
)
"""Said in an association, which is gone then; a digit is the reason of an A(2,r)."""

STORED = response(STORE, 0x8001, 0)
FOUND = response(FIND, 0x8020, 0)
INSIDE = {
    44: element(0x0008, 0x0018, b"9.9.9\0"),
    45: element(0x0020, 0x000D, b".."),
    47: bytes.fromhex("4000 30A7 FFFFFFFF FEFF 00E0 FFFFFFFF") * 1100,
    48: element(0x0010, 0x0010, b"short").replace(b"\x05\0\0\0", b"\xff\xff\xff\x7f"),
    49: bytes(50) + b"\x78\x9c" + b"\xec\xc1\x01" * 500,
    50: bytes.fromhex("1000 1000") + b"ZZ" + bytes(4) + b"PN" + bytes(10),
    52: element(0x7FE0, 0x0010, b"\xff\xd8\xff\xe0" + b"\xff" * 3000),
}
"""What may be wrong inside a dataset, which the relay does not read."""

SERVED: tuple[Row, ...] = (
    (38, "an odd fragment", TWO_PDUS + p_data(pdv(STORE, 0, b"odd")) + last(STORE, b"x"), STORED),
    (38, "an odd dataset", store(b"odd"), STORED),
    (
        39,
        "no dataset type",
        said(STORE, without(store_command(), 0x0800)),
        response(STORE, 0x8001, 0x0212, **OF_CT),
    ),
    (
        39,
        "a Message ID twice",
        said(STORE, store_command() + element(0, 0x0110, b"\x07\0")),
        response(STORE, 0x8001, 0x0212, **OF_CT),
    ),
    (
        40,
        "an unknown command",
        said(FIND, command_of(0x0777, 5)),
        response(FIND, 0x8777, 0x0211, 5),
    ),
    (
        41,
        "another SOP class",
        store(b"pixels", e0002=VERIFICATION),
        response(STORE, 0x8001, 0x0122, e0002=VERIFICATION, e1000="1.2.3"),
    ),
    (
        41,
        "another SOP class, of a query",
        said(FIND, command_of(0x0020, 1, A_DATASET, e0002=STORAGE_COMMITMENT), b"identifier"),
        FOUND,
    ),
    (43, "an instance like a path", store(b"pixels", instance=b"../../etc/x "), STORED),
    (43, "an instance of 66 bytes", store(b"pixels", instance=b"1" * 66), STORED),
    (43, "a NUL in an instance", store(b"pixels", instance=b"1.2\x003"), STORED),
    *((row, "inside a dataset", store(dataset), STORED) for row, dataset in INSIDE.items()),
    (46, "shell metacharacters", store(b"`x`", instance=b"$(reboot) "), STORED),
    (53, "a hostile query", find(element(0x0010, 0x0010, b"*'; DROP TABLE x; --\\")), FOUND),
    (67, "no group length", said(STORE, store_command()[12:], b"pixels"), STORED),
    (
        67,
        "a wrong group length",
        said(STORE, element(0, 0, b"\xff" * 4) + store_command()[12:], b"pixels"),
        STORED,
    ),
    (
        68,
        "dataset type FEFEH",
        said(
            STORE,
            store_command().replace(element(0, 0x0800, b"\x01\0"), element(0, 0x0800, b"\xfe\xfe")),
            b"pixels",
        ),
        STORED,
    ),
    (
        69,
        "reserved bits",
        p_data(pdv(STORE, 0xFF, store_command())) + p_data(pdv(STORE, 0xFE, b"pixels")),
        STORED,
    ),
    (
        70,
        "a second request at once",
        echo(1) + echo(2),
        response(ECHO, 0x8030, 0, 1) + response(ECHO, 0x8030, 0, 2),
    ),
)
"""Said in an association, which goes on, and is released behind it."""


ABORTED, INVALID = Abort(0, 0).encode(), Abort(2, 6).encode()
TOO_LONG = said(STORE, store_command() + element(8, 0x58, bytes(1024)), b"pixels")
FULL = response(STORE, 0x8001, 0xA700, **OF_CT)


def cases() -> Iterator[Case]:
    """All of them."""
    for row, what, data, answer in STRANGERS:
        yield Case(row, what, partial(_stranger, data, answer))
    for row, what, request in ACCEPTED:
        yield Case(row, what, partial(_accepted, request))
    for row, what, data, answer in HURT:
        if answer.isdigit():
            answer = Abort(2, int(answer)).encode()
        yield Case(row, what, partial(_hurt, data, answer))
    for row, what, data, answer in SERVED:
        yield Case(row, what, partial(_served, data, answer))
    context = context_item(99, VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
    for row, what, act, listener in (
        (19, "a context too many", _too_many(proposals() + context), "max_contexts = 6"),
        (19, "an item too many", _too_many(proposals(), item(0x77, b"")), "max_items = 27"),
        (37, "a command too long", partial(_hurt, TOO_LONG, ABORTED), "max_command = 1024"),
        (
            37,
            "an object too large",
            partial(_served, store(bytes(6000)), FULL),
            "max_object = 5000",
        ),
        (38, "an odd dataset, strictly", partial(_hurt, store(b"odd"), INVALID), "strict = true"),
    ):
        yield Case(row, what, act, listener=listener)


def _too_many(contexts: bytes, more: bytes = b"") -> Callable[[Loopback], None]:
    return partial(_stranger, associate_rq(contexts, more_items=more), ABORTED)


def _stranger(data: bytes, answer: bytes, bed: Loopback) -> None:
    caller = bed.call(data)
    bed.hears(caller, answer)
    bed.is_over(caller)


def _accepted(request: bytes, bed: Loopback) -> None:
    caller = bed.call(request)
    asked = AssociateRQ.decode(request[6:])
    bed.hears(caller, accept_all(asked, ANNOUNCED, THE_RELAYS_OWN))
    bed.release(caller)


def _hurt(data: bytes, answer: bytes, bed: Loopback) -> None:
    caller = bed.associate(None, data)
    bed.hears(caller, answer)
    bed.is_over(caller)
    assert bed.archive.messages == [], bed.archive.messages


def _served(data: bytes, answer: bytes, bed: Loopback) -> None:
    caller = bed.associate(None, data)
    bed.hears(caller, answer)
    bed.release(caller)

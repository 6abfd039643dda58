"""Bad input, hostile peers and faults, against a whole relay: the exact answer to each.

A mark gives the row of docs/bad-inputs.md that a test proves: `@pytest.mark.row(8)`. `A(s,r)` there
is `Abort(s, r)` here, `RJ(...)` an `AssociateRJ`. Behind each test a well-behaved caller is
answered, and no connection, timer or waiting line stays (tests/bed.py). Rows that need a thousand
connections are in tests/interop/test_floods.py; that none is left out is asked in
tests/house/test_rows.py.
"""

from __future__ import annotations

import gc
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from relay.wire.pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ
from tests.bed import RelayCase
from tests.peers import (
    A_DATASET,
    PENDING,
    Caller,
    Message,
    acceptance,
    associate_rq,
    response_of,
    said,
)
from tests.vectors import IMPLICIT_LITTLE_ENDIAN, item

TLS_PORT = 2762

NO_ASSOCIATION = Abort(0, 0)
UNRECOGNIZED = Abort(2, 1)
UNEXPECTED = Abort(2, 2)
UNEXPECTED_PARAMETER = Abort(2, 5)
INVALID_PARAMETER = Abort(2, 6)

TRY_AGAIN = AssociateRJ(2, 3, 1)
TOO_MANY = AssociateRJ(2, 3, 2)
CALLING_UNKNOWN = AssociateRJ(1, 1, 3)
CALLED_UNKNOWN = AssociateRJ(1, 1, 7)

ECHOED = ("C_ECHO_RSP", 1, 0)
STORED = ("C_STORE_RSP", 1, 0)

Told = tuple[str, int | None, int | None]


@contextmanager
def allocating_at_most(limit: int) -> Iterator[None]:
    """What happens in here needs no more than `limit` bytes at its peak."""
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        yield
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert peak <= limit, f"{peak} bytes"


class BadInputs(RelayCase):
    """What the tests of all tables say and ask."""

    def assertAnswered(self, caller: Caller, *answers: Any) -> None:
        """These control PDUs were said to the caller, and its connection is closed."""
        self.assertEqual(caller.since(), list(answers))
        self.assertTrue(caller.is_closed)

    def assertTold(self, caller: Caller, *told: Told) -> None:
        """These responses came, and nothing else."""
        heard = caller.since()
        self.assertEqual([each.told for each in heard if isinstance(each, Message)], list(told))
        self.assertEqual(len(heard), len(told))

    def stranger(self, *data: bytes) -> Caller:
        """A connection on which this was said, and no request for an association."""
        return self.bed.call(*data)

    def hurt(self, *data: bytes) -> Caller:
        """An association on which this was said."""
        return self.bed.say(self.bed.associate(), *data)

    def asked(self, **how: Any) -> Any:
        """What is answered to such a request; an association that comes of it is released."""
        return self.answer_to(associate_rq(**how))

    def answer_to(self, request: bytes) -> Any:
        caller = self.bed.call(request)
        (answer,) = caller.since()
        if isinstance(answer, AssociateAC):
            self.bed.release(caller)
        else:
            self.assertTrue(caller.is_closed)
        return answer

    def assertAccepted(self, **how: Any) -> AssociateAC:
        answer = self.asked(**how)
        self.assertIsInstance(answer, AssociateAC)
        assert isinstance(answer, AssociateAC)
        return answer


_FORBIDDEN = (
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "os.fork",
    "socket.bind",
)
_FILES = ("open", "os.mkdir", "os.rename", "os.remove", "os.link", "os.symlink", "shutil.move")


class Auditor:
    """Notes what the interpreter is asked to execute or open, while it is told to."""

    def __init__(self) -> None:
        self.noted: list[str] | None = None
        sys.addaudithook(self)

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        # What the process asks about itself is no file.
        if str(arguments[:1]).startswith("('/proc/self/"):
            return
        if self.noted is not None and (event in _FORBIDDEN or event in _FILES):
            self.noted.append(f"{event} {arguments[:1]!r}")


AUDITOR = Auditor()


@contextmanager
def nothing_touched(case: BadInputs) -> Iterator[None]:
    """What happens in here executes nothing and opens no file."""
    noted: list[str] = []
    AUDITOR.noted = noted
    try:
        yield
    finally:
        AUDITOR.noted = None
    case.assertEqual(noted, [])


def refusing(result: int) -> Callable[[AssociateRQ], bytes]:
    """An archive that refuses every context so."""

    def associate(request: AssociateRQ) -> bytes:
        syntax = item(0x40, IMPLICIT_LITTLE_ENDIAN.encode())
        answers = (item(0x21, bytes((each.id, 0, result, 0)) + syntax) for each in request.contexts)
        return acceptance(request, b"".join(answers))

    return associate


def found(message: Message, identifier: bytes) -> bytes:
    """One match to a C-FIND, and the end."""
    pending = response_of(message.command, PENDING, A_DATASET)
    end = response_of(message.command, 0)
    return said(message.context_id, pending, identifier) + said(message.context_id, end)


def without(command: bytes, number: int) -> bytes:
    """A command set without one of its elements."""
    at, kept = 0, b""
    while at < len(command):
        length = int.from_bytes(command[at + 4 : at + 8], "little")
        if int.from_bytes(command[at + 2 : at + 4], "little") != number:
            kept += command[at : at + 8 + length]
        at += 8 + length
    return kept


def is_the_relays(kind: type) -> bool:
    """Whether it is a class of the relay's own."""
    return str(kind.__module__).startswith("relay.")

"""Messages out of fragments: whole command sets, in the order of PS3.8 Annex E, within bounds.

The input is a byte that chooses how long a command set may be, four bytes that say how long reads
are, by turns, and a stream of P-DATA-TF PDUs, which is read in one and in such reads.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from relay.bridge.messages import Assembler, Expect
from relay.wire.bounds import Bounds
from relay.wire.command import MalformedCommand, decode
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.pdu import BODY_MAXIMUM
from relay.wire.reader import COMMAND, LAST, Fragments, Reader
from tests import vectors
from tests.fuzz import command, plain
from tests.fuzz.pieces import HEAD, pieces
from tests.wire.reading import drained

MAXIMUM = 16384
MOST = (0, 20, 120, 65536)
"""Bytes that a command set may have: the byte's two low bits choose."""

WORDS = (
    *(
        vectors.p_data(vectors.pdv(context_id, control, b"body"))
        for context_id in (1, 3)
        for control in range(4)
    ),
    vectors.p_data(vectors.pdv(1, COMMAND, b"")),
    vectors.p_data(vectors.pdv(1, 0, b"")),
    *command.WORDS,
)


def check(data: bytes) -> None:
    """AssertionError where something does not hold."""
    if len(data) < HEAD:
        return
    most, raw = MOST[data[0] & 3], data[HEAD:]
    raw, found = _data_alone(raw)
    expected = _expected(raw, found, most)
    for reads in ([raw], list(pieces(raw, data[1:HEAD]))):
        assert _said(reads, most) == expected


def _data_alone(raw: bytes) -> tuple[bytes, plain.Stream]:
    """The stream up to the first PDU that is none of data, or broken."""
    found = plain.stream(raw, plain.Limits(MAXIMUM, BODY_MAXIMUM))
    others = [each for each in found.units if isinstance(each, plain.Control)]
    if others or found.fault is not None:
        raw = raw[: others[0].head if others else found.until]
        found = plain.stream(raw, plain.Limits(MAXIMUM, BODY_MAXIMUM))
    return raw, found


@attrs.define
class Said:
    """Messages, complete or not, each a context id, a command set and a dataset, as far as known;
    and what ended them: AbortReason, or None. `rests`: nothing has begun that is not complete."""

    messages: list[tuple[int, bytes, bytes]] = attrs.field(factory=list)
    end: AbortReason | None = None
    rests: bool = True


# --- as the relay does


def _said(reads: Sequence[bytes], most: int) -> Said:
    reader, assembler, said = Reader(MAXIMUM), Assembler(Bounds(max_command=most)), Said()
    try:
        for data in reads:
            reader.feed(data)
            for event in drained(reader):
                assert isinstance(event, Fragments)
                _take(event, assembler, said)
                assert len(assembler._command) <= most
                said.rests = assembler.between_messages
    except ProtocolError as error:
        said.end = error.reason
        said.rests = True
    return said


def _take(event: Fragments, assembler: Assembler, said: Said) -> None:
    if event.is_command:
        command_set = assembler.command(event)
        if command_set is not None:
            said.messages.append((event.context_id, command_set, b""))
            assembler.expect = _due(command_set)
    else:
        assembler.dataset(event)
        context_id, command_set, dataset = said.messages[-1]
        dataset += b"".join(map(bytes, event.bodies()))
        said.messages[-1] = (context_id, command_set, dataset)


def _due(command_set: bytes) -> Expect:
    try:
        return Expect.DATASET if decode(command_set).has_dataset else Expect.COMMAND
    except MalformedCommand:
        return Expect.EITHER


# --- the plain way


def _expected(raw: bytes, found: plain.Stream, most: int) -> Said:
    """The same, by one fragment after the other."""
    said, due, context_id = Said(), Expect.COMMAND, 0
    gathered: bytes | None = None
    for unit in found.units:
        assert isinstance(unit, plain.PDV)
        body, has_ended = raw[unit.start : unit.stop], _has_ended(unit, raw)
        is_begun = gathered is not None or due is Expect.DATASET
        if (is_begun and unit.context_id != context_id) or not _is_due(unit, due, gathered, said):
            return attrs.evolve(said, end=AbortReason.UNEXPECTED_PARAMETER)
        context_id = unit.context_id
        if not unit.control & COMMAND:
            its_id, command_set, dataset = said.messages[-1]
            said.messages[-1] = (its_id, command_set, dataset + body)
            due = Expect.COMMAND if has_ended else Expect.DATASET
            continue
        gathered = (gathered or b"") + body
        if len(gathered) > most:
            return attrs.evolve(said, end=AbortReason.NOT_SPECIFIED)
        if has_ended:
            said.messages.append((context_id, gathered, b""))
            due, gathered = _due(gathered), None
    return attrs.evolve(said, rests=gathered is None and due is not Expect.DATASET)


def _has_ended(pdv: plain.PDV, raw: bytes) -> bool:
    return bool(pdv.control & LAST) and pdv.stop <= len(raw)


def _is_due(pdv: plain.PDV, due: Expect, gathered: bytes | None, said: Said) -> bool:
    if pdv.control & COMMAND:
        return due is not Expect.DATASET
    is_of_the_last = bool(said.messages) and said.messages[-1][0] == pdv.context_id
    return gathered is None and due is not Expect.COMMAND and is_of_the_last

"""The reader: the same events whatever the reads, which are what the plain way finds in the bytes.

The input is a byte that chooses limits, four bytes that say how long reads are, by turns, and a
stream of PDUs. It is read in one and in such reads; by the reader's two ways, and by the slower one
of them alone. What comes out is then written again, for a peer that takes less.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import attrs

from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.pdu import BODY_MAXIMUM, DECODERS, Abort
from relay.wire.reader import COMMAND, LAST, LATE_MAXIMUM, Fragments, Piece, Reader
from relay.wire.writer import Writer
from tests import vectors
from tests.fuzz import plain
from tests.fuzz.pieces import HEAD, pieces
from tests.wire.reading import drained, held

MAXIMA = (6, 7, 8, 16, 64, 300, 16384, 2**32 - 1)
"""Maximum lengths: the byte's three low bits choose one."""
ESTABLISHED = 8
"""The bit that says that there is an association."""

OTHER_CONTEXT = 201
SMALLER = (8, 30, 64, 16384)
"""Maximum lengths of those who are written to: the byte's two high bits choose one."""
MAPPED = 16
"""The bit that says that they have the context under another id."""

REASONS = {
    "type": AbortReason.UNRECOGNIZED_PDU,
    "late": AbortReason.UNEXPECTED_PDU,
    "parameter": AbortReason.INVALID_PARAMETER,
}

WORDS = (
    vectors.ABORT,
    vectors.RELEASE_RQ,
    vectors.RELEASE_RP,
    vectors.ASSOCIATE_RJ,
    vectors.P_DATA,
    *(vectors.p_data(vectors.pdv(1, control, b"evenodd"[:size])) for control in range(4)
      for size in (0, 4, 7)),
    *(bytes((kind, 0, 0, 0, 0, 4)) for kind in range(1, 8)),
    b"\x00\x00\x00\x02\x01\x02",
    b"\xff\xff\xff\xff",
)  # fmt: skip


class OneWay(Reader):
    """A reader without the shorter way for fragments that are all alike."""

    def _alike(self) -> None:
        return None


@attrs.frozen
class Case:
    """A stream, what is in it, and the limits that it is read with."""

    raw: bytes
    maximum: int
    is_established: bool
    found: plain.Stream
    heads: list[int] = attrs.field(init=False)
    """Where each of its units begins."""

    @heads.default
    def _as_they_are(self) -> list[int]:
        return [each.head for each in self.found.units]

    def fragments(self, start: int, stop: int) -> Iterator[plain.PDV]:
        """Those of which something is there."""
        first = max(bisect_left(self.heads, start) - 1, 0)
        for unit in islice(self.found.units, first, bisect_left(self.heads, stop)):
            if unit.stop > start:
                assert isinstance(unit, plain.PDV), "a PDU that is none of data, among fragments"
                yield unit

    def reader(self, kind: type[Reader]) -> Reader:
        """One that has read nothing yet."""
        return kind(self.maximum, self.is_established)


def check(data: bytes) -> None:
    """AssertionError where something does not hold."""
    if len(data) < HEAD:
        return
    choice, raw = data[0], data[HEAD:]
    maximum, is_established = MAXIMA[choice & 7], bool(choice & ESTABLISHED)
    limits = plain.Limits(maximum, BODY_MAXIMUM)
    found = plain.stream(raw, limits, LATE_MAXIMUM if is_established else None)
    case = Case(raw, maximum, is_established, _up_to_what_is_refused(found))
    reads = list(pieces(raw, data[1:HEAD]))
    errors = set()
    for events, error in (
        _read(case, [raw], Reader),
        _read(case, reads, Reader),
        _read(case, reads, OneWay),
    ):
        errors.add(error)
        _written(events, SMALLER[choice >> 6], bool(choice & MAPPED))
    assert len(errors) == 1, "it depends on the reads how it is refused"


def _up_to_what_is_refused(found: plain.Stream) -> plain.Stream:
    """The same, where a PDU is refused for what is in it; tests.fuzz.association says which are."""
    for index, unit in enumerate(found.units):
        if isinstance(unit, plain.Control):
            try:
                DECODERS[unit.kind].decode(unit.body)
            except ProtocolError:
                return plain.Stream(found.units[:index], unit.head, "parameter")
    return found


def _read(case: Case, reads: Sequence[bytes], kind: type[Reader]) -> tuple[list[Any], str | None]:
    """All events, each of which is as it has to be, and the error behind them."""
    reader, at, fed = case.reader(kind), 0, 0
    events: list[Any] = []
    try:
        for data in reads:
            fed += len(data)
            reader.feed(data)
            for event in drained(reader):
                at = _matching(case, event, at)
                assert at <= fed or event == Abort(), "said before it was fed"
                events.append(event)
            assert held(reader) == max(fed - at, 0)
            _bounded(case, at, fed)
    except ProtocolError as error:
        assert at == case.found.until, "an error hides what is in front of it"
        assert case.found.fault is not None, f"refused: {error}"
        assert error.reason is REASONS[case.found.fault]
        _over(reader, case.raw)
        return events, str(error)
    assert case.found.fault is None, f"not refused: {case.found.fault}"
    assert at == case.found.until, "something has not come out"
    assert reader.is_empty == (at == len(case.raw) and case.found.is_at_rest)
    return events, None


def _matching(case: Case, event: Any, at: int) -> int:
    """Where the event ends, which is what the plain way finds from `at` on."""
    if isinstance(event, Fragments):
        end = at + len(event.raw)
        assert bytes(event.raw) == case.raw[at:end] != b""
        _fragments(case, event, at, end)
        return end
    unit = case.found.units[bisect_left(case.heads, at)]
    assert isinstance(unit, plain.Control) and unit.head == at, "not in its place"
    assert event == DECODERS[unit.kind].decode(unit.body)
    return unit.stop


def _fragments(case: Case, event: Fragments, at: int, end: int) -> None:
    """They tell of the bytes from `at` to `end`, which belong together."""
    found = list(case.fragments(at, end))
    *others, last = found
    begun = [each for each in found if each.head >= at]
    assert all(each.start <= at for each in found if each not in begun), "cut in a header"
    assert len({each.part for each in found}) == 1
    assert not any(each.control & LAST for each in others)
    assert last.start <= end <= last.stop, "a header without its body's place"
    assert (event.context_id, event.control) == (last.context_id, last.control)
    assert event.missing == last.stop - end
    assert event.longest == max((each.inside for each in begun), default=0)
    assert event.passable == all(map(_may_pass, begun))
    pieces = [_piece(each, at, end) for each in found]
    assert event.pieces == pieces
    assert event.size == sum(each.stop - each.start for each in pieces)
    bodies = [case.raw[at + each.start : at + each.stop] for each in pieces]
    assert [bytes(each) for each in event.bodies()] == bodies
    assert event.ended == (bool(last.control & LAST) and end == last.stop)


def _may_pass(pdv: plain.PDV) -> bool:
    size = pdv.stop - pdv.start
    is_fit = bool(pdv.control & LAST) or (size > 0 and size % 2 == 0)
    return pdv.is_alone and not pdv.reserved and is_fit and pdv.control <= COMMAND | LAST


def _piece(pdv: plain.PDV, at: int, end: int) -> Piece:
    length = pdv.stop - pdv.start if pdv.head >= at else None
    return Piece(length, max(pdv.start, at) - at, min(pdv.stop, end) - at)


def _bounded(case: Case, at: int, fed: int) -> None:
    """No more is held than a header that was cut in two, or one PDU that may be so long."""
    kept = case.raw[at:fed]
    longest = 12
    if len(kept) >= 6 and kept[0] in BODY_MAXIMUM:
        longest = 6 + BODY_MAXIMUM[kept[0]]
    assert len(kept) < longest


def _over(reader: Reader, raw: bytes) -> None:
    """After an error nothing more is kept, nor said."""
    reader.discard()
    for _ in range(2):
        assert held(reader) == 0
        assert reader.next_event() is None
        reader.feed(raw)


# --- written again


def _written(events: Sequence[Any], maximum: int, is_mapped: bool) -> None:
    """Parts in their order come to a peer that takes less with all their bytes, and no others."""
    fragments = list(_in_order(events))
    if fragments:
        context_id = OTHER_CONTEXT if is_mapped else fragments[0].context_id
        _written_to(maximum, context_id, fragments)


def _in_order(events: Sequence[Any]) -> Iterator[Fragments]:
    """Fragments up to the first that interrupt a part, or another's."""
    part: tuple[int, bool] | None = None
    context_id = next((each.context_id for each in events if isinstance(each, Fragments)), 0)
    for event in events:
        if not isinstance(event, Fragments) or event.context_id != context_id:
            return
        now = (event.context_id, event.is_command)
        if part not in {None, now}:
            return
        part = None if event.ended else now
        yield event


def _written_to(maximum: int, context_id: int, fragments: Sequence[Fragments]) -> None:
    writer = Writer(maximum)
    out = b"".join(b"".join(writer.fragments(context_id, each)) for each in fragments)
    found = plain.stream(out, plain.Limits(maximum, {}))
    assert (found.fault, found.until) == (None, len(out))
    assert writer.inside_pdu != found.is_at_rest
    pdvs = [each for each in found.units if isinstance(each, plain.PDV)]
    assert all(each.is_alone and each.context_id == context_id for each in pdvs)
    assert all(_may_pass(each) for each in pdvs)
    sent, came = _parts(out, pdvs), _bodies(fragments)
    if len(sent) < len(came):
        sent.append((came[-1][0], b"", False))
    assert [each[::2] for each in sent] == [each[::2] for each in came]
    for (_, its, _), (_, body, has_ended) in zip(sent, came, strict=True):
        # A part in progress may lack the byte that makes an odd fragment even.
        assert body.startswith(its) and len(body) - len(its) <= (not has_ended)


def _parts(out: bytes, pdvs: Sequence[plain.PDV]) -> list[Any]:
    """Kind, bytes and whether it has ended, of each part that was written."""
    parts: list[Any] = []
    has_ended = True
    for each in pdvs:
        if has_ended:
            parts.append((each.control & COMMAND, b"", False))
        kind, body, _ = parts[-1]
        assert kind == each.control & COMMAND
        has_ended = bool(each.control & LAST) and each.stop <= len(out)
        parts[-1] = (kind, body + out[each.start : each.stop], has_ended)
    return parts


def _bodies(fragments: Sequence[Fragments]) -> list[Any]:
    """The same of those that came."""
    parts: list[Any] = []
    has_ended = True
    for each in fragments:
        if has_ended:
            parts.append((each.control & COMMAND, b"", False))
        kind, body, _ = parts[-1]
        has_ended = each.ended
        parts[-1] = (kind, body + b"".join(map(bytes, each.bodies())), has_ended)
    return parts

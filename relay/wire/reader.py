"""Bytes -> events: the PDUs that a peer sends, P-DATA never gathered.

Control PDUs are held until they are whole (each type has its bound) and come out decoded. The
bodies of P-DATA-TF come out as they came in: a `Fragments` stands for all neighbouring fragments
of one message part in one read, be they many PDUs, or a piece out of the middle of one. It keeps
the read's own bytes, headers included, so that a writer whose peer takes PDUs of that length can
pass them on untouched; and it lists where the bodies are, for a writer that must cut or map.

What is never held: a body. What is: at most the twelve bytes of a header that a read cut in two,
and the control PDU in progress.

    reader.feed(data)
    while (event := reader.next_event()) is not None: ...

Cutting the same bytes into other reads gives the same control events, and fragments that add up
to the same parts with the same bytes.
"""

from __future__ import annotations

from struct import Struct
from typing import TypeAlias

import attrs

from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.pdu import (
    BODY_MAXIMUM,
    DECODERS,
    PDU,
    PDU_HEADER_LENGTH,
    PDV_HEADER_LENGTH,
    Abort,
    PDUType,
)
from relay.wire.requests import REQUESTS

Buffer: TypeAlias = bytes | memoryview

_PDU_HEADER = Struct(">BxL")
_PDV_HEADER = Struct(">LBB")
_BOTH = Struct(">BBLLBB")

HEADERS = PDU_HEADER_LENGTH + PDV_HEADER_LENGTH
"""Bytes in front of a fragment that is the first of its PDU."""

COMMAND = 1
"""Bit 0 of the message control header: a fragment of a command set (PS3.8 E.2)."""

LAST = 2
"""Bit 1 of the message control header: the last fragment of its part (PS3.8 E.2)."""


@attrs.define
class Piece:
    """One fragment, or as much of it as this read brought.

    `length` is the whole fragment's, in bytes, or None where it began in an earlier read; its
    bytes here are `raw[start:stop]` of the `Fragments` that it is of.
    """

    length: int | None
    start: int
    stop: int


@attrs.define
class Fragments:
    """Neighbouring fragments of one message part (command set or dataset) out of one read.

    `control` is the message control header that they share, save that only the last of them can
    bear the last-fragment bit: it is here when that one does. `size` are the bytes of body in them,
    `missing` those of the last fragment that this read did not bring. `passable`: every PDU that
    begins here holds just one fragment, which is the last or of even length, not 0, and sets
    nothing that is reserved; `longest` is the longest of their lengths.

    Where all pieces are is `listed`, unless the headers in `raw` tell it, behind `lead` bytes of a
    fragment that began earlier: so it is for nearly all, and hardly anybody asks.
    """

    context_id: int
    control: int
    raw: Buffer = attrs.field(repr=False)
    size: int
    missing: int
    longest: int
    passable: bool
    lead: int = 0
    listed: list[Piece] | None = None

    @property
    def is_command(self) -> bool:
        """Whether these belong to a command set."""
        return bool(self.control & COMMAND)

    @property
    def ended(self) -> bool:
        """Whether the message part is complete with them."""
        return bool(self.control & LAST) and not self.missing

    @property
    def pieces(self) -> list[Piece]:
        """The fragments one by one."""
        return _told(self.raw, self.lead) if self.listed is None else self.listed

    def bodies(self) -> list[Buffer]:
        """The bytes of each piece, without headers."""
        if self.listed is None and not self.lead and len(self.raw) == HEADERS + self.size:
            return [self.raw[HEADERS:]]
        return [self.raw[piece.start : piece.stop] for piece in self.pieces]


def _told(raw: Buffer, lead: int) -> list[Piece]:
    """Where the pieces are, as their headers tell, behind `lead` bytes of an earlier fragment."""
    pieces = [Piece(None, 0, lead)] if lead else []
    at, end = lead, len(raw)
    while at < end:
        length = _PDU_HEADER.unpack_from(raw, at)[1] - PDV_HEADER_LENGTH
        start = at + HEADERS
        at = min(start + length, end)
        pieces.append(Piece(length, start, at))
    return pieces


COPIED_MAXIMUM = 16 * 1024
"""Bytes of a read that are copied rather than viewed: a view costs more to work with."""

LATE_MAXIMUM = 4096
"""Bytes of a control PDU that are gathered once there is an association: all that belong there have
four, and no timer runs on one that never ends."""

Event: TypeAlias = PDU | Fragments


@attrs.define
class Reader:
    """The reading half of one association.

    `maximum` is the maximum length that was announced to the peer, in bytes: a longer P-DATA-TF is
    a ProtocolError. What an A-ASSOCIATE PDU may hold is in `bounds`.
    """

    maximum: int
    is_established: bool = False
    """Once it is, an A-ASSOCIATE PDU is out of place: a long one is not gathered to see that."""
    bounds: Bounds = BOUNDS
    _data: bytes = attrs.field(default=b"", repr=False)
    _at: int = 0
    _held: bytearray = attrs.field(factory=bytearray, repr=False)
    _need: int = 0
    _pdu_left: int = 0
    _pdv_left: int = 0
    _control: int = 0
    _context_id: int = 0
    _discarding: bool = False

    @property
    def is_empty(self) -> bool:
        """Whether all that was fed has come out, and no PDU has begun."""
        return self._at == len(self._data) and not self._need and not self._pdu_left

    def discard(self) -> None:
        """Throw away what is here and whatever else comes: there is no more to be understood."""
        self._data, self._at, self._held = b"", 0, bytearray()
        self._discarding = True

    def feed(self, data: bytes) -> None:
        """Bytes from the peer; all events of the previous ones must have been taken."""
        if self._discarding:
            return
        if self._need:
            self._held += data
            if len(self._held) < self._need:
                return
            data, self._held = bytes(self._held), bytearray()
        elif self._at < len(self._data):
            data = self._data[self._at :] + data
        self._data, self._at, self._need = data, 0, 0

    def next_event(self) -> Event | None:
        """The next event, or None when more bytes are needed; ProtocolError for a broken PDU."""
        event = self._next_event()
        if event is None:
            # An idle association holds on to no read: all but the start of a header is let go.
            self._data, self._at = self._data[self._at :], 0
        return event

    def _next_event(self) -> Event | None:
        if self._pdu_left:
            return self._alike() or self._fragments()
        available = len(self._data) - self._at
        if available < PDU_HEADER_LENGTH:
            return None
        kind, length = _PDU_HEADER.unpack_from(self._data, self._at)
        if kind == PDUType.P_DATA_TF:
            self._check_p_data(length)
            return self._alike() or self._fragments()
        return self._control_pdu(kind, length, available)

    def _check_p_data(self, length: int) -> None:
        if length > self.maximum:
            raise ProtocolError(f"P-DATA-TF of {length} bytes, longer than {self.maximum}")
        if length < PDV_HEADER_LENGTH:
            raise ProtocolError(f"P-DATA-TF of {length} bytes, without a fragment")

    def _control_pdu(self, kind: int, length: int, available: int) -> PDU | None:
        if kind not in DECODERS:
            raise ProtocolError(f"PDU type {kind:02X}H", AbortReason.UNRECOGNIZED_PDU)
        if kind == PDUType.ABORT and length != 4:
            return self._malformed_abort()
        if length > BODY_MAXIMUM[kind]:
            raise ProtocolError(f"PDU type {kind:02X}H of {length} bytes")
        if self.is_established and length > LATE_MAXIMUM:
            raise ProtocolError(f"PDU type {kind:02X}H again", AbortReason.UNEXPECTED_PDU)
        whole = PDU_HEADER_LENGTH + length
        if available < whole:
            # Held apart, so that a peer that sends byte by byte costs no copy of the rest each.
            self._need, self._held = whole, bytearray(self._data[self._at :])
            self._at = len(self._data)
            return None
        start, self._at = self._at + PDU_HEADER_LENGTH, self._at + whole
        body = self._data[start : self._at]
        if kind == PDUType.ASSOCIATE_RQ:
            return REQUESTS.decode(body, self.bounds)
        if kind == PDUType.ASSOCIATE_AC:
            self.bounds.measure(body)
        return DECODERS[kind].decode(body)

    def _malformed_abort(self) -> Abort:
        # Whatever it meant to say, it is the end: answering an A-ABORT is not provided for.
        self.discard()
        return Abort()

    def _alike(self) -> Fragments | None:  # noqa: PLR0915
        """All fragments of one message part from here on that are the only ones of their PDUs.

        So it is for nearly all that there are, and nearly all have the same header as the one
        before: a look at those is all that it takes. None where what is here is another thing.
        """
        data, start, end, lead = self._data, self._at, len(self._data), self._pdv_left
        if lead != self._pdu_left:
            return None
        lead = min(lead, end - start)
        at, left = start + lead, self._pdv_left - lead
        control, count, longest = self._control if lead else 0, 0, 0
        while not left and end - at >= HEADERS and not control & LAST:
            kind, reserved, inside, body, context_id, bits = _BOTH.unpack_from(data, at)
            if kind != PDUType.P_DATA_TF or reserved or body + 4 != inside or bits > COMMAND | LAST:
                break
            if not PDV_HEADER_LENGTH <= inside <= self.maximum:
                break
            if not bits & LAST and (inside & 1 or inside == PDV_HEADER_LENGTH):
                break
            if at == start:
                self._context_id = context_id
            elif context_id != self._context_id or bits & COMMAND != control & COMMAND:
                break
            control, headers, first = bits, data[at : at + HEADERS], at
            longest = max(longest, inside)
            step = inside + PDU_HEADER_LENGTH
            at += step
            if not bits & LAST:
                while data.startswith(headers, at):
                    at += step
            count += (at - first) // step
            if at > end:
                at, left = end, at - end
        if at == start:
            return None
        self._control, self._at, self._pdv_left, self._pdu_left = control, at, left, left
        size, raw = at - start - HEADERS * count, self._raw(start, at)
        return Fragments(self._context_id, control, raw, size, left, longest, True, lead)

    def _raw(self, start: int, stop: int) -> Buffer:
        """These bytes: a copy of few, a view of many, the read itself where they are all of it."""
        data = self._data
        if stop - start == len(data):
            return data
        return data[start:stop] if stop - start <= COPIED_MAXIMUM else memoryview(data)[start:stop]

    def _fragments(self) -> Fragments | None:  # noqa: PLR0915
        """All that the read holds of one message part, from a P-DATA-TF header or inside one.

        For all that `_alike` is not for: several fragments in a PDU, odd ones, empty ones, errors.
        """
        data, start, end = self._data, self._at, len(self._data)
        at, left, pdu_left = start, self._pdv_left, self._pdu_left
        pieces: list[Piece] = []
        part: tuple[int, int] | None = None
        longest, passable = 0, True
        if left and at < end:
            at = min(start + left, end)
            pieces.append(Piece(None, start, at))
            part = (self._context_id, self._control & COMMAND)
            left -= at - start
            pdu_left -= at - start
        while not left and at < end:
            if pdu_left:
                if end - at < PDV_HEADER_LENGTH:
                    break
                body, context_id, control = _PDV_HEADER.unpack_from(data, at)
                head, inside, alone = PDV_HEADER_LENGTH, pdu_left, False
            else:
                if end - at < PDU_HEADER_LENGTH + PDV_HEADER_LENGTH:
                    break
                kind, reserved, inside, body, context_id, control = _BOTH.unpack_from(data, at)
                if kind != PDUType.P_DATA_TF or not PDV_HEADER_LENGTH <= inside <= self.maximum:
                    break
                head = PDU_HEADER_LENGTH + PDV_HEADER_LENGTH
                alone = body + 4 == inside and not reserved
            now = (context_id, control & COMMAND)
            if part is not None and (part != now or self._control & LAST):
                break
            behind = inside - body - 4
            if body < 2 or behind < 0 or 0 < behind < PDV_HEADER_LENGTH:
                if pieces:
                    break
                raise ProtocolError(f"a fragment of {body} bytes in {inside} of a P-DATA-TF")
            part, self._context_id, self._control = now, context_id, control
            body -= 2
            at += head
            stop = min(at + body, end)
            pieces.append(Piece(body, at, stop))
            left = body - (stop - at)
            pdu_left = behind + left
            at = stop
            longest = max(longest, inside)
            even = control & LAST or (body and not body & 1)
            if not alone or not even or control > COMMAND | LAST:
                passable = False
        self._at, self._pdv_left, self._pdu_left = at, left, pdu_left
        return self._gather(start, pieces, longest, passable) if pieces else None

    def _gather(self, start: int, pieces: list[Piece], longest: int, passable: bool) -> Fragments:
        size = 0
        for piece in pieces:
            size += piece.stop - piece.start
            piece.start -= start
            piece.stop -= start
        raw, missing = self._raw(start, self._at), self._pdv_left
        return Fragments(
            self._context_id, self._control, raw, size, missing, longest, passable, listed=pieces
        )

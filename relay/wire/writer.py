"""Command sets and fragments -> lists of buffers, cut to the peer's maximum length.

Two ways, one result. Fragments whose PDUs fit, on the same context id, are passed as they came:
one buffer, headers and all. Where a PDU is longer than the peer takes, holds several fragments,
is of odd length, or the context id differs, new headers are made: one fragment per PDU, of even
length, the last-fragment bit on the true last piece only (PS3.8 9.3.5.1, E.2; PS3.5 requires even
lengths of the elements that the fragments add up to). The first way gives the very bytes that the
second would.

Cutting goes by declared lengths, never by what has arrived: a header leaves with its first byte of
body, and nothing waits. The only thing held is one byte, where a peer sent an odd fragment with
more to follow.
"""

from __future__ import annotations

from struct import Struct

import attrs

from relay.wire.pdu import PDV_HEADER_LENGTH, PDUType
from relay.wire.reader import COMMAND, LAST, Buffer, Fragments

_BOTH = Struct(">BxLLBB")

SMALLEST = PDV_HEADER_LENGTH + 2
"""The smallest maximum length that anything can be cut to: two bytes at a time."""


@attrs.define(on_setattr=attrs.setters.NO_OP)  # fields change with every PDU
class Writer:
    """The writing half of one association, for P-DATA-TF.

    `maximum` is the peer's maximum length: bytes behind a PDU's header. ValueError under 8.
    """

    maximum: int = attrs.field(validator=attrs.validators.ge(SMALLEST))
    _piece: int = attrs.field(init=False)
    """Bytes of a fragment that others follow: even."""
    _open: int = 0
    """Bytes that the outgoing PDU still lacks."""
    _due: int = 0
    """Bytes that leave for the incoming fragment in progress, the open PDU's included."""
    _awaited: int = 0
    """Bytes that the incoming fragment in progress still lacks."""
    _last: int = 0
    _carry: bytes = attrs.field(default=b"", repr=False)

    @_piece.default
    def _as_the_maximum_has_it(self) -> int:
        return (self.maximum - PDV_HEADER_LENGTH) & ~1

    @property
    def inside_pdu(self) -> bool:
        """Whether a PDU is half written: nothing but its rest can be sent."""
        return self._open > 0

    def command(self, context_id: int, command_set: bytes) -> list[Buffer]:
        """A whole command set."""
        piece = self._piece
        if len(command_set) <= piece:
            # Nearly always.
            return [_headers(context_id, COMMAND | LAST, len(command_set)) + command_set]
        cuts = range(0, len(command_set), piece) or range(1)
        return [
            part
            for at in cuts
            for part in (
                _headers(
                    context_id,
                    COMMAND | (LAST if at + piece >= len(command_set) else 0),
                    len(command_set[at : at + piece]),
                ),
                command_set[at : at + piece],
            )
        ]

    def fragments(self, context_id: int, fragments: Fragments) -> list[Buffer]:
        """Fragments on `context_id`, which may differ from the one that they came on."""
        if (
            fragments.passable
            and fragments.longest <= self.maximum
            and fragments.context_id == context_id
            and self._open == self._awaited
            and not self._carry
        ):
            self._open = self._due = self._awaited = fragments.missing
            return [fragments.raw]
        return self._cut(context_id, fragments)

    def _cut(self, context_id: int, fragments: Fragments) -> list[Buffer]:
        out: list[Buffer] = []
        pieces = fragments.pieces
        for piece in pieces:
            body = fragments.raw[piece.start : piece.stop]
            if piece.length is not None:
                final = piece is pieces[-1]
                self._begin(context_id, fragments.control, piece.length, final, out)
            self._awaited -= len(body)
            self._body(context_id, fragments.control, body, out)
        return out

    def _begin(
        self, context_id: int, control: int, length: int, final: bool, out: list[Buffer]
    ) -> None:
        self._last = control & LAST if final else 0
        self._awaited = length
        whole = len(self._carry) + length
        self._due = whole if self._last else whole & ~1
        if self._last and not whole:
            out.append(_headers(context_id, control & COMMAND | LAST, 0))
        carry, self._carry = self._carry, b""
        self._body(context_id, control, carry, out)

    def _body(self, context_id: int, control: int, body: Buffer, out: list[Buffer]) -> None:
        at = 0
        while at < len(body) and self._due:
            if not self._open:
                whole = self._due <= self.maximum - PDV_HEADER_LENGTH
                self._open = self._due if whole else self._piece
                last = self._last if self._open == self._due else 0
                out.append(_headers(context_id, control & COMMAND | last, self._open))
            part = body[at : at + self._open]
            out.append(part)
            at += len(part)
            self._open -= len(part)
            self._due -= len(part)
        self._carry += bytes(body[at:])


def _headers(context_id: int, control: int, length: int) -> bytes:
    """The headers of a P-DATA-TF that holds one fragment of `length` bytes."""
    return _BOTH.pack(
        PDUType.P_DATA_TF, length + PDV_HEADER_LENGTH, length + 2, context_id, control
    )

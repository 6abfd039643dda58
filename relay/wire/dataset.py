"""One element of a dataset, seen as the dataset streams by (PS3.5 7, Annex A).

Only where an element decides something is a dataset looked at: the Transaction UID of a storage
commitment. Elements ascend by tag (7.1), so what is wanted near the beginning is there soon or not
at all, and never more than PEEK_MAXIMUM bytes are kept. No dataset is refused here: one that cannot
be read does not have the element, for all that the relay can tell.
"""

from __future__ import annotations

import struct
import zlib

import attrs

from relay.wire.elements import Buffer

PEEK_MAXIMUM = 64 * 1024  # bytes of a dataset that are looked at, as they came and inflated
DEEPEST = 64  # sequences of undefined length in one another

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
DEFLATED = "1.2.840.10008.1.2.1.99"

_SHORT = frozenset(b"AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US".split())
"""The VRs with a length of 16 bits (PS3.5 7.1.2); all others have one of 32."""
_NESTING = (b"", b"SQ", b"UN", b"OB", b"OW")
"""The VRs that may have no length of their own: a run of items stands in the place of a value."""

_UNDEFINED = 0xFFFFFFFF
_NO_VR = 0xFFFE0000  # from here on: items and delimiters, which have none in any encoding
_ITEM = 0xFFFEE000
_ITEM_END = 0xFFFEE00D
_SEQUENCE_END = 0xFFFEE0DD
_SHORTEST_HEADER, _LONGEST_HEADER = 8, 12


@attrs.frozen
class _Header:
    tag: int
    vr: bytes  # empty where the encoding has none
    length: int
    start: int  # of the value


class _Encoding:
    """How headers of elements are written."""

    def __init__(self, order: str, explicit: bool) -> None:
        self._explicit = explicit
        self._basic = struct.Struct(order + "HHL").unpack_from
        self._short = struct.Struct(order + "6xH").unpack_from
        self._long = struct.Struct(order + "8xL").unpack_from

    def header(self, data: bytearray, at: int) -> _Header:
        """The header at that place; struct.error where it is not all there yet."""
        group, element, length = self._basic(data, at)
        tag = group << 16 | element
        if not self._explicit or tag >= _NO_VR:
            return _Header(tag, b"", length, at + _SHORTEST_HEADER)
        vr = bytes(data[at + 4 : at + 6])
        if vr in _SHORT:
            return _Header(tag, vr, self._short(data, at)[0], at + _SHORTEST_HEADER)
        return _Header(tag, vr, self._long(data, at)[0], at + _LONGEST_HEADER)


_IMPLICIT = _Encoding("<", explicit=False)
_EXPLICIT = _Encoding("<", explicit=True)
_ENCODINGS = {
    IMPLICIT_LITTLE: _IMPLICIT,
    EXPLICIT_BIG: _Encoding(">", explicit=True),
}


@attrs.define(eq=False)
class Peek:
    """Looks for the top-level element `tag` in a dataset of that transfer syntax.

    Once it `is_done`, `value` is that of the element as it came, padding and all; or None: the
    dataset does not have it, not in the first PEEK_MAXIMUM bytes, or cannot be read. How the
    dataset is cut into pieces makes no difference.
    """

    transfer_syntax: str
    tag: int
    is_done: bool = attrs.field(init=False, default=False)
    value: bytes | None = attrs.field(init=False, default=None, repr=False)
    _held: bytearray = attrs.field(init=False, repr=False, factory=bytearray)
    """The dataset from its beginning, inflated."""
    _at: int = attrs.field(init=False, default=0)
    """Where the next header is."""
    _needed: int = attrs.field(init=False, default=_SHORTEST_HEADER)
    """Bytes that must be held before it is worth looking again."""
    _open: list[_Encoding] = attrs.field(init=False, repr=False, factory=list)
    """By turns the sequences of undefined length that have begun, and the items of such a length:
    at odd depth comes an item, else an element. Each with the encoding of what is in it."""
    _encoding: _Encoding = attrs.field(init=False, repr=False)
    _inflater: zlib._Decompress | None = attrs.field(init=False, repr=False, default=None)
    _deflated: int = attrs.field(init=False, default=0)
    """Bytes that the inflater was given."""

    def __attrs_post_init__(self) -> None:
        self._encoding = _ENCODINGS.get(self.transfer_syntax, _EXPLICIT)
        if self.transfer_syntax == DEFLATED:
            self._inflater = zlib.decompressobj(-zlib.MAX_WBITS)

    def feed(self, data: Buffer) -> None:
        """More of the dataset."""
        if self._inflater:
            self._inflate(self._inflater, data)
        elif not self.is_done:
            self._look_at(data[: PEEK_MAXIMUM - len(self._held)])

    def end(self) -> None:
        """The dataset has ended."""
        if not self.is_done:
            self._finish(None)

    def _inflate(self, inflater: zlib._Decompress, data: Buffer) -> None:
        """Byte by byte: a fault must not cost what is in front of it, wherever pieces begin."""
        for at in range(len(data)):
            try:
                room = PEEK_MAXIMUM - len(self._held)
                self._look_at(inflater.decompress(data[at : at + 1], room))
            except zlib.error:
                self._finish(None)
            self._deflated += 1
            if inflater.eof or self._deflated == PEEK_MAXIMUM:
                self.end()
            if self.is_done:
                return

    def _look_at(self, data: Buffer) -> None:
        self._held += data
        is_full = len(self._held) == PEEK_MAXIMUM
        while not self.is_done and len(self._held) >= self._needed:
            try:
                header = (self._open or [self._encoding])[-1].header(self._held, self._at)
            except struct.error:
                self._needed = self._at + _LONGEST_HEADER
            else:
                self._see(header)
        if is_full:
            self.end()

    def _see(self, header: _Header) -> None:
        if not self._open and header.tag >= self.tag:
            self._see_wanted(header)
        elif self._open and header.tag == (_SEQUENCE_END if self._is_item_due else _ITEM_END):
            self._open.pop()
            self._go_to(header.start)
        elif not self._is_lawful(header):
            self._finish(None)
        elif header.length != _UNDEFINED:
            self._go_to(header.start + header.length)
        else:
            self._enter(header)

    def _see_wanted(self, header: _Header) -> None:
        """The wanted element, or the first behind its place."""
        end = header.start + header.length
        if header.tag > self.tag or not self._is_lawful(header) or end > PEEK_MAXIMUM:
            self._finish(None)
        elif end > len(self._held):
            self._needed = end
        else:
            self._finish(bytes(self._held[header.start : end]))

    @property
    def _is_item_due(self) -> bool:
        return len(self._open) % 2 == 1

    def _is_lawful(self, header: _Header) -> bool:
        if self._is_item_due:
            return header.tag == _ITEM
        is_vr = not header.vr or (header.vr.isalpha() and header.vr.isupper())
        return is_vr and header.tag < _NO_VR

    def _enter(self, header: _Header) -> None:
        """What is inside comes next. In a UN it is in Implicit VR Little Endian (PS3.5 6.2.2)."""
        if header.vr not in _NESTING or len(self._open) == 2 * DEEPEST:
            return self._finish(None)
        encoding = (self._open or [self._encoding])[-1]
        self._open.append(_IMPLICIT if header.vr == b"UN" else encoding)
        return self._go_to(header.start)

    def _go_to(self, at: int) -> None:
        self._at = at
        self._needed = at + _SHORTEST_HEADER
        if self._needed > PEEK_MAXIMUM:
            self._finish(None)

    def _finish(self, value: bytes | None) -> None:
        self.is_done, self.value = True, value
        self._held, self._open, self._inflater = bytearray(), [], None

"""The peek into a dataset: the same whatever its pieces, and what the plain way finds.

The input is a byte that chooses the transfer syntax, four bytes that say how long pieces are, by
turns, and a dataset.
"""

from __future__ import annotations

import struct
import zlib

import attrs

from relay.wire.dataset import (
    DEEPEST,
    DEFLATED,
    EXPLICIT_BIG,
    IMPLICIT_LITTLE,
    PEEK_MAXIMUM,
    Peek,
)
from tests import vectors
from tests.fuzz.pieces import HEAD, pieces
from tests.fuzz.plain import Broken, Cursor

WANTED = 0x00081195
"""Transaction UID."""
SYNTAXES = (IMPLICIT_LITTLE, vectors.EXPLICIT_LITTLE_ENDIAN, EXPLICIT_BIG, DEFLATED)

SHORT = [
    "AE",
    "AS",
    "AT",
    "CS",
    "DA",
    "DS",
    "DT",
    "FD",
    "FL",
    "IS",
    "LO",
    "LT",
    "PN",
    "SH",
    "SL",
    "SS",
    "ST",
    "TM",
    "UI",
    "UL",
    "US",
]
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD

WORDS = (
    *(struct.pack("<HHL", 0xFFFE, each & 0xFFFF, 0) for each in (ITEM, ITEM_END, SEQUENCE_END)),
    struct.pack("<HHL", 0xFFFE, 0xE000, UNDEFINED),
    struct.pack("<HH2s2xL", 8, 0x1110, b"SQ", UNDEFINED),
    struct.pack("<HH2s2xL", 8, 0x1110, b"UN", UNDEFINED),
    struct.pack("<HHL", 8, 0x1110, UNDEFINED),
    struct.pack("<HHL", 8, 0x1195, 4),
    struct.pack("<HH2sH", 8, 0x1195, b"UI", 4),
    struct.pack(">HH2sH", 8, 0x1195, b"UI", 4),
    b"\xff\xff\xff\xff",
)


def check(data: bytes) -> None:
    """AssertionError where something does not hold."""
    if len(data) < HEAD:
        return
    syntax, raw = SYNTAXES[data[0] % len(SYNTAXES)], data[HEAD:]
    expected = _found(syntax, raw)
    for each in ([raw], list(pieces(raw, data[1:HEAD]))):
        assert _peeked(syntax, each) == expected


def _peeked(syntax: str, cut: list[bytes]) -> bytes | None:
    peek = Peek(syntax, WANTED)
    for piece in cut:
        peek.feed(piece)
        assert len(peek._held) <= PEEK_MAXIMUM
        assert len(peek._open) <= 2 * DEEPEST
        assert not (peek.is_done and (peek._held or peek._open))
    peek.end()
    assert peek.is_done
    return peek.value


# --- the plain way


@attrs.frozen
class _Encoding:
    """How elements are written."""

    order: str
    is_explicit: bool


_ENCODINGS = {
    IMPLICIT_LITTLE: _Encoding("<", False),
    EXPLICIT_BIG: _Encoding(">", True),
}
_UNKNOWN = _ENCODINGS[IMPLICIT_LITTLE]


def _found(syntax: str, raw: bytes) -> bytes | None:
    """The value of the wanted element, None where it is not to be had."""
    if syntax == DEFLATED:
        raw = _inflated(raw)
    encoding = _ENCODINGS.get(syntax, _Encoding("<", True))
    cursor = Cursor(raw[:PEEK_MAXIMUM])
    try:
        while True:
            tag, vr, length = _header(cursor, encoding)
            if tag > WANTED:
                return None
            if tag == WANTED:
                return cursor.take(length)
            _skip(cursor, vr, length, encoding, 0)
    except Broken:
        return None


def _inflated(raw: bytes) -> bytes:
    """As far as it goes, and no more than is looked at."""
    inflater, out = zlib.decompressobj(-zlib.MAX_WBITS), b""
    for at in range(min(len(raw), PEEK_MAXIMUM)):
        try:
            out += inflater.decompress(raw[at : at + 1], PEEK_MAXIMUM - len(out))
        except zlib.error:
            break
        if inflater.eof or len(out) == PEEK_MAXIMUM:
            break
    return out


def _header(cursor: Cursor, encoding: _Encoding) -> tuple[int, str, int]:
    """Tag, VR and length of an element; Broken where it cannot be one."""
    group, element = struct.unpack(f"{encoding.order}HH", cursor.take(4))
    tag = group << 16 | element
    if tag >= 0xFFFE0000:
        raise Broken
    if not encoding.is_explicit:
        return tag, "", struct.unpack(f"{encoding.order}L", cursor.take(4))[0]
    vr = cursor.take(2).decode("latin-1")
    if not (vr.isascii() and vr.isalpha() and vr.isupper()):
        raise Broken
    if vr in SHORT:
        return tag, vr, struct.unpack(f"{encoding.order}H", cursor.take(2))[0]
    cursor.take(2)
    return tag, vr, struct.unpack(f"{encoding.order}L", cursor.take(4))[0]


def _skip(cursor: Cursor, vr: str, length: int, encoding: _Encoding, depth: int) -> None:
    """Past a value: so many bytes, or a run of items."""
    if length != UNDEFINED:
        cursor.take(length)
        return
    if vr not in {"", "SQ", "UN", "OB", "OW"} or depth == DEEPEST:
        raise Broken
    inner = _UNKNOWN if vr == "UN" else encoding
    while True:
        group, element, size = struct.unpack(f"{inner.order}HHL", cursor.take(8))
        tag = group << 16 | element
        if tag == SEQUENCE_END:
            return
        if tag != ITEM:
            raise Broken
        if size != UNDEFINED:
            cursor.take(size)
        else:
            _skip_item(cursor, inner, depth + 1)


def _skip_item(cursor: Cursor, encoding: _Encoding, depth: int) -> None:
    """Past the elements of an item that says nothing of its length."""
    while True:
        group, element = struct.unpack(f"{encoding.order}HH", cursor.left[:4].ljust(4, b"\0"))
        if group << 16 | element == ITEM_END:
            cursor.take(8)
            return
        _, vr, length = _header(cursor, encoding)
        _skip(cursor, vr, length, encoding, depth)

"""A dataset that archives take for one: for those who look into what they pass on.

A CT image in Explicit VR Little Endian as DCMTK would write it, so that who reads it and writes it
again makes the same bytes: elements in order, lengths even and defined.
"""

from __future__ import annotations

from struct import Struct

from benchmarks import pdus

STUDY = 10_000
"""So many numbers of objects are of one study."""

SIDE = 16
"""Rows and columns. Whatever there is of pixels, nobody on the way counts them."""

_SHORT = Struct("<HH2sH")
_LONG = Struct("<HH2sxxL")
_US = Struct("<H")
_CLASS = (0x0008, 0x0016, b"UI", pdus.CT_IMAGE_STORAGE)
_WHOSE = (
    (0x0008, 0x0060, b"CS", b"CT"),
    (0x0010, 0x0010, b"PN", b"Nobody^Nobody "),
    (0x0010, 0x0020, b"LO", b"NOBODY"),
)
_WHAT = (
    (0x0028, 0x0002, b"US", _US.pack(1)),
    (0x0028, 0x0004, b"CS", b"MONOCHROME2 "),
    (0x0028, 0x0010, b"US", _US.pack(SIDE)),
    (0x0028, 0x0011, b"US", _US.pack(SIDE)),
    (0x0028, 0x0100, b"US", _US.pack(16)),
    (0x0028, 0x0101, b"US", _US.pack(16)),
    (0x0028, 0x0102, b"US", _US.pack(15)),
    (0x0028, 0x0103, b"US", _US.pack(0)),
)


def head(size: int, number: int) -> bytes:
    """What comes before the pixels in a dataset of `size` bytes, an even number.

    It is as long for each `number` of an object.
    """
    study = number // STUDY
    before = b"".join(
        _element(*each)
        for each in (
            _CLASS,
            (0x0008, 0x0018, b"UI", pdus.instance(number)),
            *_WHOSE,
            (0x0020, 0x000D, b"UI", b"2.25.2%011d\0" % study),
            (0x0020, 0x000E, b"UI", b"2.25.3%011d\0" % study),
            *_WHAT,
        )
    )
    return before + _LONG.pack(0x7FE0, 0x0010, b"OW", size - len(before) - _LONG.size)


def _element(group: int, element: int, vr: bytes, value: bytes) -> bytes:
    return _SHORT.pack(group, element, vr, len(value)) + value

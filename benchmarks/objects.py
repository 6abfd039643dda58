"""Objects of any size as bytes that are ready to be sent, and what their datasets hash to.

A dataset is random bytes that repeat in blocks; each block bears the number of its object and its
own, so that none can be lost, doubled, exchanged or moved without another hash.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from struct import Struct

import attrs

from benchmarks import pdus

BLOCK = 1024 * 1024
"""About how many bytes are written at a time."""

_STAMP = Struct(">QQ")
_HEADERS = pdus.P_DATA_HEADERS.size


@attrs.define
class Objects:
    """Objects with datasets of `size` bytes (at least 16), in PDUs of `maximum` bytes.

    `maximum` is what peers call the maximum length: it counts neither type nor length of a PDU.
    Each object is known by its number; buffers are good until the next one is taken.
    """

    size: int
    maximum: int
    _block: memoryview = attrs.field(init=False, repr=False)
    _blocks: int = attrs.field(init=False)
    _tail: memoryview = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        piece = self.maximum - pdus.PDV_HEADER.size
        block = max(1, BLOCK // piece) * piece
        # The tail, which bears the last-fragment bit and a stamp, is never too short for them.
        self._blocks = max(0, self.size - _STAMP.size) // block
        tail = self.size - self._blocks * block
        content = random.Random(self.maximum).randbytes(block + _STAMP.size)
        self._block = _encoded(content[:block], piece, last=False)
        self._tail = _encoded(content[:tail], piece, last=True)

    def message(self, number: int) -> Iterator[bytes | memoryview]:
        """The C-STORE request of an object in buffers, to be written one after another.

        A message of one block at most is one buffer.
        """
        command_set = pdus.c_store_rq(number & 0xFFFF, b"2.25.1%011d\0" % number)
        command = pdus.p_data(pdus.COMMAND | pdus.LAST, command_set)
        if self._blocks:
            yield command
            yield from self._parts(number)
        else:
            yield command + next(self._parts(number))

    def digest(self, number: int) -> str:
        """The SHA-256 of an object's dataset."""
        digest = hashlib.sha256()
        for part in self._parts(number):
            for at in range(0, len(part), self.maximum + pdus.PDU_HEADER.size):
                digest.update(part[at + _HEADERS : at + self.maximum + pdus.PDU_HEADER.size])
        return digest.hexdigest()

    def _parts(self, number: int) -> Iterator[memoryview]:
        for block in range(self._blocks):
            _STAMP.pack_into(self._block, _HEADERS, number, block)
            yield self._block
        _STAMP.pack_into(self._tail, _HEADERS, number, self._blocks)
        yield self._tail


def _encoded(content: bytes, piece: int, last: bool) -> memoryview:
    """P-DATA-TFs of one fragment each, of `piece` bytes but for the last one."""
    starts = range(0, len(content), piece)
    return memoryview(
        bytearray().join(
            pdus.p_data(pdus.LAST if last and at == starts[-1] else 0, content[at : at + piece])
            for at in starts
        )
    )

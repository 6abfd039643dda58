"""Objects of any size as bytes that are ready to be sent, and what their datasets hash to.

A dataset is random bytes that repeat in blocks; each block bears the number of its object and its
own, so that none can be lost, doubled, exchanged or moved without another hash. An image is the
same behind a head that says so, for those who look into datasets.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from struct import Struct

import attrs

from benchmarks import dataset, pdus

BLOCK = 1024 * 1024
"""About how many bytes are written at a time."""

_STAMP = Struct(">QQ")
_HEADERS = pdus.P_DATA_HEADERS.size


@attrs.define
class Objects:
    """Objects with datasets of `size` bytes (at least 16), in PDUs of `maximum` bytes.

    As `images` they have an even size of at least 512 bytes, and PDUs as long as that.

    `maximum` is what peers call the maximum length: it counts neither type nor length of a PDU.
    Each object is known by its number; buffers are good until the next one is taken.
    """

    size: int
    maximum: int
    images: bool = False
    _head: int = attrs.field(init=False, repr=False)
    _block: memoryview = attrs.field(init=False, repr=False)
    _blocks: int = attrs.field(init=False)
    _tail: memoryview = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        piece = self.maximum - pdus.PDV_HEADER.size
        block = max(1, BLOCK // piece) * piece
        head = dataset.head(self.size, 0) if self.images else b""
        self._head = len(head)
        # The tail bears the last-fragment bit, a head and a stamp, and is never too short for them.
        least = self._head + _STAMP.size
        self._blocks = max(0, self.size - least) // block
        tail = self.size - self._blocks * block
        content = head + random.Random(self.maximum).randbytes(block + _STAMP.size)
        self._block = _encoded(content[:block], piece, last=False)
        self._tail = _encoded(content[:tail], piece, last=True)

    def message(self, number: int) -> Iterator[bytes | memoryview]:
        """The C-STORE request of an object in buffers, to be written one after another.

        A message of one block at most is one buffer.
        """
        command_set = pdus.c_store_rq(number & 0xFFFF, pdus.instance(number))
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
            yield self._stamped(self._block, number, block)
        yield self._stamped(self._tail, number, self._blocks)

    def _stamped(self, part: memoryview, number: int, block: int) -> memoryview:
        """A head that is not the first one is pixels, like any others."""
        if self.images:
            part[_HEADERS : _HEADERS + self._head] = dataset.head(self.size, number)
        _STAMP.pack_into(part, _HEADERS + self._head, number, block)
        return part


def _encoded(content: bytes, piece: int, last: bool) -> memoryview:
    """P-DATA-TFs of one fragment each, of `piece` bytes but for the last one."""
    starts = range(0, len(content), piece)
    return memoryview(
        bytearray().join(
            pdus.p_data(pdus.LAST if last and at == starts[-1] else 0, content[at : at + piece])
            for at in starts
        )
    )

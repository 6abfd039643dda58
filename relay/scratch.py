"""Temporary files without a name, encrypted: where records go that have no place in memory.

What is in them is patients' data, so nobody else is to have it, neither while the relay runs nor
when its disk is thrown away. A file has no name from the start (O_TMPFILE, where the file system
has it; unlinked at once elsewhere), and its bytes are gone for the file system once it is closed,
or the process has ended in whatever way. On the disk they are AES-256-CTR with a key of that file
alone, which is in memory and nowhere else. A byte is only ever written once under a key, and so the
file's own offset does for the counter: it can be read from anywhere.

Nothing tells whether somebody has changed the bytes: who can write to an unlinked file of this
process can as well write to its memory.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

import attrs
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.ciphers.modes import CTR

from relay.bridge.ports import Overflow

KEY_LENGTH = 32
BLOCK = 16
"""Bytes that one step of the counter stands for."""

STEP = 256 * 1024
"""Bytes that are encrypted and written at once, at most: as many as a read from a socket gives."""


@attrs.frozen
class Scratch:
    """Opens overflows: called, it gives one, or raises OSError.

    `folder` is where they are, on a file system with room; None: where temporary files go here.
    """

    folder: Path | None = None
    _encrypted: bytearray = attrs.field(
        init=False, repr=False, eq=False, factory=lambda: bytearray(STEP + BLOCK)
    )
    """Room for one step, which all the files use in turn; and for a block more, as cryptography's
    documentation asks for."""

    def __call__(self) -> Overflow:
        """An empty overflow."""
        # Mode 0600; no buffer of Python's own, which would hold plain bytes back.
        file = tempfile.TemporaryFile(buffering=0, dir=self.folder)  # noqa: SIM115
        return ScratchFile(file, self._encrypted)


def _new_key() -> bytes:
    return os.urandom(KEY_LENGTH)


@attrs.define(eq=False)
class ScratchFile:
    """An `Overflow` in a file; it goes away with the object at the latest."""

    _file: IO[bytes] = attrs.field(repr=False)
    _encrypted: bytearray = attrs.field(repr=False)
    _key: bytes = attrs.field(init=False, repr=False, factory=_new_key)
    _encryptor: CipherContext = attrs.field(init=False, repr=False)
    _descriptor: int = attrs.field(init=False)
    """-1 once it is closed: the system answers that with an OSError, while the number that it had
    may be a socket's by then."""
    _size: int = 0

    def __attrs_post_init__(self) -> None:
        self._encryptor = self._cipher(0).encryptor()
        self._descriptor = self._file.fileno()

    def write(self, buffers: Sequence[bytes | memoryview]) -> None:
        """Append these. After an OSError the file is closed."""
        data = memoryview(b"".join(buffers))
        try:
            for at in range(0, len(data), STEP):
                self._append(data[at : at + STEP])
        except OSError:
            # The cipher has gone on, the file has not: what came now would not be readable.
            self.close()
            raise

    def read(self, at: int, length: int) -> bytes:
        """As many of `length` bytes as there are from `at` on; OSError also once it is closed."""
        data = os.pread(self._descriptor, length, at)
        decryptor = self._cipher(at // BLOCK).decryptor()
        decryptor.update(bytes(at % BLOCK))
        return decryptor.update(data)

    def close(self) -> None:
        """Free the room that it takes; may be called again."""
        self._descriptor = -1
        with suppress(OSError):
            self._file.close()

    def _append(self, data: memoryview) -> None:
        size = self._encryptor.update_into(data, self._encrypted)
        encrypted = memoryview(self._encrypted)[:size]
        while encrypted:
            # Less than all of it, where the disk is nearly full, or a limit near.
            written = os.pwrite(self._descriptor, encrypted, self._size)
            self._size += written
            encrypted = encrypted[written:]

    def _cipher(self, counter: int) -> Cipher[CTR]:
        return Cipher(AES(self._key), CTR(counter.to_bytes(BLOCK, "big")))

"""The one archive behind both doors: a folder of Part 10 files (PS3.10 7) and an index in memory.

A file is written as its dataset arrives, and gets its name when it is complete. Names are numbers:
nothing that comes from the wire is ever part of one.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import BinaryIO

import attrs
from pydicom import dcmread
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID

from relay.demo.datasets import quietly
from relay.demo.query import KEYWORDS
from relay.wire.negotiation import IMPLEMENTATION_CLASS_UID, Context
from relay.wire.reader import Buffer

PREAMBLE = bytes(128) + b"DICM"


class Unreadable(Exception):
    """What was sent is no dataset that pydicom understands."""


@attrs.frozen
class Stored:
    """An object on disk.

    `archive` is the door by which it came, `start` where in its file the dataset begins, in bytes.
    """

    archive: str
    path: Path
    start: int
    header: Dataset = attrs.field(repr=False, eq=False)

    def dataset(self) -> bytes:
        """The bytes behind the file meta group."""
        with self.path.open("rb") as file:
            file.seek(self.start)
            return file.read()


@attrs.define(eq=False)
class Store:
    """What both archives have stored in `folder`. Of an object stored again the last one counts."""

    folder: Path
    _numbers: Iterator[int] = attrs.field(factory=lambda: count(1))
    _objects: dict[str, Stored] = attrs.field(factory=dict, repr=False)

    def begin(self, archive: str, context: Context, instance: str) -> Incoming:
        """An object comes in by the door `archive`. OSError where it cannot be written."""
        path = self.folder / f"{next(self._numbers):06}.dcm"
        return Incoming(self, archive, instance, path, *_open(path, context, instance))

    def keep(self, instance: str, stored: Stored) -> None:
        """Enter an object into the index."""
        self._objects[instance] = stored

    def last(self, instance: str) -> Stored | None:
        """The object with this SOP Instance UID."""
        return self._objects.get(instance)

    def headers(self) -> list[Dataset]:
        """What can be asked for, of each object."""
        return [each.header for each in self._objects.values()]


@attrs.define(eq=False)
class Incoming:
    """An object on its way in; its file ends in `.part` until it is complete."""

    store: Store = attrs.field(repr=False)
    archive: str
    instance: str = attrs.field(repr=False)
    path: Path
    file: BinaryIO
    start: int

    def write(self, body: Buffer) -> None:
        """More of the dataset. OSError where it cannot be written."""
        self.file.write(body)

    def complete(self) -> None:
        """The object is whole: it is in the store from now on. OSError, or `Unreadable`."""
        self.file.close()
        header = _header(Path(self.file.name))
        Path(self.file.name).rename(self.path)
        self.store.keep(self.instance, Stored(self.archive, self.path, self.start, header))

    def discard(self) -> None:
        """It is not to be: nothing stays behind."""
        with suppress(OSError):
            self.file.close()
        Path(self.file.name).unlink(missing_ok=True)


def _open(path: Path, context: Context, instance: str) -> tuple[BinaryIO, int]:
    """The file that becomes `path`, and where in it the dataset begins."""
    meta = FileMetaDataset()
    with quietly():
        meta.FileMetaInformationGroupLength = 0  # to be computed
        meta.FileMetaInformationVersion = b"\0\1"
        meta.MediaStorageSOPClassUID = UID(context.abstract_syntax)
        meta.MediaStorageSOPInstanceUID = UID(instance)
        meta.TransferSyntaxUID = UID(context.transfer_syntax)
        meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
        file = path.with_suffix(".part").open("wb")
        file.write(PREAMBLE)
        write_file_meta_info(DicomFileLike(file), meta, enforce_standard=False)
    return file, file.tell()


def _header(path: Path) -> Dataset:
    """What can be asked for, as far as it can be read at all."""
    header = Dataset()
    with quietly():
        try:
            dataset = dcmread(path, stop_before_pixels=True, specific_tags=list(KEYWORDS))
        except Exception as error:
            # pydicom's are of all kinds, OSError included, and quote what they found.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise Unreadable from None
        for tag in dataset.keys():  # noqa: SIM118  (a dataset iterates over its elements)
            # One wrong value does not hide the others.
            with suppress(Exception):
                header[tag] = dataset[tag]
    return header

"""pydicom's sample objects, those that come with the package: none is ever downloaded."""

from __future__ import annotations

from pathlib import Path

import attrs
import pydicom
from pydicom.filereader import read_dataset
from pydicom.tag import BaseTag

from relay.demo.datasets import quietly
from relay.demo.store import PREAMBLE
from relay.policy.services import service_of
from relay.wire.negotiation import Context

FOLDER = Path(pydicom.__file__).parent / "data" / "test_files"
DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory: a DICOMDIR belongs to its medium, no archive takes it."""


@attrs.frozen
class Sample:
    """A Part 10 file by its file meta group (PS3.10 7.1); `start` is where its dataset begins."""

    path: Path
    context: Context
    instance: str
    start: int

    @property
    def name(self) -> str:
        """The file's name, with the folders below pydicom's."""
        return str(self.path.relative_to(FOLDER))

    def dataset(self) -> bytes:
        """The bytes behind the file meta group."""
        return self.path.read_bytes()[self.start :]


@attrs.frozen
class Samples:
    """What there is to send, and how many files hold nothing of the kind."""

    objects: tuple[Sample, ...]
    left_out: int

    @classmethod
    def bundled(cls) -> Samples:
        """Those of pydicom, by name."""
        paths = sorted(FOLDER.rglob("*.dcm"))
        objects = tuple(sample for path in paths if (sample := read(path)) is not None)
        return cls(objects, len(paths) - len(objects))


def read(path: Path) -> Sample | None:
    """The object in a file, None where it lacks what C-STORE needs to be told."""
    with path.open("rb") as file, quietly():
        if file.read(len(PREAMBLE))[-4:] != PREAMBLE[-4:]:
            return None
        meta = read_dataset(file, False, True, stop_when=_is_behind_meta)
        keywords = ("MediaStorageSOPClassUID", "TransferSyntaxUID", "MediaStorageSOPInstanceUID")
        sop_class, syntax, instance = (str(meta.get(each) or "") for each in keywords)
        start = file.tell()
    if not syntax or not instance or not _is_storable(sop_class):
        return None
    return Sample(path, Context(sop_class, syntax), instance, start)


def _is_behind_meta(tag: BaseTag, vr: str | None, length: int) -> bool:
    return tag.group != 2


def _is_storable(sop_class: str) -> bool:
    return service_of(sop_class) == "storage" and sop_class != DIRECTORY

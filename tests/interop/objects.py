"""The real objects that cross: where they are, what they are, and the bytes of their datasets."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from hashlib import sha256
from pathlib import Path

import attrs
from pydicom import dcmread
from pydicom.data import data_manager
from pydicom.dataset import FileMetaDataset
from pydicom.errors import InvalidDicomError
from pydicom.filebase import DicomFileLike
from pydicom.filewriter import write_file_meta_info
from pydicom.uid import UID, RawDataStorage, generate_uid
from pynetdicom.dsutils import split_dataset

BUNDLED = Path(data_manager.DATA_ROOT) / "test_files"
"""pydicom's own test files. (Its get_testdata_files would download all that it does not bundle.)"""

SHARED = Path(__file__).resolve().parents[2].parent / "shared" / "dicom"
"""Larger real objects, beside the checkout where the project is worked on."""


@attrs.frozen
class Part10:
    """A DICOM file, by what its file meta group says (PS3.10 7.1); nothing else is read of it."""

    path: Path
    sop_class: str
    sop_instance: str
    transfer_syntax: str

    @classmethod
    def read(cls, path: Path) -> Part10 | None:
        """Return what `path` holds, None where it has no file meta group or transfer syntax."""
        try:
            meta = split_dataset(path)[0]
        except InvalidDicomError:
            return None
        found = (meta.get(keyword, "") for keyword in META)
        part10 = cls(path, *map(str, found))
        return part10 if part10.transfer_syntax else None

    @property
    def dataset(self) -> bytes:
        """The bytes after the file meta group, as they are in the file."""
        return dataset_bytes(self.path)

    def classed(self, folder: Path) -> Part10:
        """Return itself, or a copy in `folder` under a stand-in SOP class where it names none."""
        if self.sop_class:
            return self
        uids = (RawDataStorage, str(generate_uid()), self.transfer_syntax)
        return Part10(folder / self.path.name, *uids).written(self.dataset)

    def even(self, folder: Path) -> Part10:
        """Return itself, or a copy in `folder` with a byte of padding where its length is odd."""
        dataset = self.dataset
        if len(dataset) % 2 == 0:
            return self
        copy = attrs.evolve(self, path=folder / f"even-{self.path.name}")
        return copy.written(dataset + b"\0")

    def written(self, dataset: bytes) -> Part10:
        """Write the file, its file meta group and then `dataset` as it is; return itself."""
        meta = FileMetaDataset()
        for keyword, uid in zip(META, attrs.astuple(self)[1:], strict=True):
            setattr(meta, keyword, uid)
        with self.path.open("wb") as file:
            file.write(bytes(128) + b"DICM")
            write_file_meta_info(DicomFileLike(file), meta, enforce_standard=False)
            file.write(dataset)
        return self


META = ("MediaStorageSOPClassUID", "MediaStorageSOPInstanceUID", "TransferSyntaxUID")


def dataset_bytes(path: Path) -> bytes:
    """Return what follows the file meta group of a Part 10 file, untouched."""
    return path.read_bytes()[split_dataset(path)[1] :]


def fingerprint(data: bytes) -> str:
    """Return what stands for `data` in a report of a difference: its length and its digest."""
    return f"{len(data)} bytes, SHA-256 {sha256(data).hexdigest()}"


def is_part10(path: Path) -> bool:
    """Tell whether a file has the preamble and prefix of PS3.10 7.1."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@cache
def bundled() -> tuple[Part10, ...]:
    """Return those of pydicom's own test files that say what they are."""
    return tuple(part10 for part10 in _read_all(BUNDLED) if part10.sop_class)


@cache
def shared() -> tuple[Part10, ...]:
    """Return the objects beside the checkout; none where there is no such folder."""
    return tuple(_read_all(SHARED))


def bundled_path(name: str) -> Path:
    """Return the path of one of pydicom's own test files."""
    return BUNDLED / name


def ct_slices(folder: Path, count: int) -> list[Path]:
    """Write `count` more objects of the study of CT_small.dcm to `folder`; return their paths."""
    folder.mkdir(exist_ok=True)
    dataset = dcmread(bundled_path("CT_small.dcm"))
    uid = dataset.SOPInstanceUID
    paths = [folder / f"slice-{number}.dcm" for number in range(1, count + 1)]
    for number, path in enumerate(paths, 1):
        dataset.SOPInstanceUID = UID(f"{uid}.{number}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.InstanceNumber = number
        dataset.save_as(path)
    return paths


def _read_all(folder: Path) -> Iterator[Part10]:
    for path in sorted(folder.glob("*.dcm")):
        if part10 := Part10.read(path):
            yield part10

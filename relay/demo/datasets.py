"""pydicom at work: datasets from bytes and back, with nothing of them in the log."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from pydicom.config import disable_value_validation
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian

UNCOMPRESSED = (str(ExplicitVRLittleEndian), str(ImplicitVRLittleEndian))
"""The transfer syntaxes that `encoded` and `decoded` know."""


@contextmanager
def quietly() -> Iterator[None]:
    """pydicom takes values as they are, and its warnings, which quote them, stay out of the log."""
    with warnings.catch_warnings(), disable_value_validation():
        warnings.simplefilter("ignore")
        yield


def encoded(dataset: Dataset, transfer_syntax: str) -> bytes:
    """The bytes of a dataset, in implicit or explicit VR little endian."""
    file = DicomBytesIO()
    file.is_little_endian = True
    file.is_implicit_VR = transfer_syntax == ImplicitVRLittleEndian
    with quietly():
        write_dataset(file, dataset)
    return file.getvalue()


def decoded(data: bytes, transfer_syntax: str) -> Dataset:
    """The dataset in these bytes; whatever pydicom raises where there is none."""
    with quietly():
        dataset = read_dataset(BytesIO(data), transfer_syntax == ImplicitVRLittleEndian, True)
        for _ in dataset:
            pass  # elements are decoded when they are first seen: here, and not out there
    return dataset


def instance_of(command_set: bytes) -> str:
    """The affected SOP Instance UID as it came; relay.wire.command does not keep it."""
    return str(decoded(command_set, ImplicitVRLittleEndian).get("AffectedSOPInstanceUID", ""))

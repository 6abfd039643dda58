"""pydicom's sample objects: those that can be stored, and where in their files datasets begin."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from relay.demo.samples import FOLDER, Samples, read
from tests.demo.door import dataset_in


def test_the_samples_are_those_that_say_what_they_are():
    samples = Samples.bundled()
    names = {sample.name for sample in samples.objects}
    assert {"CT_small.dcm", "MR_small_RLE.dcm", "rtplan.dcm", "image_dfl.dcm"} <= names
    assert names.isdisjoint({"no_meta.dcm", "meta_missing_tsyntax.dcm", "nested_priv_SQ.dcm"})
    assert "dicomdirtests/DICOMDIR-empty.dcm" not in names
    assert len(names) + samples.left_out == len(list(FOLDER.rglob("*.dcm")))


@pytest.mark.parametrize("name", ["CT_small.dcm", "ExplVR_BigEnd.dcm", "image_dfl.dcm"])
def test_a_sample_is_what_its_file_says(name):
    sample = read(FOLDER / name)
    assert sample is not None
    meta = pydicom.dcmread(sample.path).file_meta
    assert sample.name == name
    assert sample.instance == meta.MediaStorageSOPInstanceUID
    assert sample.context.abstract_syntax == meta.MediaStorageSOPClassUID
    assert sample.context.transfer_syntax == meta.TransferSyntaxUID
    assert sample.dataset() == dataset_in(sample.path)


def test_a_sample_without_a_group_length_begins_behind_its_file_meta_group():
    sample = read(FOLDER / "no_meta_group_length.dcm")
    assert sample is not None
    assert sample.dataset().startswith(b"\x08\x00")


@pytest.mark.parametrize("content", [b"", b"DICM", bytes(200), bytes(128) + b"DICM"])
def test_a_file_that_is_no_object_is_none(tmp_path: Path, content: bytes):
    path = tmp_path / "file.dcm"
    path.write_bytes(content)
    assert read(path) is None

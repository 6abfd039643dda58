"""What archives take for a dataset."""

from __future__ import annotations

from io import BytesIO

import pytest
from pydicom import dcmread
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset

from benchmarks import pdus
from benchmarks.dataset import STUDY, head
from benchmarks.objects import Objects

LARGE = 3 * 2**20
"""More than a block."""


def read(data):
    return dcmread(BytesIO(data), force=True)


def whole(objects, number):
    """The dataset of an object, put together from its message."""
    found, message = bytearray(), bytearray()
    for buffer in objects.message(number):
        message += buffer
    at = 0
    while at < len(message):
        _, length, _, _, control = pdus.P_DATA_HEADERS.unpack_from(message, at)
        if not control & pdus.COMMAND:
            found += message[at + pdus.P_DATA_HEADERS.size : at + 6 + length]
        at += 6 + length
    return bytes(found)


@pytest.mark.parametrize("size", [8192, LARGE])
def test_an_image_is_a_dataset_that_says_which_object_it_is(size):
    data = whole(Objects(size, 16384, images=True), 12 * STUDY + 3)
    assert len(data) == size
    image = read(data)
    assert image.SOPInstanceUID == pdus.instance(12 * STUDY + 3).rstrip(b"\0").decode()
    assert image.SOPClassUID == pdus.CT_IMAGE_STORAGE.rstrip(b"\0").decode()
    assert image.StudyInstanceUID.endswith("12")
    assert len(image.PixelData) == size - len(head(size, 0))


def test_who_writes_it_again_makes_the_same_bytes():
    data = whole(Objects(8192, 16384, images=True), 1)
    again = DicomBytesIO()
    again.is_implicit_VR, again.is_little_endian = False, True
    write_dataset(again, read(data))
    assert again.getvalue() == data


@pytest.mark.parametrize("images", [False, True])
def test_a_digest_is_that_of_what_is_sent_and_of_no_other_object(images):
    import hashlib

    objects = Objects(LARGE, 16384, images=images)
    digests = [objects.digest(number) for number in (0, 1, STUDY)]
    assert digests[1] == hashlib.sha256(whole(objects, 1)).hexdigest()
    assert len(set(digests)) == 3


def test_numbers_change_no_length():
    assert len(head(8192, 0)) == len(head(8192, 10**9))

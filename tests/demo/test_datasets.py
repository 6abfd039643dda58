"""Datasets from bytes and back, by pydicom, and silently."""

from __future__ import annotations

import warnings

import pytest

from relay.demo.datasets import UNCOMPRESSED, decoded, encoded, instance_of, quietly
from relay.demo.dimse import request
from relay.wire.command import CommandField
from tests.demo.door import identifier
from tests.vectors import CT_IMAGE_STORAGE, EXPLICIT_LITTLE_ENDIAN


@pytest.mark.parametrize("syntax", UNCOMPRESSED)
def test_a_dataset_is_the_same_after_both_ways(syntax: str):
    dataset = identifier(PatientName="Canary", StudyInstanceUID="1.2.3", Rows=4)
    assert decoded(encoded(dataset, syntax), syntax) == dataset


def test_what_pydicom_says_of_a_value_is_not_heard():
    wrong = b"\x08\0\x18\0UI\x06\0CANARY\x20\0\x13\0IS\x06\x001.5e99"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert decoded(wrong, EXPLICIT_LITTLE_ENDIAN).SOPInstanceUID == "CANARY"


def test_warnings_are_heard_again_afterwards():
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        with quietly():
            warnings.warn("CANARY", stacklevel=1)
        warnings.warn("after", stacklevel=1)
    assert [str(each.message) for each in heard] == ["after"]


def test_the_instance_of_a_request_is_as_it_came():
    for instance in ("1.2.3", "../../x", ""):
        command = request(CommandField.C_STORE_RQ, 1, CT_IMAGE_STORAGE, instance, has_dataset=True)
        assert instance_of(command) == instance

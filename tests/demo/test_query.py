"""Which stored headers match an identifier, and what is told of them."""

from __future__ import annotations

from typing import Any

import pytest
from pydicom.dataset import Dataset

from relay.demo.datasets import quietly
from relay.demo.query import PATIENT_ROOT, STUDY_ROOT, Unsuitable, find
from tests.demo.door import identifier

HEADERS = [
    identifier(
        PatientID=patient,
        PatientName=name,
        StudyInstanceUID=study,
        StudyDate=date,
        SeriesInstanceUID=f"{study}.{series}",
        SOPInstanceUID=f"{study}.{series}.{image}",
    )
    for patient, name, study, date in (
        ("P1", "Müller^Anna", "1.1", "20200101"),
        ("P1", "Müller^Anna", "1.2", "20210615"),
        ("P2", "Smith^[B]", "1.3", "20220101"),
    )
    for series in (1, 2)
    for image in (1, 2, 3)
]
for _header in HEADERS:
    _header.SpecificCharacterSet = "ISO_IR 100"


def found(level: str, *wanted: str, model: str = PATIENT_ROOT, **keys: Any) -> list[Dataset]:
    with quietly():
        query = identifier(QueryRetrieveLevel=level, **keys, **dict.fromkeys(wanted))
    return list(find(query, model, HEADERS))


def studies(**keys: Any) -> list[str]:
    keys = {"StudyInstanceUID": None, **keys}
    return [str(each.StudyInstanceUID) for each in found("STUDY", **keys)]


@pytest.mark.parametrize(
    ("level", "count"), [("PATIENT", 2), ("STUDY", 3), ("SERIES", 6), ("IMAGE", 18)]
)
def test_each_entity_of_the_level_is_told_once(level, count):
    assert len(found(level)) == count


@pytest.mark.parametrize(
    ("keys", "uids"),
    [
        ({}, ["1.1", "1.2", "1.3"]),
        ({"PatientID": ""}, ["1.1", "1.2", "1.3"]),
        ({"PatientID": "P1"}, ["1.1", "1.2"]),
        ({"PatientID": "p1"}, []),
        ({"PatientID": "P?"}, ["1.1", "1.2", "1.3"]),
        ({"PatientID": "*2"}, ["1.3"]),
        ({"PatientName": "MÜLLER*"}, ["1.1", "1.2"]),
        ({"PatientName": "Smith^[B]"}, ["1.3"]),
        ({"PatientName": "Smith^B"}, []),
        ({"StudyInstanceUID": "1.2"}, ["1.2"]),
        ({"StudyInstanceUID": ["1.3", "1.1", "9.9"]}, ["1.1", "1.3"]),
        ({"StudyInstanceUID": "1.*"}, []),
        ({"StudyDate": "20210615"}, ["1.2"]),
        ({"StudyDate": "20210101-20211231"}, ["1.2"]),
        ({"StudyDate": "20210615-"}, ["1.2", "1.3"]),
        ({"StudyDate": "-20210615"}, ["1.1", "1.2"]),
        ({"StudyDescription": "CHEST"}, []),
        ({"SOPInstanceUID": "1.2.2.3"}, ["1.2"]),
        ({"PatientComments": "a key that is not supported"}, ["1.1", "1.2", "1.3"]),
    ],
)
def test_an_entity_matches_when_all_supported_keys_do(keys, uids):
    assert studies(**keys) == uids


def test_an_answer_has_the_keys_that_were_asked_for_with_their_character_set():
    first, *_ = found("STUDY", "PatientName", "StudyDescription", "PatientComments")
    assert first == identifier(
        SpecificCharacterSet="ISO_IR 100",
        QueryRetrieveLevel="STUDY",
        PatientName="Müller^Anna",
        StudyDescription=None,
    )


def test_what_lacks_the_unique_key_of_a_level_is_no_entity_of_it():
    query = identifier(QueryRetrieveLevel="STUDY")
    assert list(find(query, STUDY_ROOT, [identifier(PatientID="P1")])) == []


@pytest.mark.parametrize("level", ["PATIENT", "", "STUDIES"])
def test_a_level_that_the_model_lacks_is_unsuitable(level):
    with pytest.raises(Unsuitable, match="QueryRetrieveLevel"):
        found(level, model=STUDY_ROOT)

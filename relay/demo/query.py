"""C-FIND over the headers of what is stored (PS3.4 C.2.2, C.4.1): which match, and what is told.

Matching is of single values, of wild cards, of lists of UIDs, of ranges of dates and times, and
universal. It is relational: a key of any level may stand beside any level asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, MutableSequence
from fnmatch import fnmatchcase
from typing import Any

from pydicom.datadict import tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

LEVELS: Mapping[str, str] = {
    "PATIENT": "PatientID",
    "STUDY": "StudyInstanceUID",
    "SERIES": "SeriesInstanceUID",
    "IMAGE": "SOPInstanceUID",
}
"""The unique key of each level."""

PATIENT_ROOT = "1.2.840.10008.5.1.4.1.2.1.1"
STUDY_ROOT = "1.2.840.10008.5.1.4.1.2.2.1"

MODELS: Mapping[str, frozenset[str]] = {
    PATIENT_ROOT: frozenset(LEVELS),
    STUDY_ROOT: frozenset(LEVELS) - {"PATIENT"},
}
"""The levels of each information model, by its SOP class for C-FIND."""

KEYWORDS = (
    *("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    *("StudyInstanceUID", "StudyID", "StudyDate", "StudyTime", "StudyDescription"),
    *("AccessionNumber", "ReferringPhysicianName"),
    *("SeriesInstanceUID", "SeriesNumber", "SeriesDate", "SeriesDescription", "Modality"),
    *("SOPInstanceUID", "SOPClassUID", "InstanceNumber", "Rows", "Columns"),
)
"""The keys that there are; others are neither matched nor returned."""

_TAGS = frozenset(map(tag_for_keyword, KEYWORDS))
_RANGES = frozenset({"DA", "TM"})
_RANGE = re.compile(r"([0-9.:]*)-([0-9.:]*)")
_WILD = frozenset({"AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT"})


class Unsuitable(Exception):
    """An identifier that does not go with its SOP class; the text names the key."""


def find(identifier: Dataset, sop_class: str, headers: Iterable[Dataset]) -> Iterator[Dataset]:
    """One response for each entity of the level asked for. `Unsuitable` for a wrong level."""
    level = identifier.get("QueryRetrieveLevel", "")
    if level not in MODELS[sop_class]:
        raise Unsuitable("QueryRetrieveLevel")
    keys = [each for each in identifier if each.tag in _TAGS]
    return _entities(keys, level, headers)


def _entities(keys: list[DataElement], level: str, headers: Iterable[Dataset]) -> Iterator[Dataset]:
    told = set()
    for header in headers:
        entity = str(header.get(LEVELS[level], ""))
        if entity and entity not in told and all(_matches(key, header) for key in keys):
            told.add(entity)
            yield _answer(keys, level, header)


def _matches(key: DataElement, header: Dataset) -> bool:
    wanted = _texts(key.value)
    if not wanted:
        return True
    held = _texts(header[key.tag].value) if key.tag in header else []
    return any(_equal(key.VR, one, each) for one in wanted for each in held)


def _equal(vr: str, wanted: str, held: str) -> bool:
    """Whether one value matches; names do so whatever their case."""
    if vr in _RANGES and (ends := _RANGE.fullmatch(wanted)):
        low, high = ends.groups()
        return low <= held and (not high or held <= high)
    if vr == "PN":
        wanted, held = wanted.casefold(), held.casefold()
    if vr in _WILD:
        # Brackets are wild to fnmatch, but not to DICOM.
        return fnmatchcase(held, wanted.replace("[", "[[]"))
    return wanted == held


def _texts(value: Any) -> list[str]:
    """An element's values, none of them empty."""
    values = value if isinstance(value, MutableSequence) else [value]
    return [str(each) for each in values if each is not None and str(each)]


def _answer(keys: list[DataElement], level: str, header: Dataset) -> Dataset:
    """The keys with what `header` has; its character set goes with them."""
    answer = Dataset()
    answer.QueryRetrieveLevel = level
    if "SpecificCharacterSet" in header:
        answer["SpecificCharacterSet"] = header["SpecificCharacterSet"]
    for key in keys:
        answer[key.tag] = header.get(key.tag) or DataElement(key.tag, key.VR, None)
    return answer

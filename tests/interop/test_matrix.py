"""The page about interoperability: what it says is what was shown, and nothing else passes."""

from __future__ import annotations

import re

import pytest

from tests.interop.matrix import (
    SERVICES,
    VERSIONS,
    Shown,
    Way,
    differences,
    holes,
    page,
    versions,
)

ALL = [Shown(service, way.value, "DCMTK", "Orthanc") for service in SERVICES for way in Way]


def test_a_page_that_was_written_differs_in_nothing_whatever_the_versions():
    assert not differences(f"{page(ALL)}\nLast written with DCMTK 3.0.\n", ALL)


def test_a_page_differs_where_something_else_was_shown():
    more = [*ALL, Shown("C-MOVE", Way.TO_ARCHIVE.value, "Orthanc", "DCMTK")]
    for written, shown in ((ALL, more), (more, ALL)):
        lost, found = differences(page(written), shown)
        assert lost.startswith("- | C-MOVE |")
        assert found.startswith("+ | C-MOVE |")


def test_a_page_that_was_never_written_differs_in_all():
    assert len(differences("", ALL)) > len(SERVICES)


def test_a_field_that_nothing_shows_is_a_hole():
    assert not holes(ALL)
    assert holes(ALL[1:]) == [f"{SERVICES[0]} {Way.TO_ARCHIVE.value}"]


@pytest.mark.parametrize(
    "mark",
    [
        ("C-ECO", "modality to archive", "DCMTK", "DCMTK"),
        ("C-ECHO", "modality to modality", "DCMTK", "DCMTK"),
        ("C-ECHO", "modality to archive", "Nobody", "DCMTK"),
    ],
)
def test_what_makes_no_sense_is_not_shown(mark: tuple[str, str, str, str]):
    with pytest.raises(ValueError, match="must be in"):
        Shown(*mark)


@pytest.mark.peers("dcmtk", "orthanc")
def test_the_versions_of_all_peers_are_named():
    number = r"\d+(\.\d+)+"
    named = rf"{VERSIONS}DCMTK {number}, Orthanc {number} and pynetdicom {number}\.\n"
    assert re.fullmatch(named, versions())

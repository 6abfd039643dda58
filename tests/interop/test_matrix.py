"""The page about interoperability: what it says is what was shown, and nothing else passes."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.matrix import (
    HERE,
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


CONFTEST = """
from pathlib import Path
from tests.interop.matrix import Matrix

def pytest_configure(config):
    config.addinivalue_line("markers", "shows(service, way, *peers)")
    here = Path(__file__).parent
    config.pluginmanager.register(Matrix(True, here, here / "page.md"))
"""
TESTS = """
import pytest
from tests.interop.matrix import EACH_WAY, SERVICES, Way

@pytest.mark.parametrize("way", list(Way))
@pytest.mark.parametrize("service", [
    pytest.param(each, marks=pytest.mark.shows(each, EACH_WAY, "DCMTK", "Orthanc"))
    for each in SERVICES
])
def test_it(way, service):
    pass
"""


@pytest.mark.parametrize(
    ("shown", "options", "status"),
    [
        (ALL, (), 0),
        (ALL[1:], (), 1),
        ([*ALL, Shown("C-MOVE", Way.TO_ARCHIVE.value, "Orthanc", "DCMTK")], (), 1),
        (ALL[1:], ("-k", "C-MOVE"), 0),
    ],
    ids=["alike", "more than written", "less than written", "a part of the tests"],
)
def test_a_whole_run_fails_where_the_page_says_something_else(
    tmp_path: Path, shown: list[Shown], options: tuple[str, ...], status: int
):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_all.py").write_text(TESTS)
    (tmp_path / "page.md").write_text(page(shown))
    assert run(tmp_path, *options) == status


def test_a_whole_run_fails_where_a_field_is_empty(tmp_path: Path):
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_all.py").write_text(TESTS.replace("in SERVICES", "in SERVICES[1:]"))
    (tmp_path / "page.md").write_text(page(ALL[2:]))
    assert run(tmp_path) == 1


def run(folder: Path, *options: str) -> int:
    """Run the tests in a folder as a session of their own; return its exit status."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--rootdir", str(folder)]
    environment = {**os.environ, "PYTHONPATH": str(HERE.parents[1]), "RELAY_WRITE_MATRIX": ""}
    done = subprocess.run(
        [*command, *options, str(folder)], env=environment, capture_output=True, check=False
    )
    return done.returncode

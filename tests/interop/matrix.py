"""What a run of these tests has shown: service, way and peers, as a page of the documentation.

A test says what it shows: ``pytest.mark.shows(service, way, invoker, performer)``. The way is that
of the request, whoever opened the association; the peers are those who made it and answered it.
Where the test runs for each way in turn the way is `EACH_WAY`.
"""

from __future__ import annotations

import difflib
import os
import re
import subprocess
from collections.abc import Generator, Iterable, Mapping
from enum import Enum
from pathlib import Path

import attrs
import pynetdicom
import pytest

from tests.interop.server import program

HERE = Path(__file__).resolve().parent
PAGE = HERE.parents[1] / "docs" / "interoperability.md"

SERVICES = (
    *("C-ECHO", "C-STORE", "C-FIND", "C-GET", "C-MOVE", "N-EVENT-REPORT"),
    *("N-GET", "N-SET", "N-ACTION", "N-CREATE", "N-DELETE"),
)
PEERS = ("DCMTK", "Orthanc", "pynetdicom")

EACH_WAY = "each way"


class Way(Enum):
    """Which way a request goes."""

    TO_ARCHIVE = "modality to archive"
    TO_MODALITY = "archive to modality"


@attrs.frozen(order=True)
class Shown:
    """A service in one direction, between two peers that this project did not write."""

    service: str = attrs.field(validator=attrs.validators.in_(SERVICES))
    way: str = attrs.field(validator=attrs.validators.in_([way.value for way in Way]))
    invoker: str = attrs.field(validator=attrs.validators.in_(PEERS))
    performer: str = attrs.field(validator=attrs.validators.in_(PEERS))


def shown_by(item: pytest.Item) -> set[Shown]:
    """Return what a test shows if it passes; raises ValueError for a mark that makes no sense.

    Where it runs straight to an archive in turn, and then by the relay, the former shows nothing.
    """
    parameters = _parameters(item)
    if parameters.get("door") == "direct":
        return set()
    ways = [value.value for value in parameters.values() if isinstance(value, Way)]
    marks = (mark.args for mark in item.iter_markers("shows"))
    return {
        Shown(service, *(ways if way == EACH_WAY else [way]), *peers)
        for service, way, *peers in marks
    }


def _parameters(item: pytest.Item) -> Mapping[str, object]:
    callspec = getattr(item, "callspec", None)
    return callspec.params if callspec else {}


INTRODUCTION = """\
# Interoperability

Which services cross the relay, which way, and with whom on either bank: DCMTK's tools, Orthanc,
and applications of pynetdicom. In "DCMTK → Orthanc" a tool of DCMTK asked and Orthanc answered,
whoever of them had opened the association. The archive's side speaks TLS.

This page is written by the tests that it tells of, those in `tests/interop`: each of them says what
it shows, and what has passed is here. A run of all of them fails where the page says something
else, or where a field is empty; `RELAY_WRITE_MATRIX=1 .venv/bin/tox -e interop` writes it anew.

"""
VERSIONS = "Last written with "


def page(shown: Iterable[Shown]) -> str:
    """Return the page, but for the versions of the peers."""
    cells = set(shown)
    ways = [way.value for way in Way]
    rows = [["service", *ways]]
    for service in SERVICES:
        rows.append([service, *(_cell(cells, service, way) for way in ways)])
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return INTRODUCTION + "\n".join([lines[0], "|---|---|---|", *lines[1:]]) + "\n"


def _cell(shown: set[Shown], service: str, way: str) -> str:
    found = sorted(each for each in shown if (each.service, each.way) == (service, way))
    return ", ".join(f"{each.invoker} → {each.performer}" for each in found)


def holes(shown: Iterable[Shown]) -> list[str]:
    """Return the fields of the table that are empty."""
    filled = {(each.service, each.way) for each in shown}
    fields = ((service, way.value) for service in SERVICES for way in Way)
    return [" ".join(field) for field in fields if field not in filled]


def differences(written: str, shown: Iterable[Shown]) -> list[str]:
    """Return the lines in which a page as written differs from what was shown, versions apart."""
    old, new = _compared(written), _compared(page(shown))
    return [line for line in difflib.ndiff(old, new) if line[:2] in ("- ", "+ ")]


def _compared(text: str) -> list[str]:
    lines = text.strip().splitlines()
    return [line for line in lines if line and not line.startswith(VERSIONS)]


def versions() -> str:
    """Return a line that names the peers with their versions."""
    tools = {"DCMTK": program("echoscu"), "Orthanc": program("Orthanc")}
    found = [f"{name} {_version(tool)}" for name, tool in tools.items()]
    return f"{VERSIONS}{', '.join(found)} and pynetdicom {pynetdicom.__version__}.\n"


def _version(tool: str) -> str:
    done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=False)
    return "".join(re.findall(r"\d+(?:\.\d+)+", done.stdout)[:1])


Reporting = Generator[None, pytest.TestReport, pytest.TestReport]


@attrs.define(eq=False)
class Matrix:
    """Keeps what tests have shown, and judges the page by it at the end of a run of all of them.

    Without RELAY_REQUIRE_PEERS it only says what it finds: peers may be missing, or be others.
    """

    is_strict: bool
    folder: Path = HERE
    """Where the tests are that count, down to the last of them."""
    page: Path = PAGE
    shown: set[Shown] = attrs.field(init=False, factory=set)
    complaints: list[str] = attrs.field(init=False, factory=list)
    _is_whole: bool = attrs.field(init=False, default=True)

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        if any(map(self._counts, items)):
            self._is_whole = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """See whether tests of each file are run, and all of them."""
        files = {item.path for item in session.items}
        if not files >= set(self.folder.rglob("test_*.py")) or _names_tests(session.config):
            self._is_whole = False

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item) -> Reporting:
        report = yield
        if report.when == "call" and report.passed and self._counts(item):
            self.shown |= shown_by(item)
        return report

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        if exitstatus != pytest.ExitCode.OK or not self._is_whole:
            return
        if os.environ.get("RELAY_WRITE_MATRIX", "") not in ("", "0"):
            self.page.write_text(f"{page(self.shown)}\n{versions()}")
        self._judge()
        if self.complaints and self.is_strict:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.complaints:
            terminalreporter.write_line(line)

    def _judge(self) -> None:
        written = self.page.read_text() if self.page.exists() else ""
        self.complaints += [f"no test shows {hole}" for hole in holes(self.shown)]
        self.complaints += [
            f"{self.page.name}: {line}" for line in differences(written, self.shown)
        ]

    def _counts(self, item: pytest.Item) -> bool:
        return self.folder in item.path.parents


def _names_tests(config: pytest.Config) -> bool:
    return config.option.collectonly or any("::" in argument for argument in config.args)

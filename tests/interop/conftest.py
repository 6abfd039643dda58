"""Peers that run for the whole session, and what happens where one of them is not installed.

A test names what it needs: ``pytest.mark.peers("dcmtk", "orthanc", "stunnel")``. What is missing
is left out and named in one line at the end; with ``RELAY_REQUIRE_PEERS=1`` it is a failure. What
tests have measured is printed there, too.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.interop.matrix import Matrix
from tests.interop.pki import Pki
from tests.interop.server import find_program

TOOLS = (
    *("echoscu", "storescu", "dcmsend", "findscu", "getscu", "movescu", "storescp", "dcmqrscp"),
    *("wlmscpfs", "dcmpsprt", "dcmprscu", "dcmprscp"),
)
PROGRAMS: dict[str, list[tuple[str, ...]]] = {
    "dcmtk": [(tool,) for tool in TOOLS],
    "orthanc": [("Orthanc",)],
    "stunnel": [("stunnel4", "stunnel")],
    "openssl": [("openssl",)],
}
"""Peers, and the programs of each with the names that these go by."""

PACKAGES = {"dcmtk": "dcmtk", "orthanc": "orthanc", "stunnel": "stunnel4", "openssl": "openssl"}

_left_out = pytest.StashKey[list[pytest.Item]]()
_figures = pytest.StashKey[list[str]]()


def missing(item: pytest.Item) -> set[str]:
    """Return the peers that a test needs and that are not installed."""
    needed = {peer for mark in item.iter_markers("peers") for peer in mark.args}
    return {peer for peer in needed if not all(find_program(*names) for names in PROGRAMS[peer])}


def required() -> bool:
    """Tell whether a missing peer is a failure."""
    return os.environ.get("RELAY_REQUIRE_PEERS", "") not in ("", "0")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "shows(service, way, *peers): what docs/ may tell of it")
    config.pluginmanager.register(Matrix(required()))
    config.addinivalue_line("markers", "peers(*names): the real peers without which it can't run")
    config.stash[_left_out] = []
    config.stash[_figures] = []


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if required():
        return
    left_out = [item for item in items if missing(item)]
    config.stash[_left_out] = left_out
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def pytest_runtest_setup(item: pytest.Item) -> None:
    if absent := missing(item):
        pytest.fail(f"peers not installed: {', '.join(sorted(absent))}", pytrace=False)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    for line in config.stash[_figures]:
        terminalreporter.write_line(line)
    left_out = config.stash[_left_out]
    if left_out:
        peers = sorted(set().union(*map(missing, left_out)))
        packages = " ".join(PACKAGES[peer] for peer in peers)
        terminalreporter.write_line(
            f"left out for want of {', '.join(peers)}: {len(left_out)} interop tests"
            f" (apt-get install {packages})"
        )


@pytest.fixture(scope="session")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    """The one certification authority, and the certificate that all servers show."""
    return Pki.write(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="session")
def bed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which each peer has a folder of its own."""
    return tmp_path_factory.mktemp("bed")


@pytest.fixture
def figure(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Takes a line about what a test has measured."""
    return pytestconfig.stash[_figures].append

"""The lines that the demonstration prints to be tried next, tried: echoscu, storescu, findscu."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer

import pytest

from tests.interop.doors import TOOL_PATIENCE_S
from tests.interop.server import ENVIRONMENT, PATIENCE_S, program

pytestmark = pytest.mark.peers("dcmtk")

# `twistd relay --demo`, but for the port: that one is fixed, and may be taken where tests run.
PROGRAM = """
from twisted.internet import reactor
from relay.demo import demo_service
service = demo_service(reactor, port=0)
service.privilegedStartService()
service.startService()
reactor.addSystemEventTrigger("before", "shutdown", service.stopService)
reactor.run()
"""
ROOT = Path(__file__).resolve().parents[2]


TOOLS = ("echoscu", "storescu", "findscu")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, list[str]]]:
    """The commands that a demonstration prints, by their names; it goes on serving meanwhile."""
    environment = {**os.environ, "TMPDIR": str(tmp_path_factory.mktemp("demo"))}
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as demo:
        watchdog = Timer(PATIENCE_S, demo.kill)
        watchdog.start()
        try:
            printed = _printed(demo)
            watchdog.cancel()
            yield printed
        finally:
            watchdog.cancel()
            demo.terminate()
            said, _ = demo.communicate(timeout=PATIENCE_S)
    assert said.strip() == ""


def _printed(demo: subprocess.Popen[str]) -> dict[str, list[str]]:
    assert demo.stdout is not None
    found: dict[str, list[str]] = {}
    for line in demo.stdout:
        words = shlex.split(line) if line.startswith("  ") else []
        if words and words[0] in TOOLS:
            found[words[0]] = words[1:]
        if len(found) == len(TOOLS):
            return found
    raise AssertionError("the demonstration ended before it had shown everything")


def run(tool: str, *options: str) -> str:
    done = subprocess.run(
        [program(tool), *options],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=TOOL_PATIENCE_S,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("latin-1")
    assert done.returncode == 0, said
    return said


def test_echoscu_as_printed_is_answered(commands: dict[str, list[str]]):
    assert "Received Echo Response (Success)" in run("echoscu", *commands["echoscu"])


def test_storescu_as_printed_stores_its_object(commands: dict[str, list[str]]):
    assert "Received Store Response (Success)" in run("storescu", *commands["storescu"])


def test_findscu_as_printed_finds_the_studies_of_the_samples(commands: dict[str, list[str]]):
    said = run("findscu", *commands["findscu"])
    assert "Received Final Find Response (Success)" in said
    found = re.findall(r"PN \[(.+?) *\]", said)
    assert {"CompressedSamples^CT1", "CompressedSamples^MR1"} <= set(found)


def test_findscu_that_cancels_is_told_so(commands: dict[str, list[str]]):
    said = run("findscu", "--cancel", "2", *commands["findscu"])
    assert "Received Final Find Response (Cancel: MatchingTerminatedDueToCancelRequest)" in said

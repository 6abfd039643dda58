"""docs/logs.md names the events and fields that there are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from relay.bridge.outcome import End, Outcome
from relay.journal.crossings import Crossing

ROOT = Path(__file__).resolve().parents[2]
MANUAL = (ROOT / "docs/logs.md").read_text("utf-8")
SOURCES = [path.read_text("utf-8") for path in (ROOT / "relay").rglob("*.py")]


def named(heading: str) -> list[str]:
    """What the first column of the table below this heading names, in order."""
    section = MANUAL.partition(f"\n### {heading}")[2].partition("\n#")[0]
    rows = (row.split("|")[1] for row in section.splitlines() if row.startswith("| `"))
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row) if name != "event"]


def events(source: str) -> Iterator[str]:
    """What a module gives for the `event` of what it logs, where that is written out."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.keyword) and node.arg == "event":
            yield from literal(node.value)
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == "event":
                    yield from literal(value)


def literal(node: ast.expr) -> Iterator[str]:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value


def test_each_event_is_in_the_manual():
    known = {*named("Other events"), "crossing", "left_out"}
    assert {each for source in SOURCES for each in events(source)} <= known


def test_each_event_of_the_manual_is_one():
    text = "\n".join(SOURCES)
    for event in named("Other events"):
        assert f'"{event}"' in text or f'"{event.removeprefix("upstream_")}"' in text, event


def test_the_manual_has_the_fields_of_a_crossing_in_their_order():
    outcome = Outcome("A", "B")
    outcome.finish(End.RELEASED)
    fields = Crossing("::1", None, 0.0, 0.0, outcome).fields()
    assert ["event", *named("`crossing`")] == list(fields)

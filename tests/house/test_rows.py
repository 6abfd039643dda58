"""Each row of the list of bad inputs (docs/bad-inputs.md) is proved by a test that names it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
MARK = "pytest.mark.row"

ROWS = set(range(1, 74))
NO_SPOOL = {60, 61}
"""They are about objects kept on disk for good, which nothing here does."""


def marked(source: str) -> Iterator[int]:
    """The rows that a module's tests are marked with, in so many words."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and ast.unparse(node.func) == MARK:
            values = (each.value for each in node.args if isinstance(each, ast.Constant))
            yield from (each for each in values if isinstance(each, int))


def proved() -> set[int]:
    """The rows that some test proves."""
    return {row for path in TESTS.rglob("test_*.py") for row in marked(path.read_text("utf-8"))}


def test_every_row_of_the_list_is_proved_and_no_other():
    assert ROWS - proved() == NO_SPOOL
    assert proved() <= ROWS


def test_a_mark_is_found_wherever_it_is():
    source = """
@pytest.mark.row(1, 2)
@pytest.mark.skip
class Some(Case):
    @pytest.mark.row(73)
    def test_it(self): ...

CASES = [pytest.param(b"", marks=pytest.mark.row(5))]
"""
    assert sorted(marked(source)) == [1, 2, 5, 73]

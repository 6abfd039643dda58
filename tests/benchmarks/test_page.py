"""The page: figures between two marks, and around them what people wrote."""

from __future__ import annotations

import attrs

from benchmarks.page import BEGIN, END, figures, write
from tests.benchmarks import runs


def test_a_page_says_what_was_measured_on_what_and_what_came_of_it():
    page = figures(runs.run(), "ratios.svg")
    assert "Taken on 2026-01-02 by `python -m benchmarks`, in 3 rounds:" in page
    assert "- a machine\n- left out: x\n" in page
    assert "(ratios.svg)" in page
    assert "| `few` | CPU s/GB, relay / HAProxy | at most 1 | 0.500 | met |" in page
    assert "at least 0.95 | 0.333 (0.250-0.500) | not met |" in page
    assert "### `few`: objects\n" in page
    assert "| direct, TLS | 1000 | - |" in page
    assert "- so it is\n" in page


def test_a_table_has_as_many_cells_in_each_row():
    resting = attrs.evolve(runs.RELAY, idle=[1e3], used=[2e3])
    page = figures(runs.run([runs.DIRECT, resting]), "ratios.svg")
    rows = [line.count("|") for line in page.splitlines() if line.startswith("| relay |")]
    heads = [line.count("|") for line in page.splitlines() if "KB after an object" in line]
    assert rows == heads == [12]


def test_a_new_page_ends_with_a_line_end(tmp_path):
    write(runs.run(), tmp_path / "page.md", "ratios.svg")
    text = (tmp_path / "page.md").read_text()
    assert text.startswith(BEGIN)
    assert text.endswith(f"{END}\n")


def test_figures_are_added_to_a_page_that_has_none(tmp_path):
    path = tmp_path / "page.md"
    path.write_text("# Words\n")
    write(runs.run(), path, "ratios.svg")
    assert path.read_text().startswith(f"# Words\n\n{BEGIN}\n")


def test_new_figures_take_the_place_of_old_ones_and_of_nothing_else(tmp_path):
    path = tmp_path / "page.md"
    path.write_text(f"# Words\n\n{BEGIN}\nold\n{END}\n\nLast words.\n")
    write(runs.run(), path, "ratios.svg")
    once = path.read_text()
    write(runs.run(), path, "ratios.svg")
    assert path.read_text() == once
    assert "old" not in once
    assert once.startswith(f"# Words\n\n{BEGIN}\n\nTaken on")
    assert once.endswith(f"\n\n{END}\n\nLast words.\n")

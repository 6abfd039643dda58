"""The figures of a run as a part of a page in Markdown; what people wrote around it stays."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.case import Case
from benchmarks.record import Run
from benchmarks.result import Result
from benchmarks.table import Row, grid, remarks
from benchmarks.wanted import verdicts

BEGIN = "<!-- Written by the benchmarks from here ... -->"
END = "<!-- ... to here. -->"


def write(run: Run, path: Path, picture: str) -> None:
    """Put the figures of a run into a page, in the place of those of the last one.

    `picture` is the name of the file beside it. A page that has no place for them, or is not there,
    gets it at its end.
    """
    text = path.read_text() if path.exists() else ""
    before, found, after = text.partition(BEGIN)
    if not found:
        before = f"{text.rstrip()}\n\n" if text else ""
    after = after.partition(END)[2] or "\n"
    path.write_text(f"{before}{BEGIN}\n\n{figures(run, picture)}\n\n{END}{after}")


def figures(run: Run, picture: str) -> str:
    """The run in Markdown: on what it was taken, what was wanted, and a table for each case."""
    parts = [*_taken(run, picture), *_wanted(run)]
    for name, (case, results) in run.cases.items():
        parts += _case(name, case, results)
    return "\n\n".join(parts)


def _taken(run: Run, picture: str) -> Iterator[str]:
    yield f"Taken on {run.date} by `{run.command}`, in {run.rounds} rounds:"
    yield "\n".join(f"- {each}" for each in (*run.versions, *run.left_out))
    yield f"![What the relay costs and how fast it is, as ratios to HAProxy, by case]({picture})"


def _wanted(run: Run) -> Iterator[str]:
    rows = [("case", "figure", "wanted", "found", "")]
    for name, (case, results) in run.cases.items():
        for each in verdicts(case.wanted, results):
            found = "" if each.spread is None else str(each.spread)
            rows.append((f"`{name}`", each.title, str(each.bound), found, each.answer))
    yield "### What is wanted of the relay"
    yield _table(rows)


def _case(name: str, case: Case, results: Sequence[Result]) -> Iterator[str]:
    yield f"### `{name}`: {case.title}"
    yield _table(grid(results), right=True)
    if said := remarks(case, results):
        yield "\n".join(f"- {each}" for each in said)


def _table(rows: Sequence[Row], right: bool = False) -> str:
    """Rows, the first of which are headings; all cells but the first to the right, if asked."""
    rule = ("---", *(("---:" if right else "---") for _ in rows[0][1:]))
    return "\n".join(f"| {' | '.join(each)} |" for each in (rows[0], rule, *rows[1:]))

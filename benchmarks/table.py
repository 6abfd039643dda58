"""The figures of a case as a table: medians, and the least and the most of all rounds."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.case import Case
from benchmarks.result import CPU_PER_GB, METRICS, OBJECTS_PER_S, Result, ratios
from benchmarks.spread import NOTHING, Spread, number
from benchmarks.wanted import RELAY, verdicts

MIB = 2**20

Row = tuple[str, ...]


def table(case: Case, results: Sequence[Result]) -> str:
    """A heading, a line for each way, how the relay stands to the others, and what is wanted."""
    rows = grid(results)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{case.title}, {case.batch.count} a round"]
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join((f"  {first.ljust(widths[0])}", *cells)))
    lines.extend(f"  {each}" for each in remarks(case, results))
    return "\n".join(lines)


def grid(results: Sequence[Result]) -> list[Row]:
    """The headings, and a row for each way."""
    resting = any(each.idle for each in results)
    headings = ("", "objects", *(each.name for each in METRICS), "peak MiB")
    idle = ("KB each idle", "KB after an object") if resting else ()
    return [(*headings, *idle), *(_row(each, resting) for each in results)]


def remarks(case: Case, results: Sequence[Result]) -> list[str]:
    """What else there is to say: notes, ratios, and whether what is wanted was met."""
    relay = next((each for each in results if each.name == RELAY), None)
    others = [each for each in results if each is not relay] if relay else []
    said = [f"relay / {each.name}: {_ratio(relay, each)}" for each in others if relay]
    return [*case.notes, *said, *map(str, verdicts(case.wanted, results))]


def _row(result: Result, resting: bool) -> Row:
    rounds = (_written(each.figures(result)) for each in METRICS)
    peak = NOTHING if result.peak is None else number(result.peak / MIB)
    both = (result.idle, result.used) if resting else ()
    idle = (_written([each / 1e3 for each in figures]) for figures in both)
    return (result.name, str(result.batch.count), *rounds, peak, *idle)


def _written(figures: Sequence[float]) -> str:
    spread = Spread.of(figures)
    return NOTHING if spread is None else str(spread)


def _ratio(relay: Result, other: Result) -> str:
    """How the relay stands to another way, round by round."""
    cost = Spread.of(ratios(CPU_PER_GB, relay, other))
    pace = f"objects/s {Spread.of(ratios(OBJECTS_PER_S, relay, other))}"
    return pace if cost is None else f"CPU {cost}, {pace}"

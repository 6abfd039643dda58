"""The figures of a case as a table: medians, and the least and the most of all rounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from benchmarks.cases import MIB, Case, Result

HEADINGS = ("", "CPU s/GB", "CPU s/1,000", "MB/s", "objects/s", "peak MiB")
NOTHING = "-"


def table(case: Case, results: Sequence[Result]) -> str:
    """A heading, a line for each way, and how the relay stands to the others."""
    rows = [HEADINGS, *(_row(case, result) for result in results)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [f"{case.title}, {case.batch.count} a round"]
    for first, *others in rows:
        cells = (cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True))
        lines.append("  ".join((f"  {first.ljust(widths[0])}", *cells)))
    lines.extend(f"  {each}" for each in case.notes)
    relay = next(each for each in results if each.way.name == "relay")
    lines.extend(_ratio(case, relay, each) for each in results if each is not relay)
    return "\n".join(lines)


def _row(case: Case, result: Result) -> tuple[str, ...]:
    count = case.batch.count
    return (
        result.way.name,
        _spread(result.cpu, lambda used: used / case.size * 1e9),
        _spread(result.cpu, lambda used: used / count * 1e3),
        _spread(result.seconds, lambda took: case.size / took / 1e6),
        _spread(result.seconds, lambda took: count / took),
        NOTHING if result.peak is None else _number(result.peak / MIB),
    )


def _spread(measured: Sequence[float], figure: Callable[[float], float]) -> str:
    if not measured:
        return NOTHING
    figures = list(map(figure, measured))
    middle, least, most = (_number(of(figures)) for of in (median, min, max))
    return f"{middle} ({least}-{most})"


def _number(figure: float) -> str:
    """Three digits, or all those before the point."""
    digits = next((each for each, limit in enumerate((100, 10, 1)) if figure >= limit), 3)
    return f"{figure:.{digits}f}"


def _ratio(case: Case, relay: Result, other: Result) -> str:
    """How the relay stands to another way: CPU by medians, pace round by round."""
    rounds = zip(relay.seconds, other.seconds, strict=True)
    paces = [others / relays for relays, others in rounds]
    cost = f"CPU {median(relay.cpu) / median(other.cpu):.2f}, " if any(other.cpu) else ""
    said = f"  relay / {other.way.name}: {cost}objects/s {_spread(paces, float)}"
    if case.wanted is None or other.way.pid:
        return said
    met = "met" if median(paces) >= case.wanted else "not met"
    return f"{said}; at least {case.wanted} wanted: {met}"

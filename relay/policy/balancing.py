"""In which order the upstreams of a pool are tried: facts in, an order out.

Least loaded: fewest associations at work or waited for. One that failed a moment ago comes last,
so that a caller does not wait for a dead archive while a living one is there; it is never left
out. Ties go to the one that was chosen longest ago, which spreads equal load evenly.
"""

from __future__ import annotations

from collections.abc import Iterable

import attrs


@attrs.frozen
class Load:
    """One upstream as balancing sees it; `last_chosen` counts choices, larger is later."""

    upstream: str
    busy: int
    failing: bool
    last_chosen: int


def least_loaded(loads: Iterable[Load], prefer: str | None = None) -> list[str]:
    """The upstreams in the order to try; `prefer`, where it is among them, first."""

    def rank(load: Load) -> tuple[bool, bool, int, int]:
        return load.upstream != prefer, load.failing, load.busy, load.last_chosen

    return [load.upstream for load in sorted(loads, key=rank)]

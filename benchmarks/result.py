"""What was measured: of each case, on each way, in each round."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import attrs

from benchmarks.sending import Batch, Sent
from benchmarks.spread import percentile


@attrs.frozen
class Round:
    """One batch on one way.

    `seconds` from first byte to last response; `cpu`: seconds that the process in the middle used,
    None where there is none; `p50` and `p99`: seconds that a C-STORE took.
    """

    seconds: float
    cpu: float | None
    p50: float
    p99: float

    @classmethod
    def of(cls, sent: Sent, seconds: float, cpu: float | None) -> Round:
        """What a batch that was sent comes to."""
        return cls(seconds, cpu, percentile(sent.took, 0.5), percentile(sent.took, 0.99))


@attrs.define
class Result:
    """What a case took on one way: a batch in each round.

    `peak`: the most memory that the process in the middle had resident, in bytes; None where there
    is none. In a case in which associations rest, `idle` is what each of them adds to its memory,
    and `used` the same after an object was stored on it: in bytes, for each round.
    """

    name: str
    batch: Batch
    rounds: list[Round] = attrs.field(factory=list)
    peak: int | None = None
    idle: list[float] = attrs.field(factory=list)
    used: list[float] = attrs.field(factory=list)


@attrs.frozen
class Metric:
    """A figure that each round has: its name with its unit, and what makes it of a round."""

    name: str
    _of: Callable[[Round, Batch], float | None]

    def figures(self, result: Result) -> list[float]:
        """The figure for each round; none where there is nobody in the middle to have one."""
        found = (self._of(each, result.batch) for each in result.rounds)
        return [each for each in found if each is not None]


def _bytes(batch: Batch) -> int:
    return batch.count * batch.size


def _cpu(divisor: Callable[[Batch], float]) -> Callable[[Round, Batch], float | None]:
    return lambda each, batch: None if each.cpu is None else each.cpu / divisor(batch)


CPU_PER_GB = Metric("CPU s/GB", _cpu(lambda batch: _bytes(batch) / 1e9))
CPU_PER_1000 = Metric("CPU s/1,000", _cpu(lambda batch: batch.count / 1e3))
MB_PER_S = Metric("MB/s", lambda each, batch: _bytes(batch) / each.seconds / 1e6)
OBJECTS_PER_S = Metric("objects/s", lambda each, batch: batch.count / each.seconds)
P50 = Metric("p50 ms", lambda each, batch: each.p50 * 1e3)
P99 = Metric("p99 ms", lambda each, batch: each.p99 * 1e3)

METRICS = (CPU_PER_GB, CPU_PER_1000, MB_PER_S, OBJECTS_PER_S, P50, P99)


def ratios(metric: Metric, result: Result, over: Result) -> Sequence[float]:
    """How a way stands to another one, round by round: what disturbs a round disturbs both."""
    pairs = zip(metric.figures(result), metric.figures(over), strict=False)
    return [one / other for one, other in pairs if other]

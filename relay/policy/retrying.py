"""How many operations a pool bears to have sent again: a token bucket.

When an archive dies, all that it was performing is sent again at once; when it is merely sick, each
operation may be sent again and again. The first is wanted and the second would keep it sick: so
there is a burst, and beyond it a rate.
"""

from __future__ import annotations

import attrs


@attrs.define
class RetryBudget:
    """`rate` retries a second (0: none at all), `burst` of them at once.

    A retry may be put off, for `longest` seconds at most.
    """

    rate: float = 50.0
    burst: int = 100
    longest: float = 30.0
    # below 0: so many have been put off and are still to come
    _tokens: float = attrs.field(init=False)
    _at: float | None = attrs.field(default=None, init=False)

    @_tokens.default
    def _full(self) -> float:
        return self.burst

    def pause(self, now: float) -> float | None:
        """Seconds to wait before this retry, which is counted; None: never, and not counted."""
        if self.rate <= 0:
            return None
        self._refill(now)
        wait = max(0.0, 1 - self._tokens) / self.rate
        if wait > self.longest:
            return None
        self._tokens -= 1
        return wait

    def _refill(self, now: float) -> None:
        passed = 0.0 if self._at is None else max(0.0, now - self._at)
        self._tokens = min(float(self.burst), self._tokens + passed * self.rate)
        self._at = now

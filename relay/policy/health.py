"""Whether an upstream is well, judged from what happened to it; facts in, a judgement out.

An upstream that fails several times in a row, or too often of late, is ejected; one that cannot be
reached is out at once. Time alone brings neither back: only a sign of life does. From `retry_at` on
such a sign may be looked for, and each time that this is in vain, or that the upstream fails again
soon after it returned, the next look is twice as far away, up to a longest time.

What counts as a failure is the caller's business: a permanent rejection, or a status that speaks of
the object, is not to be reported here. All times are seconds of one monotonic clock.
"""

from __future__ import annotations

from enum import Enum, auto
from math import exp

import attrs

TIME_CONSTANT = 30.0
"""Seconds in which what happened loses weight, to 1/e."""

LEAST_SHARE = 0.1
"""What an upstream that has just returned gets of its load."""


@attrs.frozen
class Judgement:
    """When an upstream is ejected, and for how many seconds.

    `failures` in a row eject it, and so does a share of `rate` failures among the recent operations
    once these, decayed, were `least`. The first ejection is for `shortest` seconds; the time
    doubles up to `longest`. `slow_start`: seconds in which one that returns gets its load by and
    by; 0: at once.
    """

    failures: int = 3
    rate: float = 0.5
    least: int = 10
    shortest: float = 1.0
    longest: float = 30.0
    slow_start: float = 10.0


class _State(Enum):
    WELL = auto()
    EJECTED = auto()
    DOWN = auto()


@attrs.define
class _Recent:
    """Decayed counts of answers and of failures, and the sum of the seconds that answers took."""

    answers: float = 0.0
    failures: float = 0.0
    seconds: float = 0.0
    at: float = 0.0

    def decay(self, now: float) -> None:
        """Let time pass."""
        kept = exp(min(0.0, self.at - now) / TIME_CONSTANT)
        self.answers *= kept
        self.failures *= kept
        self.seconds *= kept
        self.at = now


@attrs.define
class Health:
    """The health of one upstream.

    `retry_at`, while it is out: from when on it may be probed; `out_since`: when it went out.
    """

    judgement: Judgement
    retry_at: float = attrs.field(default=0.0, init=False)
    out_since: float = attrs.field(default=0.0, init=False)
    _state: _State = attrs.field(default=_State.WELL, init=False)
    _recent: _Recent = attrs.field(factory=_Recent, init=False)
    _in_a_row: int = attrs.field(default=0, init=False)
    _ejection: float = attrs.field(default=0.0, init=False)  # seconds of the last one
    _returned_at: float | None = attrs.field(default=None, init=False)
    _mean: float = attrs.field(default=0.0, init=False)  # seconds per answer, at the last one
    _answered_at: float = attrs.field(default=0.0, init=False)

    @property
    def is_down(self) -> bool:
        """Whether it is out because it could not be reached, not (only) for its failures."""
        return self._state is _State.DOWN

    @property
    def is_out(self) -> bool:
        """Whether it went out and has not returned."""
        return self._state is not _State.WELL

    def answered(self, now: float, seconds: float) -> None:
        """It performed an operation and took `seconds`. Brings nobody back: see `returned`."""
        self._in_a_row = 0
        recent = self._recent
        recent.decay(now)
        recent.answers += 1
        recent.seconds += seconds
        self._mean = recent.seconds / recent.answers
        self._answered_at = now

    def failed(self, now: float) -> bool:
        """It failed at an operation; True where that ejects it now. While out it changes nothing:
        these are the operations that were on their way when it went out."""
        if self.is_out:
            return False
        self._in_a_row += 1
        self._recent.decay(now)
        self._recent.failures += 1
        if self._in_a_row < self.judgement.failures and not self._fails_too_often():
            return False
        self._eject(now, _State.EJECTED)
        return True

    def unreachable(self, now: float) -> bool:
        """It could not be connected to, or did not answer in time; True where it was not out yet.

        While it is out the time to the next try doubles. Not before that try was due, though:
        several callers may have asked at once, and that is one sign and not many.
        """
        if not self.is_out:
            self._eject(now, _State.DOWN)
            return True
        self._state = _State.DOWN
        if now >= self.retry_at:
            self._stay_out(now, 2 * self._ejection)
        return False

    def returned(self, now: float) -> None:
        """It is proved to be alive. What was counted before is forgotten; well, it stays so."""
        if self.is_out:
            self._state = _State.WELL
            self._returned_at = now
            self._in_a_row = 0
            self._recent = _Recent()

    def latency(self, now: float) -> float:
        """Seconds that an answer took of late; less and less with silence; 0.0: not known."""
        return self._mean * exp(min(0.0, self._answered_at - now) / TIME_CONSTANT)

    def share(self, now: float) -> float:
        """How much of its load it may have: above 0, and 1 unless it returned a moment ago."""
        slow_start = self.judgement.slow_start
        if self._returned_at is None or self.is_out or slow_start <= 0:
            return 1.0
        grown = max(0.0, now - self._returned_at) / slow_start
        return min(1.0, LEAST_SHARE + (1.0 - LEAST_SHARE) * grown)

    def _fails_too_often(self) -> bool:
        every = self._recent.answers + self._recent.failures
        return (
            every >= self.judgement.least and self._recent.failures >= self.judgement.rate * every
        )

    def _eject(self, now: float, state: _State) -> None:
        returned = self._returned_at
        is_soon = returned is not None and now - returned < self.judgement.longest
        self._state = state
        self.out_since = now
        self._stay_out(now, 2 * self._ejection if is_soon else self.judgement.shortest)

    def _stay_out(self, now: float, seconds: float) -> None:
        self._ejection = min(seconds, self.judgement.longest)
        self.retry_at = now + self._ejection

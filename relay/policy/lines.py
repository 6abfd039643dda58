"""How many lines of the log somebody may cause: so many at once, so many a second. Pure.

Beyond that lines are left out and counted, and how many there were is told a minute after the first
of them. Only so many are known by name. Where there are more at a time, as in a flood from many
places, the others have what one may have, all together.
"""

from __future__ import annotations

import math

import attrs

MOST = 1024
"""Who are known by name at a time."""

PERIOD = 60.0
"""Seconds, after the first line that is left out, until it is told how many were."""

OTHERS = "others"
"""All who are not known by name."""


@attrs.frozen
class Rate:
    """Lines that one may cause: `at_once`, and, once these are used up, `per_second`."""

    at_once: int = 60
    per_second: float = 1.0

    @property
    def recovery(self) -> float:
        """Seconds after which one who is quiet may have as many at once as ever."""
        return self.at_once / self.per_second


@attrs.define
class _Account:
    """What one may still have, as of `at`; `left_out` lines were too many, from `since` on."""

    tokens: float
    at: float
    left_out: int = 0
    since: float = 0.0


@attrs.define(eq=False)
class Lines:
    """Who may have one more line. Times are seconds of any clock."""

    rate: Rate = attrs.field(factory=Rate)
    most: int = MOST
    _accounts: dict[str, _Account] = attrs.field(factory=dict)
    """Whoever had a line last is last."""
    _owed: dict[str, _Account] = attrs.field(factory=dict)
    """Those of whom lines were left out; whose came first is first."""

    _others: _Account = attrs.field(init=False)

    @_others.default
    def _full(self) -> _Account:
        return _Account(self.rate.at_once, 0.0)

    def __len__(self) -> int:
        return len(self._accounts)

    def may(self, whom: str, now: float) -> bool:
        """Whether there may be one more line about `whom`, now; one that may not is counted."""
        whom, account = self._account(whom, now)
        refilled = account.tokens + max(0.0, now - account.at) * self.rate.per_second
        account.tokens, account.at = min(float(self.rate.at_once), refilled), now
        if account.tokens >= 1:
            account.tokens -= 1
            return True
        if not account.left_out:
            account.since = now
            self._owed[whom] = account
        account.left_out += 1
        return False

    @property
    def due(self) -> float | None:
        """When it is time to tell of lines that were left out; None: none were."""
        first = next(iter(self._owed.values()), None)
        return None if first is None else first.since + PERIOD

    def left_out(self, now: float = math.inf) -> list[tuple[str, int]]:
        """Of whom it is time to tell, and how many lines were left out; they count anew."""
        told = []
        for whom, account in list(self._owed.items()):
            if account.since + PERIOD > now:
                break
            told.append((whom, account.left_out))
            account.left_out = 0
            del self._owed[whom]
        return told

    def _account(self, whom: str, now: float) -> tuple[str, _Account]:
        account = self._accounts.pop(whom, None)
        if account is None:
            if not self._makes_room(now):
                return OTHERS, self._others
            account = _Account(self.rate.at_once, now)
        self._accounts[whom] = account
        return whom, account

    def _makes_room(self, now: float) -> bool:
        """Whether one more may be known, be it in the place of one who is as good as unknown."""
        if len(self._accounts) < self.most:
            return True
        oldest, account = next(iter(self._accounts.items()))
        if account.left_out or account.at + self.rate.recovery > now:
            return False
        del self._accounts[oldest]
        return True

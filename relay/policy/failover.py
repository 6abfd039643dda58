"""What becomes of an operation whose upstream failed before it had answered: pure.

Only operations whose repetition is harmless are sent again: C-STORE, because the same instance with
the same bytes is the same object; C-ECHO; C-FIND, while nothing of its answer has been passed on.

- An association that had rested in the pool, and is lost before it said a word, was most likely
  closed while it rested. That is no failure of the upstream: a new association with it is tried.
- A request that had left in full may have been performed. The same upstream gets it again first,
  and can tell that it knows the object; unless it was silence that failed it, which is not waited
  for at the same upstream again as long as there is another, and twice at most.
- Otherwise another upstream is tried. What two upstreams failed on is not tried on a third: it is
  likely to be the object, and it would go on to fail them all.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from relay.wire.command import CommandField

REPEATABLE = frozenset({CommandField.C_ECHO_RQ, CommandField.C_STORE_RQ, CommandField.C_FIND_RQ})
"""Operations that may be sent again."""

MOST_UPSTREAMS = 2
"""Upstreams on which an operation may fail."""

MOST_FAILURES = 3
"""Failures of an operation, also of several on one upstream."""

MOST_OVERDUE = 2
"""Time-outs that an operation may cost its caller."""


STALE_WITHIN = 2.0
"""Seconds within which a connection that was closed while it rested is known to be: it takes a
round trip to be told so. What works for longer than that was alive."""


@attrs.frozen
class Failure:
    """How an operation failed on `upstream`.

    `is_stale`: on an association that had rested and said nothing since. `is_overdue`: by a
    time-out. `is_ambiguous`: all of the request had left, and may have been performed.
    """

    upstream: str
    is_stale: bool = False
    is_overdue: bool = False
    is_ambiguous: bool = False


@attrs.frozen
class Choice:
    """Where an operation should go: `prefer` first, those in `avoid` last.

    `fresh`: only an association that has not rested will do.
    """

    prefer: str | None = None
    avoid: frozenset[str] = frozenset()
    fresh: bool = False


def after(field: int, failures: Sequence[Failure]) -> Choice | None:
    """Where to send an operation that failed like this, the last time last; None: nowhere."""
    if field not in REPEATABLE:
        return None
    last = failures[-1]
    counted = [each.upstream for each in failures if not each.is_stale]
    names = frozenset(counted)
    if last.is_stale:
        return Choice(last.upstream, names - {last.upstream}, fresh=True)
    if len(names) >= MOST_UPSTREAMS or len(counted) >= MOST_FAILURES:
        return None
    if sum(each.is_overdue for each in failures) >= MOST_OVERDUE:
        return None
    if last.is_ambiguous and not last.is_overdue and counted.count(last.upstream) == 1:
        return Choice(last.upstream, fresh=True)
    return Choice(avoid=names)

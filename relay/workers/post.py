"""The first process has all workers know of each one's C-MOVEs (moving.py)."""

from __future__ import annotations

from typing import Any, Protocol

from twisted.internet.defer import Deferred, DeferredList

from relay.policy.moves import Move
from relay.workers import words
from relay.workers.moving import How, Ledger
from relay.workers.talking import Heard

ANSWER_TIMEOUT = 2.0
"""Seconds that workers have to say that they know of a move."""


class SayToOthers(Protocol):
    """Says something to all workers but one; gives the answers of those that are ready, where
    there are to be any."""

    def __call__(self, but: int, what: Any, **values: Any) -> list[Deferred[Any]]: ...


class Postbox:
    """Passes on what is said of moves, among `of` workers; `now` gives the time in seconds."""

    def __init__(self, of: int, reactor: Any, say: SayToOthers) -> None:
        self.reactor = reactor
        self.say = say
        self.ledger = Ledger(of)

    def begun(self, worker: int, move: str) -> Deferred[Heard]:
        """A worker has begun a move; fires when all others know of it, or have had their time."""
        self.ledger.begun(move)
        answers = self.say(worker, words.Known, move=move)
        known: Deferred[Any] = DeferredList(answers, consumeErrors=True)
        known.addTimeout(ANSWER_TIMEOUT, self.reactor)
        return known.addCallbacks(_nothing, _nothing)

    def over(self, worker: int, sent_id: int, how: How) -> None:
        """A move is over."""
        self.ledger.over(sent_id, how, self._now)
        self.say(worker, words.Over, sent_id=sent_id, how=how.value)

    def gone(self, worker: int) -> None:
        """A worker is no more, and nobody waits for what it has begun."""
        for sent_id in self.ledger.gone(worker, self._now):
            self.say(worker, words.Over, sent_id=sent_id, how=How.LEFT.value)

    def standing(self) -> list[tuple[Move, How | None]]:
        """All moves that are remembered."""
        return self.ledger.standing(self._now)

    @property
    def _now(self) -> float:
        return float(self.reactor.seconds())


def _nothing(result: object) -> Heard:
    return {}

"""What a worker says to the first process: of its shares (allowance.py), its moves (moving.py)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.logger import Logger

from relay.policy.moves import Move
from relay.workers import words
from relay.workers.moving import How, encode
from relay.workers.talking import Talk

ANSWER_TIMEOUT = 3.0
"""Seconds that the first process has to say that all know of a move: they have less."""


@attrs.frozen
class OfUpstream:
    """Says what there is to say of one upstream's associations."""

    talk: Talk
    upstream: str

    def wish(self, total: int) -> None:
        """So many are wanted in all."""
        self.talk.say(words.Wish, upstream=self.upstream, total=total)

    def give_back(self) -> None:
        """Here is one."""
        self.talk.say(words.GiveBack, upstream=self.upstream)

    def busy(self) -> None:
        """There is none to spare now."""
        self.talk.say(words.Busy, upstream=self.upstream)


@attrs.frozen
class OfMoves:
    """Says what becomes of moves."""

    log = Logger()

    talk: Talk
    reactor: Any

    def begun(self, move: Move, then: Callable[[], None]) -> None:
        """A move is about to leave; `then` it may: when all know of it, or have had their time."""
        answer = self.talk.say(words.Begin, move=encode(move))
        assert answer is not None
        answer.addTimeout(ANSWER_TIMEOUT, self.reactor)
        answer.addErrback(lambda failure: self._not_told())
        answer.addCallback(lambda _: then())
        answer.addErrback(lambda failure: self.log.failure("a move could not leave", failure))

    def _not_told(self) -> None:
        self.log.warn("a move leaves that not all know of", event="move_unknown")

    def over(self, move: Move, how: How) -> None:
        """A move is over."""
        self.talk.say(words.Over, sent_id=move.sent_id, how=how.value)

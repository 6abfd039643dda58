"""C-MOVEs of all workers: an archive may call back any of them.

Each worker draws Message IDs of its own, and has a replica of all moves. Before a C-MOVE leaves,
the first process and all other workers know of it; its end is told likewise. A worker that does not
answer in time is not waited for: what comes to it in the meantime would find no move.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import attrs

from relay.policy.moves import Move, Moves


class How(Enum):
    """How a move is over."""

    ANSWERED = "answered"
    """The archive has given its final response."""
    LEFT = "left"
    """Nobody waits for that any more: whoever asked has gone, or its worker."""
    CALLED_OFF = "called off"
    """It never left for the archive."""


def encode(move: Move) -> str:
    """A move as text."""
    values = attrs.asdict(move, recurse=False)
    return json.dumps({**values, "archives": sorted(move.archives)})


def decode(text: str) -> Move:
    """A move from text."""
    values = json.loads(text)
    return Move(**{**values, "archives": frozenset(values["archives"])})


class Announcer(Protocol):
    """Whoever has other processes know."""

    def begun(self, move: Move, then: Callable[[], None]) -> None:
        """A move is about to leave; `then` it may."""

    def over(self, move: Move, how: How) -> None:
        """A move is over."""


@attrs.define(eq=False)
class Replica(Moves):
    """A worker's: those of others are learnt, and its own are told by `announcer`."""

    announcer: Announcer = attrs.field(kw_only=True)

    def announce(self, move: Move, then: Callable[[], None]) -> None:
        """Have all know of a move; `then` it may leave."""
        self.announcer.begun(move, then)

    def end(self, move: Move, now: float, is_answered: bool = True) -> None:
        """Its final response has come, or is not waited for any more."""
        super().end(move, now, is_answered)
        self.announcer.over(move, How.ANSWERED if is_answered else How.LEFT)

    def call_off(self, move: Move) -> None:
        """It never left for the archive."""
        super().call_off(move)
        self.announcer.over(move, How.CALLED_OFF)

    def hear(self, text: str) -> None:
        """Another worker has begun a move."""
        self.learn(decode(text))

    def hear_of_end(self, sent_id: int, how: How, now: float) -> None:
        """Another worker's move is over."""
        move = self.known(sent_id)
        if move is not None and how is How.CALLED_OFF:
            super().call_off(move)
        elif move is not None:
            super().end(move, now, how is How.ANSWERED)


@attrs.define(eq=False)
class Ledger:
    """The first process's: all moves of `of` workers, for those workers that start later."""

    of: int
    _moves: Moves = attrs.field(factory=Moves)

    def begun(self, text: str) -> None:
        """A worker has begun a move."""
        self._moves.learn(decode(text))

    def over(self, sent_id: int, how: How, now: float) -> None:
        """A move is over."""
        move = self._moves.known(sent_id)
        if move is not None and how is How.CALLED_OFF:
            self._moves.call_off(move)
        elif move is not None:
            self._moves.end(move, now, how is How.ANSWERED)

    def gone(self, worker: int, now: float) -> list[int]:
        """A worker is no more; gives the Message IDs of the moves that are over by that."""
        under_way = [move for move, how in self.standing(now) if how is None]
        its = [each for each in under_way if (each.sent_id - worker) % self.of == 0]
        for move in its:
            self._moves.end(move, now, is_answered=False)
        return [move.sent_id for move in its]

    def standing(self, now: float) -> list[tuple[Move, How | None]]:
        """All moves that are remembered, and how those that are over came to be so."""
        ends = {None: None, True: How.ANSWERED, False: How.LEFT}
        return [(move, ends[is_answered]) for move, is_answered in self._moves.standing(now)]

"""C-MOVE where an archive knows only the relay: which move a C-STORE sub-operation belongs to.

Such an archive is told to move to the relay itself, under a Message ID that no other move has. It
names both in each C-STORE that it sends back: Move Originator Application Entity Title (the one
that it was shown) and Move Originator Message ID (PS3.7 9.1.1.1). By them the real destination is
found, whatever the order, with any number of moves under way. An archive that leaves them out is
known by its AE title, as long as all its moves go to one destination.

What has ended is remembered for a while: sub-operations may come behind the final response. Where
there was none, because whoever asked has gone, the archive is likely to be still at it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

import attrs

AFTERLIFE = 60.0
"""Seconds for which a move is remembered once it has ended."""

MOST_MOVES = 0xFFFF
"""Moves that can be told apart: a Message ID is a US."""


@attrs.frozen
class Moving:
    """How the archives of a pool are told where to move.

    `title` replaces every Move Destination: it is the relay's own AE title. Else `aliases` are by
    destination. With neither a destination passes as it is. `archives` are the AE titles by which
    the archives call back.
    """

    title: str | None = None
    aliases: Mapping[str, str] | None = None
    archives: frozenset[str] = frozenset()


@attrs.frozen(eq=False)
class Move:
    """A C-MOVE under way, or not long over: `calling` asked, with `message_id`, to move to
    `destination`; one of `archives` was asked by `shown`, with `sent_id`."""

    destination: str
    calling: str
    message_id: int
    shown: str
    archives: frozenset[str]
    sent_id: int


@attrs.define(eq=False)
class Moves:
    """All moves whose destination was replaced. Times are seconds of one clock.

    Where there are several processes, this is number 1 to `of` of them: it draws only every so
    manieth Message ID, and learns of others' moves.
    """

    number: int = 1
    of: int = 1
    _by_id: dict[int, Move] = attrs.field(factory=dict)
    _ended: dict[Move, float] = attrs.field(factory=dict)
    _answered: set[Move] = attrs.field(factory=set)
    """Those of the ended to which the archive gave its final response."""
    _drawn: int = 0
    """Where the next Message ID is looked for, among its own."""

    def begin(
        self,
        destination: str,
        calling: str,
        message_id: int,
        shown: str,
        archives: frozenset[str],
        now: float,
    ) -> Move | None:
        """Note a move, with a Message ID of its own; None where there is none left."""
        self._forget(now)
        sent_id = self._draw()
        if sent_id is None:
            return None
        move = Move(destination, calling, message_id, shown, archives, sent_id)
        self._by_id[sent_id] = move
        return move

    def announce(self, move: Move, then: Callable[[], None]) -> None:
        """Have all know of a move whom its sub-operations may come to; `then` it may leave."""
        then()

    def learn(self, move: Move) -> None:
        """Note a move of another process. Its Message ID may have been another move's before."""
        before = self._by_id.get(move.sent_id)
        if before is not None:
            self._ended.pop(before, None)
            self._answered.discard(before)
        self._by_id[move.sent_id] = move

    def known(self, sent_id: int) -> Move | None:
        """The move that left with this Message ID."""
        return self._by_id.get(sent_id)

    def end(self, move: Move, now: float, is_answered: bool = True) -> None:
        """Its final response has come, or, unless `is_answered`, is not waited for any more."""
        if self._by_id.get(move.sent_id) is move and move not in self._ended:
            self._ended[move] = now
            if is_answered:
                self._answered.add(move)

    def call_off(self, move: Move) -> None:
        """It never left for the archive."""
        if self._by_id.get(move.sent_id) is move and move not in self._ended:
            del self._by_id[move.sent_id]

    def find(self, archive: str, originator: str, message_id: int, now: float) -> Move | None:
        """The move of which `archive` says this in a sub-operation.

        Some, those of pynetdicom 3.0 among them, give their own AE title for the originator's.
        """
        self._forget(now)
        move = self._by_id.get(message_id)
        if move is None or archive not in move.archives:
            return None
        return move if originator in (move.shown, archive) else None

    def sole(
        self,
        archive: str,
        now: float,
        originator: str | None = None,
        message_id: int | None = None,
    ) -> Move | None:
        """The move of `archive`, which says nothing of it, or just one of the two: one that it may
        be performing, or else one that it has answered; None where there are several
        destinations."""
        its = self._in_earnest(
            each
            for each in self._of(archive, now)
            if originator in (None, archive, each.shown) and message_id in (None, each.sent_id)
        )
        return its[0] if len({each.destination for each in its}) == 1 else None

    def awaited(self, archive: str, now: float) -> tuple[str, ...]:
        """The destinations to which `archive` may be moving now, the oldest first.

        Those of moves that it has answered count only while there is no other: what they would not
        take is not to be refused for the sake of what hardly ever comes.
        """
        if not self._by_id:
            return ()
        its = self._in_earnest(self._of(archive, now))
        return tuple(dict.fromkeys(each.destination for each in its))

    def standing(self, now: float) -> list[tuple[Move, bool | None]]:
        """All moves that are remembered, and whether those that are over have been answered; None:
        it is under way."""
        self._forget(now)
        return [
            (each, each in self._answered if each in self._ended else None)
            for each in self._by_id.values()
        ]

    def _draw(self) -> int | None:
        """The next Message ID that is its own, and no move's."""
        own = range(self.number, MOST_MOVES + 1, self.of)
        for step in range(len(own)):
            sent_id = own[(self._drawn + step) % len(own)]
            if sent_id not in self._by_id:
                self._drawn = (self._drawn + step + 1) % len(own)
                return sent_id
        return None

    def _of(self, archive: str, now: float) -> list[Move]:
        self._forget(now)
        return [each for each in self._by_id.values() if archive in each.archives]

    def _in_earnest(self, moves: Iterable[Move]) -> list[Move]:
        """Those that an archive may be performing, or else those that it has answered."""
        its = list(moves)
        return [each for each in its if each not in self._answered] or its

    def _forget(self, now: float) -> None:
        """Forget what has been over for long enough: the first that ended come first."""
        for move, since in list(self._ended.items()):
            if now - since < AFTERLIFE:
                return
            del self._ended[move], self._by_id[move.sent_id]
            self._answered.discard(move)

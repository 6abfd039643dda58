"""Who asked for which storage commitment, in an SQLite file: reports may come days afterwards.

What is said to be kept outlives a restart, and a loss of power. Everything is done in one thread
beside the reactor's, which therefore never waits for a disk. Where the file cannot be used nothing
is remembered, and the caller of whom it was to be remembered hears so.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Generic, TypeVar

import attrs
from twisted.enterprise.adbapi import ConnectionPool, Transaction
from twisted.internet.defer import Deferred, DeferredList
from twisted.logger import Logger
from twisted.python.failure import Failure

from relay.bridge.ports import Requester
from relay.sparing import Sparing

MOST_ROWS = 1_000_000
"""Transactions that are remembered at once."""

BUSY_TIMEOUT = 10.0
"""Seconds to wait for another process that writes to the file."""

T = TypeVar("T")

_PREPARATION = (
    # TRUNCATE with FULL syncs the end of a transaction too, which DELETE with FULL does not.
    "PRAGMA journal_mode = TRUNCATE",
    "PRAGMA synchronous = FULL",
    """CREATE TABLE IF NOT EXISTS transactions (
        uid TEXT NOT NULL PRIMARY KEY,
        calling TEXT NOT NULL,
        called TEXT NOT NULL,
        since REAL NOT NULL
    )""",
    "CREATE INDEX IF NOT EXISTS transactions_since ON transactions (since)",
)


class _Database(sqlite3.Connection):
    """The file, made where it is missing, with its table."""

    def __init__(self, path: str, **options: Any) -> None:
        # SQLite would give it whatever mode the umask leaves; a journal has that of its file.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        super().__init__(path, **options)
        try:
            for statement in _PREPARATION:
                self.execute(statement)
        except sqlite3.Error:
            self.close()
            raise


@attrs.define(eq=False)
class _Call(Generic[T]):
    """Something asked of the database. `done` hears once: `otherwise`, if it comes to nothing."""

    log = Logger()

    work: Callable[[Transaction], T]
    otherwise: T
    done: Callable[[T], None]
    sparing: Sparing
    is_answered: bool = False

    def run(self, cursor: Transaction) -> T:
        """In the thread: do it, unless nobody waits for it any more."""
        return self.otherwise if self.is_answered else self.work(cursor)

    def failed(self, failure: Failure) -> T:
        """Say so in one line: SQLite's own words name no values, those of other errors may."""
        error = failure.value
        of_use = isinstance(error, sqlite3.Error | OSError)
        why = str(error) if of_use else type(error).__name__
        text = "storage commitment: the database cannot be used: {why}"
        if self.sparing.allows("the database of storage commitment"):
            self.log.error(text, event="commitment_lost", why=why)
        return self.otherwise

    def answer(self, result: T) -> None:
        """Tell it, unless something was told before."""
        if self.is_answered:
            return
        self.is_answered = True
        try:
            self.done(result)
        except Exception:
            self.log.failure("storage commitment: an answer could not be taken")


@attrs.define(eq=False)
class Transactions:
    """The `Transactions` of `relay.bridge.ports`, in a file of mode 0600, from `start` to `stop`.

    A transaction is forgotten after `lifetime` seconds of `wall_clock`, which must go on while the
    relay does not run. `reactor` is one with threads; callbacks come in its own. `sparing` is asked
    before a fault is logged. Before the start,
    and from the stop on, nothing is remembered or found.
    """

    path: Path
    lifetime: float
    reactor: Any
    wall_clock: Callable[[], float] = time.time
    sparing: Sparing = attrs.field()
    _pool: ConnectionPool | None = attrs.field(init=False, default=None)
    _under_way: dict[Deferred[None], _Call[Any]] = attrs.field(init=False, repr=False, factory=dict)

    @sparing.default
    def _own(self) -> Sparing:
        return Sparing(self.reactor)

    def start(self) -> None:
        """Open the file; the log says if that is not possible."""
        self._pool = ConnectionPool(
            "sqlite3",
            str(self.path),
            cp_reactor=self.reactor,
            cp_min=1,
            cp_max=1,  # so nothing overtakes
            factory=_Database,
            isolation_level="IMMEDIATE",
            timeout=BUSY_TIMEOUT,
            check_same_thread=False,  # the pool closes it from the reactor's thread
        )
        self._ask(lambda cursor: None, None, lambda nothing: None)

    def stop(self) -> Deferred[None]:
        """Close the file, once the thread is done with what it is at. Who waits hears at once that
        it came to nothing."""
        return Deferred.fromCoroutine(self._stop())

    def remember(self, uid: str, requester: Requester, done: Callable[[bool], None]) -> None:
        """Note whose the Transaction UID is. `done` hears whether that is kept for certain."""
        now = self.wall_clock()
        self._ask(lambda cursor: self._remember(cursor, uid, requester, now), False, done)

    def find(self, uid: str, done: Callable[[Requester | None], None]) -> None:
        """Whose the Transaction UID is, as far as is known."""
        oldest = self._oldest(self.wall_clock())
        self._ask(lambda cursor: _found(cursor, uid, oldest), None, done)

    def _oldest(self, now: float) -> float:
        """Since when what is remembered has not expired; that moment itself has."""
        return now - self.lifetime

    def _ask(
        self, work: Callable[[Transaction], T], otherwise: T, done: Callable[[T], None]
    ) -> None:
        if self._pool is None:
            done(otherwise)
            return
        call = _Call(work, otherwise, done, self.sparing)
        asked = self._pool.runInteraction(call.run)
        self._under_way[asked] = call
        asked.addErrback(call.failed)
        asked.addCallback(call.answer)
        asked.addCallback(lambda nothing: self._under_way.pop(asked))

    async def _stop(self) -> None:
        pool, self._pool = self._pool, None
        if pool is None:
            return
        ends = DeferredList(list(self._under_way))
        for call in list(self._under_way.values()):
            call.answer(call.otherwise)
        await ends
        pool.close()

    def _remember(self, cursor: Transaction, uid: str, requester: Requester, now: float) -> bool:
        oldest = self._oldest(now)
        cursor.execute("DELETE FROM transactions WHERE since <= ?", (oldest,))
        known = _found(cursor, uid, oldest)
        if known is None and _count(cursor) >= MOST_ROWS:
            return False
        if known not in (None, requester):
            return False
        row = (uid, requester.calling, requester.called, now)
        cursor.execute("INSERT OR REPLACE INTO transactions VALUES (?, ?, ?, ?)", row)
        return True


def _found(cursor: Transaction, uid: str, oldest: float) -> Requester | None:
    query = "SELECT calling, called FROM transactions WHERE uid = ? AND since > ?"
    row = cursor.execute(query, (uid, oldest)).fetchone()
    return None if row is None else Requester(*row)


def _count(cursor: Transaction) -> int:
    (count,) = cursor.execute("SELECT count(*) FROM transactions").fetchone()
    return int(count)

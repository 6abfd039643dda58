"""Who asked for which storage commitment: kept across restarts, told in the reactor's thread."""

from __future__ import annotations

import resource
import sqlite3
import stat
import tempfile
import threading
from pathlib import Path
from unittest import mock

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorFromThreads
from twisted.internet.task import Clock
from twisted.trial.unittest import TestCase

from relay import transactions
from relay.bridge import ports
from relay.bridge.ports import Requester
from relay.policy.lines import Rate
from relay.sparing import Sparing
from relay.transactions import Transactions
from tests.logs import LogCase

UID, OTHER_UID = "1.2.826.0.1.3680043.8.498.7", "1.2.826.0.1.3680043.8.498.8"
CT, MR = Requester("CT1", "ARCHIVE"), Requester("MR1", "ARCHIVE")
LIFETIME = 100.0
FAULT = "storage commitment: the database cannot be used: "


class TransactionsCase(LogCase, TestCase):
    """A file in a folder of its own, and a wall clock that is set by hand."""

    def setUp(self):
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name) / "commitment.sqlite"
        self.now = 1_000_000.0
        self.threads = IReactorFromThreads(reactor)

    def opened(self) -> Transactions:
        """They have begun, and will have ended after the test."""
        here = Transactions(self.path, LIFETIME, reactor, lambda: self.now)
        here.start()
        self.addCleanup(here.stop)
        return here

    def answer(self, method, *args) -> Deferred:
        """What comes of it, which is told in the reactor's thread."""
        told: Deferred = Deferred()
        own = threading.get_ident()

        def done(result):
            told.callback(result if threading.get_ident() == own else "in another thread")

        method(*args, done)
        return told

    def by_hand(self, *statements):
        """What SQLite says to these statements, on a connection of the test's own."""
        connection = sqlite3.connect(self.path)
        try:
            with connection:
                return [connection.execute(each).fetchall() for each in statements][-1]
        finally:
            connection.close()


class TestRemembering(TransactionsCase):
    async def test_two_that_share_a_file_wait_for_each_other_and_find_what_the_other_has(self):
        here, there = self.opened(), self.opened()
        uids = [f"1.2.826.{number}" for number in range(100)]
        kept = [self.answer(each.remember, uid, CT) for uid in uids for each in (here, there)]
        assert [await each for each in kept] == [True] * 200
        found = [self.answer(each.find, uid) for uid in uids for each in (here, there)]
        assert [await each for each in found] == [CT] * 200

    async def test_who_asked_is_found_again(self):
        here: ports.Transactions = self.opened()
        assert await self.answer(here.remember, UID, CT) is True
        assert await self.answer(here.find, UID) == CT

    async def test_what_nobody_asked_for_is_not_found(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        assert await self.answer(here.find, OTHER_UID) is None

    async def test_who_asks_is_never_kept_waiting_for_the_disk(self):
        here = self.opened()
        answers = [self.answer(here.remember, UID, CT), self.answer(here.find, UID)]
        assert not any(each.called for each in answers)
        assert [await each for each in answers] == [True, CT]

    async def test_another_requesters_transaction_is_not_taken_over(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        assert await self.answer(here.remember, UID, MR) is False
        assert await self.answer(here.remember, UID, Requester("CT1", "ELSEWHERE")) is False
        assert await self.answer(here.find, UID) == CT

    async def test_it_is_forgotten_at_the_end_of_its_lifetime(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        self.now += LIFETIME - 1
        assert await self.answer(here.find, UID) == CT
        self.now += 1
        assert await self.answer(here.find, UID) is None

    async def test_the_same_requester_again_begins_a_new_lifetime(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        self.now += LIFETIME - 1
        assert await self.answer(here.remember, UID, CT) is True
        self.now += LIFETIME - 1
        assert await self.answer(here.find, UID) == CT

    async def test_what_has_expired_may_be_anybodys(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        self.now += LIFETIME
        assert await self.answer(here.remember, UID, MR) is True
        assert await self.answer(here.find, UID) == MR

    async def test_what_has_expired_is_deleted_with_the_next_that_is_remembered(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        self.now += LIFETIME
        await self.answer(here.remember, OTHER_UID, MR)
        assert self.by_hand("SELECT * FROM transactions") == [
            (OTHER_UID, "MR1", "ARCHIVE", self.now)
        ]

    async def test_beyond_the_most_rows_nothing_new_is_remembered(self):
        self.patch(transactions, "MOST_ROWS", 2)
        here = self.opened()
        for uid in ("1.1", "1.2"):
            assert await self.answer(here.remember, uid, CT) is True
        assert await self.answer(here.remember, "1.3", CT) is False
        assert await self.answer(here.remember, "1.2", CT) is True
        assert await self.answer(here.find, "1.3") is None
        self.now += LIFETIME
        assert await self.answer(here.remember, "1.3", CT) is True

    async def test_whatever_stands_in_a_uid_is_kept_as_it_is(self):
        here = self.opened()
        for uid in ("", "1.2\0", "1.2", "'; DROP TABLE transactions; --", "\xe4\x01"):
            asked = Requester(uid, "\xc4")
            assert await self.answer(here.remember, uid, asked) is True
            assert await self.answer(here.find, uid) == asked

    async def test_it_is_written_when_it_is_said_to_be_kept(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        assert self.by_hand("SELECT * FROM transactions") == [(UID, "CT1", "ARCHIVE", self.now)]

    async def test_the_file_is_for_its_owner_alone(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        files = list(self.path.parent.iterdir())
        assert self.path in files
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}

    async def test_nothing_is_logged_where_all_is_well(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        await here.stop()
        assert self.events == []
        assert UID not in repr(here)


class TestARestart(TransactionsCase):
    async def test_what_was_remembered_is_found_after_it(self):
        before = self.opened()
        await self.answer(before.remember, UID, CT)
        await before.stop()
        after = self.opened()
        assert await self.answer(after.find, UID) == CT
        assert await self.answer(after.remember, UID, MR) is False

    async def test_the_time_in_between_counts(self):
        before = self.opened()
        await self.answer(before.remember, UID, CT)
        await before.stop()
        self.now += LIFETIME
        assert await self.answer(self.opened().find, UID) is None

    async def test_the_same_ones_may_start_again(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        await here.stop()
        here.start()
        assert await self.answer(here.find, UID) == CT

    async def test_the_clock_is_the_worlds_where_none_is_given(self):
        here = Transactions(self.path, LIFETIME, reactor)
        here.start()
        self.addCleanup(here.stop)
        with mock.patch("time.time", side_effect=AssertionError):
            assert await self.answer(here.remember, UID, CT) is True
        assert await self.answer(here.find, UID) == CT


class TestAStop(TransactionsCase):
    async def test_nothing_is_remembered_or_found_before_the_start_and_after_the_stop(self):
        here = Transactions(self.path, LIFETIME, reactor)
        assert await self.answer(here.remember, UID, CT) is False
        assert await self.answer(here.find, UID) is None
        await here.stop()
        here.start()
        await self.answer(here.remember, UID, CT)
        await here.stop()
        assert await self.answer(here.remember, UID, CT) is False
        assert await self.answer(here.find, UID) is None
        assert self.events == []

    async def test_who_waits_hears_at_once_that_it_came_to_nothing_and_never_again(self):
        here = self.opened()
        told: list = []
        here.remember(UID, CT, told.append)
        here.find(UID, told.append)
        stopping = here.stop()
        assert told == [False, None]
        await stopping
        assert told == [False, None]

    async def test_it_waits_for_what_the_thread_is_at(self):
        entered: Deferred = Deferred()
        go_on = threading.Event()
        self.addCleanup(go_on.set)

        def slow(*args):
            self.threads.callFromThread(entered.callback, None)
            go_on.wait()

        self.patch(transactions, "_found", slow)
        here = self.opened()
        told: list = []
        here.find(UID, told.append)
        await entered
        stopping = here.stop()
        assert told == [None]
        assert not stopping.called
        go_on.set()
        await stopping
        assert told == [None]

    async def test_it_may_come_twice(self):
        here = self.opened()
        await here.stop()
        await here.stop()

    async def test_no_thread_stays(self):
        before = threading.active_count()
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        assert threading.active_count() == before + 1
        await here.stop()
        assert threading.active_count() == before


class TestAFault(TransactionsCase):
    async def failing(self, here):
        """Nothing is remembered or found; the log says why, one line each time."""
        assert await self.answer(here.remember, UID, CT) is False
        assert await self.answer(here.find, UID) is None
        (line,) = {line.removeprefix(FAULT) for line in self.lines("error")}
        assert len(self.events) == 3
        assert not any(UID in str(event) or "log_failure" in event for event in self.events)
        return line

    async def test_a_corrupt_file_is_left_alone(self):
        self.path.write_bytes(b"no database" * 1000)
        assert await self.failing(self.opened()) == "file is not a database"
        assert self.path.read_bytes() == b"no database" * 1000

    async def test_a_folder_that_is_missing(self):
        self.path = self.path / "commitment.sqlite"
        assert "No such file" in await self.failing(self.opened())

    async def test_a_fault_that_stays_is_a_few_lines_and_a_number(self):
        self.path.mkdir()
        here = self.opened()
        here.sparing = Sparing(Clock(), Rate(at_once=3))
        for _ in range(10):
            assert await self.answer(here.find, UID) is None
        # The start was one more.
        assert len(self.lines("error")) == 3 + 1
        here.sparing.stop()
        text = "7 more lines about the database of storage commitment were left out"
        assert self.lines("warn") == [text]

    async def test_a_folder_in_the_place_of_the_file(self):
        self.path.mkdir()
        assert "Is a directory" in await self.failing(self.opened())

    async def test_somebody_elses_table(self):
        self.by_hand("CREATE TABLE transactions (since REAL)")
        here = self.opened()
        assert await self.answer(here.remember, UID, CT) is False
        assert self.lines("error") == [FAULT + "no such column: calling"]

    async def test_once_it_is_gone_all_is_well(self):
        self.path.mkdir()
        here = self.opened()
        assert await self.answer(here.remember, UID, CT) is False
        self.path.rmdir()
        assert await self.answer(here.remember, UID, CT) is True
        assert await self.answer(here.find, UID) == CT

    async def test_a_file_that_can_only_be_read_still_tells(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        self.by_hand(
            "CREATE TRIGGER closed BEFORE INSERT ON transactions "
            "BEGIN SELECT RAISE(ABORT, 'read only'); END"
        )
        assert await self.answer(here.remember, OTHER_UID, CT) is False
        assert await self.answer(here.find, UID) == CT
        assert self.lines("error") == [FAULT + "read only"]

    async def test_a_disk_that_is_full_keeps_what_was_there(self):
        here = self.opened()
        await self.answer(here.remember, UID, CT)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
        try:
            assert await self.answer(here.remember, OTHER_UID, CT) is False
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
        (line,) = self.lines("error")
        assert "disk" in line
        assert await self.answer(here.find, OTHER_UID) is None
        assert await self.answer(here.find, UID) == CT
        assert await self.answer(here.remember, OTHER_UID, CT) is True

    async def test_an_error_that_is_not_the_databases_quotes_nothing(self):
        here = self.opened()
        assert await self.answer(here.find, UID + "\udc80") is None
        assert self.lines("error") == [FAULT + "UnicodeEncodeError"]

    async def test_who_cannot_take_the_answer_harms_nobody_else(self):
        here = self.opened()

        def clumsy(result):
            raise ArithmeticError

        here.find(UID, clumsy)
        assert await self.answer(here.remember, UID, CT) is True
        here.find(UID, clumsy)
        await here.stop()
        assert len(self.flushLoggedErrors(ArithmeticError)) == 2

"""Sockets and what is to be known of them arrive together, or not at all."""

from __future__ import annotations

import os
import resource
import socket
from collections.abc import Iterator
from typing import Any

import attrs
import pytest
from twisted.internet.main import CONNECTION_DONE
from twisted.internet.testing import MemoryReactor

from relay.policy.entry import Entry
from relay.workers.passing import MOST_AT_ONCE, Particulars, Passer, Taker, pair
from tests.logs import LogCase

HERE = Particulars(1, 0, "192.0.2.7", 4242, Entry.SERVED)


@attrs.define(eq=False)
class Way:
    """A passer and a taker; `taken` has what came out."""

    taken: list[Any] = attrs.field(factory=list)
    passer: Passer = attrs.field(init=False)
    taker: Taker = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        end, other = pair()
        self.passer = Passer(end)
        self.taker = Taker(other, MemoryReactor(), self.take)

    def take(self, connection: socket.socket | None, particulars: Particulars) -> None:
        self.taken.append((connection, particulars))

    def close(self) -> None:
        self.passer.close()
        self.taker.connectionLost(None)
        for connection, _ in self.taken:
            if connection is not None:
                connection.close()


@pytest.fixture
def way() -> Iterator[Way]:
    way = Way()
    yield way
    way.close()


@pytest.mark.parametrize("particulars", [HERE, Particulars(2**40, 3, None, None, Entry.TOO_MANY)])
def test_a_socket_arrives_with_its_particulars_and_may_be_closed_by_then(way, particulars):
    near, far = socket.socketpair()
    with near:
        assert way.passer.pass_on(far, particulars)
        far.close()
        assert way.taker.doRead() is None
        ((connection, its),) = way.taken
        near.sendall(b"here")
        assert connection.recv(10) == b"here"
    assert its == particulars


def test_what_the_way_does_not_take_was_not_passed_on(way):
    near, far = socket.socketpair()
    with near, far:
        passed = 0
        while way.passer.pass_on(far, HERE):
            passed += 1
        while len(way.taken) < passed:
            assert way.taker.doRead() is None
        assert way.passer.pass_on(far, HERE)


def test_others_have_their_turn_where_many_come(way):
    near, far = socket.socketpair()
    with near, far:
        for _ in range(MOST_AT_ONCE + 1):
            assert way.passer.pass_on(far, HERE)
        way.taker.doRead()
        assert len(way.taken) == MOST_AT_ONCE


def test_nothing_is_passed_on_to_nobody(way):
    way.taker.end.close()
    near, far = socket.socketpair()
    with near, far:
        assert not way.passer.pass_on(far, HERE)


def test_the_end_of_the_other_process_is_noticed(way):
    way.passer.close()
    assert way.taker.doRead() is CONNECTION_DONE


class TestWithoutDescriptors(LogCase):
    def test_of_a_socket_that_cannot_be_taken_the_particulars_arrive_and_no_other_is_mixed_up(self):
        way = Way()
        self.addCleanup(way.close)
        callers = [socket.socketpair() for _ in range(2)]
        for number, (_, far) in enumerate(callers):
            way.passer.pass_on(far, Particulars(number, 0, None, None, Entry.SERVED))
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowest_free = os.dup(0)
        os.close(lowest_free)
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr("relay.workers.passing.MOST_AT_ONCE", 1)
            resource.setrlimit(resource.RLIMIT_NOFILE, (lowest_free, limits[1]))
            try:
                way.taker.doRead()
            finally:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            way.taker.doRead()
        (lost, first), (connection, second) = way.taken
        assert lost is None
        assert (first.number, second.number) == (0, 1)
        callers[1][0].sendall(b"me")
        assert connection.recv(10) == b"me"
        assert self.lines("error") == ["a caller is lost: this process has too many files open"]
        for near, far in callers:
            near.close()
            far.close()

    def test_whoever_cannot_be_served_is_hung_up_on(self):
        def fails(connection: Any, particulars: Any) -> None:
            raise ValueError("no such door")

        end, other = pair()
        taker = Taker(other, MemoryReactor(), fails)
        near, far = socket.socketpair()
        with near, end:
            Passer(end).pass_on(far, HERE)
            far.close()
            taker.doRead()
            assert near.recv(10) == b""
        taker.connectionLost(None)
        assert len(self.flushLoggedErrors(ValueError)) == 1

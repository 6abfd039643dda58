"""The first process hands callers on, and holds together what its workers share."""

from __future__ import annotations

import socket

import attrs
import pytest
from twisted.internet.address import IPv4Address
from twisted.internet.defer import Deferred, succeed

from relay import bindings
from relay.config import Allow, parse
from relay.downstream.reserve import PAUSE
from relay.policy.entry import MOST_TOLD, Entry
from relay.workers.first import AGAIN, First, first_process
from relay.workers.passing import Particulars
from tests.bed import NO_FOLDER, configured
from tests.logs import LogCase
from tests.network import Network
from tests.workers.processes import ProcessReactor

CALLER = IPv4Address("TCP", "192.0.2.7", 4242)


@attrs.define
class Port:
    """A port that is listened on."""

    is_reading: bool = True

    def startReading(self) -> None:
        self.is_reading = True

    def stopReading(self) -> None:
        self.is_reading = False

    def stopListening(self) -> Deferred[None]:
        return succeed(None)


class FirstCase(LogCase):
    relay = "workers = 2\nmax_associations = 3\nmax_per_address = 0"
    listener = "max_associations = 2"
    upstream = "max_associations = 3"

    def setUp(self) -> None:
        super().setUp()
        self.reactor = ProcessReactor()
        text = configured(self.relay, self.listener, self.upstream)
        self.first = First(self.reactor, parse(text, NO_FOLDER))
        self.first.startService()
        self.callers: list[socket.socket] = []
        self.addCleanup(self.end_all)

    def end_all(self) -> None:
        stopped = self.first.stopService()
        for each in self.reactor.processes:
            if not each.is_gone:
                each.ends()
        self.successResultOf(stopped)
        assert all(map(is_closed, self.callers))
        for caller in self.callers:
            caller.close()
        assert self.reactor.getDelayedCalls() == []

    def call(self, times: int = 1) -> None:
        """Somebody calls."""
        for _ in range(times):
            near, far = socket.socketpair()
            self.callers.append(near)
            self.first.accepted(far, 0, CALLER)

    def taken(self) -> list[list[int]]:
        """The numbers of callers that each process has taken since."""
        return [[its.number for its in each.takes()] for each in self.reactor.processes]

    def entries(self) -> list[Entry]:
        """What becomes of those whom workers have taken since, in the order of their coming."""
        taken = {its.number: its.entry for p in self.reactor.processes for its in p.takes()}
        return [taken[each] for each in sorted(taken)]


class TestFirst(FirstCase):
    def test_callers_wait_until_a_worker_is_ready(self):
        self.call(2)
        assert self.taken() == [[], []]
        self.first.opens(2)
        assert [len(each) for each in self.taken()] == [0, 2]
        assert self.lines() == ["worker 2 is ready"]

    def test_a_caller_comes_with_where_it_is_from(self):
        self.first.opens(1)
        self.call()
        (its,) = self.reactor.processes[0].takes()
        assert its == Particulars(its.number, 0, "192.0.2.7", 4242, Entry.SERVED)

    def test_who_is_from_no_network_that_is_allowed_reaches_no_worker(self):
        self.first.opens(1)
        (its,) = self.first.configuration.listeners
        here, elsewhere = (Allow(networks=(each,)) for each in ("192.0.2.0/24", "10.0.0.0/8"))
        self.first.allows = [bindings.allow(attrs.evolve(its, allow=elsewhere))]
        self.call()
        assert self.taken() == [[], []]
        assert self.lines()[-1] == "192.0.2.7: closed: no network that is allowed"
        assert is_closed(self.callers[-1])
        self.first.allows = [bindings.allow(attrs.evolve(its, allow=here))]
        self.call()
        assert [len(each) for each in self.taken()] == [1, 0]

    def test_of_very_many_that_are_closed_some_are_told_and_the_rest_counted(self):
        (its,) = self.first.configuration.listeners
        elsewhere = Allow(networks=("10.0.0.0/8",))
        self.first.allows = [bindings.allow(attrs.evolve(its, allow=elsewhere))]
        self.call(100)
        closed = [line for line in self.lines() if line.startswith("192.0.2.7: closed: ")]
        assert len(closed) == 60
        self.reactor.advance(60)
        assert self.lines("warn") == ["40 more lines about 192.0.2.7 were left out"]

    def test_the_worker_with_the_fewest_is_handed_the_next(self):
        for each in (1, 2):
            self.first.opens(each)
        self.call(2)
        ((here,), (there,)) = self.taken()
        self.first.ended(there)
        self.call()
        assert [len(each) for each in self.taken()] == [0, 1]
        self.first.ended(here)

    def test_the_one_that_is_too_many_is_handed_on_as_such(self):
        for each in (1, 2):
            self.first.opens(each)
        self.call(3)
        assert self.entries() == [Entry.SERVED, Entry.SERVED, Entry.TOO_MANY]

    def test_a_worker_that_is_gone_leaves_room(self):
        self.first.opens(1)
        self.call(2)
        self.reactor.processes[0].ends(signal=9)
        self.first.opens(2)
        self.call()
        (its,) = self.reactor.processes[1].takes()
        assert its.entry is Entry.SERVED

    def test_nobody_is_handed_to_one_that_leaves(self):
        for each in (1, 2):
            self.first.opens(each)
        self.first.leaves(1)
        self.call(2)
        assert [len(each) for each in self.taken()] == [0, 2]

    def test_whom_no_way_has_room_for_is_handed_on_a_little_later(self):
        self.first.opens(1)
        while not self.first._waiting:
            self.call()
        before = len(self.callers)
        assert len(self.reactor.processes[0].takes()) == before - 1
        self.reactor.advance(AGAIN)
        assert len(self.reactor.processes[0].takes()) == 1

    def test_who_waits_at_a_stop_is_hung_up_on(self):
        self.call(2)

    def test_workers_start_with_equal_shares_and_one_that_starts_later_with_what_is_left(self):
        assert [each.told.shares for each in self.reactor.processes] == [{"pacs": 2}, {"pacs": 1}]
        self.first.brokerage.wishes(2, "pacs", 3)
        self.reactor.processes[0].ends()
        self.reactor.advance(1.0)
        assert self.reactor.processes[-1].told.shares == {"pacs": 0}

    def test_an_upstream_is_taken_out_also_for_a_worker_that_starts_later(self):
        self.first.keepers["pacs"].drain()
        self.reactor.processes[0].ends()
        self.reactor.advance(1.0)
        assert self.reactor.processes[-1].told.configuration.upstreams["pacs"].drain
        self.first.keepers["pacs"].resume()
        assert not self.first.setup(1).configuration.upstreams["pacs"].drain


class TestFirstInAHurry(FirstCase):
    relay = "workers = 2\nassociations_per_second = 1"

    def test_who_comes_too_often_is_handed_on_as_such_until_time_has_passed(self):
        self.first.opens(1)
        self.call(2)
        self.reactor.advance(1)
        self.call()
        assert self.entries() == [Entry.SERVED, Entry.TOO_FAST, Entry.SERVED]


class TestFirstShortOfDescriptors(FirstCase):
    def test_nobody_is_accepted_while_there_are_too_few_of_them(self):
        port = Port()
        self.first.ports.append(port)
        self.first.reserve.taken, self.first.reserve.limit = (lambda: 990), (lambda: 1000)
        self.first.opens(1)
        self.call()
        assert [len(each) for each in self.taken()] == [1, 0]
        assert not port.is_reading
        self.first.opens(2)
        assert not port.is_reading
        self.first.reserve.taken = lambda: 100
        self.reactor.advance(PAUSE)
        assert port.is_reading
        assert self.lines("warn") == [
            "descriptors are running out: callers wait until connections are closed"
        ]


class TestFirstAtItsGate(FirstCase):
    relay = "workers = 2\nmax_per_address = 4\nmax_associations = 3"

    def test_those_too_many_of_an_address_are_handed_on_as_such_and_then_closed(self):
        self.first.opens(1)
        entries = []
        for _ in range(4 + MOST_TOLD + 1):
            self.call()
            entries += self.entries()
        assert entries == [Entry.SERVED] * 2 + [Entry.TOO_MANY] * (2 + MOST_TOLD)
        assert self.lines()[1:] == ["192.0.2.7: closed: too many connections from there"]

    def test_an_address_has_room_again_when_connections_end_or_their_worker_is_gone(self):
        for each in (1, 2):
            self.first.opens(each)
        self.call(4)
        (here, _), _ = self.taken()
        self.first.ended(here)
        self.reactor.processes[1].ends(signal=9)
        gate = self.first.guests.gate
        entries = [gate.enter("192.0.2.7", 0.0, False) for _ in range(4)]
        assert entries == [Entry.SERVED] * 3 + [Entry.TOO_MANY]
        for _ in range(4):
            gate.leave("192.0.2.7")


def is_closed(connection: socket.socket) -> bool:
    """Whether the other end is closed, here and wherever it was handed to."""
    connection.setblocking(False)
    try:
        return connection.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True


def test_a_reactor_that_does_not_look_after_descriptors_is_a_mistake_with_a_cure():
    configuration = parse(configured("workers = 2"), NO_FOLDER)
    with pytest.raises(SystemExit, match="--reactor=epoll, or set workers = 0"):
        first_process(Network(), configuration)

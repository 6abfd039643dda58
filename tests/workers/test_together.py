"""The first process and its workers together, in one process, on a reactor turned by hand."""

from __future__ import annotations

import socket
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.error import ProcessTerminated
from twisted.python.failure import Failure

from relay.config import ClientTLS, parse
from relay.transport.sockets import Sockets
from relay.transport.tls import Unusable, client_security
from relay.wire.pdu import AssociateAC, AssociateRJ
from relay.workers.first import First
from relay.workers.minding import SOCKETS, WORDS
from relay.workers.setup import Setup
from relay.workers.worker import Worker
from tests.bed import NO_FOLDER, configured
from tests.logs import LogCase
from tests.network import Sole
from tests.peers import Archives, Caller, associate_rq, echo
from tests.transport.hand import Hand
from tests.transport.tls_bed import HOST, Pki, put

LOOPBACK = "127.0.0.1"


def has_heard(caller: Caller) -> bool:
    """Whether a caller has been told something since the last time."""
    return bool(caller.heard)


RELAY = """
workers = 2
max_associations = 2
"""


@attrs.define(eq=False)
class Process:
    """A worker in this very process, which starts when it has been told its setup."""

    reactor: Any
    protocol: Any
    ends: list[socket.socket]
    worker: Any = None
    _setup: bytes = b""

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        self._setup += data

    def closeStdin(self) -> None:
        self.worker = Worker(self.reactor, Setup.decode(self._setup))
        self.reactor.callLater(0, self.worker.start, *self.ends)

    def signalProcess(self, name: str) -> None:
        stopped = self.worker.stop()
        stopped.addCallback(lambda _: self.is_over())

    def is_over(self) -> None:
        self.worker.talk.drop()
        self.protocol.processEnded(Failure(ProcessTerminated(1)))


class Together(Hand):
    """A reactor that starts such processes."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []

    def callWhenRunning(self, callable: Any, *args: Any, **kwargs: Any) -> Any:
        return callable(*args, **kwargs)

    def stop(self) -> None:
        """A worker has nobody to talk to any more: its process would end."""

    def spawnProcess(self, processProtocol: Any, *_: Any, **how: Any) -> Any:
        childFDs = how["childFDs"]
        words = socket.fromfd(childFDs[WORDS], socket.AF_UNIX, socket.SOCK_STREAM)
        sockets = socket.fromfd(childFDs[SOCKETS], socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.processes.append(Process(self, processProtocol, [words, sockets]))
        return self.processes[-1]


class TogetherCase(LogCase):
    listener = ""
    security: Any = None
    """How callers talk TLS, where they do."""

    def setUp(self) -> None:
        super().setUp()
        self.hand: Any = Together()
        self.archive = Archives()
        self.archive_port = self.hand.listenTCP(0, self.archive, interface=LOOPBACK)
        where = self.archive_port.getHost().port
        text = configured(RELAY, self.listener, upstream="max_associations = 1\nlinger = 0.0")
        text = text.replace("tcp:port=11112", f"tcp:port=0:interface={LOOPBACK}")
        text = text.replace("pacs.example.org:104", f"{LOOPBACK}:{where}")
        self.first = First(self.hand, parse(text, NO_FOLDER))
        self.first.privilegedStartService()
        self.first.startService()
        self.hand.settle(lambda: len(self.first.guests.ready) == 2)
        self.workers = [each.worker for each in self.hand.processes]

    def tearDown(self) -> None:
        stopped = self.first.stopService()
        self.archive_port.stopListening()
        for _ in range(5):
            self.hand.wait(5)
        self.successResultOf(stopped)
        self.hand.close()

    def call(self) -> Caller:
        """A caller that has an answer."""
        caller = Caller()
        factory: Any = Sole(caller)
        for name in ("startedConnecting", "clientConnectionFailed", "clientConnectionLost"):
            setattr(factory, name, lambda *_: None)
        port = self.first.ports[0].getHost().port
        Sockets(self.hand, self.security).connectTCP(LOOPBACK, port, factory)
        self.hand.settle(lambda: caller.connected)
        caller.say(associate_rq())
        self.hand.settle(lambda: caller.heard)
        return caller

    def served(self) -> list[int]:
        """How many callers each worker has."""
        return [self.first.guests.served_by(each) for each in (1, 2)]


class TestTogether(TogetherCase):
    def test_callers_are_served_by_all_workers_and_the_one_too_many_by_a_rejection(self):
        callers = [self.call() for _ in range(3)]
        assert self.served() in ([2, 1], [1, 1])
        (first,), (second,), (third,) = (each.since() for each in callers)
        assert isinstance(first, AssociateAC)
        assert isinstance(second, AssociateAC)
        assert isinstance(third, AssociateRJ)
        assert (third.result, third.source, third.reason) == (2, 3, 2)
        for each in callers:
            each.transport.loseConnection()
        self.hand.settle(lambda: self.served() == [0, 0])

    def test_an_upstream_that_bears_one_association_serves_the_callers_of_both(self):
        callers = [self.call() for _ in range(2)]
        for number, each in enumerate(callers, 1):
            each.since()
            each.say(echo(number))
            self.hand.settle(partial(has_heard, each))
            assert each.messages() == [("C_ECHO_RSP", number, 0)]
        assert self.archive.most == 1

    def test_a_move_of_one_worker_leaves_when_the_other_knows_of_it_and_is_over_for_both(self):
        here, there = (each.moves for each in self.workers)
        move = here.begin("CT_1", "WS", 7, "RELAY", frozenset({"PACS"}), 0.0)
        left: list[bool] = []
        here.announce(move, lambda: left.append(there.known(move.sent_id) is not None))
        self.hand.settle(lambda: left)
        assert left == [True]
        here.call_off(move)
        self.hand.settle(lambda: there.known(move.sent_id) is None)

    def test_a_move_leaves_though_the_first_process_does_not_answer(self):
        here = self.workers[0]
        here.talk.transport.pauseProducing()
        move = here.moves.begin("CT_1", "WS", 7, "RELAY", frozenset({"PACS"}), 0.0)
        left: list[str] = []
        here.moves.announce(move, lambda: left.append("now"))
        self.hand.wait(2.9)
        assert left == []
        self.hand.wait(0.2)
        assert left == ["now"]
        assert self.lines("warn") == ["a move leaves that not all know of"]
        here.talk.transport.resumeProducing()

    def test_an_upstream_is_taken_out_and_had_back_by_all(self):
        keepers = [each.service.keepers["pacs"] for each in self.workers]
        self.first.keepers["pacs"].drain()
        self.hand.settle(lambda: all(each.is_draining for each in keepers))
        self.first.keepers["pacs"].resume()
        self.hand.settle(lambda: not any(each.is_draining for each in keepers))

    def test_a_worker_that_leaves_is_handed_nobody(self):
        self.hand.processes[0].signalProcess("TERM")
        self.hand.settle(lambda: set(self.first.guests.ready) == {2})
        self.call()
        assert self.served() == [0, 1]


class TestTogetherWithTLS(TogetherCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pki = Pki(Path(folder.name))
        self.tls = self.pki.server()
        files = f'certificate = "{self.tls.certificate}", key = "{self.tls.key}"'
        self.listener = f"tls = {{ {files} }}"
        self.security = client_security(ClientTLS(self.pki.ca), HOST)
        super().setUp()

    def shown(self) -> set[int]:
        """The serial numbers of the certificates that both workers show."""
        callers = [self.call(), self.call()]
        assert self.served() == [1, 1]
        certificates: list[Any] = [each.transport.getPeerCertificate() for each in callers]
        for each in callers:
            each.transport.loseConnection()
        self.hand.settle(lambda: self.served() == [0, 0])
        return {each.get_serial_number() for each in certificates}

    def test_all_show_a_certificate_once_it_is_renewed(self):
        (before,) = self.shown()
        put(self.pki.server(), self.tls)
        assert self.first.renew_tls() == 1
        self.hand.settle()
        (after,) = self.shown()
        assert before != after

    def test_none_does_where_it_cannot_be_used(self):
        before = self.shown()
        put(self.pki.server(), self.tls)
        self.tls.key.write_text("")
        with pytest.raises(Unusable):
            self.first.renew_tls()
        self.hand.settle()
        assert self.shown() == before

    def test_a_worker_that_cannot_read_them_after_all_says_so_in_a_line(self):
        before = self.shown()
        put(self.pki.server(), self.tls)
        self.first.renew_tls()
        self.tls.key.unlink()
        self.hand.settle(lambda: len(self.lines("error")) == 2)
        said = f"TLS stays as it is: {self.tls.key} cannot be read (No such file or directory)"
        assert self.lines("error") == [said, said]
        assert self.shown() == before

"""A reactor whose processes are doubles, and on which time passes when it is told to."""

from __future__ import annotations

import socket
from typing import Any

import attrs
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from relay.workers.minding import SETUP, STDERR
from relay.workers.passing import LONGEST, Particulars
from relay.workers.setup import Setup


@attrs.define(eq=False)
class Process:
    """A process that was started: what it was told, and its end as the test has it."""

    protocol: Any
    command: list[str]
    sockets: socket.socket
    """A copy of its end of the way for sockets."""
    setup: bytes = b""
    signals: list[str] = attrs.field(factory=list)
    is_gone: bool = False
    talk: Any = None
    """The first process's end of the conversation."""

    def writeToChild(self, descriptor: int, data: bytes) -> None:
        assert descriptor == SETUP
        self.setup += data

    def closeStdin(self) -> None:
        """All was written."""

    def signalProcess(self, name: str) -> None:
        if self.is_gone:
            raise ProcessExitedAlready
        self.signals.append(name)

    # what the test does

    @property
    def told(self) -> Setup:
        return Setup.decode(self.setup)

    def says(self, text: str) -> None:
        self.protocol.childDataReceived(STDERR, text.encode())

    def takes(self) -> list[Particulars]:
        """What came by the way for sockets, which are closed here."""
        taken: list[Particulars] = []
        self.sockets.setblocking(False)
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self.sockets, LONGEST, 1)
            except BlockingIOError:
                return taken
            if not data:
                return taken
            for each in descriptors:
                socket.close(each)
            taken.append(Particulars.decode(data))

    def hangs_up(self) -> None:
        talk, self.talk = self.talk, None
        if talk is not None:
            talk.connectionLost(Failure(ConnectionError()))

    def ends(self, status: int = 0, signal: int | None = None) -> None:
        self.is_gone = True
        self.hangs_up()
        of = ProcessDone(0) if not status and not signal else ProcessTerminated(status, signal)
        self.protocol.processEnded(Failure(of))
        self.sockets.close()


class ProcessReactor(Clock):
    """Starts doubles; with `fails` it cannot."""

    def __init__(self) -> None:
        super().__init__()
        self.processes: list[Process] = []
        self.fails = False

    def callWhenRunning(self, call: Any, *args: Any) -> None:
        call(*args)

    def spawnProcess(
        self, protocol: Any, executable: str, args: list[str], env: Any, childFDs: Any
    ) -> Process:
        if self.fails:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        sockets = socket.fromfd(childFDs[4], socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.processes.append(Process(protocol, args, sockets))
        return self.processes[-1]

    def adoptStreamConnection(self, descriptor: int, family: Any, factory: Any) -> None:
        talk = self.processes[-1].talk = factory.buildProtocol(None)
        talk.makeConnection(StringTransport())

"""A worker process, as the first process sees it: started, watched, started again, stopped.

    STARTING   the process runs, and does not serve yet
    READY      it may be handed callers
    LEAVING    it takes none any more: it was told to stop, or stops by itself
    GONE       there is no process; unless all is to stop, there will be one again

A process that ends is started again after a pause, which doubles while that goes on.
"""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from enum import Enum, auto
from typing import Any, Protocol

from twisted.internet.defer import Deferred, succeed
from twisted.internet.error import ProcessDone, ProcessExitedAlready
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.protocol import ProcessProtocol
from twisted.logger import Logger
from twisted.protocols.amp import CommandLocator
from twisted.python.failure import Failure

from relay.workers.passing import Passer, pair
from relay.workers.setup import Setup
from relay.workers.talking import Talk
from relay.workers.telling import Teller

SHORTEST_PAUSE = 1.0
LONGEST_PAUSE = 30.0
"""Seconds before a process that ended is started again."""

LONG_ENOUGH = 60.0
"""Seconds; a process that lived for so long had nothing to do with the end of the one before."""

SETUP, STDOUT, STDERR, WORDS, SOCKETS = range(5)
"""What a worker's descriptors are."""


class State(Enum):
    """Where a worker is in its life."""

    STARTING = auto()
    READY = auto()
    LEAVING = auto()
    GONE = auto()


class Overseer(Protocol):
    """Whoever has workers, and hears of them."""

    def setup(self, number: int) -> Setup:
        """What a worker is told at its start."""

    def locator(self, number: int) -> CommandLocator:
        """Who hears what a worker says."""

    def lost(self, number: int) -> None:
        """A worker does not talk any more."""

    def gone(self, number: int) -> None:
        """A worker is no more."""


class _Process(ProcessProtocol):
    """Hears of one process."""

    def __init__(self, teller: Teller, ended: Callable[[Failure], None]) -> None:
        self.teller = teller
        self.ended = ended

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It said something."""
        self.teller.came(childFD, data)

    def processEnded(self, reason: Failure) -> None:
        """It is gone, and all that it said has come."""
        self.teller.ended()
        self.ended(reason)


def command(reactor: Any) -> tuple[list[str], Mapping[str, str]]:
    """How a worker is started, and its environment: it finds the modules that this process finds,
    wherever that is by then, and runs on the same kind of reactor."""
    path = os.pathsep.join(os.path.abspath(each) for each in sys.path)
    environment = {**os.environ, "PYTHONPATH": path}
    run = [sys.executable, "-P", "-m", "relay.workers", type(reactor).__module__]
    return run, environment


class Minder:
    """Minds the worker of that number for `overseer`."""

    log = Logger()

    def __init__(
        self,
        number: int,
        overseer: Overseer,
        reactor: Any,
        how: tuple[list[str], Mapping[str, str]],
    ) -> None:
        self.number, self.overseer, self.reactor = number, overseer, reactor
        self.state = State.GONE
        self.passer: Passer | None = None
        self.talk: Talk | None = None
        self._how = how
        self._process: Any = None
        self._since = 0.0
        self._pause = 0.0
        self._timer: IDelayedCall | None = None
        self._is_stopping = False
        self._stopped: Deferred[None] | None = None

    def start(self) -> None:
        """Start a process, unless all is to stop."""
        if self._is_stopping:
            return
        self.state, self._since = State.STARTING, self.reactor.seconds()
        try:
            self._start()
        except OSError as error:
            self._is_gone(f"could not be started ({error.strerror})")

    def _start(self) -> None:
        words, their_words = socket.socketpair()
        end, their_end = pair()
        self.passer = Passer(end)
        with their_words, their_end:
            self._spawn({WORDS: their_words.fileno(), SOCKETS: their_end.fileno()})
        self.talk = Talk(self.overseer.locator(self.number), self._lost)
        self.talk.begin(words, self.reactor)

    def _spawn(self, ends: Mapping[int, int]) -> None:
        setup = self.overseer.setup(self.number).encode()
        standard = {SETUP: "w", STDOUT: "r", STDERR: "r"}
        its = _Process(Teller(self.number), self._ended)
        run, environment = self._how
        self._process = self.reactor.spawnProcess(
            its, run[0], run, environment, childFDs={**standard, **ends}
        )
        self._process.writeToChild(SETUP, setup)
        self._process.closeStdin()

    def is_ready(self) -> bool:
        """It says that it is ready; whether it is to be."""
        if self.state is not State.STARTING or self._is_stopping:
            return False
        self.state = State.READY
        return True

    def leaves(self) -> None:
        """It says that it stops."""
        if self.state is not State.GONE:
            self.state = State.LEAVING

    def stop(self, within: float) -> Deferred[None]:
        """Have it stop, within so many seconds or by force; fires when it is gone."""
        self._is_stopping = True
        self._stop_timer()
        if self.state is State.GONE:
            return succeed(None)
        self.leaves()
        stopped = self._stopped = Deferred()
        self._timer = self.reactor.callLater(within, self._kill)
        self._signal("TERM")
        return stopped

    def kill_in(self, seconds: float) -> None:
        """Kill it unless it is gone by then."""
        if self.state is State.GONE:
            return
        if self._timer is None or not self._timer.active():
            self._timer = self.reactor.callLater(seconds, self._kill)

    def _lost(self) -> None:
        """The conversation is over: it goes, or is lost."""
        if self.state not in (State.LEAVING, State.GONE):
            self.overseer.lost(self.number)

    def _kill(self) -> None:
        text = "worker {worker} does not end, and is killed"
        self.log.warn(text, event="worker_killed", worker=self.number)
        self._signal("KILL")

    def _signal(self, name: str) -> None:
        with suppress(ProcessExitedAlready):
            self._process.signalProcess(name)

    def _ended(self, reason: Failure) -> None:
        self._is_gone(_how(reason))

    def _is_gone(self, how: str) -> None:
        """There is no process any more."""
        self._stop_timer()
        self.state = State.GONE
        if self.passer is not None:
            self.passer.close()
        if self.talk is not None:
            # What it said last and nobody has read is not to be taken for the next one's.
            self.talk.drop()
        self.passer = self.talk = self._process = None
        self.overseer.gone(self.number)
        if not self._is_stopping:
            self._start_again(how)
        elif self._stopped is not None:
            self._stopped.callback(None)

    def _start_again(self, how: str) -> None:
        lived = self.reactor.seconds() - self._since
        doubled = 2 * self._pause if lived < LONG_ENOUGH else 0.0
        self._pause = min(LONGEST_PAUSE, max(SHORTEST_PAUSE, doubled))
        text = "worker {worker} {why}; the next one starts in {pause:g} s"
        its = {"event": "worker_ended", "worker": self.number, "why": how}
        self.log.warn(text, **its, pause=self._pause)
        self._timer = self.reactor.callLater(self._pause, self.start)

    def _stop_timer(self) -> None:
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self._timer = None


def _how(reason: Failure) -> str:
    """How a process ended."""
    if reason.check(ProcessDone):
        return "ended by itself"
    signal = getattr(reason.value, "signal", None)
    if signal is not None:
        return f"was ended by signal {signal}"
    return f"ended with status {getattr(reason.value, 'exitCode', None)}"

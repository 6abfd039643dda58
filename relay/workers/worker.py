"""A worker: a relay without ports, which is handed its callers by the first process.

It stops as the relay does that is alone, letting operations end, when it is told so, and when the
first process is gone.
"""

from __future__ import annotations

import signal
import socket
from functools import partial
from types import FrameType
from typing import Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.protocols.amp import CommandLocator

from relay.bindings import identities
from relay.service import Shared, relay_service
from relay.transport.appetite import Appetite
from relay.transport.tls import Unusable
from relay.transport.ways import BySockets
from relay.workers import words
from relay.workers.allowance import Share
from relay.workers.dividing import divided
from relay.workers.intake import Intake
from relay.workers.moving import How, Replica
from relay.workers.passing import Taker
from relay.workers.saying import OfMoves, OfUpstream
from relay.workers.setup import Setup
from relay.workers.talking import Heard, Talk


class Worker(CommandLocator):
    """One worker on `reactor`, and what the first process says to it."""

    log = Logger()

    def __init__(self, reactor: Any, setup: Setup) -> None:
        super().__init__()
        self.reactor = reactor
        self.intake = Intake(BySockets(reactor, Appetite(setup.configuration.relay.read_size)))
        # The first process is gone, or has given this one up.
        self.talk = Talk(self, self.end)
        self.moves = _moves(reactor, self.talk, setup)
        self.shares = {
            name: Share(reactor, OfUpstream(self.talk, name), granted)
            for name, granted in setup.shares.items()
        }
        identify = identities(setup.configuration.log, setup.log_key)
        shared = Shared(self.intake, self.moves, self.shares, identify)
        self.service = relay_service(reactor, divided(setup.configuration, setup.number), shared)
        self._is_ending = False

    def start(self, talking: socket.socket, taking: socket.socket) -> None:
        """Serve; these lead to the first process."""
        self.talk.begin(talking, self.reactor)
        self.service.privilegedStartService()
        self.service.startService()
        taken = partial(self.intake.take, ended=self._ended)
        taker = Taker(taking, self.reactor, taken)
        taker.start()
        self.service.reserve.sources.append(taker)
        self.talk.say(words.Ready)

    def end(self) -> None:
        """Have the process end, by way of `stop`. To say so twice makes no difference."""
        if not self._is_ending:
            self._is_ending = True
            self.reactor.stop()

    def stop(self) -> Deferred[None]:
        """Let operations end; fires when all has."""
        self.talk.say(words.Leaving)
        return self.service.stopService()

    def _ended(self, number: int) -> None:
        """A caller's connection is closed."""
        self.talk.say(words.Ended, number=number)

    # what the first process says

    @words.Sync.responder
    def sync(self) -> Heard:
        """All that came before was heard."""
        return {}

    @words.Drain.responder
    def drain(self, upstream: str, wanted: bool) -> Heard:
        """Take an upstream out, or have it back."""
        keeper = self.service.keepers[upstream]
        if wanted:
            keeper.drain()
        else:
            keeper.resume()
        return {}

    @words.RenewTLS.responder
    def renew_tls(self) -> Heard:
        """Read the files of TLS again, which the first process could use."""
        try:
            self.service.renew_tls()
        except Unusable as error:
            self.log.error("TLS stays as it is: {why}", event="tls_kept", why=str(error))
        return {}

    @words.Granted.responder
    def granted(self, upstream: str) -> Heard:
        """There may be one more association."""
        self.shares[upstream].grant()
        return {}

    @words.Asked.responder
    def asked(self, upstream: str) -> Heard:
        """One is to be given back."""
        self.shares[upstream].ask()
        return {}

    @words.Unasked.responder
    def unasked(self, upstream: str) -> Heard:
        """It need not be any more."""
        self.shares[upstream].unask()
        return {}

    @words.Known.responder
    def known(self, move: str) -> Heard:
        """Another worker has begun a C-MOVE."""
        self.moves.hear(move)
        return {}

    @words.Over.responder
    def over(self, sent_id: int, how: str) -> Heard:
        """Another worker's C-MOVE is over."""
        self.moves.hear_of_end(sent_id, How(how), self.reactor.seconds())
        return {}


def _moves(reactor: Any, talk: Talk, setup: Setup) -> Replica:
    """The moves that there are, and those that will be."""
    of = setup.configuration.relay.workers
    moves = Replica(setup.number, of, announcer=OfMoves(talk, reactor))
    for move, how in setup.moves:
        moves.learn(move)
        if how is not None:
            moves.hear_of_end(move.sent_id, how, reactor.seconds())
    return moves


def begin(reactor: Any, setup: Setup, words_end: int, sockets_end: int) -> None:
    """Have a worker start when the reactor runs, and stop when the reactor does. The two ends are
    descriptors."""
    worker = Worker(reactor, setup)
    _heed_signals(reactor, worker)
    talking, taking = socket.socket(fileno=words_end), socket.socket(fileno=sockets_end)
    reactor.callWhenRunning(worker.start, talking, taking)
    reactor.addSystemEventTrigger("before", "shutdown", worker.stop)


def _heed_signals(reactor: Any, worker: Worker) -> None:
    """Whoever signals all processes signals the first one, too, which passes on what they need: it
    reads the configuration again for all of them, and a second word to stop is no news."""

    def stop(number: int, frame: FrameType | None) -> None:
        reactor.callFromThread(worker.end)

    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)

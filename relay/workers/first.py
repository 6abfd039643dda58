"""The first process: opens the ports, hands each caller on to a worker, and minds the workers.

Callers wait in the ports' own line while no worker is ready. Those who were accepted by then, or
whom no worker's way of sockets has room for, wait here, and nobody is accepted meanwhile.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Any

import attrs
from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IAddress, IDelayedCall, IReactorFDSet
from twisted.logger import Logger
from twisted.protocols.amp import CommandLocator

from relay import bindings, config
from relay.policy.entry import CLOSED, Entry, source_of
from relay.service import Opening, descriptors_reserve, log_key, opened, stopped
from relay.sparing import Sparing
from relay.transport.renewing import rehearse
from relay.workers import words
from relay.workers.accepting import Accepting, Door
from relay.workers.broker import Brokerage
from relay.workers.ears import Ears
from relay.workers.guests import Guest, Guests
from relay.workers.minding import Minder, command
from relay.workers.passing import Particulars
from relay.workers.post import Postbox
from relay.workers.setup import Setup

AGAIN = 0.05
"""Seconds until a socket is offered again that no worker could be given."""

BEYOND_GRACE = 10.0
"""Seconds that a worker has to end its associations when `shutdown_grace` is over."""


@attrs.frozen
class Waiting:
    """A caller who was accepted, and is with nobody yet."""

    connection: socket.socket
    door: int
    host: str | None
    port: int | None
    entry: Entry


class Remote:
    """An upstream that the workers call: for relay.reloading, which takes it for a keeper."""

    def __init__(self, tell: Callable[..., None], name: str, is_draining: bool) -> None:
        self.tell, self.name, self.is_draining = tell, name, is_draining

    def drain(self) -> None:
        """Have all workers take it out."""
        self._say(True)

    def resume(self) -> None:
        """Have all workers have it back."""
        self._say(False)

    def _say(self, wanted: bool) -> None:
        self.is_draining = wanted
        self.tell(words.Drain, upstream=self.name, wanted=wanted)


class First(Service):
    """The service of the first process, which has workers as many as the configuration says."""

    log = Logger()

    def __init__(self, reactor: Any, configuration: config.Configuration) -> None:
        self.reactor = reactor
        self.configuration = configuration
        its = configuration.relay
        limits = [each.max_associations or its.max_associations for each in configuration.listeners]
        self.allows = [bindings.allow(each) for each in configuration.listeners]
        self.guests = Guests(its.max_associations, limits, bindings.gate(its))
        how = command(reactor)
        numbers = range(1, its.workers + 1)
        self.minders = {each: Minder(each, self, reactor, how) for each in numbers}
        self.keepers = {
            name: Remote(self.tell, name, upstream.drain)
            for name, upstream in configuration.upstreams.items()
        }
        self.brokerage = Brokerage(configuration.upstreams, its.workers, self._say)
        self.moves = Postbox(its.workers, reactor, self._say_to_others)
        self.sparing = Sparing(reactor, bindings.line_rate(configuration.log))
        self._log_key = log_key(configuration.log)
        self.ports: list[Any] = []
        self._numbers = count(1)
        self._waiting: deque[Waiting] = deque()
        self._again: IDelayedCall | None = None
        self._accepts = True
        self.reserve = descriptors_reserve(reactor, its)
        self.reserve.sources.append(self)
        self._within = its.shutdown_grace + BEYOND_GRACE
        """Seconds that a worker has to stop."""

    # Service

    def privilegedStartService(self) -> None:
        """Listen, while the process may still have the right to low ports; SystemExit as from
        `opened`."""
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self.ports += opened(map(self._opening, range(len(self.configuration.listeners))))
        self._accept(False)

    def startService(self) -> None:
        """Start the workers, once children can be heard of."""
        super().startService()  # type: ignore[no-untyped-call]
        for minder in self.minders.values():
            self.reactor.callWhenRunning(minder.start)

    def stopService(self) -> Deferred[None]:
        """Accept nobody any more, and have the workers end as they would alone."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    def renew_tls(self) -> int:
        """Have all workers read the files of TLS again, if they can be used; how many listeners and
        upstreams have some. Raises `relay.transport.tls.Unusable`."""
        count = rehearse(self.configuration)
        self.tell(words.RenewTLS)
        return count

    async def _stop(self) -> None:
        self.reserve.stop()
        ports, self.ports = self.ports, []
        await DeferredList([stopped(port) for port in ports])
        for each in self._waiting:
            each.connection.close()
        self._waiting.clear()
        await DeferredList([minder.stop(self._within) for minder in self.minders.values()])
        self.sparing.stop()

    def _opening(self, door: int) -> Opening:
        where = self.configuration.listeners[door].endpoint
        stand_in = Accepting(self.reactor, accepted=self.accepted, door=door)
        return Opening(where, serverFromString(stand_in, where), Door(door))

    # callers

    def accepted(self, connection: socket.socket, door: int, address: IAddress | None) -> None:
        """Somebody called."""
        self.reserve.accepted()
        host, port = getattr(address, "host", None), getattr(address, "port", None)
        is_secure, now = self.configuration.listeners[door].tls is not None, self.reactor.seconds()
        entry = self.guests.gate.enter(host, now, is_secure, self.allows[door])
        if entry in CLOSED:
            if self.sparing.allows(source_of(host) or "local"):
                its = {"event": "turned_away", "peer": host or "local", "why": CLOSED[entry]}
                self.log.info("{peer}: closed: {why}", **its)
            connection.close()
            return
        self._waiting.append(Waiting(connection, door, host, port, entry))
        self._hand_on()

    def _hand_on(self) -> None:
        """Hand on those who wait, as far as workers take them."""
        while self._waiting and self._is_handed(self._waiting[0]):
            self._waiting.popleft()
        self._accept(bool(self.guests.ready) and not self._waiting and not self.reserve.is_short)
        if self._waiting and self.guests.ready and self._again is None:
            self._again = self.reactor.callLater(AGAIN, self._try_again)

    def _try_again(self) -> None:
        self._again = None
        self._hand_on()

    def _is_handed(self, waiting: Waiting) -> bool:
        """Hand a caller to the worker with the fewest that takes it; whether one did."""
        entry, door, host = waiting.entry, waiting.door, waiting.host
        if entry is Entry.SERVED and not self.guests.has_room(door):
            entry = Entry.TOO_MANY
        its = Particulars(next(self._numbers), door, host, waiting.port, entry)
        guest = partial(Guest, door=door, has_room=entry is Entry.SERVED, host=host)
        for worker in self.guests.order():
            passer = self.minders[worker].passer
            if passer is not None and passer.pass_on(waiting.connection, its):
                self.guests.enter(its.number, guest(worker))
                waiting.connection.close()
                return True
        return False

    def startReading(self) -> None:
        """There are descriptors enough to accept somebody with."""
        self._hand_on()

    def stopReading(self) -> None:
        """There are not."""
        self._accept(False)

    def _accept(self, wanted: bool) -> None:
        """Whether the ports are to accept."""
        if wanted is self._accepts:
            return
        self._accepts = wanted
        for port in self.ports:
            if wanted:
                port.startReading()
            else:
                port.stopReading()

    # what workers say, and what becomes of them

    def setup(self, number: int) -> Setup:
        """What a worker is told at its start."""
        upstreams = {
            name: attrs.evolve(upstream, drain=self.keepers[name].is_draining)
            for name, upstream in self.configuration.upstreams.items()
        }
        configuration = attrs.evolve(self.configuration, upstreams=upstreams)
        shares, moves = self.brokerage.join(number), self.moves.standing()
        return Setup(number, configuration, shares, moves, self._log_key)

    def locator(self, number: int) -> CommandLocator:
        """Who hears what a worker says."""
        return Ears(self, number)

    def is_ready(self, number: int) -> None:
        """A worker has started. All that was said meanwhile it has to hear first."""
        heard = self._say(number, words.Sync)
        if heard is not None:
            # Where it does not answer it goes, which is told otherwise.
            heard.addCallbacks(lambda _: self.opens(number), lambda failure: None)

    def opens(self, number: int) -> None:
        """A worker may be handed callers."""
        if self.minders[number].is_ready():
            self.log.info("worker {worker} is ready", event="worker_ready", worker=number)
            self.guests.opens(number)
            self._hand_on()

    def leaves(self, number: int) -> None:
        """A worker stops by itself."""
        self.minders[number].leaves()
        self.minders[number].kill_in(self._within)
        self.guests.closes(number)
        self._hand_on()

    def ended(self, number: int) -> None:
        """A caller's connection is closed."""
        self.guests.leave(number)

    def gone(self, number: int) -> None:
        """A worker is no more, and neither are its sockets."""
        self.guests.gone(number)
        self.brokerage.gone(number)
        self.moves.gone(number)
        self._hand_on()

    def lost(self, number: int) -> None:
        """A worker does not talk any more."""
        self.leaves(number)

    def tell(self, what: Any, **values: Any) -> None:
        """Tell all workers; those that come later learn it by their setup."""
        self._say_to_others(0, what, **values)

    def _say(self, worker: int, what: Any, **values: Any) -> Deferred[Any] | None:
        talk = self.minders[worker].talk
        return talk.say(what, **values) if talk is not None else None

    def _say_to_others(self, but: int, what: Any, **values: Any) -> list[Deferred[Any]]:
        answers = {each: self._say(each, what, **values) for each in self.minders if each != but}
        for answer in answers.values():
            if answer is not None:
                # A worker that does not answer goes, which is told otherwise.
                answer.addErrback(lambda failure: None)
        ready = self.guests.ready
        return [answer for each, answer in answers.items() if answer is not None and each in ready]


def first_process(reactor: Any, configuration: config.Configuration) -> First:
    """The first process of several, on this reactor; SystemExit where it is of no use for that."""
    if not IReactorFDSet.providedBy(reactor):
        kind = type(reactor).__name__
        raise SystemExit(
            f"relay: relay.workers is {configuration.relay.workers}, and {kind} does not look after"
            " descriptors: start twistd with --reactor=epoll, or set workers = 0"
        )
    return First(reactor, configuration)

"""The one place that knows everyone: builds the relay as configured, starts and stops it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from random import Random
from typing import Any, cast

import attrs
from twisted.application.service import Service
from twisted.internet.abstract import isIPAddress, isIPv6Address
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import HostnameEndpoint, TCP4ClientEndpoint, TCP6ClientEndpoint
from twisted.internet.interfaces import (
    IListeningPort,
    IReactorTime,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from twisted.internet.task import LoopingCall
from twisted.internet.tcp import Port
from twisted.python.failure import Failure

from relay import bindings, config, process
from relay.bridge.addressing import Registers
from relay.bridge.exchange import Retention
from relay.bridge.outcome import Identify
from relay.bridge.record import Budget
from relay.bridge.session import Rules
from relay.credentials import Credentials
from relay.downstream.census import Census
from relay.downstream.listener import Listener
from relay.downstream.reserve import Reserve
from relay.downstream.scarcity import MemoryLimit
from relay.memory import give_back
from relay.policy.entry import Gate
from relay.policy.moves import Moves
from relay.policy.tally import Tally
from relay.scratch import Scratch
from relay.sparing import Sparing
from relay.transactions import Transactions
from relay.transport.sockets import few_at_once
from relay.transport.ways import Ways, ways
from relay.upstream.allowance import Allowance, Whole
from relay.upstream.bank import Bank
from relay.upstream.dialer import Dialer
from relay.upstream.keeper import Keeper
from relay.wire.pdu import ae_field

DAY = 86_400
"""Seconds."""

LOG_KEY_SIZE = 32
"""Bytes."""

STOPPING_PERIOD = 0.1
"""Seconds between looks at whether all operations have ended."""


@attrs.frozen
class Opening:
    """What is to listen where; `where` is the endpoint's description."""

    where: str
    endpoint: IStreamServerEndpoint
    factory: Any


def opened(openings: Iterable[Opening]) -> list[IListeningPort]:
    """Listen at all of these.

    SystemExit, with one line that says why, where a port cannot be had.
    """
    ports: list[IListeningPort] = []
    refused: list[str] = []
    for each in openings:
        _listen(each, ports, refused)
    # Not from the errback: a Deferred would keep it to itself.
    if refused:
        raise SystemExit("\n".join(refused))
    return ports


def _listen(opening: Opening, ports: list[IListeningPort], refused: list[str]) -> None:
    def failed(failure: Failure) -> None:
        why = getattr(failure.value, "socketError", None) or failure.value
        refused.append(f"relay: cannot listen on {opening.where}: {why}")

    def listens(port: IListeningPort) -> None:
        few_at_once(port)
        ports.append(port)

    opening.endpoint.listen(opening.factory).addCallbacks(listens, failed)


@attrs.frozen
class Door:
    """A listener and where it listens."""

    opening: Opening
    listener: Listener


class RelayService(Service):
    """The relay: listens, and at a stop lets operations end within `grace` seconds."""

    def __init__(
        self,
        clock: IReactorTime,
        by: Ways,
        doors: list[Door],
        keepers: Mapping[str, Keeper],
        grace: float,
        reserve: Reserve,
        transactions: Transactions | None = None,
        sparing: Iterable[Sparing] = (),
    ) -> None:
        self.clock = clock
        self.by = by
        self.doors = doors
        self.keepers = keepers
        self.grace = grace
        self.reserve = reserve
        self.transactions = transactions
        self.sparing = sparing
        self.ports: list[IListeningPort] = []

    def privilegedStartService(self) -> None:
        """Listen, while the process may still have the right to low ports.

        SystemExit as from `opened`.
        """
        super().privilegedStartService()  # type: ignore[no-untyped-call]
        self.ports += opened(door.opening for door in self.doors)
        self.reserve.sources += [each for each in self.ports if isinstance(each, Port)]

    def startService(self) -> None:
        """Look after the upstreams, where that is wanted."""
        super().startService()  # type: ignore[no-untyped-call]
        if self.transactions is not None:
            self.transactions.start()
        for keeper in self.keepers.values():
            keeper.start()

    def renew_tls(self) -> int:
        """Read the files of TLS again, for connections to come; how many listeners and upstreams
        have some. Raises `relay.transport.tls.Unusable`, and then nothing has changed."""
        return self.by.renew()

    async def _stop(self) -> None:
        self.reserve.stop()
        await DeferredList([stopped(port) for port in self.ports])
        await self._idle_or_out_of_time()
        await DeferredList([door.listener.stop() for door in self.doors])
        await DeferredList([keeper.stop() for keeper in self.keepers.values()])
        if self.transactions is not None:
            await self.transactions.stop()
        for each in self.sparing:
            each.stop()

    def stopService(self) -> Deferred[None]:
        """Take no new calls, let operations end, then end everything."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._stop())

    async def _idle_or_out_of_time(self) -> None:
        deadline = self.clock.seconds() + self.grace

        def look() -> None:
            idle = all(door.listener.is_idle for door in self.doors)
            if idle or self.clock.seconds() >= deadline:
                looking.stop()

        looking = LoopingCall(look)
        looking.clock = self.clock
        await looking.start(STOPPING_PERIOD)


def stopped(port: IListeningPort) -> Deferred[None]:
    """Stop listening; fires when that is done."""
    return cast("Deferred[None]", port.stopListening())


@attrs.frozen
class Shared:
    """What a relay has in common with others, where it is not alone: `by` makes its transports,
    `moves` are those of all, of each upstream it has an allowance, and `identify` shows identities
    in the log."""

    by: Ways
    moves: Moves
    allowances: Mapping[str, Allowance]
    identify: Identify


def relay_service(
    reactor: Any, configuration: config.Configuration, shared: Shared | None = None
) -> RelayService:
    """The relay as configured; nothing is opened yet. `reactor` is the one to run on."""
    random, own = Random(), ae_field(configuration.relay.ae_title)
    rate = bindings.line_rate(configuration.log)
    of_callers, of_others = Sparing(reactor, rate), Sparing(reactor, rate)
    shared = shared or _alone(reactor, configuration)
    by, allowances = shared.by, shared.allowances
    keepers = {
        name: _keeper(reactor, by, name, upstream, own, random, allowances[name], of_others)
        for name, upstream in configuration.upstreams.items()
    }
    pools = {name: bindings.pool_rules(name, configuration) for name in configuration.pools}
    bank = Bank(reactor, keepers, pools, random)
    its = configuration.relay
    memory = MemoryLimit(reactor, its.max_memory, process.resident, give_back)
    titles = Tally(its.max_per_ae_title)
    census = Census(its.max_associations, titles=titles, is_short=memory.is_short)
    transactions = _transactions(reactor, configuration.commitment, of_others)
    rules = partial(
        Rules,
        directory=bindings.directory(configuration),
        retention=_retention(configuration.failover),
        registers=Registers(shared.moves, transactions),
        identify=shared.identify,
    )
    reserve = descriptors_reserve(reactor, its)
    front = Front(reactor, by, bank, census, bindings.gate(its), reserve, rules, of_callers)
    doors = [front.door(each) for each in configuration.listeners]
    sparing, grace = (of_callers, of_others), its.shutdown_grace
    return RelayService(reactor, by, doors, keepers, grace, reserve, transactions, sparing)


def descriptors_reserve(reactor: Any, its: config.RelaySection) -> Reserve:
    """The reserve of this process."""
    return Reserve(reactor, its.spare_descriptors, process.descriptors, process.descriptor_limit)


def _alone(reactor: Any, configuration: config.Configuration) -> Shared:
    """What there is for a relay that is alone."""
    upstreams = configuration.upstreams.items()
    allowances = {name: Whole(upstream.max_associations) for name, upstream in upstreams}
    its, log = configuration.relay, configuration.log
    by = ways(reactor, its.transport, its.read_size)
    return Shared(by, Moves(), allowances, bindings.identities(log, log_key(log)))


def log_key(log: config.Log) -> bytes:
    """The key for what stands in the log for identities: where the configuration has none, one of
    its own for each start, and for all processes of it."""
    return bindings.log_key(log) or os.urandom(LOG_KEY_SIZE)


def _transactions(
    reactor: Any, commitment: config.Commitment | None, sparing: Sparing
) -> Transactions | None:
    if commitment is None:
        return None
    lifetime = commitment.lifetime * DAY
    return Transactions(commitment.database, lifetime, reactor, sparing=sparing)


def _retention(failover: config.Failover) -> Retention:
    scratch, disk = Scratch(failover.folder), failover.disk
    budget = Budget(failover.window, failover.memory, disk, scratch, share=disk // 2)
    return Retention(budget, failover.discard)


def _keeper(
    reactor: Any,
    by: Ways,
    name: str,
    upstream: config.Upstream,
    own: bytes,
    random: Random,
    allowance: Allowance,
    sparing: Sparing,
) -> Keeper:
    called, manners = upstream.address.ae_title, bindings.manners(upstream)
    endpoint, identity = _endpoint(by, upstream), bindings.identity(upstream)
    dialer = Dialer(reactor, endpoint, called, upstream.max_pdu, manners, identity)
    limits, judgement = bindings.limits(upstream), bindings.judgement(upstream)
    keeper = Keeper(name, reactor, dialer, limits, own, judgement, random, allowance, sparing)
    if upstream.drain:
        keeper.drain()
    return keeper


def _endpoint(by: Ways, upstream: config.Upstream) -> IStreamClientEndpoint:
    host, port, timeout = upstream.address.host, upstream.address.port, upstream.connect_timeout
    kind: Any
    # A name may have several addresses, and it takes a moment until all of them have failed; an
    # address has failed at once.
    if isIPAddress(host):
        kind = TCP4ClientEndpoint
    elif isIPv6Address(host):
        kind = TCP6ClientEndpoint
    else:
        kind = HostnameEndpoint
    return by.calling(lambda reactor: kind(reactor, host, port, timeout), upstream.tls, host)


@attrs.frozen
class Front:
    """What listeners have in common; `rules` makes those of each."""

    reactor: Any
    by: Ways
    bank: Bank
    census: Census
    gate: Gate
    reserve: Reserve
    rules: Callable[..., Rules]
    sparing: Sparing

    def door(self, each: config.Listener) -> Door:
        """One of them, and where it listens."""
        own = Census(each.max_associations or self.census.limit, within=self.census)
        users = each.credentials
        rules = self.rules(
            maximum=each.max_pdu,
            enter=own.enter,
            window=each.max_operations,
            bounds=bindings.bounds(each),
            identities=None if users is None else Credentials.of(users, self.reactor),
            allow=bindings.allow(each),
        )
        patience = bindings.patience(each)
        listener = Listener(
            self.reactor,
            self.bank,
            rules,
            own,
            patience,
            each.name,
            self.gate,
            self.sparing,
            self.reserve.accepted,
        )
        endpoint, factory = self.by.listening(each.endpoint, each.tls, listener)
        return Door(Opening(each.endpoint, endpoint, factory), listener)

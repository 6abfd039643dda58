"""What a configuration says, as the classes that decide by it. Nothing is opened here.

The configuration has the words of a person who runs the relay, policy and banks have those of what
they decide; this is where the one becomes the other, for the service and for `relay explain`.
"""

from __future__ import annotations

from glob import escape
from ipaddress import ip_network

from relay import config
from relay.bridge.ports import Manners
from relay.config.secret_files import read_passcode, read_secret
from relay.credentials import USERNAME_AND_PASSCODE
from relay.downstream.protocol import Limits as Patience
from relay.journal.identities import Identities, Shown, key_of
from relay.policy.affinity import AFFINITIES
from relay.policy.allowing import Allow
from relay.policy.entry import Gate
from relay.policy.health import Judgement
from relay.policy.lines import Rate
from relay.policy.moves import Moving
from relay.policy.patterns import Network
from relay.policy.planning import Directory
from relay.policy.proposing import AssociationPolicy
from relay.policy.routing import Route
from relay.policy.showing import ShowCalled, Showing
from relay.upstream.limits import Limits
from relay.upstream.rules import Place, PoolRules
from relay.wire.bounds import Bounds
from relay.wire.user_information import UserIdentityRQ

USERNAME = 1
"""User-Identity-Type."""


def directory(configuration: config.Configuration) -> Directory:
    """Who may call whom, with what, and where that leads."""
    policies = tuple(
        AssociationPolicy(
            each.calling, each.called, _set(each.services), _set(each.transfer_syntaxes)
        )
        for each in configuration.association_policies
    )
    routes = tuple(_route(each, configuration) for each in configuration.routes)
    return Directory(routes, policies, configuration.relay.ae_title)


def allow(listener: config.Listener) -> Allow:
    """Whom a listener lets in."""
    its = listener.allow or config.Allow()
    return Allow(its.calling, its.called, _networks(its.networks), its.certificates)


def _route(route: config.Route, configuration: config.Configuration) -> Route:
    return Route(
        route.pool,
        # A title that looks like a pattern is meant as it is.
        route.called or escape(configuration.relay.ae_title),
        route.calling,
        _set(route.services),
        _networks(route.networks),
        _set(route.listeners),
        route.certificates,
        Showing(route.show_calling, ShowCalled(route.show_called)),
        members(route.pool, configuration),
    )


def members(pool: str, configuration: config.Configuration) -> frozenset[str]:
    """The AE titles of a pool's upstreams."""
    names = configuration.pools[pool].upstreams
    return frozenset(configuration.upstreams[each].address.ae_title for each in names)


def pool_rules(name: str, configuration: config.Configuration) -> PoolRules:
    """How a pool is used."""
    pool = configuration.pools[name]
    return PoolRules(
        tuple(Place(each, pool.weight_of(each), pool.tier_of(each)) for each in pool.upstreams),
        max(configuration.upstreams[each].connect_timeout for each in pool.upstreams),
        pool.balance,
        pool.max_ejected,
        AFFINITIES[pool.affinity],
        pool.aborts,
        pool.retries_per_second,
        _moving(name, configuration),
    )


def _moving(name: str, configuration: config.Configuration) -> Moving | None:
    how = configuration.pools[name].move_destination
    if how == "pass":
        return None
    archives = members(name, configuration)
    if isinstance(how, str):
        return Moving(title=configuration.relay.ae_title, archives=archives)
    return Moving(aliases=how, archives=archives)


def manners(upstream: config.Upstream) -> Manners:
    """How an upstream wants to be treated."""
    return Manners(
        upstream.response_timeout, upstream.stall_timeout, upstream.linger, upstream.reuse
    )


def identity(upstream: config.Upstream) -> UserIdentityRQ | None:
    """What an upstream is shown of users, if it is not what callers show. It is read once."""
    its = upstream.identity
    if its is None:
        return None
    name = its.username.encode()
    if its.passcode_file is None:
        return UserIdentityRQ(USERNAME, False, name)
    return UserIdentityRQ(USERNAME_AND_PASSCODE, False, name, read_passcode(its.passcode_file))


def identities(log: config.Log, key: bytes) -> Identities:
    """How UIDs and user names are shown in the log; `key` is for the hash."""
    return Identities(Shown(log.identities), key)


def log_key(log: config.Log) -> bytes | None:
    """The key for the hash, if the configuration has one. It is read once."""
    return None if log.key_file is None else key_of(read_secret(log.key_file))


def limits(upstream: config.Upstream) -> Limits:
    """What an upstream bears."""
    return Limits(
        upstream.max_associations,
        upstream.max_idle,
        upstream.idle_timeout,
        upstream.warm,
        upstream.max_age,
        upstream.max_waiting,
        upstream.echo_after,
        upstream.reuse,
        upstream.probe_interval,
        upstream.probe_timeout,
    )


def judgement(upstream: config.Upstream) -> Judgement:
    """When an upstream is out."""
    return Judgement(
        failures=upstream.eject_after,
        rate=upstream.eject_rate,
        shortest=upstream.eject_shortest,
        longest=upstream.eject_longest,
        slow_start=upstream.slow_start,
    )


def gate(relay: config.RelaySection) -> Gate:
    """Who may connect."""
    return Gate(relay.max_per_address, relay.associations_per_second, relay.handshakes_per_second)


def patience(listener: config.Listener) -> Patience:
    """How long a listener waits for its callers."""
    return Patience(
        listener.artim,
        listener.tls.handshake_timeout if listener.tls is not None else None,
        listener.minimum_rate,
        listener.stall_timeout,
        listener.idle_timeout,
    )


def bounds(listener: config.Listener) -> Bounds:
    """What a listener's callers may say."""
    return Bounds(
        listener.max_contexts,
        listener.max_items,
        listener.max_command,
        listener.max_object,
        listener.strict,
    )


def _networks(texts: tuple[str, ...] | None) -> tuple[Network, ...] | None:
    return None if texts is None else tuple(map(ip_network, texts))


def _set(names: tuple[str, ...] | None) -> frozenset[str] | None:
    return None if names is None else frozenset(names)


def line_rate(log: config.Log) -> Rate:
    """How many lines of the log somebody may cause."""
    return Rate(log.lines_at_once, log.lines_per_second)

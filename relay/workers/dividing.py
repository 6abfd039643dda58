"""What each worker has for itself of what a configuration says: a share of it.

Divided are resources that no worker needs all of: associations that rest or are kept warm, who may
wait, memory and disk for what may be sent again, and how much of that a pool bears. All shares
together are what the file says, save where there is less than one for each.
"""

from __future__ import annotations

import attrs

from relay.config import Configuration, Failover, Pool, RelaySection, Upstream
from relay.workers.sharing import share


def divided(configuration: Configuration, number: int) -> Configuration:
    """The configuration for the worker of that number."""
    of = configuration.relay.workers
    return attrs.evolve(
        configuration,
        relay=_relay(configuration.relay, number, of),
        upstreams={
            name: _upstream(each, number, of) for name, each in configuration.upstreams.items()
        },
        pools={name: _pool(each, of) for name, each in configuration.pools.items()},
        failover=_failover(configuration.failover, of),
    )


def _relay(relay: RelaySection, number: int, of: int) -> RelaySection:
    titles = max(1, share(relay.max_per_ae_title, number, of)) if relay.max_per_ae_title else 0
    return attrs.evolve(
        relay,
        max_per_ae_title=titles,
        # Who may connect the first process has judged before a worker hears of it.
        max_per_address=0,
        associations_per_second=0,
        handshakes_per_second=0,
    )


def _upstream(upstream: Upstream, number: int, of: int) -> Upstream:
    return attrs.evolve(
        upstream,
        max_idle=share(upstream.max_idle, number, of),
        warm=share(upstream.warm, number, of),
        max_waiting=max(1, share(upstream.max_waiting, number, of)),
    )


def _pool(pool: Pool, of: int) -> Pool:
    return attrs.evolve(pool, retries_per_second=pool.retries_per_second / of)


def _failover(failover: Failover, of: int) -> Failover:
    memory = failover.memory // of
    window = min(failover.window, memory)
    return attrs.evolve(failover, memory=memory, window=window, disk=failover.disk // of)

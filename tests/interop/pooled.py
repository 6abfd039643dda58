"""The relay before a pool of archives, which it is told to lose patience with soon."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from tests.interop.relay_process import AE_TITLE, UNHURRIED, Relay, table
from tests.interop.server import LOOPBACK, PATIENCE_S, POLL_S

IMPATIENT: Mapping[str, Any] = {
    "max_associations": 64,
    "connect_timeout": 3.0,
    "response_timeout": 1.0,
    "stall_timeout": 1.0,
}
"""Of an upstream: a time-out costs a second, and there is room for all that a test has in mind."""

FORGIVING: Mapping[str, Any] = {
    **IMPATIENT,
    "max_idle": 2,
    "eject_shortest": 0.1,
    "eject_longest": 0.5,
    "slow_start": 0.0,
}
"""The same of one that is soon asked again, and often for a new association: more can fail."""

STUBBORN: Mapping[str, Any] = {**FORGIVING, "eject_after": 1000, "eject_rate": 1.0}
"""The same of one that stays in favour for as long as it can be reached."""


@attrs.define
class PooledRelay(Relay):
    """A relay with one pool: `members` are the ports of its upstreams, by name.

    `upstream`, `pool` and `failover` are keys and values of these tables.
    """

    members: Mapping[str, int] = attrs.field(factory=dict)
    upstream: Mapping[str, Any] = IMPATIENT
    pool: Mapping[str, Any] = attrs.field(factory=dict)
    failover: Mapping[str, Any] = attrs.field(factory=dict)
    tls: bool = False

    def wait_until_it_says(self, words: str) -> None:
        """Wait until these words are in its log."""
        deadline = time.monotonic() + PATIENCE_S
        while words not in self.log.read_text("utf-8", "replace"):
            assert not self.ends_within(POLL_S), f"it ended before it said: {words}"
            assert time.monotonic() < deadline, f"it never said: {words}"

    def _toml(self) -> Iterable[str]:
        yield from table("[relay]", {"ae_title": AE_TITLE, **UNHURRIED})
        yield from table("[failover]", self.failover) if self.failover else ()
        endpoint = f"tcp:port={self.port}:interface={LOOPBACK}:backlog=512"
        yield from table("[[listener]]", {"endpoint": endpoint})
        for name, port in self.members.items():
            address = {"address": f"{name.upper()}@{LOOPBACK}:{port}"}
            yield from table(f"[upstream.{name}]", {**address, **self.upstream})
            if self.tls:
                yield from table(f"[upstream.{name}.tls]", {"ca": str(self.pki.ca)})
        yield from table("[pool.archive]", {"upstreams": list(self.members), **self.pool})
        yield from table("[[route]]", {"pool": "archive"})

"""Who may connect, and what is answered to those who may not: judged by where they call from. Pure.

Who is from no network that the listener allows is closed at once, and counts for nobody. That is
harsh to a modality with a wrong address, but nothing that parses or decrypts is within the reach of
whoever has no business here.

A connection is judged when it is accepted, before anything is read from it, or any TLS begins: what
an address may cost is bounded before it has cost anything. Whoever asks for an association deserves
an answer, so those who are a few too many are let in to be told; a flood is not.

One who has an IPv6 address mostly has all the others of its /64 network (RFC 6177), so they count
as one. Sockets that have no address, such as those of the file system, are not counted.
"""

from __future__ import annotations

from enum import Enum
from ipaddress import IPv6Address

import attrs

from relay.policy.admission import TOO_MANY, UNAVAILABLE
from relay.policy.allowing import Allow
from relay.policy.rates import Buckets
from relay.policy.tally import Tally
from relay.wire.pdu import AssociateRJ

MOST_TOLD = 16
"""Connections of an address that are let in beyond its limit, to be told that they are too many."""

_HOST_BITS = 64


class Entry(Enum):
    """What becomes of a connection."""

    SERVED = "served"
    TOO_MANY = "too many"
    TOO_FAST = "too fast"
    """These two are let in, but a request for an association is rejected."""
    CROWD = "crowd"
    ELSEWHERE = "elsewhere"
    RUSH = "rush"
    """These three are closed at once, and not counted."""


REJECTIONS: dict[Entry, AssociateRJ] = {
    Entry.TOO_MANY: TOO_MANY,
    Entry.TOO_FAST: UNAVAILABLE,
}
"""What those are told who are let in to be told."""

CLOSED = {
    Entry.CROWD: "too many connections from there",
    Entry.ELSEWHERE: "no network that is allowed",
    Entry.RUSH: "too many TLS handshakes a second from there",
}
"""Why those are closed who are closed at once."""


@attrs.define(eq=False)
class Gate:
    """Judges connections by their source. `most` of each there may be, and so many `associations`
    and TLS `handshakes` of each may begin in a second; 0: any number.

    An association counts when its connection is accepted: it can carry no other.
    """

    most: int = 0
    associations: int = 0
    handshakes: int = 0
    _connections: Tally = attrs.field(init=False)
    _associations: Buckets = attrs.field(init=False)
    _handshakes: Buckets = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._connections = Tally(self.most)
        self._associations = Buckets(self.associations)
        self._handshakes = Buckets(self.handshakes)

    def enter(
        self, host: str | None, now: float, is_secure: bool, allow: Allow | None = None
    ) -> Entry:
        """What becomes of a connection from `host`, with TLS or without, at `now`, in seconds;
        where it is not closed it counts until it has left. `allow` is the allow list of the
        listener that accepted it."""
        if allow is not None and not allow.lets_connect(host or ""):
            return Entry.ELSEWHERE
        source = source_of(host)
        if source is None:
            return Entry.SERVED
        if self.most and self._connections.of(source) >= self.most + MOST_TOLD:
            return Entry.CROWD
        if is_secure and not self._handshakes.take(source, now):
            return Entry.RUSH
        if not self._connections.enter(source):
            return Entry.TOO_MANY
        return Entry.SERVED if self._associations.take(source, now) else Entry.TOO_FAST

    def leave(self, host: str | None) -> None:
        """A connection from `host` is closed that had entered."""
        source = source_of(host)
        if source is not None:
            self._connections.leave(source)


def source_of(host: str | None) -> str | None:
    """Whom an address counts for: itself, or its network; None for what is no address."""
    if host is None or ":" not in host:
        return host or None
    address = IPv6Address(host)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(IPv6Address(int(address) >> _HOST_BITS << _HOST_BITS))

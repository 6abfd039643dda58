"""When the files of TLS come to their end: certificates, authorities, revocation lists.

A file is as good as the first of what it holds that expires. What is said of one is the same for
`relay check` and for the log of the relay at work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from enum import Enum, auto
from pathlib import Path

import attrs
from cryptography.x509 import load_pem_x509_certificates

from .model import ClientTLS, Configuration, Outside, ServerTLS
from .revocations import read_revocations

SOON = timedelta(days=30)
"""How long before the end of a file there is something to say of it."""

Span = tuple[datetime, datetime]
"""From when to when something is valid; of several, when all are."""


class Urgency(Enum):
    """How much there is to it."""

    SOON = auto()
    NOW = auto()


@attrs.frozen
class Lifetime:
    """A file of TLS, what it is, and when it is valid."""

    path: Path
    kind: Outside
    span: Span

    def doubt(self, now: datetime) -> tuple[Urgency, str] | None:
        """What there is to say of it at this time, in a line with its cure; None: nothing."""
        starts, ends = self.span
        what, then = _KINDS[self.kind]
        if ends <= now:
            return Urgency.NOW, f"{what} in {self.path} has expired on {_day(ends)}: {then}"
        if starts > now:
            why = "compare the clock, or wait"
            return Urgency.NOW, f"{what} in {self.path} is not valid before {_day(starts)}: {why}"
        if ends - now <= SOON:
            cure = "renew it, and send SIGHUP to a relay that runs"
            left = f"{_left(ends - now)}, on {_day(ends)}"
            return Urgency.SOON, f"{what} in {self.path} expires {left}: {cure}"
        return None


_KINDS: Mapping[Outside, tuple[str, str]] = {
    Outside.CERTIFICATE: (
        "the certificate",
        "peers refuse it until it is renewed, and SIGHUP sent to a relay that runs",
    ),
    Outside.AUTHORITIES: (
        "an authority",
        "certificates that it signed are refused; take it out, or renew it, and send SIGHUP to a "
        "relay that runs",
    ),
    Outside.REVOCATIONS: (
        "the revocation list",
        "nobody from its authority is let in until it is renewed, and SIGHUP sent to a relay that "
        "runs",
    ),
}
"""What to call each, and what comes of it when it is over."""


def lifetimes(configuration: Configuration) -> list[Lifetime]:
    """Those of all files that TLS is made of, each file once. Raises OSError, and ValueError."""
    return [
        Lifetime(path, kind, _READERS[kind](path)) for path, kind in _files(configuration).items()
    ]


def _files(configuration: Configuration) -> dict[Path, Outside]:
    servers = (each.tls for each in configuration.listeners)
    clients = (each.tls for each in configuration.upstreams.values())
    found: dict[Path, Outside] = {}
    for tls in (*servers, *clients):
        if tls is not None:
            found |= dict(_files_of(tls))
    return found


def _files_of(tls: ServerTLS | ClientTLS) -> Iterator[tuple[Path, Outside]]:
    believed = tls.client_ca if isinstance(tls, ServerTLS) else tls.ca
    for path, kind in ((tls.certificate, Outside.CERTIFICATE), (believed, Outside.AUTHORITIES)):
        if path is not None:
            yield path, kind
    for path in tls.crl or ():
        yield path, Outside.REVOCATIONS


def _of_certificates(path: Path) -> Span:
    found = load_pem_x509_certificates(path.read_bytes())
    return (
        max(each.not_valid_before_utc for each in found),
        min(each.not_valid_after_utc for each in found),
    )


def _of_revocations(path: Path) -> Span:
    found = read_revocations(path)
    # Without a word about the next one a list is good for ever (RFC 5280 5.1.2.5 forbids that).
    forever = datetime.max.replace(tzinfo=UTC)
    return (
        max(each.last_update_utc for each in found),
        min(each.next_update_utc or forever for each in found),
    )


_READERS: Mapping[Outside, Callable[[Path], Span]] = {
    Outside.CERTIFICATE: _of_certificates,
    Outside.AUTHORITIES: _of_certificates,
    Outside.REVOCATIONS: _of_revocations,
}


def _left(time: timedelta) -> str:
    if time.days < 2:
        return f"in {time // timedelta(hours=1)} hours"
    return f"in {time.days} days"


def _day(when: datetime) -> str:
    return f"{when:%Y-%m-%d %H:%M} UTC"

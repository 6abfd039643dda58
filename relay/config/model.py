"""What a configuration says, as frozen classes. docs/configuration.md explains each key.

Times are seconds, save for `lifetime`, and lengths are bytes. A key of the file has its field's
name, save for `listener`, `upstream`, `pool`, `route` and `association_policy`, which are written
one by one. Every field checks its own value, also when an instance is made by hand. What needs the
world outside (files, endpoint descriptions) or several keys is checked when a file is read
(checks.py, tables.py).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Annotated

import attrs

from relay.policy.leasing import Reuse

from . import validators, values
from .mistakes import Unexpected, describe

# In a field's metadata: its key in the file, where that is not the field's name.
KEY = "key"

ADDRESS = 'an address like "PACS_A@pacs.example.org:104" or "PACS_A@[::1]:104"'
_ADDRESS = re.compile(
    r"(?P<ae>.+)@(\[(?P<six>[^]]*:[^]]*)\]|(?P<host>[^@:[\]]+)):(?P<port>[0-9]{1,5})", re.ASCII
)


class Outside(Enum):
    """What a value has to stand up to outside its file."""

    ENDPOINT = auto()
    CERTIFICATE = auto()
    KEY = auto()
    AUTHORITIES = auto()
    REVOCATIONS = auto()
    FOLDER = auto()
    DATABASE = auto()
    USERS = auto()
    PASSCODE = auto()
    SECRET = auto()


@attrs.frozen
class Address:
    """Where an upstream listens, and the AE title to call it by."""

    ae_title: str = attrs.field(validator=values.ae_title)
    host: str = attrs.field(validator=values.host)
    port: int = attrs.field(validator=values.port)

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read "AE@host:port"; an IPv6 address stands in brackets. Raises `Unexpected`."""
        found = _ADDRESS.fullmatch(text)
        if found is None:
            raise Unexpected(describe(text), ADDRESS)
        return cls(found["ae"], found["six"] or found["host"], int(found["port"]))

    def __str__(self) -> str:
        """The text that `parse` reads."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.ae_title}@{host}:{self.port}"


@attrs.frozen
class RelaySection:
    """The relay as a whole. `max_associations` counts those of all listeners together, and so do
    `max_per_ae_title`, of callers' own, and `max_per_address`, which counts connections. So many
    associations and TLS handshakes an address may begin in a second. 0: any number.

    `max_memory` is resident memory of a process, past which it takes no new associations, and
    `spare_descriptors` are those that it keeps for the ones that it has.

    `transport` is what carries the bytes (relay.transport.ways), and how many of them at a time, at
    most, is `read_size`. So many `workers` relay beside the process that accepts; 0: it relays
    itself.
    """

    ae_title: str = attrs.field(validator=values.ae_title)
    max_associations: int = attrs.field(default=500, validator=values.associations)
    max_per_ae_title: int = attrs.field(default=128, validator=values.some_of_all)
    max_per_address: int = attrs.field(default=256, validator=values.some_of_all)
    associations_per_second: int = attrs.field(default=100, validator=values.per_second)
    handshakes_per_second: int = attrs.field(default=100, validator=values.per_second)
    max_memory: int = attrs.field(default=1_073_741_824, validator=values.memory)
    spare_descriptors: int = attrs.field(default=64, validator=values.spare_descriptors)
    shutdown_grace: float = attrs.field(default=10.0, validator=values.seconds)
    transport: str = attrs.field(default="socket", validator=values.transport)
    read_size: int = attrs.field(default=557_056, validator=values.read_size)
    workers: int = attrs.field(default=0, validator=values.workers)


@attrs.frozen
class Log:
    """How the log is written: as text, or as lines of JSON (relay.logs).

    So many lines may one source address cause, and one upstream (relay.policy.lines).
    `identities` says how UIDs and user names are shown (relay.journal.identities): as a hash, whose
    key is the secret in `key_file`, or one of each start's own.
    """

    format: str = attrs.field(default="text", validator=values.log_format)
    identities: str = attrs.field(default="hashed", validator=values.log_identities)
    key_file: Annotated[Path, Outside.SECRET] | None = None
    lines_at_once: int = attrs.field(default=60, validator=values.lines)
    lines_per_second: float = attrs.field(default=1.0, validator=values.line_rate)


@attrs.frozen
class ServerTLS:
    """TLS of a listener. With `client_ca` a caller has to show a certificate from there, unless
    `client_certificates` says otherwise, which is on none of the lists in `crl`. `profile` says
    which suites there are.
    """

    certificate: Annotated[Path, Outside.CERTIFICATE]
    key: Annotated[Path, Outside.KEY]
    client_ca: Annotated[Path, Outside.AUTHORITIES] | None = None
    client_certificates: str = attrs.field(default="required", validator=values.client_certificates)
    crl: tuple[Annotated[Path, Outside.REVOCATIONS], ...] | None = attrs.field(
        default=None, validator=values.revocations
    )
    profile: str = attrs.field(default="bcp195", validator=values.tls_profile)
    handshake_timeout: float = attrs.field(default=10.0, validator=values.some_seconds)

    @property
    def asks(self) -> bool:
        """Whether callers are asked for certificates."""
        return self.client_ca is not None and self.client_certificates != "none"


@attrs.frozen
class Allow:
    """Whom a listener lets in (relay.policy.allowing). None of a list: no restriction.

    `calling` and `called` are patterns for AE titles, `networks` texts for `ipaddress.ip_network`.
    `certificates` are patterns for the subject alternative names of a caller's certificate, by
    patterns for its AE title.
    """

    calling: tuple[str, ...] | None = attrs.field(default=None, validator=values.ae_patterns)
    called: tuple[str, ...] | None = attrs.field(default=None, validator=values.ae_patterns)
    networks: tuple[str, ...] | None = attrs.field(default=None, validator=values.networks)
    certificates: Mapping[str, tuple[str, ...]] | None = attrs.field(
        default=None, validator=values.certificates_by_title
    )


@attrs.frozen
class Listener:
    """A port with its rules. `artim` is the timer of PS3.8 9.1.5, `max_pdu` that of PS3.8 D.1.

    `name` is for routes that are for some listeners only. With `credentials` a caller has to be a
    user of that file (PS3.7 D.3.3.7), whose identity is not passed on.

    `max_operations` is for callers that negotiate an asynchronous operations window, of PS3.7
    D.3.3.3. The keys from `max_contexts` on bound what a caller may say (relay.wire.bounds).
    """

    endpoint: Annotated[str, Outside.ENDPOINT]
    tls: ServerTLS | None = None
    max_pdu: int = attrs.field(default=131_072, validator=values.pdu_length)
    max_associations: int | None = attrs.field(default=None, validator=values.associations)
    artim: float = attrs.field(default=30.0, validator=values.some_seconds)
    minimum_rate: int = attrs.field(default=100, validator=values.rate)
    stall_timeout: float = attrs.field(default=60.0, validator=values.some_seconds)
    idle_timeout: float = attrs.field(default=86_400.0, validator=values.seconds)
    max_operations: int = attrs.field(default=4, validator=values.operations)
    name: str | None = attrs.field(default=None, validator=values.listener_name)
    credentials: Annotated[Path, Outside.USERS] | None = None
    max_contexts: int = attrs.field(default=128, validator=values.contexts)
    max_items: int = attrs.field(default=16_384, validator=values.items)
    max_command: int = attrs.field(default=65_536, validator=values.command_length)
    max_object: int = attrs.field(default=0, validator=values.object_length)
    strict: bool = False
    allow: Allow | None = None


@attrs.frozen
class ClientTLS:
    """TLS towards an upstream. Without `ca` the platform's authorities are trusted."""

    ca: Annotated[Path, Outside.AUTHORITIES] | None = None
    certificate: Annotated[Path, Outside.CERTIFICATE] | None = None
    key: Annotated[Path, Outside.KEY] | None = None
    server_name: str | None = attrs.field(default=None, validator=values.host)
    crl: tuple[Annotated[Path, Outside.REVOCATIONS], ...] | None = attrs.field(
        default=None, validator=values.revocations
    )
    profile: str = attrs.field(default="bcp195", validator=values.tls_profile)


@attrs.frozen
class Identity:
    """The user identity to show an upstream (PS3.7 D.3.3.7), in the place of callers' own."""

    username: str = attrs.field(validator=values.username)
    passcode_file: Annotated[Path, Outside.PASSCODE] | None = None


@attrs.frozen
class Upstream:
    """Whoever the relay calls: an archive, a RIS, a modality.

    The keys from `probe_interval` on are about its health (relay.policy.health).
    """

    address: Address
    tls: ClientTLS | None = None
    max_associations: int = attrs.field(default=4, validator=values.associations)
    warm: int = attrs.field(default=0, validator=values.warm_associations)
    max_idle: int = attrs.field(validator=values.idle_associations)
    idle_timeout: float = attrs.field(default=30.0, validator=values.seconds)
    max_age: float = attrs.field(default=3600.0, validator=values.seconds)
    max_waiting: int = attrs.field(default=64, validator=values.waiting)
    echo_after: float = attrs.field(default=10.0, validator=values.seconds)
    reuse: Reuse = Reuse.ALWAYS
    connect_timeout: float = attrs.field(default=10.0, validator=values.some_seconds)
    response_timeout: float = attrs.field(default=60.0, validator=values.some_seconds)
    stall_timeout: float = attrs.field(default=60.0, validator=values.some_seconds)
    max_pdu: int = attrs.field(default=131_072, validator=values.pdu_length)
    linger: float = attrs.field(default=2.0, validator=values.seconds)
    drain: bool = False
    probe_interval: float = attrs.field(default=0.0, validator=values.seconds)
    probe_timeout: float = attrs.field(default=1.5, validator=values.some_seconds)
    eject_after: int = attrs.field(default=3, validator=values.failures)
    eject_rate: float = attrs.field(default=0.5, validator=values.some_share)
    eject_shortest: float = attrs.field(default=1.0, validator=values.some_seconds)
    eject_longest: float = attrs.field(validator=values.some_seconds)
    slow_start: float = attrs.field(default=10.0, validator=values.seconds)
    identity: Identity | None = None

    @max_idle.default
    def _as_many_as_there_may_be(self) -> int:
        return min(max(4, self.warm), self.max_associations)

    @eject_longest.default
    def _not_below_the_shortest(self) -> float:
        return max(30.0, self.eject_shortest)


@attrs.frozen
class Pool:
    """Upstreams that share load, by the names of relay.policy.balancing and relay.policy.affinity.

    `max_ejected` is a share of the pool; `on_failure` says how a caller is told of a failure.
    `move_destination` is what becomes of a C-MOVE's: "pass", "rewrite", or its alias by itself.
    """

    upstreams: tuple[str, ...] = attrs.field(validator=values.upstream_names)
    balance: str = attrs.field(default="least-loaded", validator=values.balance)
    weights: Mapping[str, int] | None = attrs.field(default=None, validator=values.weights)
    tiers: Mapping[str, int] | None = attrs.field(default=None, validator=values.tiers)
    affinity: str = attrs.field(default="association", validator=values.affinity)
    max_ejected: float = attrs.field(default=0.5, validator=values.share)
    on_failure: str = attrs.field(default="status", validator=values.on_failure)
    retries_per_second: float = attrs.field(default=50.0, validator=values.retries)
    move_destination: str | Mapping[str, str] = attrs.field(
        default="pass", validator=values.move_destination
    )

    @property
    def aborts(self) -> bool:
        """Whether a caller is told of a failure by A-ABORT, whatever the operation."""
        return self.on_failure == "abort"

    def weight_of(self, upstream: str) -> int:
        """The weight of one of its upstreams."""
        return (self.weights or {}).get(upstream, 1)

    def tier_of(self, upstream: str) -> int:
        """The tier of one of its upstreams: lower ones come first."""
        if self.tiers is None:
            return self.upstreams.index(upstream)
        return self.tiers.get(upstream, 0)


@attrs.frozen
class Route:
    """Which pool serves what; the first route that fits wins.

    `called` and `calling` are patterns as of `fnmatch.fnmatchcase`, `called` None stands for the
    relay's own AE title. `services` are names of relay.policy.services or UIDs, None is all.
    `networks` are texts for `ipaddress.ip_network`, `certificates` patterns for the subject
    alternative names of a caller's certificate; None of these, or of `listeners`, is any.

    `show_calling` is the calling AE title to show upstream, for all callers or by their own; who
    has none there shows its own. `show_called` is "upstream", for the called AE title of its
    address, or "caller", for the one that the caller used.
    """

    pool: str = attrs.field(validator=values.pool_name)
    called: str | None = attrs.field(default=None, validator=values.ae_pattern)
    calling: str = attrs.field(default="*", validator=values.ae_pattern)
    services: tuple[str, ...] | None = attrs.field(default=None, validator=values.service_names)
    networks: tuple[str, ...] | None = attrs.field(default=None, validator=values.networks)
    listeners: tuple[str, ...] | None = attrs.field(default=None, validator=values.listener_names)
    certificates: tuple[str, ...] | None = attrs.field(default=None, validator=values.certificates)
    show_calling: str | Mapping[str, str] | None = attrs.field(
        default=None, validator=values.show_calling
    )
    show_called: str = attrs.field(default="upstream", validator=values.show_called)


@attrs.frozen
class AssociationPolicy:
    """What callers may propose; the first one whose patterns fit their AE titles decides.

    `services` are as a route's, `transfer_syntaxes` are UIDs; None is all.
    """

    calling: str = attrs.field(default="*", validator=values.ae_pattern)
    called: str = attrs.field(default="*", validator=values.ae_pattern)
    services: tuple[str, ...] | None = attrs.field(default=None, validator=values.service_names)
    transfer_syntaxes: tuple[str, ...] | None = attrs.field(
        default=None, validator=values.transfer_syntaxes
    )


@attrs.frozen
class Commitment:
    """Where it is remembered who asked for which storage commitment, and for how many days."""

    database: Annotated[Path, Outside.DATABASE]
    lifetime: float = attrs.field(default=7.0, validator=values.days)


@attrs.frozen
class Failover:
    """What is kept of objects on their way, so that they can be sent again elsewhere.

    `window` is of one object, `memory` and `disk` are of all together; `folder` None is the
    system's own for temporary files. `discard` is of an object whose storing has failed.
    """

    memory: int = attrs.field(default=268_435_456, validator=values.size)
    window: int = attrs.field(validator=values.size)
    disk: int = attrs.field(default=4_294_967_296, validator=values.size)
    folder: Annotated[Path, Outside.FOLDER] | None = None
    discard: int = attrs.field(default=67_108_864, validator=values.size)

    @window.default
    def _no_more_than_all_together(self) -> int:
        return min(16_777_216, self.memory)


@attrs.frozen
class Configuration:
    """All that a configuration file says; upstreams and pools by their names."""

    relay: RelaySection
    listeners: tuple[Listener, ...] = attrs.field(
        validator=validators.some("[[listener]]"), metadata={KEY: "listener"}
    )
    upstreams: Mapping[str, Upstream] = attrs.field(
        validator=validators.some("[upstream.NAME]"), metadata={KEY: "upstream"}
    )
    pools: Mapping[str, Pool] = attrs.field(
        validator=validators.some("[pool.NAME]"), metadata={KEY: "pool"}
    )
    routes: tuple[Route, ...] = attrs.field(
        validator=validators.some("[[route]]"), metadata={KEY: "route"}
    )
    failover: Failover = attrs.field(factory=Failover)
    log: Log = attrs.field(factory=Log)
    association_policies: tuple[AssociationPolicy, ...] = attrs.field(
        default=(), metadata={KEY: "association_policy"}
    )
    commitment: Commitment | None = None

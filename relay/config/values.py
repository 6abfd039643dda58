"""What a single value may be: the validators of model.py."""

from __future__ import annotations

import ipaddress
import re
from functools import partial

from relay.policy.affinity import AFFINITIES
from relay.policy.balancing import BALANCERS
from relay.policy.services import SERVICES

from .mistakes import nearest, one_of
from .validators import Check, Names, NamesBy, Numbers, OneOf, Titles, integer

MOST_ASSOCIATIONS = 100_000
LONGEST_USERNAME = 255  # characters
LEAST_MEMORY = 134_217_728  # bytes: a relay that has nothing to do takes half of it
_DAY = 86_400
_MAPPED = 96  # bits before an IPv4 address in one of IPv6 (RFC 4291 2.5.5.2)
_DESTINATIONS = ("pass", "rewrite")
_HOST_NAME = re.compile(r"(?=.{1,253}\Z)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_.])?", re.ASCII)
_UID = re.compile(r"(?=.{1,64}\Z)[0-9]+(\.[0-9]+)+", re.ASCII)


def _is_ae_title(text: str) -> bool:
    return len(text) <= 16 and _is_ae_text(text) and text == text.strip(" ")


def _is_ae_text(text: str) -> bool:
    # the default repertoire without backslash and control characters (PS3.5 table 6.2-1, AE)
    return text != "" and text.isascii() and text.isprintable() and "\\" not in text


def _is_host(text: str) -> bool:
    return bool(_HOST_NAME.fullmatch(text)) or _is_ip_address(text)


def _is_ip_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_name(text: str) -> bool:
    """Whether this can be the name of a listener, or a pattern for the names in a certificate."""
    return text != "" and text.isprintable()


def _is_network(text: str) -> bool:
    try:
        return _inside_ipv6(ipaddress.ip_network(text)) is None
    except ValueError:
        return False


def _meant_network(text: str) -> str | None:
    """The network that an address in it, or the IPv6 way to write one of IPv4, stands for."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None
    return str(_inside_ipv6(network) or network)


def _inside_ipv6(
    network: ipaddress.IPv4Network | ipaddress.IPv6Network,
) -> ipaddress.IPv4Network | None:
    """The network of IPv4 where it is written as one of IPv6: callers from it are of IPv4."""
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < _MAPPED:
        return None
    return ipaddress.IPv4Network((mapped, network.prefixlen - _MAPPED))


def _is_uid(text: str) -> bool:
    return bool(_UID.fullmatch(text))


def _is_service(text: str) -> bool:
    return text in SERVICES or _is_uid(text)


ae_title = Check(
    "an AE title: 1 to 16 printable ASCII characters, no backslash, no space at either end",
    _is_ae_title,
)
ae_pattern = Check('a pattern for AE titles, such as "CT*"', _is_ae_text)
host = Check("a host name or an IP address", _is_host)
username = Check(
    f"a user name, 1 to {LONGEST_USERNAME} characters",
    lambda value: 0 < len(value) <= LONGEST_USERNAME,
)
ip_address = Check("an IPv4 or IPv6 address", _is_ip_address)
pool_name = Check("the name of a pool", bool)
listener_name = Check("a name, of printable characters", _is_name)

# What is not a number (nan) is not between any two.
seconds = Check(f"a number from 0 to {_DAY} (seconds)", lambda value: 0 <= value <= _DAY)
some_seconds = Check(f"a number above 0, up to {_DAY} (seconds)", lambda value: 0 < value <= _DAY)
days = Check("a number above 0, up to 365 (days)", lambda value: 0 < value <= 365)

port = integer(1, 65_535, "a port")
associations = integer(1, MOST_ASSOCIATIONS, "associations")
some_of_all = integer(0, MOST_ASSOCIATIONS, "at a time; 0: no limit of its own")
per_second = integer(0, MOST_ASSOCIATIONS, "per second and address; 0: any number")
idle_associations = integer(0, MOST_ASSOCIATIONS, "associations, at most max_associations")
warm_associations = integer(0, MOST_ASSOCIATIONS, "associations, at most max_associations")
workers = integer(0, 64, "processes; 0: the first one relays itself")
waiting = integer(1, MOST_ASSOCIATIONS, "who may wait")
operations = integer(1, 64, "operations; 1: one after the other")
failures = integer(1, 1000, "failures in a row")
size = integer(0, 1_000_000_000_000_000, "bytes")
spare_descriptors = integer(0, 10_000, "descriptors; 0: none are kept")
memory = Check(
    f"an integer of {LEAST_MEMORY} or more (bytes), so that the relay itself fits in; 0: no limit",
    lambda value: value == 0 or LEAST_MEMORY <= value <= 1_000_000_000_000_000,
)
read_size = integer(65_536, 16_777_216, "bytes")
contexts = integer(1, 128, "presentation contexts")
items = integer(16, 262_144, "items and sub-items")
command_length = integer(1024, 65_536, "bytes")
object_length = integer(0, 1_000_000_000_000_000, "bytes; 0: any length")
pdu_length = integer(4096, 16_777_216, "bytes; 0, for no limit, is never announced")
rate = integer(0, 1_000_000_000, "bytes per second; 0: off")
share = Check("a number from 0 to 1 (a share)", lambda value: 0 <= value <= 1)
some_share = Check("a number above 0, up to 1 (a share)", lambda value: 0 < value <= 1)
retries = Check(
    "a number from 0 to 1000000 (per second; 0: nothing is sent again)",
    lambda value: 0 <= value <= 1_000_000,
)

lines = integer(1, 1_000_000, "lines")
line_rate = Check(
    "a number from 0.01 to 1000000 (lines per second)", lambda value: 0.01 <= value <= 1_000_000
)

log_format = OneOf(("json", "text"))
log_identities = OneOf(("hashed", "none", "plain"))
transport = OneOf(("socket", "twisted"))
tls_profile = OneOf(("bcp195", "bcp195-modified"))
revocations = Check(
    "files with certificate revocation lists, at least one; leave the key out for none", bool
)
client_certificates = OneOf(("none", "required", "wanted"))
balance = OneOf(BALANCERS)
affinity = OneOf(AFFINITIES)
on_failure = OneOf(("abort", "status"))
show_called = OneOf(("caller", "upstream"))
show_calling = Titles(
    "an AE title of 1 to 16 printable ASCII characters, or a table such as "
    '{ "CT1" = "RELAY_CT1" }; leave the key out to show what each caller shows',
    _is_ae_title,
    ae_title,
)
move_destination = Titles(
    '"pass", "rewrite", or a table such as { "CT1" = "RELAY_CT1" }',
    _DESTINATIONS.__contains__,
    ae_title,
    _DESTINATIONS,
)
weights = Numbers('a table such as { "pacs-a" = 2, "pacs-b" = 1 }', 1, 1000)
tiers = Numbers('a table such as { "pacs-a" = 0, "pacs-b" = 1 }', 0, 100)

upstream_names = Names("names of upstreams", "the name of an upstream", bool)
service_names = Names(
    "names of services or UIDs; leave the key out for all",
    f"a UID or {one_of(SERVICES)}",
    _is_service,
    partial(nearest, known=SERVICES),
)
transfer_syntaxes = Names(
    "UIDs of transfer syntaxes; leave the key out for all",
    'the UID of a transfer syntax, such as "1.2.840.10008.1.2.1"',
    _is_uid,
)
networks = Names(
    "networks or addresses; leave the key out for callers from anywhere",
    'a network, no bits set behind its prefix, or an address: "10.1.0.0/16", "192.0.2.5", "::1"',
    _is_network,
    _meant_network,
)
ae_patterns = Names(
    "patterns for AE titles; leave the key out for any", ae_pattern.expected, _is_ae_text
)
listener_names = Names(
    "names of listeners; leave the key out for all", "the name of a listener", _is_name
)
certificates = Names(
    "patterns; leave the key out where certificates do not matter",
    'a pattern for a name in a certificate, such as "*.ct.example.org"',
    _is_name,
)
certificates_by_title = NamesBy(
    'a table such as { "CT1" = ["ct1.example.org"] }; leave the key out where certificates do not '
    "matter",
    ae_pattern,
    certificates,
)

"""The configuration: any text is one that the relay can start with, or is told its mistakes.

The input is a TOML file. The files that it may name lie in a folder of their own: those that conf/
names, and `relay.pem`, `relay.key`, `ca.pem`, `users`, `passcode`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from relay import bindings
from relay.checking import doubts
from relay.config import Configuration, ConfigurationError, Mistake, load, parse
from relay.explaining import Question, explain
from relay.policy.affinity import AFFINITIES
from relay.policy.balancing import BALANCERS
from relay.policy.leasing import Reuse
from relay.policy.services import SERVICES
from tests.config import pki

FULL = (Path(__file__).resolve().parents[2] / "conf/relay.toml").read_text("utf-8")
"""It has every key that there is."""

UNKNOWN = "zzz-not-a-key"
"""A table that no configuration has."""


def _keys(value: object) -> Iterator[str]:
    """Every key in these tables, and in those inside."""
    if isinstance(value, dict):
        yield from value
    inside = value.values() if isinstance(value, dict) else value
    if isinstance(inside, Iterable) and not isinstance(inside, str):
        for each in inside:
            yield from _keys(each)


WORDS = tuple(
    word.encode()
    for word in (
        *sorted(set(_keys(tomllib.loads(FULL)))),
        *("[relay]", "[[listener]]", "[upstream.a]", "[pool.a]", "[[route]]", "[failover]"),
        *("[commitment]", "[[association_policy]]"),
        *(f'"{name}"' for name in (*AFFINITIES, *BALANCERS, *SERVICES, *Reuse)),
        *('"tcp:port=104"', '"unix:/run/x"', '"tcp6:port=0"', '"systemd:domain=INET:index=0"'),
        *('"relay.pem"', '"relay.key"', '"ca.pem"', '"users"', '"passcode"', '"."', '"10.0.0.0/8"'),
        *('"PACS@host:104"', '"PACS@[::1]:104"', '"rewrite"', '"pass"', '"caller"', '"CT*"'),
        *("true", "false", "nan", "inf", "-1", "1e400", "1979-05-27", "{", "}", "[", "]", " = "),
    )
)


def check(data: bytes) -> None:
    """AssertionError where something does not hold."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        assert [each.key for each in _mistakes_of_a_file(data)] == [str(_folder() / "relay.toml")]
        return
    found = _parsed(text)
    if isinstance(found, Configuration):
        _can_be_used(found)
    if isinstance(found, Configuration) or not found[0].found.startswith("a syntax error"):
        _hides_nothing(text, () if isinstance(found, Configuration) else found)


@cache
def _place() -> TemporaryDirectory[str]:
    made = TemporaryDirectory()
    folder = Path(made.name)
    pki.issue(folder, "relay.pem", "relay.key")
    pki.issue_all(FULL, folder)
    pki.authority().cert_pem.write_to_path(str(folder / "ca.pem"))
    return made


def _folder() -> Path:
    return Path(_place().name)


def _mistakes_of_a_file(data: bytes) -> tuple[Mistake, ...]:
    path = _folder() / "relay.toml"
    path.write_bytes(data)
    try:
        load(path)
    except ConfigurationError as error:
        return error.mistakes
    raise AssertionError("what is not UTF-8 was read")


def _parsed(text: str) -> Configuration | tuple[Mistake, ...]:
    """The configuration, or its mistakes, each with a key, in a line of its own."""
    try:
        return parse(text, _folder())
    except ConfigurationError as error:
        assert error.mistakes
        assert str(error).splitlines() == [str(each) for each in error.mistakes]
        for each in error.mistakes:
            assert each.key and each.found and each.expected
            assert str(each).isprintable()
        return error.mistakes


def _hides_nothing(text: str, mistakes: tuple[Mistake, ...]) -> None:
    """One mistake more is told beside those that were told without it."""
    more = _parsed(f"{text}\n[{UNKNOWN}]\n")
    assert not isinstance(more, Configuration)
    added = [each for each in more if each.key == UNKNOWN]
    assert len(added) == 1
    assert sorted(map(str, more)) == sorted(map(str, [*mistakes, *added]))


def _can_be_used(configuration: Configuration) -> None:
    """What passes the check can be started with, and asked about."""
    bindings.directory(configuration)
    for pool in configuration.pools:
        bindings.pool_rules(pool, configuration)
    for upstream in configuration.upstreams.values():
        bindings.manners(upstream)
        bindings.limits(upstream)
        bindings.judgement(upstream)
        bindings.identity(upstream)
    for listener in configuration.listeners:
        bindings.patience(listener)
    lines = [str(each) for each in doubts(configuration)]
    listeners = range(len(configuration.listeners))
    lines += explain(configuration, Question("CT1", configuration.relay.ae_title, listeners))
    assert all(each.isprintable() for each in lines)

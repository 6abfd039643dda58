"""conf/ can be read as it stands; it and docs/configuration.md say what the model says."""

from __future__ import annotations

import re
import tomllib
from enum import Enum
from pathlib import Path
from typing import Any

import attrs
import pytest

from relay.config import (
    Address,
    Allow,
    AssociationPolicy,
    ClientTLS,
    Commitment,
    Configuration,
    ConfigurationError,
    Failover,
    Identity,
    Listener,
    Log,
    Pool,
    RelaySection,
    Route,
    ServerTLS,
    Upstream,
    load,
    parse,
)
from relay.config.structuring import key_of
from relay.policy.services import SERVICES
from tests.config import pki
from tests.config.toml import least, written

ROOT = Path(__file__).resolve().parents[2]
MINIMAL = (ROOT / "conf/minimal.toml").read_text("utf-8")
FULL = (ROOT / "conf/relay.toml").read_text("utf-8")
README = (ROOT / "README.md").read_text("utf-8")
MANUAL = (ROOT / "docs/configuration.md").read_text("utf-8")

# Each class with the way to it in the full configuration, or several that have all keys together,
# and its heading in the manual.
SECTIONS = {
    RelaySection: ("relay", "## `[relay]`"),
    Log: ("log", "## `[log]`"),
    Listener: ("listener.1", "## `[[listener]]`"),
    ServerTLS: ("listener.1.tls", "### `tls` of a listener"),
    Allow: ("listener.1.allow", "### `allow` of a listener"),
    Upstream: ("upstream.pacs-a", "## `[upstream.NAME]`"),
    Identity: ("upstream.pacs-a.identity", "### `identity` of an upstream"),
    ClientTLS: ("upstream.pacs-a.tls", "### `tls` of an upstream"),
    Pool: ("pool.archive pool.ris", "## `[pool.NAME]`"),
    Route: ("route.0 route.2", "## `[[route]]`"),
    AssociationPolicy: ("association_policy.0", "## `[[association_policy]]`"),
    Commitment: ("commitment", "## `[commitment]`"),
    Failover: ("failover", "## `[failover]`"),
}
TABLES = {"tls", "identity", "allow"}
"""Keys whose values are tables with sections of their own."""

EVERY_SECTION = pytest.mark.parametrize("section", SECTIONS, ids=lambda kind: kind.__name__)


MADE = {Upstream: Upstream(Address("PACS", "pacs", 104)), Failover: Failover()}


def default(section: type, field: attrs.Attribute[Any]) -> str:
    """The default of a key as both files write it."""
    value = field.default
    if isinstance(value, attrs.Factory):  # type: ignore[arg-type]
        value = getattr(MADE[section], field.name)
    match value:
        case attrs.NOTHING:
            return "required"
        case None:
            return "none"
        case Enum():
            return f'"{value.value}"'
        case str():
            return f'"{value}"'
        case _:
            return str(value).lower()


def test_the_configuration_in_readme_can_be_read(tmp_path):
    (text,) = re.findall(r"```toml\n(.*?)```", README, re.DOTALL)
    pki.issue_all(text, tmp_path)
    assert set(parse(text, tmp_path).pools) == {"archive", "ris"}


@pytest.mark.parametrize("name", ["minimal.toml", "relay.toml"])
def test_a_configuration_of_conf_can_be_loaded(tmp_path, name):
    text = (ROOT / "conf" / name).read_text("utf-8")
    pki.issue_all(text, tmp_path)
    (tmp_path / name).write_text(text, "utf-8")
    assert isinstance(load(tmp_path / name), Configuration)


def test_the_minimal_configuration_is_plain_in_and_tls_out(tmp_path):
    pki.issue_all(MINIMAL, tmp_path)
    made = parse(MINIMAL, tmp_path)
    assert [listener.tls for listener in made.listeners] == [None]
    assert [upstream.tls for upstream in made.upstreams.values()] == [
        ClientTLS(tmp_path / "hospital-ca.pem")
    ]


def ways(table: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The ways to all keys and elements of a document."""
    steps = table.items() if isinstance(table, dict) else enumerate(table)
    found = []
    for step, value in steps:
        found.append((*way, step))
        if isinstance(value, dict | list):
            found += ways(value, (*way, step))
    return found


@pytest.mark.parametrize(
    "way", ways(tomllib.loads(MINIMAL)), ids=lambda way: ".".join(map(str, way))
)
def test_without_any_of_its_keys_the_minimal_configuration_does_not_relay_over_tls(tmp_path, way):
    document: Any = tomllib.loads(MINIMAL)
    table = document
    for step in way[:-1]:
        table = table[step]
    del table[way[-1]]
    (tmp_path / "hospital-ca.pem").write_bytes(pki.authority().cert_pem.bytes())
    try:
        tls = parse(written(document), tmp_path).upstreams["archive"].tls
    except ConfigurationError:
        return
    # the one key without which there still is a relay: then it trusts others, or nobody is asked
    assert way[:3] == ("upstream", "archive", "tls")
    assert tls != ClientTLS(tmp_path / "hospital-ca.pem")


def table_at(way: str) -> dict[str, Any]:
    table: Any = tomllib.loads(FULL)
    for step in way.split("."):
        table = table[int(step) if step.isdigit() else step]
    return table


@EVERY_SECTION
def test_the_full_configuration_has_every_key(section):
    there = [table_at(way) for way in SECTIONS[section][0].split()]
    assert set[str]().union(*there) == {key_of(field) for field in attrs.fields(section)}


def test_the_full_configuration_has_every_table():
    assert set(tomllib.loads(FULL)) == {key_of(field) for field in attrs.fields(Configuration)}


@EVERY_SECTION
def test_the_full_configuration_writes_each_default_beside_its_key(section):
    lines = FULL.splitlines()
    for field in attrs.fields(section):
        if default(section, field) == "required" or field.name in TABLES:
            continue
        about = f"# default: {default(section, field)}"
        assert any(
            line.startswith(f"{field.name} = ") and re.search(rf"{re.escape(about)}(,|$)", line)
            for line in lines
        ), f"{section.__name__}.{field.name} {about}"


def rows(heading: str) -> dict[str, str]:
    """Key and default of each row of the first table behind this heading of the manual."""
    behind = MANUAL.partition(f"\n{heading}")[2]
    table = re.search(r"^\| key \|.*\n\|---.*\n((?:\|.*\n)+)", behind, re.M)
    assert table, heading
    cells = [line.strip("| ").split(" | ") for line in table[1].splitlines()]
    return {row[0].strip("`"): row[1].strip("`") for row in cells}


@EVERY_SECTION
def test_the_manual_has_every_key_with_its_default(section):
    assert rows(SECTIONS[section][1]) == {
        key_of(field): default(section, field) for field in attrs.fields(section)
    }


def test_the_manual_has_every_service():
    behind = MANUAL.partition("\n### Services")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([^`]+)` \|", behind, re.M)) == SERVICES


def examples() -> list[str]:
    """What the manual shows of a configuration, save for the one that is wrong on purpose."""
    before = MANUAL.partition("\n## When something is wrong")[0]
    return re.findall(r"```toml\n(.*?)```", before, re.S)


@pytest.mark.parametrize("text", examples())
def test_what_the_manual_shows_can_be_added_to_a_configuration(text):
    document = least()
    for key, value in tomllib.loads(text).items():
        if isinstance(value, dict):
            document.setdefault(key, {}).update(value)
        else:
            document.setdefault(key, []).extend(value)
    assert parse(written(document), ROOT)


def test_the_manual_shows_what_mistakes_really_print(tmp_path):
    behind = MANUAL.partition("\n## When something is wrong")[2]
    source, shown = (
        re.search(rf"```{kind}\n(.*?)\n```", behind, re.S)[1]  # type: ignore[index]
        for kind in ("toml", "text")
    )
    (tmp_path / "relay.toml").write_text(source, "utf-8")
    with pytest.raises(ConfigurationError) as raised:
        load(tmp_path / "relay.toml")
    assert str(raised.value).replace(str(tmp_path), "/etc/relay") == shown

"""From text to a configuration, or to all the mistakes in it."""

from __future__ import annotations

from codecs import BOM_UTF8
from datetime import date
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.config import (
    Address,
    Allow,
    AssociationPolicy,
    ClientTLS,
    Commitment,
    Configuration,
    ConfigurationError,
    Failover,
    Listener,
    Log,
    Mistake,
    Pool,
    RelaySection,
    Route,
    ServerTLS,
    Upstream,
    load,
    parse,
)
from relay.config.structuring import key_of
from relay.config.validators import Check
from relay.policy.leasing import Reuse
from tests.config import pki
from tests.config.toml import least, written

HERE = Path()


def mistakes(document: dict[str, Any] | str, folder: Path = HERE) -> tuple[Mistake, ...]:
    text = document if isinstance(document, str) else written(document)
    with pytest.raises(ConfigurationError) as raised:
        parse(text, folder)
    assert len(str(raised.value).splitlines()) == len(raised.value.mistakes) > 0
    return raised.value.mistakes


def keys(document: dict[str, Any] | str, folder: Path = HERE) -> list[str]:
    return [mistake.key for mistake in mistakes(document, folder)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("folder")
    pki.issue(made, "relay.pem", "relay.key")
    pki.issue(made, "other.pem", "other.key")
    pki.issue(made, "rsa.pem", "rsa.key", trustme.KeyType.RSA)
    pki.authority().cert_pem.write_to_path(str(made / "ca.pem"))
    return made


def test_the_least_configuration_has_all_defaults():
    assert parse(written(least()), HERE) == Configuration(
        RelaySection("RELAY"),
        (Listener("tcp:port=11112"),),
        {"pacs": Upstream(Address("PACS", "pacs.example.org", 104))},
        {"archive": Pool(("pacs",))},
        (Route("archive"),),
    )


def test_what_was_read_does_not_change():
    upstreams = parse(written(least()), HERE).upstreams
    with pytest.raises(TypeError):
        upstreams["other"] = upstreams["pacs"]  # type: ignore[index]


def test_seconds_are_floats_however_they_were_written():
    document = least()
    document["relay"]["shutdown_grace"] = 3
    grace = parse(written(document), HERE).relay.shutdown_grace
    assert (grace, type(grace)) == (3.0, float)


# --- files


def test_files_are_relative_to_the_folder(folder):
    document = least()
    names = {"certificate": "relay.pem", "key": "relay.key", "client_ca": "ca.pem"}
    document["listener"][0]["tls"] = names
    expected = ServerTLS(folder / "relay.pem", folder / "relay.key", folder / "ca.pem")
    assert parse(written(document), folder).listeners[0].tls == expected


def test_an_absolute_name_of_a_file_stays_one(folder):
    document = least()
    document["upstream"]["pacs"]["tls"] = {"ca": str(folder / "ca.pem")}
    assert parse(written(document), HERE).upstreams["pacs"].tls == ClientTLS(folder / "ca.pem")


def test_tls_without_keys_trusts_the_platform():
    document = least()
    document["upstream"]["pacs"]["tls"] = {}
    assert parse(written(document), HERE).upstreams["pacs"].tls == ClientTLS()


def test_a_key_of_its_certificate_is_taken(folder):
    document = least()
    names = {"certificate": "other.pem", "key": "other.key"}
    document["upstream"]["pacs"]["tls"] = {**names, "server_name": "pacs"}
    expected = ClientTLS(None, folder / "other.pem", folder / "other.key", "pacs")
    assert parse(written(document), folder).upstreams["pacs"].tls == expected


def both_ends(tls: dict[str, Any]) -> dict[str, Any]:
    """A document that says this of TLS, on both sides."""
    document = least()
    document["listener"][0]["tls"] = document["upstream"]["pacs"]["tls"] = tls
    return document


def test_a_file_that_is_not_there_is_a_mistake(folder):
    document = both_ends({"certificate": "gone.pem", "key": "relay.key"})
    assert keys(document, folder) == [
        "listener[0].tls.certificate",
        "upstream.pacs.tls.certificate",
    ]


@pytest.mark.parametrize("key", ["other.key", "rsa.key"])
def test_a_key_of_another_certificate_is_a_mistake(folder, key):
    document = both_ends({"certificate": "relay.pem", "key": key})
    assert keys(document, folder) == ["listener[0].tls.key", "upstream.pacs.tls.key"]
    for mistake in mistakes(document, folder):
        assert mistake.found == f'"{folder}/{key}", which belongs to another certificate'


@pytest.mark.parametrize(("there", "missing"), [("certificate", "key"), ("key", "certificate")])
def test_certificate_and_key_go_together(folder, there, missing):
    files = {"certificate": "relay.pem", "key": "relay.key"}
    document = both_ends({there: files[there]})
    assert [(mistake.key, mistake.found) for mistake in mistakes(document, folder)] == [
        (f"listener[0].tls.{missing}", "nothing"),
        (f"upstream.pacs.tls.{missing}", "nothing"),
    ]


def test_a_key_that_stands_where_its_file_should_is_not_repeated(folder):
    pem = (folder / "relay.key").read_text()
    document = both_ends({"certificate": "relay.pem", "key": pem})
    assert {mistake.found for mistake in mistakes(document, folder)} == {"text that names no file"}


# --- tables and keys


def test_an_empty_configuration_misses_every_table():
    assert [(mistake.key, mistake.found) for mistake in mistakes("")] == [
        (key, "nothing") for key in ("relay", "listener", "upstream", "pool", "route")
    ]


@pytest.mark.parametrize(
    ("table", "empty"), [("listener", []), ("upstream", {}), ("pool", {}), ("route", [])]
)
def test_there_is_at_least_one_of_each_table(table, empty):
    (mistake,) = mistakes(least() | {table: empty})
    assert (mistake.key, mistake.expected.split("[")[0]) == (table, "at least one ")


def test_every_key_without_a_default_is_missed():
    document = {"relay": {}, "listener": [{"tls": {}}], "upstream": {"pacs": {}}}
    found = mistakes(document | {"pool": {"archive": {}}, "route": [{}]})
    assert [mistake.key for mistake in found] == [
        "relay.ae_title",
        "listener[0].endpoint",
        "listener[0].tls.certificate",
        "listener[0].tls.key",
        "upstream.pacs.address",
        "pool.archive.upstreams",
        "route[0].pool",
    ]
    assert {mistake.found for mistake in found} == {"nothing"}
    assert len({mistake.expected for mistake in found}) == len(found)


@pytest.mark.parametrize(
    ("crl", "key", "found"),
    [
        ("ca.crl", "upstream.pacs.tls.crl", 'the string "ca.crl"'),
        ([], "upstream.pacs.tls.crl", "an empty array"),
        (["ca.crl", 7], "upstream.pacs.tls.crl[1]", "the integer 7"),
        (["ca.pem"], "upstream.pacs.tls.crl[0]", "which does not load"),
        (["nothing"], "upstream.pacs.tls.crl[0]", "which cannot be read"),
    ],
)
def test_revocation_lists_are_files_in_an_array(folder, crl, key, found):
    (folder / "ca.crl").write_bytes(pki.revocations(pki.authority()))
    document = least()
    document["upstream"]["pacs"]["tls"] = {"ca": "ca.pem", "crl": crl}
    (mistake,) = mistakes(document, folder)
    assert mistake.key == key
    assert found in mistake.found
    document["upstream"]["pacs"]["tls"]["crl"] = ["ca.crl"]
    tls = parse(written(document), folder).upstreams["pacs"].tls
    assert tls == ClientTLS(folder / "ca.pem", crl=(folder / "ca.crl",))


def test_an_unknown_key_is_answered_with_the_known_ones_and_the_nearest():
    document = least() | {"listeners": [], "zzz": 1}
    document["upstream"]["pacs"] |= {"max_asociations": 16, "tls": {"trusted": "ca.pem"}}
    document["route"][0]["service"] = ["storage"]
    found = mistakes(document)
    assert [(mistake.key, mistake.nearest) for mistake in found] == [
        ("upstream.pacs.tls.trusted", None),
        ("upstream.pacs.max_asociations", "max_associations"),
        ("route[0].service", "services"),
        ("listeners", "listener"),
        ("zzz", None),
    ]
    assert {mistake.found for mistake in found} == {"an unknown key"}
    known = "association_policy, commitment, failover, listener, log, pool, relay, route, upstream"
    assert found[-1].expected == f"one of {known}"


WHERE = {
    RelaySection: ("relay", lambda document: document["relay"]),
    Listener: ("listener[0]", lambda document: document["listener"][0]),
    ServerTLS: ("listener[0].tls", lambda document: document["listener"][0]["tls"]),
    Allow: (
        "listener[0].allow",
        lambda document: document["listener"][0].setdefault("allow", {"called": ["RELAY"]}),
    ),
    Upstream: ("upstream.pacs", lambda document: document["upstream"]["pacs"]),
    ClientTLS: ("upstream.pacs.tls", lambda document: document["upstream"]["pacs"]["tls"]),
    Pool: ("pool.archive", lambda document: document["pool"]["archive"]),
    Route: ("route[0]", lambda document: document["route"][0]),
    Log: ("log", lambda document: document.setdefault("log", {})),
    Failover: ("failover", lambda document: document.setdefault("failover", {})),
    AssociationPolicy: (
        "association_policy[0]",
        lambda document: document.setdefault("association_policy", [{}])[0],
    ),
    Commitment: (
        "commitment",
        lambda document: document.setdefault("commitment", {"database": "new.sqlite"}),
    ),
    Configuration: ("", lambda document: document),
}
FIELDS = [(section, field) for section in WHERE for field in attrs.fields(section)]
EVERY_KEY = pytest.mark.parametrize(
    ("section", "field"), FIELDS, ids=[f"{kind.__name__}-{field.name}" for kind, field in FIELDS]
)


# The balance without which a key is not taken.
NEEDED: dict[tuple[type, str], str] = {(Pool, "weights"): "hash", (Pool, "tiers"): "primary-backup"}


def with_value(section: type, field: Any, value: object) -> tuple[str, dict[str, Any]]:
    """A document in which this key has this value, and the key's path."""
    document = least()
    document["listener"][0]["tls"] = {"certificate": "relay.pem", "key": "relay.key"}
    document["upstream"]["pacs"]["tls"] = {}
    if (section, field.name) in NEEDED:
        document["pool"]["archive"]["balance"] = NEEDED[section, field.name]
    path, table = WHERE[section]
    table(document)[key_of(field)] = value
    return f"{path}.{key_of(field)}".removeprefix("."), document


@EVERY_KEY
@pytest.mark.parametrize("value", [True, "", {"a": 1}, [5], [[]], date(1979, 5, 27)], ids=repr)
def test_a_value_of_a_wrong_type_is_a_mistake_of_its_key(folder, section, field, value):
    if value is True and isinstance(field.default, bool):
        value = 1
    key, document = with_value(section, field, value)
    assert any(found.startswith(key) for found in keys(document, folder))


# What another key has to be, so that any number that the key takes is within its bounds.
BOUNDS: dict[str, dict[str, Any]] = {
    "max_idle": {"max_associations": 100_000},
    "warm": {"max_associations": 100_000},
    "eject_longest": {"eject_shortest": 5e-324},
    "window": {"memory": 10**15},
}
NUMBERS = [
    (section, field)
    for section, field in FIELDS
    if isinstance(field.validator, Check)
    and field.validator.expected.startswith(("a num", "an int"))
]


@pytest.mark.parametrize(
    ("section", "field"), NUMBERS, ids=[f"{kind.__name__}-{field.name}" for kind, field in NUMBERS]
)
@settings(max_examples=30)
@given(
    number=st.integers()
    | st.floats()
    | st.integers(min_value=-1, max_value=20_000_000)
    | st.floats(min_value=0, max_value=100_000)
)
def test_a_number_is_taken_just_if_its_check_holds(folder, section, field, number):
    key, document = with_value(section, field, number)
    _, table = WHERE[section]
    table(document).update(BOUNDS.get(field.name, {}))
    whole = field.validator.expected.startswith("an int")
    if field.validator.holds(number) and not (whole and isinstance(number, float)):
        assert parse(written(document), folder)
    else:
        assert keys(document, folder) == [key]


def test_there_are_at_most_as_many_idle_associations_as_associations():
    document = least()
    document["upstream"]["pacs"]["max_idle"] = 5
    assert mistakes(document) == (
        Mistake("upstream.pacs.max_idle", "the integer 5", "at most 4, which is max_associations"),
    )
    document["upstream"]["pacs"]["max_associations"] = 5
    assert parse(written(document), HERE).upstreams["pacs"].max_idle == 5


def test_a_boolean_is_true_or_false():
    document = least()
    for value, found in ((1, "the integer 1"), ("true", 'the string "true"')):
        document["upstream"]["pacs"]["drain"] = value
        assert mistakes(document) == (Mistake("upstream.pacs.drain", found, "true or false"),)
    document["upstream"]["pacs"]["drain"] = True
    assert parse(written(document), HERE).upstreams["pacs"].drain is True


@pytest.mark.parametrize("reuse", Reuse)
def test_a_reuse_is_read_by_its_name(reuse):
    document = least()
    document["upstream"]["pacs"]["reuse"] = reuse.value
    assert parse(written(document), HERE).upstreams["pacs"].reuse is reuse


@pytest.mark.parametrize(
    ("section", "key", "text", "meant"),
    [
        ("upstream.pacs", "reuse", "callers", "caller"),
        ("pool.archive", "balance", "least-load", "least-loaded"),
        ("pool.archive", "affinity", "assocation", "association"),
        ("pool.archive", "on_failure", "aborts", "abort"),
        ("pool.archive", "balance", "zzz", None),
    ],
)
def test_an_unknown_choice_is_answered_with_all_and_the_nearest(section, key, text, meant):
    document = least()
    kind, name = section.split(".")
    document[kind][name][key] = text
    (mistake,) = mistakes(document)
    assert (mistake.key, mistake.nearest) == (f"{section}.{key}", meant)
    assert mistake.expected.startswith("one of ")


def test_weights_and_tiers_are_read():
    document = least()
    pool = document["pool"]["archive"]
    pool |= {"balance": "hash", "weights": {"pacs": 3}}
    assert parse(written(document), HERE).pools["archive"] == Pool(
        ("pacs",), "hash", weights={"pacs": 3}
    )
    document["pool"]["archive"] = {"upstreams": ["pacs"], "balance": "primary-backup", "tiers": {}}
    assert parse(written(document), HERE).pools["archive"].tiers == {}


def test_weights_that_were_read_do_not_change():
    document = least()
    document["pool"]["archive"] |= {"balance": "hash", "weights": {"pacs": 3}}
    weights = parse(written(document), HERE).pools["archive"].weights
    with pytest.raises(TypeError):
        weights["pacs"] = 4  # type: ignore[index]


def test_every_wrong_weight_and_every_wrong_name_is_told():
    document = least()
    document["pool"]["archive"] |= {
        "balance": "round-robin",
        "weights": {"pacs": 0, "pac": 1, "x": "1"},
    }
    assert [(mistake.key, mistake.nearest) for mistake in mistakes(document)] == [
        ("pool.archive.weights.pacs", None),
        ("pool.archive.weights.x", None),
        ("pool.archive.weights.pac", "pacs"),
        ("pool.archive.weights.x", None),
    ]


def test_the_folder_of_failover_is_relative_to_that_of_the_file(folder):
    document = least() | {"failover": {"folder": "."}}
    assert parse(written(document), folder).failover == Failover(folder=folder / ".")


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gone", '"{}/gone", which takes no files (No such file or directory)'),
        ("relay.pem", '"{}/relay.pem", which takes no files (Not a directory)'),
        ("", "text that names no file"),
    ],
)
def test_a_folder_of_failover_that_takes_no_files_is_a_mistake(folder, name, found):
    (mistake,) = mistakes(least() | {"failover": {"folder": name}}, folder)
    expected = "a folder that the relay may write to"
    assert mistake == Mistake("failover.folder", found.format(folder), expected)


# --- what routes and pools say of AE titles


def test_a_string_or_a_table_is_read_as_it_was_written():
    document = least() | {"commitment": {"database": "commitment.sqlite"}}
    made = parse(written(document), HERE)
    assert (made.pools["archive"].move_destination, made.routes[0].show_calling) == ("pass", None)
    for written_, shown in (("rewrite", "RELAY"), ({"CT1": "RELAY"}, {"CT1": "RELAY_CT1"})):
        document["pool"]["archive"]["move_destination"] = written_
        document["route"][0]["show_calling"] = shown
        made = parse(written(document), HERE)
        assert made.pools["archive"].move_destination == written_
        assert made.routes[0].show_calling == shown


def test_a_table_of_ae_titles_that_was_read_does_not_change():
    document = least()
    document["pool"]["archive"]["move_destination"] = {"CT1": "RELAY"}
    table = parse(written(document), HERE).pools["archive"].move_destination
    with pytest.raises(TypeError):
        table["CT1"] = "OTHER"  # type: ignore[index]


@pytest.mark.parametrize(
    ("way", "key"), [(("pool", "archive"), "move_destination"), (("route", 0), "show_calling")]
)
def test_what_is_neither_a_string_nor_a_table_is_told_that_it_may_be_both(way, key):
    for value in (5, True, ["RELAY"], 1.5):
        document = least()
        document[way[0]][way[1]][key] = value
        (mistake,) = mistakes(document)
        assert mistake.key.endswith(key)
        assert "a table such as" in mistake.expected


def test_a_route_is_read_with_all_its_conditions(folder):
    document = least()
    document["listener"][0] |= {
        "name": "ward",
        "tls": {"certificate": "relay.pem", "key": "relay.key", "client_ca": "ca.pem"},
    }
    document["route"][0] |= {
        "networks": ["10.1.0.0/16", "::1"],
        "listeners": ["ward"],
        "certificates": ["*.ct.example.org"],
        "show_called": "caller",
    }
    made = parse(written(document), folder)
    assert made.listeners[0].name == "ward"
    assert made.routes == (
        Route(
            "archive",
            networks=("10.1.0.0/16", "::1"),
            listeners=("ward",),
            certificates=("*.ct.example.org",),
            show_called="caller",
        ),
    )


def test_an_allow_list_is_read_with_all_its_lists(folder):
    document = least()
    tls = {"certificate": "relay.pem", "key": "relay.key", "client_ca": "ca.pem"}
    allow = {
        "calling": ["CT*", "MR1"],
        "called": ["RELAY"],
        "networks": ["10.1.0.0/16", "::1"],
        "certificates": {"CT1": ["ct1.example.org"], "MR*": ["*.mr.example.org", "10.1.7.9"]},
    }
    document["listener"][0] |= {"tls": tls, "allow": allow}
    read = parse(written(document), folder).listeners[0].allow
    certificates = {"CT1": ("ct1.example.org",), "MR*": ("*.mr.example.org", "10.1.7.9")}
    expected = Allow(("CT*", "MR1"), ("RELAY",), ("10.1.0.0/16", "::1"), certificates)
    assert read == expected
    with pytest.raises(TypeError):
        read.certificates["CT1"] = ()  # type: ignore[index]


def test_what_is_wrong_with_an_allow_list_is_told_with_its_place():
    document = least()
    certificates = {"": ["*"], "CT1": [], "MR1": ["", "mr1", "mr1"], "US1": "us1"}
    document["listener"][0]["allow"] = {
        "calling": ["CT1", "CT1"],
        "called": [],
        "networks": ["10.1.2.3/16"],
        "certificates": certificates,
    }
    at = "listener[0].allow"
    found = {each.key: (each.found, each.nearest) for each in mistakes(document)}
    assert found == {
        f"{at}.calling[1]": ('the string "CT1" again', None),
        f"{at}.called": ("an empty array", None),
        f"{at}.networks[0]": ('the string "10.1.2.3/16"', "10.1.0.0/16"),
        f'{at}.certificates.""': ('the key ""', None),
        f"{at}.certificates.CT1": ("an empty array", None),
        f"{at}.certificates.MR1[0]": ('the string ""', None),
        f"{at}.certificates.MR1[2]": ('the string "mr1" again', None),
        f"{at}.certificates.US1": ('the string "us1"', None),
        f"{at}.certificates": ("certificates, and a listener that asks callers for none", None),
    }


def test_association_policies_are_read_in_their_order():
    document = least()
    table = {"calling": "CT*", "services": ["storage"], "transfer_syntaxes": ["1.2.840.10008.1.2"]}
    document["association_policy"] = [table, {}]
    assert parse(written(document), HERE).association_policies == (
        AssociationPolicy("CT*", "*", ("storage",), ("1.2.840.10008.1.2",)),
        AssociationPolicy(),
    )


def test_the_database_of_commitments_is_relative_to_the_folder(folder):
    document = least() | {"commitment": {"database": "new.sqlite", "lifetime": 30}}
    assert parse(written(document), folder).commitment == Commitment(folder / "new.sqlite", 30.0)
    assert not (folder / "new.sqlite").exists()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gone/new", '"{}/gone/new", whose folder takes no files (No such file or directory)'),
        ("relay.pem", '"{}/relay.pem", which is something else'),
        ("", "text that names no file"),
    ],
)
def test_what_is_no_database_of_commitments_is_a_mistake(folder, name, found):
    (mistake,) = mistakes(least() | {"commitment": {"database": name}}, folder)
    expected = "an SQLite database that the relay may write to, or a name for a new one"
    assert mistake == Mistake("commitment.database", found.format(folder), expected)


def test_commitment_is_missed_where_a_route_shows_another_ae_title():
    document = least()
    document["route"][0]["show_calling"] = "RELAY"
    assert keys(document) == ["route[0].show_calling"]
    document["route"][0]["services"] = ["storage"]
    assert parse(written(document), HERE).commitment is None


# --- names that refer to each other


def test_an_unknown_upstream_is_answered_with_the_nearest_one():
    document = least()
    document["pool"]["archive"]["upstreams"] = ["pacs", "pcs", "xyz"]
    assert [(mistake.key, mistake.nearest) for mistake in mistakes(document)] == [
        ("pool.archive.upstreams[1]", "pacs"),
        ("pool.archive.upstreams[2]", None),
    ]


def test_an_unknown_pool_is_answered_with_the_nearest_one():
    document = least()
    document["route"] = [{"pool": "archive"}, {"pool": "archiv"}, {"pool": "xyz"}]
    assert [(mistake.key, mistake.nearest) for mistake in mistakes(document)] == [
        ("route[1].pool", "archive"),
        ("route[2].pool", None),
    ]


def test_a_pool_or_upstream_without_use_is_a_mistake():
    document = least()
    document["upstream"]["a b"] = document["upstream"]["xyz"] = document["upstream"]["pacs"]
    document["pool"]["ris"] = {"upstreams": ["xyz"]}
    assert [(mistake.key, mistake.found) for mistake in mistakes(document)] == [
        ('upstream."a b"', "an upstream that no pool uses"),
        ("pool.ris", "a pool that no route uses"),
    ]


def test_a_name_that_is_misspelt_where_it_is_used_is_one_mistake():
    document = least()
    document["pool"]["archive"]["upstreams"] = ["pcs"]
    document["route"][0]["pool"] = "archiv"
    assert keys(document) == ["pool.archive.upstreams[0]", "route[0].pool"]


def test_a_missing_table_is_not_told_again_by_those_who_refer_to_it():
    document = least()
    del document["pool"]
    assert keys(document) == ["pool"]


def test_mistakes_in_one_table_hide_none_in_another():
    document = least()
    document["relay"] = {"ae_title": "", "max_associations": 0}
    document["listener"] += [{"endpoint": "tpc:1", "max_pdu": 0}, 5]
    document["upstream"]["pacs"] |= {"max_idle": 9, "linger": -1, "x": 1, "tls": {"key": "gone"}}
    document["pool"]["archive"]["upstreams"] += ["other", 7, "pacs"]
    document["pool"]["ris"] = 5
    document["route"].append({"services": ["storage", "storage"], "pool": "none"})
    assert keys(document) == [
        "relay.ae_title",
        "relay.max_associations",
        "listener[1].endpoint",
        "listener[1].max_pdu",
        "listener[2]",
        "upstream.pacs.tls.key",
        "upstream.pacs.tls.certificate",
        "upstream.pacs.linger",
        "upstream.pacs.x",
        "upstream.pacs.max_idle",
        "pool.archive.upstreams[2]",
        "pool.archive.upstreams[3]",
        "pool.ris",
        "route[1].services[1]",
        "pool.archive.upstreams[1]",
        "route[1].pool",
        "pool.ris",
    ]


# --- any document, any text


scalars = st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.dates()
names = st.sampled_from(
    sorted({key_of(field) for _, field in FIELDS} | {"pacs", "archive", "storage", "a b", ""})
)
anything = st.recursive(
    scalars | names,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(names, anything, max_size=5))
def test_any_document_is_a_configuration_or_has_mistakes(document):
    for each in (document, least() | document):
        try:
            parse(written(each), HERE)
        except ConfigurationError as error:
            assert error.mistakes
            assert str(error).splitlines() == [str(mistake) for mistake in error.mistakes]


@EVERY_KEY
@settings(max_examples=10)
@given(value=anything)
def test_any_value_of_a_key_is_taken_or_a_mistake(folder, section, field, value):
    _, document = with_value(section, field, value)
    try:
        parse(written(document), folder)
    except ConfigurationError as error:
        assert error.mistakes


@given(st.text())
def test_any_text_is_a_configuration_or_has_mistakes(text):
    assert mistakes(text)


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("[relay]\nae_title = RELAY", "line 2, column 12"),
        ("[relay", "end of document"),
        ("[relay]\n[relay]", "line 2, column 7"),
        ("x = 1" + "0" * 5000, "document"),
        ("x = " + "[" * 5000, "document"),
    ],
)
def test_what_is_not_toml_is_one_mistake_with_its_line_and_column(text, where):
    (mistake,) = mistakes(text)
    assert mistake.key == where
    assert mistake.found.startswith("a syntax error (")


def test_a_fault_of_the_relay_itself_is_not_told_as_a_mistake(monkeypatch):
    def fails(text: str) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("relay.config.checks.endpoint", fails)
    with pytest.raises(ZeroDivisionError):
        parse(written(least()), HERE)


# --- files that hold a configuration


def test_a_file_is_read_relative_to_its_own_folder(folder, monkeypatch):
    document = both_ends({"certificate": "relay.pem", "key": "relay.key"})
    (folder / "relay.toml").write_text(written(document), "utf-8")
    made = load(folder / "relay.toml")
    monkeypatch.chdir(folder)
    assert load("relay.toml") == made
    assert made.upstreams["pacs"].tls == ClientTLS(
        certificate=folder / "relay.pem", key=folder / "relay.key"
    )


def test_a_byte_order_mark_is_passed_over(tmp_path):
    (tmp_path / "relay.toml").write_text(written(least()), "utf-8-sig")
    assert load(str(tmp_path / "relay.toml")) == parse(written(least()), HERE)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("missing.toml", "a file that cannot be read (No such file or directory)"),
        ("", "a file that cannot be read (Is a directory)"),
        ("latin.toml", "bytes that are not UTF-8 (at 3)"),
        ("half-a-mark.toml", "bytes that are not UTF-8 (at 0)"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_mistake(tmp_path, name, found):
    (tmp_path / "latin.toml").write_bytes("# räksmörgås".encode("latin-1"))
    (tmp_path / "half-a-mark.toml").write_bytes(BOM_UTF8[:2])
    path = str(tmp_path / name)
    with pytest.raises(ConfigurationError) as raised:
        load(path)
    assert raised.value.mistakes == (Mistake(path, found, "a TOML file"),)

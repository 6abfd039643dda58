"""Tables as a whole: bounds between keys, keys of another balancer, names of the pool's members."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import (
    ClientTLS,
    Configuration,
    Failover,
    Listener,
    Log,
    Pool,
    RelaySection,
    Route,
    ServerTLS,
    Upstream,
)
from relay.config.mistakes import path_of
from relay.config.tables import together
from relay.policy.balancing import BALANCERS

HERE = Path()
KINDS = [Configuration, RelaySection, Listener, ServerTLS, Upstream, ClientTLS, Pool, Route]


def told(kind: type, table: dict[str, Any]) -> list[str]:
    """Each mistake as "where: what was found, what was expected"."""
    return [
        f"{path_of(each.below)}: {each.found}, {each.expected}"
        for each in together(kind, table, HERE)
    ]


@pytest.mark.parametrize("kind", [*KINDS, Failover])
def test_a_table_with_nothing_in_it_has_nothing_that_contradicts(kind):
    assert told(kind, {}) == []


# --- bounds


@pytest.mark.parametrize(
    ("kind", "table", "mistake"),
    [
        (
            Upstream,
            {"max_idle": 5},
            "max_idle: the integer 5, at most 4, which is max_associations",
        ),
        (
            Upstream,
            {"max_idle": 9, "max_associations": 8},
            "max_idle: the integer 9, at most 8, which is max_associations",
        ),
        (
            Upstream,
            {"warm": 5},
            "warm: the integer 5, at most 4, which is max_associations",
        ),
        (
            Upstream,
            {"warm": 3, "max_idle": 2},
            "warm: the integer 3, at most 2, which is max_idle",
        ),
        (
            Upstream,
            {"warm": 3, "max_idle": 2, "reuse": "always"},
            "warm: the integer 3, at most 2, which is max_idle",
        ),
        (
            Upstream,
            {"eject_longest": 0.5},
            "eject_longest: the number 0.5, at least 1.0, which is eject_shortest",
        ),
        (
            Upstream,
            {"eject_longest": 50, "eject_shortest": 60},
            "eject_longest: the integer 50, at least 60, which is eject_shortest",
        ),
        (
            Failover,
            {"window": 268_435_457},
            "window: the integer 268435457, at most 268435456, which is memory",
        ),
        (
            Failover,
            {"window": 11, "memory": 10},
            "window: the integer 11, at most 10, which is memory",
        ),
    ],
)
def test_a_number_beyond_that_of_another_key_is_a_mistake(kind, table, mistake):
    assert told(kind, table) == [mistake]


@pytest.mark.parametrize(
    ("kind", "table"),
    [
        (Upstream, {"max_idle": 4}),
        (Upstream, {"max_associations": 2}),
        (Upstream, {"warm": 16, "max_associations": 16}),
        (Upstream, {"warm": 3, "max_idle": 0, "reuse": "caller"}),
        (Upstream, {"warm": 3, "max_idle": 0, "reuse": "never"}),
        (Upstream, {"eject_shortest": 60}),
        (Upstream, {"eject_longest": 1, "eject_shortest": 1.0}),
        (Failover, {"memory": 0}),
        (Failover, {"window": 0, "memory": 0}),
    ],
)
def test_a_number_within_that_of_another_key_is_none(kind, table):
    assert told(kind, table) == []


@pytest.mark.parametrize("wrong", [True, "9", -1, [9], {}, 10**30, float("nan")], ids=repr)
def test_what_is_wrong_by_itself_is_held_against_no_other_key(wrong):
    assert told(Upstream, {"max_idle": wrong, "warm": wrong, "eject_longest": wrong}) == []
    assert told(Upstream, {"max_associations": wrong, "max_idle": 9}) == []
    assert told(Upstream, {"eject_shortest": wrong, "eject_longest": 0.5}) == []
    assert told(Failover, {"memory": wrong, "window": 10**9}) == []


# --- the log


@pytest.mark.parametrize("identities", ["none", "plain"])
def test_a_key_is_for_the_hash(identities):
    table = {"key_file": "log-key", "identities": identities}
    found = f'key_file: key_file where identities is "{identities}"'
    assert told(Log, table) == [f'{found}, identities = "hashed", or no key_file']
    assert told(Log, {"identities": identities}) == []


@pytest.mark.parametrize("identities", [{}, {"identities": "hashed"}, {"identities": "plian"}])
def test_with_a_hash_a_key_is_in_its_place(identities):
    assert told(Log, {"key_file": "log-key"} | identities) == []


# --- workers


def test_workers_are_handed_sockets_which_twisteds_transports_do_not_take_over():
    table = {"workers": 2, "transport": "twisted"}
    assert told(RelaySection, table) == [
        'transport: "twisted" where workers is 2, "socket", or workers = 0'
    ]


@pytest.mark.parametrize("asked", ["required", "wanted"])
def test_who_asks_for_certificates_says_whose_are_believed(asked):
    table = {"certificate": "relay.pem", "key": "relay.key", "client_certificates": asked}
    found = f'client_certificates: "{asked}" without client_ca, client_ca beside it, or "none"'
    assert told(ServerTLS, table) == [found]
    assert told(ServerTLS, {**table, "client_ca": "ca.pem"}) == []
    assert told(ServerTLS, {**table, "client_certificates": "none"}) == []


def test_who_has_revocation_lists_asks_for_certificates():
    table = {"certificate": "relay.pem", "key": "relay.key", "crl": ["ca.crl"]}
    assert told(ServerTLS, table) == ["crl: crl without client_ca, client_ca beside it, or no crl"]
    assert told(ServerTLS, {**table, "client_ca": "ca.pem"}) == []
    assert told(ClientTLS, {"crl": ["ca.crl"]}) == []


@pytest.mark.parametrize(
    "table",
    [
        {"workers": 2},
        {"workers": 2, "transport": "socket"},
        {"workers": 0, "transport": "twisted"},
        {"workers": 65, "transport": "twisted"},
        {"workers": 2, "transport": "twsited"},
    ],
)
def test_without_them_or_without_twisteds_there_is_nothing_to_say(table):
    assert told(RelaySection, table) == []


# --- balance


@pytest.mark.parametrize(
    ("key", "table", "balancers"),
    [
        ("weights", {"a": 2}, {"round-robin", "hash"}),
        ("tiers", {"a": 2}, {"primary-backup"}),
    ],
)
def test_weights_and_tiers_are_for_the_balancers_that_look_at_them(key, table, balancers):
    for balance in BALANCERS:
        found = told(Pool, {"upstreams": ["a"], "balance": balance, key: table})
        assert (found == []) is (balance in balancers)


def test_it_is_said_which_balancers_look_at_them():
    assert told(Pool, {"weights": {}, "tiers": {}}) == [
        'weights: weights where balance is "least-loaded", '
        'balance = "hash" or "round-robin", or no weights',
        'tiers: tiers where balance is "least-loaded", balance = "primary-backup", or no tiers',
    ]


@pytest.mark.parametrize("balance", ["", "least", 5, True, [], {}])
def test_with_a_balance_that_is_none_nothing_is_said_of_weights_and_tiers(balance):
    assert told(Pool, {"balance": balance, "weights": {}, "tiers": {}}) == []


# --- names


def document(pool: dict[str, Any], upstreams: str = "abc") -> dict[str, Any]:
    return {
        "upstream": {name * 4: {} for name in upstreams},
        "pool": {"archive": pool, "rest": {"upstreams": [name * 4 for name in upstreams]}},
    }


@pytest.mark.parametrize("key", ["weights", "tiers"])
def test_a_weight_or_tier_is_for_an_upstream_of_the_pool(key):
    pool = {"upstreams": ["aaaa", "bbbb"], key: {"aaaa": 1, "cccc": 1, "bbb": 1}}
    mistakes = list(together(Configuration, document(pool), HERE))
    assert [(path_of(each.below), each.found, each.nearest) for each in mistakes] == [
        (f"pool.archive.{key}.cccc", 'the string "cccc"', None),
        (f"pool.archive.{key}.bbb", 'the string "bbb"', "bbbb"),
    ]
    assert {each.expected for each in mistakes} == {"the name of one of its upstreams: aaaa, bbbb"}


def test_an_upstream_that_is_misspelt_in_its_pool_is_one_mistake():
    pool = {"upstreams": ["aaa", "bbbb"], "weights": {"aaaa": 2, "bbbb": 1}}
    mistakes = list(together(Configuration, document(pool), HERE))
    assert [path_of(each.below) for each in mistakes] == ["pool.archive.upstreams[0]"]


@pytest.mark.parametrize(
    "pool",
    [
        {"weights": {"x": 1}},
        {"upstreams": [], "weights": {"x": 1}},
        {"upstreams": [5, {}], "weights": {"x": 1}},
        {"upstreams": ["aaaa"], "weights": ["x"], "tiers": 5},
    ],
)
def test_without_members_or_a_table_nothing_is_said_of_names(pool):
    mistakes = together(Configuration, document(pool), HERE)
    assert not [each for each in mistakes if {"weights", "tiers"} & set(each.below)]


@given(
    st.dictionaries(
        st.sampled_from(["upstream", "pool", "upstreams", "weights", "balance", "warm", "key"]),
        st.recursive(
            st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(max_size=5), inner),
            max_leaves=8,
        ),
    ),
    st.sampled_from([Configuration, Upstream, Pool, Failover]),
)
def test_any_table_can_be_looked_at(table, kind):
    told(kind, table)

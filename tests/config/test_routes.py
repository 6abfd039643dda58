"""What routes ask of other tables."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.mistakes import Unexpected, path_of
from relay.config.routes import around_routes

ASKS = {"client_ca": "modalities.pem"}
LISTENERS = [{"name": "ward", "tls": ASKS}, {"name": "theatre", "tls": {}}, {}]


def wrong(**document: Any) -> list[Unexpected]:
    return list(around_routes({"relay": {"ae_title": "RELAY"}, **document}))


def where(**document: Any) -> list[str]:
    return [path_of(each.below) for each in wrong(**document)]


def test_a_document_with_nothing_in_it_has_nothing_that_contradicts():
    assert list(around_routes({})) == []


# --- names of listeners


def test_each_listener_has_a_name_of_its_own_or_none():
    names = ["a", None, "b", "a", "a"]
    listeners = [{"name": name} if name else {} for name in names]
    assert where(listener=listeners) == ["listener[3].name", "listener[4].name"]
    assert where(listener=listeners[:3]) == []


def test_an_unknown_listener_is_answered_with_the_nearest_one():
    route = {"listeners": ["ward", "thetre", "xyz", 5, ""]}
    found = wrong(listener=LISTENERS, route=[{}, route])
    assert [(path_of(each.below), each.nearest) for each in found] == [
        ("route[1].listeners[1]", "theatre"),
        ("route[1].listeners[2]", None),
    ]


def test_where_no_listener_has_a_name_it_is_said_how_to_give_it_one():
    (found,) = wrong(listener=[{}], route=[{"listeners": ["ward"]}])
    assert found.expected == "the name of one of the [[listener]] tables, which is its key name"


@pytest.mark.parametrize("listeners", [None, [], {}, 5])
def test_without_listeners_nothing_is_said_of_their_names(listeners):
    route = {"listeners": ["ward"], "certificates": ["*"]}
    assert wrong(listener=listeners, route=[route]) == []


# --- certificates


@pytest.mark.parametrize(
    ("route", "right"),
    [
        ({}, True),
        ({"listeners": ["ward"]}, True),
        ({"listeners": ["theatre", "ward"]}, True),
        ({"listeners": ["theatre"]}, False),
        ({"listeners": []}, True),  # which is said to be empty
    ],
)
def test_certificates_need_a_listener_of_the_route_that_asks_for_them(route, right):
    found = where(listener=LISTENERS, route=[{**route, "certificates": ["*"]}])
    assert found == ([] if right else ["route[0].certificates"])


def test_certificates_need_any_listener_that_asks_where_the_route_is_for_all():
    (found,) = wrong(listener=LISTENERS[1:], route=[{"certificates": ["*"]}])
    assert found.expected == "tls with client_ca there, or no certificates"
    assert wrong(listener=LISTENERS[1:], route=[{}]) == []
    asks_nobody = {"tls": {**ASKS, "client_certificates": "none"}}
    (same,) = wrong(listener=[asks_nobody], route=[{"certificates": ["*"]}])
    assert same.expected == found.expected
    asks = {"tls": {**ASKS, "client_certificates": "wanted"}}
    assert wrong(listener=[asks], route=[{"certificates": ["*"]}]) == []


@pytest.mark.parametrize("listeners", [["thetre", "wrd"], ["xyz"]])
def test_a_misspelt_listener_is_not_told_again_for_its_certificates(listeners):
    route = {"listeners": listeners, "certificates": ["*"]}
    assert not [each for each in where(listener=LISTENERS, route=[route]) if "cert" in each]


# --- commitment

COMMITMENTS = ["storage-commitment", "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.2"]


@pytest.mark.parametrize("shown", ["RELAY", {"CT1": "RELAY_CT1"}])
@pytest.mark.parametrize("services", [None, *([each, "storage"] for each in COMMITMENTS)])
def test_commitments_of_a_shown_ae_title_need_a_place(shown, services):
    route = {"show_calling": shown} | ({"services": services} if services else {})
    (found,) = wrong(route=[{}, route])
    assert path_of(found.below) == "route[1].show_calling"
    assert found.expected == "[commitment] with a database, or services without storage-commitment"
    assert wrong(route=[route], commitment={}) == []


@pytest.mark.parametrize(
    "route",
    [
        {},
        {"services": ["storage-commitment"]},
        {"show_calling": "RELAY", "services": ["storage", "1.2.840.10008.1.1"]},
        {"show_calling": "RELAY", "services": []},
        {"show_calling": "RELAY", "services": "storage-commitment"},
        {"show_calling": "", "services": ["storage-commitment"]},
        {"show_calling": 5},
        {"show_calling": {}},
    ],
)
def test_where_no_commitment_of_a_shown_ae_title_can_come_none_needs_a_place(route):
    assert wrong(route=[route]) == []


# --- aliases


def aliases(table: Any, *routes: Any, **document: Any) -> list[tuple[str, str | None]]:
    pools = {"archive": {"move_destination": table}}
    found = wrong(pool=pools, route=list(routes), **document)
    assert {each.expected for each in found} <= {"an AE title that some route has as called"}
    return [(path_of(each.below), each.nearest) for each in found]


def test_an_alias_that_no_route_is_for_is_answered_with_the_nearest_one():
    table = {"CT1": "R_CT1", "CT2": "R_CT22", "MR1": "XYZ"}
    assert aliases(table, {"called": "R_CT1"}, {"called": "R_CT2"}) == [
        ("pool.archive.move_destination.CT2", "R_CT2"),
        ("pool.archive.move_destination.MR1", None),
    ]


def test_an_alias_fits_a_pattern_too_which_is_never_the_nearest():
    table = {"CT1": "R_CT1", "MR1": "R_MR"}
    assert aliases(table, {"called": "R_CT?"}, {"called": "R_M"}) == [
        ("pool.archive.move_destination.MR1", "R_M")
    ]
    assert aliases({"CT1": "R_C"}, {"called": "R_C*1"}) == [
        ("pool.archive.move_destination.CT1", None)
    ]


def test_a_route_without_called_is_for_the_aliases_that_are_the_relay():
    assert aliases({"CT1": "RELAY"}, {}) == []
    assert len(aliases({"CT1": "RELAY"}, {"called": "X"})) == 1


@pytest.mark.parametrize("table", ["pass", "R_CT1", 5, {}, {"CT1": ""}, {"CT1": 5}, {"CT1": {}}])
def test_what_is_no_alias_needs_no_route(table):
    assert aliases(table, {"called": "X"}) == []


def test_where_a_called_ae_title_is_wrong_nothing_is_said_of_aliases():
    assert aliases({"CT1": "R_CT1"}, {"called": 5}) == []
    assert aliases({"CT1": "R_CT1"}, {}, relay={}) == []
    assert aliases({"CT1": "R_CT1"}) == []


# --- anything

keys = st.sampled_from(
    [
        *("relay", "ae_title", "listener", "name", "tls", "client_ca", "route", "called"),
        *("listeners", "certificates", "show_calling", "services", "pool", "move_destination"),
    ]
)
anything = st.recursive(
    st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | keys,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=16,
)


def tables(*named: str) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({}, optional=dict.fromkeys(named, anything))


@given(
    st.fixed_dictionaries(
        {
            "listener": st.lists(tables("name", "tls") | anything),
            "route": st.lists(
                tables("called", "listeners", "certificates", "show_calling", "services") | anything
            ),
            "pool": st.dictionaries(st.text(max_size=5), tables("move_destination") | anything),
            "relay": tables("ae_title") | anything,
        }
    )
)
def test_any_document_can_be_looked_at(document):
    list(around_routes(document))

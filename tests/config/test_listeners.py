"""What an allow list asks of its listener."""

from __future__ import annotations

from typing import Any

import pytest

from relay.config.listeners import around_allow, of_allow
from relay.config.mistakes import path_of

ASKS = {"client_ca": "modalities.pem"}
BY_UNIX = "unix:/run/relay"


def where(**listener: Any) -> list[str]:
    return [path_of(each.below) for each in around_allow(listener)]


@pytest.mark.parametrize(
    ("listener", "right"),
    [
        ({"tls": ASKS}, True),
        ({"tls": {}}, False),
        ({}, False),
        ({"tls": 5}, False),
    ],
)
def test_certificates_need_a_listener_that_asks_for_them(listener, right):
    found = where(**listener, allow={"certificates": {"CT1": ["ct1"]}})
    assert found == ([] if right else ["allow.certificates"])


@pytest.mark.parametrize(
    ("endpoint", "right"), [("tcp:port=104", True), (BY_UNIX, False), (5, True), (None, True)]
)
def test_networks_need_callers_with_an_address(endpoint, right):
    found = where(endpoint=endpoint, allow={"networks": ["10.1.0.0/16"]})
    assert found == ([] if right else ["allow.networks"])


@pytest.mark.parametrize("allow", [{"calling": ["CT1"], "called": ["RELAY"]}, {}, 5, None])
def test_what_is_not_there_contradicts_nothing(allow):
    assert where(endpoint=BY_UNIX, allow=allow) == []


def test_an_allow_list_lists_something():
    (wrong,) = of_allow({})
    assert wrong.found == "an empty table"
    assert list(of_allow({"calling": []})) == []  # which is said to be empty

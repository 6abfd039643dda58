"""Who may connect, judged by where they call from."""

from __future__ import annotations

from collections import Counter
from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.admission import TOO_MANY, UNAVAILABLE
from relay.policy.allowing import Allow
from relay.policy.entry import CLOSED, MOST_TOLD, REJECTIONS, Entry, Gate, source_of

HOST = "192.0.2.7"


def test_those_too_many_are_let_in_to_be_told_and_a_flood_is_not():
    gate = Gate(2)
    entries = [gate.enter(HOST, 0.0, False) for _ in range(2 + MOST_TOLD + 3)]
    told = [Entry.TOO_MANY] * MOST_TOLD
    assert entries == [Entry.SERVED, Entry.SERVED, *told, *[Entry.CROWD] * 3]
    assert gate.enter("192.0.2.8", 0.0, False) is Entry.SERVED


@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from("ab"), st.booleans()), max_size=80))
def test_an_address_never_has_more_than_its_limit_and_those_who_are_told(most, steps):
    gate = Gate(most)
    inside: Counter[str] = Counter()
    for host, comes in steps:
        if comes:
            entry = gate.enter(host, 0.0, False)
            assert (entry is Entry.SERVED) == (inside[host] < most)
            inside[host] += entry not in CLOSED
        elif inside[host]:
            inside[host] -= 1
            gate.leave(host)
        assert inside[host] <= most + MOST_TOLD


def test_whoever_is_let_in_though_too_many_is_told_so_and_who_is_closed_has_a_reason():
    assert REJECTIONS == {Entry.TOO_MANY: TOO_MANY, Entry.TOO_FAST: UNAVAILABLE}
    assert {Entry.SERVED, *REJECTIONS, *CLOSED} == set(Entry)


def test_who_is_from_no_network_that_is_allowed_is_closed_and_counts_for_nobody():
    gate, here = Gate(1), Allow(networks=(ip_network("192.0.2.0/24"),))
    for host in ("198.51.100.7", "2001:db8::1", None) * 10:
        assert gate.enter(host, 0.0, False, here) is Entry.ELSEWHERE
    assert gate.enter("198.51.100.7", 0.0, False, Allow()) is Entry.SERVED
    assert gate.enter(HOST, 0.0, False, here) is Entry.SERVED


def test_associations_in_excess_of_the_rate_are_told_to_come_again():
    gate = Gate(associations=2)
    entries = [gate.enter(HOST, 10.0, True) for _ in range(3)]
    assert entries == [Entry.SERVED, Entry.SERVED, Entry.TOO_FAST]
    assert gate.enter("192.0.2.8", 10.0, True) is Entry.SERVED
    assert gate.enter(HOST, 10.5, True) is Entry.SERVED


def test_handshakes_in_excess_of_the_rate_are_not_begun():
    gate = Gate(handshakes=2)
    assert [gate.enter(HOST, 10.0, False) for _ in range(9)] == [Entry.SERVED] * 9
    entries = [gate.enter(HOST, 10.0, True) for _ in range(3)]
    assert entries == [Entry.SERVED, Entry.SERVED, Entry.RUSH]
    assert gate.enter(HOST, 10.0, False) is Entry.SERVED
    assert gate.enter(HOST, 11.0, True) is Entry.SERVED


def test_who_is_closed_does_not_count_as_a_connection():
    gate = Gate(1, handshakes=1)
    assert gate.enter(HOST, 10.0, True) is Entry.SERVED
    assert gate.enter(HOST, 10.0, True) is Entry.RUSH
    gate.leave(HOST)
    assert gate.enter(HOST, 11.0, True) is Entry.SERVED


def test_what_has_no_address_is_not_counted():
    gate = Gate(1)
    assert [gate.enter(None, 0.0, True) for _ in range(100)] == [Entry.SERVED] * 100
    gate.leave(None)


def test_without_a_limit_anybody_comes():
    gate = Gate()
    assert [gate.enter(HOST, 0.0, False) for _ in range(100)] == [Entry.SERVED] * 100
    gate.leave(HOST)


@pytest.mark.parametrize(
    ("host", "source"),
    [
        (None, None),
        ("", None),
        (HOST, HOST),
        ("::ffff:192.0.2.7", HOST),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
        ("2001:db8:1:2::", "2001:db8:1:2::"),
        ("fe80::1%eth0", "fe80::"),
        ("::1", "::"),
    ],
)
def test_an_address_of_ipv6_counts_for_its_network(host, source):
    assert source_of(host) == source

"""Names by patterns, addresses by networks."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.patterns import any_fits, fits, is_in, may_meet, overlap

HERE = tuple(map(ip_network, ("10.1.0.0/16", "192.0.2.7", "2001:db8::/32")))


@pytest.mark.parametrize("pattern", ["CT1", "CT?", "C*", "*", "[CM]T1", "CT[!2]"])
def test_a_name_fits_a_pattern(pattern):
    assert fits("CT1", ("OTHER", pattern))


@pytest.mark.parametrize("pattern", ["ct1", "CT", "CT1 ", "CT1?", "T1", "[!C]T1", "CT*2"])
def test_a_name_does_not_fit_a_pattern(pattern):
    assert not fits("CT1", (pattern,))


def test_what_a_name_has_of_a_pattern_means_itself():
    assert not fits("*", ("CT1",))
    assert fits("*", ("?",))


def test_of_several_names_one_is_enough():
    assert any_fits(("a.example.org", "b.example.org"), iter(["x", "b.*"]))
    assert not any_fits(("a.example.org",), ("b.*",))
    assert not any_fits((), ("*",))
    assert not any_fits(("a",), ())


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.0.2.7", "2001:db8::1", "2001:db8::1%eth0", "::ffff:10.1.9.9"]
)
def test_an_address_is_in_a_network(address):
    assert is_in(address, HERE)


@pytest.mark.parametrize("address", ["10.2.2.3", "192.0.2.8", "2001:db9::1", "::10.1.9.9"])
def test_an_address_is_in_none(address):
    assert not is_in(address, HERE)


@given(st.text(max_size=20))
def test_what_is_no_address_is_nowhere(text):
    try:
        ip_address(text.partition("%")[0])
    except ValueError:
        assert not is_in(text, map(ip_network, ("0.0.0.0/0", "::/0")))


@given(st.ip_addresses())
def test_every_address_is_somewhere(address):
    assert is_in(str(address), map(ip_network, ("0.0.0.0/0", "::/0")))


# patterns and networks beside each other


@pytest.mark.parametrize(
    ("pattern", "other", "may"),
    [
        ("CT1", "CT1", True),
        ("CT1", "CT2", False),
        ("CT1", "CT*", True),
        ("CT*", "CT1", True),
        ("MR*", "CT1", False),
        ("*", "*", True),
        ("MR*", "CT*", True),  # which nobody fits; it is not looked into
    ],
)
def test_whether_a_name_may_fit_two_patterns(pattern, other, may):
    assert may_meet(pattern, ("NOBODY", other)) is may
    assert not may_meet(pattern, ())


simple = st.text("AB*?", min_size=1, max_size=4)


@given(simple, simple, st.text("AB", max_size=5))
def test_where_a_name_fits_both_it_was_said_that_one_may(pattern, other, name):
    if fits(name, (pattern,)) and fits(name, (other,)):
        assert may_meet(pattern, (other,))


@pytest.mark.parametrize(
    ("those", "others", "may"),
    [
        (None, None, True),
        (None, ["10.0.0.0/8"], True),
        (["10.0.0.0/8"], None, True),
        (["10.0.0.0/8", "::1"], ["192.0.2.7", "10.1.0.0/16"], True),
        (["10.1.0.0/16"], ["10.2.0.0/16"], False),
        (["10.1.0.0/16"], ["::/0"], False),
        ([], ["::/0"], False),
    ],
)
def test_whether_an_address_may_be_in_networks_of_both(those, others, may):
    one, other = (None if each is None else [*map(ip_network, each)] for each in (those, others))
    assert overlap(one, other) is may

"""What a single value may be."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import values
from relay.config.mistakes import Unexpected
from relay.config.validators import Names
from relay.policy.affinity import AFFINITIES
from relay.policy.balancing import BALANCERS
from relay.policy.services import SERVICES


@attrs.frozen
class Holder:
    """Something that has a field; the checks look only at the value."""

    value: object = None


FIELD = attrs.fields(Holder).value


def accepted(check, value) -> bool:
    try:
        check(None, FIELD, value)
    except Unexpected as error:
        assert error.expected == check.expected
        return False
    return True


@pytest.mark.parametrize("text", ["A", "RELAY", "PACS A", "a-b_c.d", "X" * 16, "@", "*"])
def test_an_ae_title(text):
    assert accepted(values.ae_title, text)


@pytest.mark.parametrize(
    "text", ["", " ", "X" * 17, " RELAY", "RELAY ", "A\\B", "A\tB", "A\x00", "A\x7f", "Ä", "A\n"]
)
def test_no_ae_title(text):
    assert not accepted(values.ae_title, text)


@pytest.mark.parametrize("text", ["*", "CT?", "[AB]*", "X" * 17, "A "])
def test_a_pattern(text):
    assert accepted(values.ae_pattern, text)


@pytest.mark.parametrize("text", ["", "A\\B", "Ä*", "*\n"])
def test_no_pattern(text):
    assert not accepted(values.ae_pattern, text)


@pytest.mark.parametrize(
    "text",
    ["localhost", "pacs-a.example.org", "pacs_a", "a.", "192.0.2.5", "::1", "fe80::1%eth0", "7"],
)
def test_a_host(text):
    assert accepted(values.host, text)


@pytest.mark.parametrize(
    "text", ["", "a b", "-a", "a-", ".", "http://a", "a:b", "[::1]", "ä", "a" * 254, "a\n"]
)
def test_no_host(text):
    assert not accepted(values.host, text)


@pytest.mark.parametrize(
    ("check", "low", "high"),
    [
        (values.port, 1, 65_535),
        (values.associations, 1, 100_000),
        (values.idle_associations, 0, 100_000),
        (values.pdu_length, 4096, 16_777_216),
        (values.rate, 0, 1_000_000_000),
        (values.seconds, 0, 86_400),
        (values.warm_associations, 0, 100_000),
        (values.waiting, 1, 100_000),
        (values.operations, 1, 64),
        (values.contexts, 1, 128),
        (values.items, 16, 262_144),
        (values.command_length, 1024, 65_536),
        (values.object_length, 0, 10**15),
        (values.failures, 1, 1000),
        (values.size, 0, 10**15),
        (values.share, 0, 1),
        (values.retries, 0, 1_000_000),
    ],
)
def test_a_number_is_between_its_bounds(check, low, high):
    assert accepted(check, low)
    assert accepted(check, high)
    assert not accepted(check, low - 1)
    assert not accepted(check, high + 1)
    assert str(low) in check.expected
    assert str(high) in check.expected


def test_a_time_that_has_to_pass_is_not_zero():
    assert accepted(values.some_seconds, 0.001)
    assert accepted(values.some_seconds, 86_400)
    assert not accepted(values.some_seconds, 0)
    assert not accepted(values.some_seconds, 86_401)


def test_days_are_no_more_than_a_year():
    assert accepted(values.days, 0.001)
    assert accepted(values.days, 365)
    assert not accepted(values.days, 0)
    assert not accepted(values.days, 365.001)


def test_a_share_that_has_to_be_reached_is_not_zero():
    assert accepted(values.some_share, 0.001)
    assert accepted(values.some_share, 1)
    assert not accepted(values.some_share, 0)
    assert not accepted(values.some_share, 1.001)


@pytest.mark.parametrize(
    "check",
    [
        values.seconds,
        values.some_seconds,
        values.days,
        values.share,
        values.some_share,
        values.retries,
    ],
)
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf"), 10**400])
def test_a_time_or_a_share_is_finite(check, value):
    assert not accepted(check, value)


def test_none_passes_where_the_field_allows_it():
    assert accepted(values.associations, None)
    values.service_names(None, FIELD, None)


def wrong(names: Names, value: list[object]) -> list[tuple[tuple[str | int, ...], str]]:
    with pytest.raises(ExceptionGroup) as raised:
        names(None, FIELD, value)
    errors = [error for error in raised.value.exceptions if isinstance(error, Unexpected)]
    return [(error.below, error.found) for error in errors]


def test_every_service_and_any_uid_may_be_listed():
    values.service_names(None, FIELD, [*sorted(SERVICES), "1.2.840.10008.1.1", "1." + "2" * 62])


@pytest.mark.parametrize("text", ["Storage", "", "1", "1.", ".1", "1..2", "1.2\n", "1." + "2" * 63])
def test_what_is_neither_a_service_nor_a_uid_is_refused(text):
    assert [where for where, _ in wrong(values.service_names, ["storage", text])] == [(1,)]


def test_a_service_that_is_nearly_right_is_answered_with_the_right_one():
    with pytest.raises(ExceptionGroup) as raised:
        values.service_names(None, FIELD, ["querry-retrieve"])
    (error,) = raised.value.exceptions
    assert isinstance(error, Unexpected)
    assert error.nearest == "query-retrieve"


def test_every_wrong_name_of_an_array_is_told():
    found = wrong(values.upstream_names, ["a", "", 5, "a", True])
    assert found == [
        ((1,), 'the string ""'),
        ((2,), "the integer 5"),
        ((3,), 'the string "a" again'),
        ((4,), "the boolean true"),
    ]


def test_an_array_of_names_is_not_empty():
    with pytest.raises(Unexpected, match="an empty array"):
        values.upstream_names(None, FIELD, [])


@pytest.mark.parametrize(
    ("check", "names"),
    [
        (values.balance, BALANCERS),
        (values.affinity, AFFINITIES),
        (values.on_failure, ["abort", "status"]),
        (values.show_called, ["caller", "upstream"]),
    ],
)
def test_a_name_out_of_a_few_is_one_of_them(check, names):
    for name in names:
        assert accepted(check, name)
        assert name in check.expected
        assert not accepted(check, name.title())
        with pytest.raises(Unexpected) as raised:
            check(None, FIELD, name[:-1])
        assert raised.value.nearest == name


@pytest.mark.parametrize(
    ("check", "low", "high"), [(values.weights, 1, 1000), (values.tiers, 0, 100)]
)
def test_a_table_of_numbers_has_each_between_its_bounds(check, low, high):
    check(None, FIELD, {"a": low, "b": high})
    check(None, FIELD, {})
    check(None, FIELD, None)
    wrong = {"a": low - 1, "b": high + 1, "c": True, "d": "2", "e": 2.0, "f": {}, "g": low}
    with pytest.raises(ExceptionGroup) as raised:
        check(None, FIELD, wrong)
    errors = [error for error in raised.value.exceptions if isinstance(error, Unexpected)]
    assert [error.below for error in errors] == [(name,) for name in "abcdef"]
    assert {error.expected for error in errors} == {f"an integer from {low} to {high}"}


# --- networks


@pytest.mark.parametrize(
    "text",
    [
        *("10.1.0.0/16", "192.0.2.5", "10.1.0.0/255.255.0.0", "0.0.0.0/0", "192.0.2.5/32"),
        *("2001:db8::/32", "::1", "::/0", "fe80::1%eth0", "::/90"),
    ],
)
def test_a_network_or_an_address(text):
    values.networks(None, FIELD, [text])


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("10.1.2.3/16", "10.1.0.0/16"),
        ("10.1.2.3/0", "0.0.0.0/0"),
        ("2001:db8::1/32", "2001:db8::/32"),
        ("::ffff:10.1.0.0/112", "10.1.0.0/16"),
        ("::ffff:10.1.2.3/112", "10.1.0.0/16"),
        ("::ffff:192.0.2.5", "192.0.2.5/32"),
        ("::ffff:0:0/95", "::fffe:0:0/95"),
        ("", None),
        ("10.1", None),
        ("10.1.0.0/33", None),
        ("1", None),
        ("pacs.example.org", None),
        ("10.1.0.0 ", None),
        ("010.1.0.0", None),
    ],
)
def test_what_is_no_network_is_answered_with_the_one_that_was_meant(text, meant):
    with pytest.raises(ExceptionGroup) as raised:
        values.networks(None, FIELD, ["10.0.0.0/8", text])
    (error,) = raised.value.exceptions
    assert isinstance(error, Unexpected)
    assert (error.below, error.found, error.nearest) == ((1,), f'the string "{text}"', meant)


@given(st.ip_addresses(), st.integers(0, 128))
def test_of_any_address_in_a_network_the_network_is_meant(address, bits):
    text = f"{address}/{min(bits, address.max_prefixlen)}"
    try:
        values.networks(None, FIELD, [text])
    except ExceptionGroup as group:
        (error,) = group.exceptions
        assert isinstance(error, Unexpected)
        values.networks(None, FIELD, [error.nearest])


# --- AE titles shown, destinations


@pytest.mark.parametrize("value", ["RELAY", "X" * 16, {"CT1": "RELAY_CT1", "CT 2": "R"}, None])
def test_what_may_be_shown(value):
    values.show_calling(None, FIELD, value)


@pytest.mark.parametrize("value", ["pass", "rewrite", {"CT1": "R_CT1", "CT2": "R_CT1"}])
def test_what_may_become_of_a_destination(value):
    values.move_destination(None, FIELD, value)


@pytest.mark.parametrize(
    ("check", "value", "found", "meant"),
    [
        (values.show_calling, "", 'the string ""', None),
        (values.show_calling, "X" * 17, f'the string "{"X" * 17}"', None),
        (values.show_calling, {}, "an empty table", None),
        (values.move_destination, "rewrit", 'the string "rewrit"', "rewrite"),
        (values.move_destination, "R_CT1", 'the string "R_CT1"', None),
        (values.move_destination, {}, "an empty table", None),
    ],
)
def test_what_else_a_string_or_table_is_told(check, value, found, meant):
    with pytest.raises(Unexpected) as raised:
        check(None, FIELD, value)
    assert (raised.value.found, raised.value.nearest) == (found, meant)
    assert raised.value.expected == check.expected


@pytest.mark.parametrize("check", [values.show_calling, values.move_destination])
def test_every_wrong_ae_title_of_a_table_is_told(check):
    table = {"": "A", "A": "", "B": 5, "C": "D", "X" * 17: {}}
    with pytest.raises(ExceptionGroup) as raised:
        check(None, FIELD, table)
    errors = [error for error in raised.value.exceptions if isinstance(error, Unexpected)]
    assert [(error.below[0], error.found) for error in errors] == [
        ("", 'the key ""'),
        ("A", 'the string ""'),
        ("B", "the integer 5"),
        ("X" * 17, f'the key "{"X" * 17}"'),
        ("X" * 17, "a table"),
    ]
    assert {error.expected for error in errors} == {values.ae_title.expected}


# --- other names


@pytest.mark.parametrize("text", ["ward", "Ward 7", "a.b", "ä"])
def test_a_name_of_a_listener(text):
    assert accepted(values.listener_name, text)
    values.listener_names(None, FIELD, [text])


@pytest.mark.parametrize("text", ["", "a\n", "\x7f"])
def test_no_name_of_a_listener(text):
    assert not accepted(values.listener_name, text)
    assert wrong(values.listener_names, [text])


def test_a_transfer_syntax_is_a_uid_and_no_service():
    values.transfer_syntaxes(None, FIELD, ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1"])
    assert wrong(values.transfer_syntaxes, ["storage", "1.2", ""]) == [
        ((0,), 'the string "storage"'),
        ((2,), 'the string ""'),
    ]


def test_a_pattern_for_certificates_says_something():
    values.certificates(None, FIELD, ["*.ct.example.org", "192.0.2.5", "urn:ct:*"])
    assert wrong(values.certificates, ["", "a\tb"])

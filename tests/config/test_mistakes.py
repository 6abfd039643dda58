"""How mistakes are put into words."""

from __future__ import annotations

import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config.mistakes import (
    ConfigurationError,
    Mistake,
    describe,
    nearest,
    one_of,
    path_of,
    quoted,
)


def test_a_mistake_says_where_what_was_found_and_what_was_expected():
    assert str(Mistake("a.b", "nothing", "a table")) == "a.b: found nothing, expected a table"


def test_a_mistake_with_a_near_name_asks_whether_that_was_meant():
    assert str(Mistake("a", "x", "y", "z")) == "a: found x, expected y; did you mean z?"


def test_an_error_has_one_line_for_each_mistake_in_their_order():
    error = ConfigurationError([Mistake("b", "x", "y"), Mistake("a", "x", "y")])
    assert [mistake.key for mistake in error.mistakes] == ["b", "a"]
    assert str(error) == "b: found x, expected y\na: found x, expected y"


@pytest.mark.parametrize(
    ("steps", "path"),
    [
        ((), ""),
        (("upstream", "pacs-a", "max_associations"), "upstream.pacs-a.max_associations"),
        (("listener", 0, "tls", "certificate"), "listener[0].tls.certificate"),
        (("route", 1, "services", 2), "route[1].services[2]"),
        (("upstream", "a b", "tls"), 'upstream."a b".tls'),
        (("pool", "a.b"), 'pool."a.b"'),
        (("pool", ""), 'pool.""'),
        (("pool", "ä"), 'pool."ä"'),
    ],
)
def test_a_path_is_written_as_in_toml(steps, path):
    assert path_of(steps) == path


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        (True, "the boolean true"),
        (False, "the boolean false"),
        (0, "the integer 0"),
        (-7, "the integer -7"),
        (1.5, "the number 1.5"),
        (float("nan"), "the number nan"),
        ("PACS", 'the string "PACS"'),
        ('a"b', r'the string "a\"b"'),
        ("two\nlines", r'the string "two\nlines"'),
        ({}, "a table"),
        ([], "an empty array"),
        ([1], "an array"),
        ((), "an empty array"),
        (datetime.date(2024, 2, 29), "the date or time 2024-02-29"),
        (datetime.time(1, 2), "the date or time 01:02:00"),
        (datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC), "the date or time 2024-02-29T00:00"),
        (None, 'the NoneType "None"'),
    ],
)
def test_a_value_is_described_by_its_type_and_itself(value, phrase):
    assert describe(value).startswith(phrase)


def test_an_integer_that_python_would_not_write_is_described():
    assert {describe(16**5000), describe(-(16**5000))} == {"an enormous integer"}


def test_a_long_text_is_cut():
    assert quoted("x" * 60) == f'"{"x" * 60}"'
    assert quoted("x" * 61) == f'"{"x" * 59}…"'


@given(st.text())
def test_quoted_text_stays_on_one_line(text):
    assert quoted(text).isprintable()
    assert str(Mistake(path_of([text]), describe(text), "y")).isprintable()


def test_a_near_name_is_found_and_a_far_one_is_not():
    assert nearest("max_asociations", ["max_idle", "max_associations"]) == "max_associations"
    assert nearest("colour", ["max_idle", "max_associations"]) is None
    assert nearest("x", []) is None


def test_names_are_listed_in_order():
    assert one_of({"b", "c", "a"}) == "one of a, b, c"

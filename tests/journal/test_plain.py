"""What may stand in a line of the log: whatever it is, JSON has it, in one printable line."""

from __future__ import annotations

import json
from enum import Enum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.journal.plain import DEEPEST, LONGEST_TEXT, MOST_ITEMS, plain, printable


class Colour(Enum):
    RED = "red"


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary()
anything = st.recursive(
    scalars,
    lambda each: (
        st.lists(each) | st.dictionaries(st.text() | st.integers(), each) | st.tuples(each)
    ),
    max_leaves=20,
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Müller 1.2.3", "Müller 1.2.3"),
        ("a\r\nb", r"a\r\nb"),
        ("\x1b[2J\x07\0", r"\x1b[2J\x07\x00"),
        ("a\u2028b\u202ec", r"a\u2028b\u202ec"),
        ("\x85\xa0", r"\x85\xa0"),
        ("\ud800", r"\ud800"),
    ],
)
def test_what_is_not_printable_is_escaped(text, shown):
    assert printable(text) == shown


@given(st.text(), st.integers(0, 20))
def test_a_text_is_in_one_printable_line_of_bounded_length(text, longest):
    shown = printable(text, longest)
    assert shown.isprintable()
    assert len(shown) <= longest + len("...")


@given(st.text())
def test_what_was_escaped_is_not_escaped_again(text):
    once = printable(text, 10_000)
    assert printable(once, 10_000) == once


def test_a_long_text_is_cut_and_says_so():
    assert printable("x" * (LONGEST_TEXT + 1)) == "x" * LONGEST_TEXT + "..."
    assert printable("x" * LONGEST_TEXT) == "x" * LONGEST_TEXT


@given(anything)
def test_whatever_it_is_json_has_it(value):
    text = json.dumps(plain(value), allow_nan=False)
    assert text.isascii()


def test_lists_tables_and_enums_are_told_as_what_they_hold():
    value = {"a": (1, 2.5, True), 3: {"b": [Colour.RED]}, "c": {"\n"}}
    assert plain(value) == {"a": [1, 2.5, True], "3": {"b": ["red"]}, "c": [r"\n"]}


@pytest.mark.parametrize("value", [object(), b"bytes", float("nan"), float("inf"), ValueError("x")])
def test_what_json_does_not_know_is_left_out(value):
    assert plain(value) is None
    assert plain([value]) == [None]


def test_long_lists_and_tables_are_cut():
    many = range(MOST_ITEMS + 5)
    assert plain(list(many)) == list(range(MOST_ITEMS))
    table = plain({each: each for each in many})
    assert isinstance(table, dict) and len(table) == MOST_ITEMS


def test_what_lies_too_deep_is_left_out():
    deep: object = 1
    for _ in range(DEEPEST + 1):
        deep = [deep]
    found = plain(deep)
    for _ in range(DEEPEST):
        assert isinstance(found, list)
        (found,) = found
    assert found is None

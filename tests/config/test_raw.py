"""Looking into tables of a file that may hold anything."""

from __future__ import annotations

import pytest

from relay.config.raw import array_in, table_in, tables_in, texts_in

ANYTHING = pytest.mark.parametrize("value", [None, True, 5, "text", 1.5])


@ANYTHING
def test_what_is_of_a_wrong_type_is_empty(value):
    table = {"key": value}
    assert table_in(table, "key") == {}
    assert array_in(table, "key") == []
    assert tables_in(table, "key") == []
    assert texts_in(table, "key") == []


def test_what_is_missing_is_empty():
    assert table_in({}, "key") == {}
    assert array_in({}, "key") == []


@ANYTHING
def test_a_table_keeps_its_place_among_what_is_none(value):
    assert tables_in({"key": [value, {"a": 1}, value]}, "key") == [{}, {"a": 1}, {}]


def test_texts_are_those_of_an_array_that_say_something():
    assert texts_in({"key": ["a", "", 5, {}, "b"]}, "key") == ["a", "b"]

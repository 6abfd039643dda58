"""Plain text for a terminal."""

from __future__ import annotations

import tomllib

import attrs
from hypothesis import given
from hypothesis import strategies as st

from relay.wording import columns, indented, keys, listed, toml


def test_cells_are_one_below_the_other_and_nothing_is_behind_the_last():
    assert list(columns([("a", "1", ""), ("bcd", "", "x")])) == ["a    1", "bcd     x"]
    assert list(columns([])) == []


def test_lines_are_indented():
    assert list(indented(["a", "b"])) == ["  a", "  b"]


def test_long_lists_are_wrapped_between_names():
    names = ["any other service"] * 5
    assert listed("takes: ", names[:1]) == ["takes: any other service"]
    assert listed("takes: ", names) == [
        "takes: any other service, any other service, any other service,",
        "    any other service, any other service",
    ]


@attrs.frozen
class Section:
    """Keys of a configuration."""

    one: str | None = None
    two: tuple[str, ...] | None = None


def test_keys_that_are_left_out_are_not_told():
    assert keys(Section("x"), "one", "two") == 'one = "x"'
    assert keys(Section("x", ("y", "z")), "two", "one") == 'two = ["y", "z"], one = "x"'
    assert keys(Section(), "one", "two") == ""


texts = st.text(st.characters(exclude_categories=["C"]))


@given(st.recursive(texts, lambda inner: st.lists(inner).map(tuple)))
def test_a_value_is_what_a_file_would_have(value):
    def plain(value):
        return [plain(each) for each in value] if isinstance(value, tuple) else value

    assert tomllib.loads(f"x = {toml(value)}")["x"] == plain(value)


def test_tables_are_inline():
    assert tomllib.loads(f"x = {toml({'a b': 'c'})}") == {"x": {"a b": "c"}}

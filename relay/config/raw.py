"""Looking into tables as they were in the file, where anything may be of a wrong type.

What is, or is missing, is empty here: that it is wrong is said elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Table = Mapping[str, Any]


def table_in(table: Table, key: str) -> Table:
    """The table under this key."""
    return _table(table.get(key))


def array_in(table: Table, key: str) -> list[Any]:
    """The array under this key."""
    value = table.get(key)
    return value if isinstance(value, list) else []


def tables_in(table: Table, key: str) -> list[Table]:
    """The array of tables under this key, each in its place."""
    return [_table(each) for each in array_in(table, key)]


def texts_in(table: Table, key: str) -> list[str]:
    """The texts, none of them empty, in the array under this key."""
    return [each for each in array_in(table, key) if isinstance(each, str) and each]


def _table(value: object) -> Table:
    return value if isinstance(value, Mapping) else {}

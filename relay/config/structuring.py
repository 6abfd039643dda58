"""How cattrs makes the classes of model.py out of tables: strictly, and stopping at no mistake.

Strictly: no boolean is an integer, no text a number, no unknown key is passed over. cattrs gathers
what goes wrong into groups of exceptions, each with a note saying where; reading.py flattens them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial, reduce
from operator import or_
from pathlib import Path
from types import MappingProxyType, NoneType, UnionType
from typing import Annotated, Any, TypeAlias, get_args, get_origin

import attrs
from cattrs import ClassValidationError, Converter
from cattrs.gen import make_dict_structure_fn, override

from relay.policy.leasing import Reuse

from . import checks, tables
from .mistakes import Unexpected, describe, nearest, one_of
from .model import ADDRESS, KEY, Address, Outside

Hook = Callable[[Any, Any], Any]
Field: TypeAlias = "attrs.Attribute[Any]"

# What a value in the file is for a field of some type, in Python and in words.
_REUSES = [each.value for each in Reuse]
_SHAPES: Mapping[Any, tuple[type | tuple[type, ...], str]] = {
    int: (int, "an integer"),
    float: ((int, float), "a number"),
    bool: (bool, "true or false"),
    str: (str, "a string"),
    Reuse: (str, one_of(_REUSES)),
    Path: (str, "the name of a file"),
    Address: (str, ADDRESS),
    tuple: (list, "an array"),
    Mapping: (dict, "tables with names"),
    UnionType: ((str, dict), "a string or a table"),  # the one union that there is
}


@lru_cache(maxsize=1)
def converter(folder: Path) -> Converter:
    """A converter whose `structure(document, Configuration)` looks for files in this folder.

    Making one takes longer than all that it does, so the last one is kept.
    """
    made = Converter(detailed_validation=True, forbid_extra_keys=True)
    made.register_structure_hook(Address, lambda value, _: Address.parse(value))
    made.register_structure_hook(Reuse, lambda value, _: _reuse(value))
    made.register_structure_hook_func(_is_outside, partial(_outside, folder))
    made.register_structure_hook_func(
        lambda kind: _plain(kind) is UnionType, lambda value, _: value
    )
    made.register_structure_hook_factory(attrs.has, lambda kind: _table_hook(kind, made, folder))
    return made


def key_of(field: Field) -> str:
    """The key in the file for a field."""
    return str(field.metadata.get(KEY, field.name))


def expected_of(field: Field) -> str:
    """What to expect of a key that is missing, or whose value is of a wrong type."""
    if isinstance(mark := _mark(field.type), Outside):
        return checks.EXPECTED[mark]
    by_type = _SHAPES[_plain(field.type)][1] if _plain(field.type) in _SHAPES else "a table"
    return getattr(field.validator, "expected", by_type)


def _table_hook(kind: type[attrs.AttrsInstance], made: Converter, folder: Path) -> Hook:
    """Structures a table, and looks at it as a whole; both may find mistakes."""
    attrs.resolve_types(kind)
    each = {
        field.name: override(rename=key_of(field), struct_hook=_key_hook(field, made))
        for field in attrs.fields(kind)
    }
    structure = make_dict_structure_fn(kind, made, **each)  # type: ignore[arg-type]

    def hook(value: Any, _: Any) -> Any:
        if not isinstance(value, dict):
            raise Unexpected(describe(value), "a table")
        wrong: list[Exception] = list(tables.together(kind, value, folder))
        try:
            result = structure(value, kind)
        except ClassValidationError as error:
            wrong.insert(0, error)
        if wrong:
            raise ExceptionGroup(kind.__name__, wrong)
        return result

    return hook


def _key_hook(field: Field, made: Converter) -> Hook:
    """Structures the value of one key, if it has the right type and passes its field's check.

    By itself cattrs leaves the fields' checks to the making of the instance, where the first one
    that fails hides the others.
    """
    structure = made.get_structure_hook(field.type)
    kind = _plain(field.type)

    def hook(value: Any, declared: Any) -> Any:
        if not _has_shape(value, kind):
            raise Unexpected(describe(value), expected_of(field))
        if field.validator is not None:
            field.validator(None, field, value)
        result = structure(value, declared)
        return MappingProxyType(result) if isinstance(result, dict) else result

    return hook


def _has_shape(value: Any, kind: Any) -> bool:
    if kind not in _SHAPES:
        return True  # a table, which says so itself
    return isinstance(value, _SHAPES[kind][0]) and isinstance(value, bool) == (kind is bool)


def _reuse(value: str) -> Reuse:
    if value not in _REUSES:
        raise Unexpected(describe(value), one_of(_REUSES), nearest(value, _REUSES))
    return Reuse(value)


def _is_outside(kind: Any) -> bool:
    return get_origin(kind) is Annotated and isinstance(_mark(kind), Outside)


def _is_union(kind: Any) -> bool:
    return _plain(kind) is UnionType


def _outside(folder: Path, value: Any, kind: Any) -> str | Path:
    """A text that has to stand up to the world outside: an endpoint, a file's or folder's name."""
    mark = _mark(kind)
    if not isinstance(value, str):  # in an array
        raise Unexpected(describe(value), checks.EXPECTED[mark])
    if mark is Outside.ENDPOINT:
        checks.endpoint(value)
        return value
    if not value or not value.isprintable():
        # perhaps what belongs into the file, a private key even: it is not repeated
        raise Unexpected("text that names no file", checks.EXPECTED[mark])
    checks.file(mark, folder / value)
    return folder / value


def _plain(kind: Any) -> Any:
    """The type itself, without "or None", annotations and arguments."""
    kind = _present(kind)
    if get_origin(kind) is Annotated:
        kind = get_args(kind)[0]
    return get_origin(kind) or kind


def _mark(kind: Any) -> Any:
    """What the type is annotated with, if it is."""
    kind = _present(kind)
    return get_args(kind)[1] if get_origin(kind) is Annotated else None


def _present(kind: Any) -> Any:
    """The type without "or None"."""
    if NoneType in get_args(kind):
        return reduce(or_, (each for each in get_args(kind) if each is not NoneType))
    return kind

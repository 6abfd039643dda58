"""From a file to a `Configuration`, or to the list of all mistakes in it."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import attrs
from cattrs import ClassValidationError, ForbiddenExtraKeysError
from cattrs.errors import AttributeValidationNote, IterableValidationNote

from .mistakes import ConfigurationError, Mistake, Step, Unexpected, nearest, one_of, path_of
from .model import Configuration
from .structuring import converter, expected_of, key_of

_SYNTAX = re.compile(r"(?P<what>.*) \(at (?P<where>line \d+, column \d+|end of document)\)", re.S)


def load(path: str | os.PathLike[str]) -> Configuration:
    """Read the configuration in this file; names of files in it are relative to its folder.

    Raises `ConfigurationError` with all mistakes, also for a file that cannot be read.
    """
    name = os.fspath(path)
    try:
        # All at once: read in parts, half of a byte order mark is nothing, and no error.
        text = Path(name).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise _unreadable(name, f"a file that cannot be read ({error.strerror})") from error
    except UnicodeDecodeError as error:
        raise _unreadable(name, f"bytes that are not UTF-8 (at {error.start})") from error
    return parse(text, Path(name).absolute().parent)


def parse(text: str, folder: Path) -> Configuration:
    """Read a configuration from text; names of files in it are relative to this folder.

    Raises `ConfigurationError` with all mistakes.
    """
    try:
        document = tomllib.loads(text)
    except ValueError as error:
        raise ConfigurationError([_syntax(error)]) from error
    except RecursionError:
        # Without a cause: it would be as long as the stack.
        raise ConfigurationError([_syntax(ValueError("nested too deeply"))]) from None
    try:
        return converter(folder).structure(document, Configuration)
    except ExceptionGroup as error:
        raise ConfigurationError(_mistakes(error, ())) from error


def _unreadable(name: str, found: str) -> ConfigurationError:
    return ConfigurationError([Mistake(name, found, "a TOML file")])


def _syntax(error: ValueError) -> Mistake:
    found = _SYNTAX.fullmatch(str(error))
    what, where = (found["what"], found["where"]) if found else (str(error), "document")
    return Mistake(where, f"a syntax error ({what})", "TOML")


def _mistakes(group: ExceptionGroup[Exception], at: tuple[Step, ...]) -> Iterator[Mistake]:
    """Flatten what structuring raised for the value at this path."""
    kind = group.cl if isinstance(group, ClassValidationError) else None
    for error in group.exceptions:
        field = _field(error, kind)
        here = (*at, *_step(error, field))
        if isinstance(error, ExceptionGroup):
            yield from _mistakes(error, here)
        elif isinstance(error, Unexpected):
            path = path_of((*here, *error.below))
            yield Mistake(path, error.found, error.expected, error.nearest)
        elif isinstance(error, ForbiddenExtraKeysError):
            yield from _unknown(error, here)
        elif isinstance(error, KeyError) and field is not None:
            yield Mistake(path_of(here), "nothing", expected_of(field))
        else:
            raise error  # not the configuration's fault


def _unknown(error: ForbiddenExtraKeysError, at: tuple[Step, ...]) -> Iterator[Mistake]:
    known = [key_of(field) for field in attrs.fields(error.cl)]
    for key in sorted(error.extra_fields):
        path = path_of((*at, key))
        yield Mistake(path, "an unknown key", one_of(known), nearest(key, known))


def _field(error: Exception, kind: type | None) -> attrs.Attribute[object] | None:
    """The field of this class that the exception is about, if it is about one."""
    for note in getattr(error, "__notes__", ()):
        if kind is not None and isinstance(note, AttributeValidationNote):
            return attrs.fields_dict(kind)[note.name]
    return None


def _step(error: Exception, field: attrs.Attribute[object] | None) -> tuple[Step, ...]:
    """The step from a value to the part of it that the exception is about."""
    if field is not None:
        return (key_of(field),)
    notes = getattr(error, "__notes__", ())
    return tuple(note.index for note in notes if isinstance(note, IterableValidationNote))

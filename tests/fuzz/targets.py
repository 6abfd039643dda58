"""What can be fuzzed: targets by name, and the inputs to begin with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import attrs

NAMES = ("association", "reader", "command", "messages", "upperlayer", "dataset", "configuration")
"""Modules of this folder, each with `check`, which raises where something does not hold, and
`WORDS`: bytes that inputs are made of."""

LARGEST = 2400
"""Bytes of an input, at most: none has to be longer to say all that there is to say."""

CORPUS = Path(__file__).parent / "corpus"


@attrs.frozen
class Target:
    """A module of this folder."""

    name: str
    check: Callable[[bytes], None]
    words: Sequence[bytes]

    @classmethod
    def named(cls, name: str) -> Target:
        """The target of that name."""
        module = import_module(f"tests.fuzz.{name}")
        return cls(name, module.check, module.WORDS)

    @property
    def seeds(self) -> list[Path]:
        """The inputs of the corpus."""
        return seeds(self.name)


def seeds(name: str) -> list[Path]:
    """The inputs of the corpus for the target of that name."""
    return sorted((CORPUS / name).iterdir())

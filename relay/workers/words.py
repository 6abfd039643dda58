"""What the first process and its workers say to each other, by AMP over a pair of Unix sockets.

Whatever is said is said in order. Sockets do not come this way (passing.py). Workers have numbers,
from 1 on.
"""

from __future__ import annotations

from typing import Any, ClassVar

from twisted.protocols.amp import Boolean, Command, Integer, Unicode


class _Told(Command):
    """Something that nobody answers."""

    requiresAnswer = False


# a worker to the first process


class Ready(_Told):
    """It serves whom it is handed."""


class Leaving(_Told):
    """It stops, and is to be handed nobody any more."""


class Ended(_Told):
    """The connection of that number is closed."""

    arguments: ClassVar[Any] = [(b"number", Integer())]


# the first process to a worker


class Sync(Command):
    """Whatever was said before has been heard, once this is answered."""


class Drain(_Told):
    """An upstream is taken out, or had back."""

    arguments: ClassVar[Any] = [(b"upstream", Unicode()), (b"wanted", Boolean())]

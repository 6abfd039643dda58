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


class _OfUpstream(_Told):
    """Something about the associations with an upstream."""

    arguments: ClassVar[Any] = [(b"upstream", Unicode())]


class Wish(_Told):
    """So many associations with an upstream are wanted in all; 0: nothing is wished for."""

    arguments: ClassVar[Any] = [(b"upstream", Unicode()), (b"total", Integer())]


class GiveBack(_OfUpstream):
    """Others may have one of the associations that were granted."""


class Busy(_OfUpstream):
    """None can be given back now; one will be when it can."""


class Begin(Command):
    """A C-MOVE is about to leave. Answered when all who may be called back know of it."""

    arguments: ClassVar[Any] = [(b"move", Unicode())]


class Over(_Told):
    """The C-MOVE of that Message ID is over. `how` is a name of relay.workers.moving.How."""

    arguments: ClassVar[Any] = [(b"sent_id", Integer()), (b"how", Unicode())]


# the first process to a worker


class Sync(Command):
    """Whatever was said before has been heard, once this is answered."""


class Drain(_Told):
    """An upstream is taken out, or had back."""

    arguments: ClassVar[Any] = [(b"upstream", Unicode()), (b"wanted", Boolean())]


class RenewTLS(_Told):
    """The files of TLS have changed, and can be used."""


class Granted(_OfUpstream):
    """There may be one more association."""


class Asked(_OfUpstream):
    """One is to be given back."""


class Unasked(_OfUpstream):
    """It need not be any more."""


class Known(Command):
    """Another worker has begun a C-MOVE."""

    arguments: ClassVar[Any] = [(b"move", Unicode())]

"""How many associations with an upstream this process may have: all that it bears, or a share.

Where several processes call the same upstream, each has an allowance of its own, and what all of
them have together never exceeds what the upstream bears. It may be another one from one moment to
the next: more is granted to whoever is in need, and what is not used is given back. Only what is
really free is: to the upstream an association that is just ending counts, too.
"""

from __future__ import annotations

from typing import Protocol

import attrs


class Holder(Protocol):
    """Whoever opens associations within an allowance: a keeper."""

    @property
    def held(self) -> int:
        """Associations that there are for the upstream, those being opened and ending included."""

    @property
    def wanted(self) -> int:
        """How many could be used now if it were not for the allowance."""

    def let_go(self) -> bool:
        """Release one that rests, unless one is ending anyway; whether one ends now."""

    def look_again(self) -> None:
        """The allowance is another one."""


class Allowance(Protocol):
    """An allowance; `most` associations there may be now, ending ones included.

    `is_due`: others have waited for long enough, and the next one that its user has done with is to
    be released, whoever else waits for it here.
    """

    @property
    def most(self) -> int: ...
    @property
    def is_due(self) -> bool: ...

    def hold(self, holder: Holder) -> None:
        """Say whose it is, before anything else."""

    def tend(self) -> None:
        """Something may be different: ask for more, or give back."""


@attrs.frozen
class Whole:
    """The allowance of a process that is alone: all that the upstream bears, for good."""

    most: int
    is_due: bool = False

    def hold(self, holder: Holder) -> None:
        """Whose it is makes no difference."""

    def tend(self) -> None:
        """There is nobody to ask."""

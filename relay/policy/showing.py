"""Which AE titles an upstream is shown: who calls, and by which title it is called.

By default an archive sees the caller's own AE title, so that its access list and its call-backs go
on working, and is called by its own. A route may show another one: the relay's, where an archive
knows only the relay; the one that a modality calls the relay by, where it trusts nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

import attrs

from relay.wire.pdu import ae_field


@attrs.frozen(cache_hash=True)
class Titles:
    """AE titles as the 16-byte fields of A-ASSOCIATE-RQ (PS3.8 9.3.2) in which they are shown.

    `called` None: the upstream is called by its own.
    """

    calling: bytes
    called: bytes | None = None


class ShowCalled(Enum):
    """By which AE title an upstream is called."""

    UPSTREAM = "upstream"
    """Its own, as configured."""
    CALLER = "caller"
    """The one that the caller used."""


@attrs.frozen
class Showing:
    """What a route shows.

    `calling` None: the caller's own AE title; a table: by the caller's own, which is shown where
    the table does not name it.
    """

    calling: str | Mapping[str, str] | None = None
    called: ShowCalled = ShowCalled.UPSTREAM

    def titles(self, calling: str, calling_field: bytes, called_field: bytes) -> Titles:
        """What is shown for a caller who gave these."""
        shown = self.calling
        if isinstance(shown, Mapping):
            shown = shown.get(calling)
        field = calling_field if shown is None else ae_field(shown)
        return Titles(field, called_field if self.called is ShowCalled.CALLER else None)

    @property
    def masks(self) -> frozenset[str]:
        """The AE titles that may be shown in the place of callers' own."""
        if isinstance(self.calling, Mapping):
            return frozenset(self.calling.values())
        return frozenset() if self.calling is None else frozenset({self.calling})

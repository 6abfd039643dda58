"""What a way is: who stands between the sender and the archive, and how that is started."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import attrs

from benchmarks.processes import Door
from benchmarks.sender import Address
from tests.interop.pki import Pki

ARCHIVE = "ARCHIVE"
"""The archive's AE title; it listens to any."""


@attrs.frozen
class Way:
    """A way to the archive that is open; `pid` is of the process in the middle, if there is one.

    Where several processes stand in the middle it is of the one that started the others. Who is
    `early` answers before the archive does, so that the last response ends nothing.
    """

    address: Address
    pid: int | None = None
    early: bool = False


@attrs.frozen
class Stage:
    """What a way is opened with: a folder of its own, certificates, the archive's ports.

    At most `associations` will be open at a time.
    """

    folder: Path
    pki: Pki
    archive: Mapping[Door, int]
    associations: int = 1


class Kind(Protocol):
    """A kind of way."""

    def missing(self) -> str | None:
        """What has to be installed for it and is not; None when nothing is missing."""

    def open(self, stage: Stage) -> AbstractContextManager[Way]:
        """The way, for as long as the context lasts; the process in the middle is a new one."""

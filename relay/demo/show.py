"""What the demonstration prints: a line per object in columns, a summary, and what to try next."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import attrs

NOTHING = "-"


@attrs.frozen
class Sent:
    """An object that was sent: `size` in bytes, `seconds` from its first byte to the answer.

    `status` is what the modality was told, `archive` the one that has it: None where there is none.
    `is_same`: what is on disk equals the original. `why`: the cause where there is no status.
    """

    name: str
    size: int
    seconds: float
    status: int | None
    archive: str | None
    is_same: bool
    why: str = ""


@attrs.define(eq=False)
class Show:
    """Prints to `out`, line by line."""

    out: TextIO
    _width: int = 0

    def say(self, *lines: str) -> None:
        """Print these."""
        print(*lines, sep="\n", file=self.out, flush=True)

    def opening(self, folder: Path, relay: str, archives: Iterable[str]) -> None:
        """Who is there."""
        self.say(
            "",
            f"The relay listens on {relay}, its pool is {' and '.join(archives)} (TLS, this host).",
            f"Certificates, the relay's configuration (relay.toml), objects: {folder}",
            "A modality sends pydicom's sample objects to RELAY:",
            "",
        )

    def heading(self, names: Iterable[str]) -> None:
        """The columns, of which that of the names is to be as wide as these need."""
        self._width = max(map(len, names), default=4)
        self.say(self._columns("file", "bytes", "archive", "time", "status"))

    def line(self, sent: Sent) -> None:
        """One object."""
        status = NOTHING if sent.status is None else f"{sent.status:04X}"
        time = f"{sent.seconds * 1000:.1f} ms"
        columns = (sent.name, f"{sent.size:,}", sent.archive or NOTHING, time, status)
        differs = "differs on disk" if sent.archive is not None and not sent.is_same else ""
        self.say(f"{self._columns(*columns)}  {sent.why or differs}".rstrip())

    def summary(self, sent: list[Sent], left_out: int, seconds: float) -> None:
        """All objects."""
        stored = [each for each in sent if each.archive is not None]
        same = [each for each in stored if each.is_same]
        size = sum(each.size for each in same)
        counts = Counter(str(each.archive) for each in stored)
        shares = ", ".join(f"{count} by {name}" for name, count in sorted(counts.items()))
        self.say(
            "",
            f"{len(stored)} of {len(sent)} objects stored in {seconds:.1f} s: {shares}.",
            f"{len(same)} of them, {size:,} bytes in all, equal the originals byte for byte.",
            f"({left_out} more of pydicom's sample files hold no object that could be stored.)",
        )

    def next(self, folder: Path, host: str, port: int, sample: Path) -> None:
        """What to try."""
        to = f"-aec RELAY {host} {port}"
        keys = ("QueryRetrieveLevel=STUDY", *("PatientName", "StudyDate", "StudyInstanceUID"))
        wanted = " ".join(f"-k {key}" for key in keys)
        self.say(
            "",
            f"{folder} stays when this ends: it is yours to look at, and to delete.",
            "The relay goes on serving until Ctrl-C. Try, from another terminal:",
            "",
            f"  echoscu -v {to}",
            f"  storescu -v {to} {shlex.quote(str(sample))}",
            f"  findscu -v -S {wanted} {to}",
            "",
        )

    def _columns(self, name: str, size: str, archive: str, time: str, status: str) -> str:
        return f"{name:{self._width}}  {size:>9}  {archive:9}  {time:>9}  {status:6}"

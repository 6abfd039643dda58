"""A relay of several processes, and who they are."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import attrs

from tests.interop.pki import Pki
from tests.interop.relay_process import Relay, Route, Upstream
from tests.interop.server import PATIENCE_S, POLL_S

WORKERS = 3


@attrs.define
class ManyRelay(Relay):
    """A relay with workers; `first` is what the others are children of."""

    def __attrs_post_init__(self) -> None:
        self.keys = {"workers": WORKERS, **self.keys}

    @classmethod
    def before(
        cls, port: int, folder: Path, pki: Pki, *, upstream: Any = None, **keys: Any
    ) -> Self:
        """Return one before an archive without TLS on `port`; `keys` are the relay's own."""
        archive = Upstream("ARCHIVE", port, tls=False, keys=upstream or {})
        return cls(folder / "relay", pki, [Route(archive)], keys=keys)

    @property
    def first(self) -> int:
        """The first process."""
        return self.process.pid

    @property
    def workers(self) -> Sequence[int]:
        """The processes of the workers."""
        return sorted(each for each in processes() if parent_of(each) == self.first)

    def connected_to(self, port: int) -> Sequence[int]:
        """Return the workers that have a connection with `port` of loopback."""
        inodes = connected_sockets(port)
        return [each for each in self.workers if inodes & sockets_of(each)]

    def told_by(self, calling: str) -> list[int]:
        """Return the workers that have told of this caller's associations, in order."""
        log = self.log.read_text("utf-8", "replace")
        return [int(each) for each in re.findall(rf"worker (\d+): '{calling}' at ", log)]

    def serves(self) -> bool:
        """All of them do."""
        return self.said("is ready") >= WORKERS and Relay.serves(self)

    def said(self, words: str) -> int:
        """How often its log has these words."""
        return self.log.read_text("utf-8", "replace").count(words)

    def wait_until(self, condition: Callable[[], object]) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + PATIENCE_S
        while not condition():
            assert time.monotonic() < deadline, "it never came to be so"
            assert not self.ends_within(POLL_S), "it ended meanwhile"

    def wait_until_gone(self, processes: Sequence[int]) -> None:
        """Wait until none of these is there any more."""
        deadline = time.monotonic() + PATIENCE_S
        while any(parent_of(each) is not None for each in processes):
            assert time.monotonic() < deadline, "some of them live on"
            self.ends_within(POLL_S)
            time.sleep(POLL_S)


ESTABLISHED = "01"


def connected_sockets(port: int) -> set[str]:
    """Return the inodes of sockets that are connected to `port` (proc(5), /proc/net/tcp)."""
    lines = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    far = f":{port:04X}"
    return {its[9] for its in lines if its[2].endswith(far) and its[3] == ESTABLISHED}


def sockets_of(process: int) -> set[str]:
    """Return the inodes of the sockets of a process."""
    links = (os.readlink(each) for each in Path(f"/proc/{process}/fd").iterdir())
    return {each[8:-1] for each in links if each.startswith("socket:[")}


def processes() -> list[int]:
    """Return all processes that there are."""
    return [int(each) for each in os.listdir("/proc") if each.isdigit()]


def parent_of(process: int) -> int | None:
    """Return the parent of a process, None where it is no more."""
    try:
        text = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return None
    state, parent = text.rpartition(")")[2].split()[:2]
    return int(parent) if state != "Z" else None

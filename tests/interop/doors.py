"""Two doors to one archive: straight to it, and through the relay. What comes out is compared."""

from __future__ import annotations

import re
import ssl
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeVar

import attrs

from tests.interop.objects import dataset_bytes, fingerprint
from tests.interop.server import ENVIRONMENT, LOOPBACK, program

CALLER = "MODALITY"
TOOL_PATIENCE_S = 60

_T = TypeVar("_T")


@attrs.frozen
class Door:
    """A port of loopback behind which an archive answers to an AE title.

    Where `tls` is given callers must speak it; DCMTK's tools are sent to doors without.
    """

    port: int
    called: str
    tls: ssl.SSLContext | None = attrs.field(default=None, eq=False)


@attrs.frozen
class Doors:
    """The two doors of one archive."""

    direct: Door
    relay: Door

    def same(self, run: Callable[[Door], _T]) -> _T:
        """Run against the archive itself, then through the relay; return what both gave."""
        direct, relayed = run(self.direct), run(self.relay)
        assert relayed == direct, f"straight: {direct}\nthrough the relay: {relayed}"
        return direct


def fingerprints(datasets: Mapping[str, bytes]) -> dict[str, str]:
    """Return names and fingerprints, which fit into a report of a difference."""
    return {name: fingerprint(data) for name, data in datasets.items()}


@attrs.frozen
class Outcome:
    """What a tool of DCMTK came to: exit status, what it said, the datasets that it led to.

    `files` are set as bytes and kept as fingerprints.
    """

    status: int
    said: str
    files: Mapping[str, str] = attrs.field(factory=dict, converter=fingerprints)


def run_tool(
    door: Door,
    tool: str,
    *options: object,
    files: tuple[Path, ...] = (),
    calling: str = CALLER,
) -> Outcome:
    """Run a DCMTK tool against `door`, with `files` as its input files."""
    titles = ("-v", "-aet", calling, "-aec", door.called)
    command = [program(tool), *titles, *map(str, options), LOOPBACK, str(door.port)]
    done = subprocess.run(
        [*command, *map(str, files)],
        capture_output=True,
        env=ENVIRONMENT,
        timeout=TOOL_PATIENCE_S,
        check=False,
    )
    return Outcome(done.returncode, _comparable(done.stderr.decode("latin-1")))


def run_tool_into(folder: Path, door: Door, tool: str, *options: object) -> Outcome:
    """Run a DCMTK tool that writes files into a folder, and take them from it."""
    done = run_tool(door, tool, "-od", folder, *options)
    taken = {path.name: dataset_bytes(path) for path in sorted(folder.iterdir())}
    for name in taken:
        (folder / name).unlink()
    return Outcome(done.status, done.said, taken)


def _comparable(said: str) -> str:
    """Leave out the one thing that may differ lawfully: how long a PDU the peer takes."""
    said = re.sub(r"Max Send PDV: \d+", "Max Send PDV: n", said)
    # An archive counts its own requests as long as an association lives, and the relay's live on.
    return re.sub(r"Received C-STORE Request \(MsgID \d+\)", "Received C-STORE Request", said)

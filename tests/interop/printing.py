"""Print: DCMTK's dcmprscp, a printer that writes its films to files, and dcmprscu, which prints."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs
from pydicom import dcmread

from tests.interop.doors import CALLER, TOOL_PATIENCE_S, Door, Outcome
from tests.interop.objects import fingerprint
from tests.interop.server import ENVIRONMENT, Server, answers_echo, program

CONFIG = """\
[[GENERAL]]
[APPLICATION]
LogDirectory = .
LogLevel = ERROR
[PRINT]
Directory = spool
DeletePrintJobs = false
[DATABASE]
Directory = database
[LUT]
Directory = lut
[REPORT]
Directory = reports
[NETWORK]
aetitle = {calling}
[[COMMUNICATION]]
[{called}]
Type = LOCALPRINTER
Aetitle = {called}
Description = a printer
Hostname = localhost
Port = {port}
MaxPDU = 32768
DisplayFormat = 1,1\\2,2
FilmDestination = MAGAZINE
FilmSizeID = 14INX17IN
MediumType = PAPER
MagnificationType = NONE
MaxDensity = 320
Supports12Bit = true
SupportsPresentationLUT = true
"""


def write_config(folder: Path, port: int, called: str) -> Path:
    """Write what the tools of print need to know to `folder`, with the folders that it names."""
    for name in ("spool", "database", "lut", "reports"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    path = folder / "dcmpstat.cfg"
    path.write_text(CONFIG.format(calling=CALLER, called=called, port=port))
    return path


@attrs.define
class DcmPrScp(Server):
    """DCMTK's dcmprscp: serves one association after the other; without TLS."""

    name: ClassVar[str] = "dcmprscp"
    ae_title: str = "PRINTER"

    def command(self) -> Sequence[str]:
        config = str(self.folder / "dcmpstat.cfg")
        return [program("dcmprscp"), "-v", "-c", config, "-p", self.ae_title]

    def prepare(self) -> None:
        write_config(self.folder, self.port, self.ae_title)

    def serves(self) -> bool:
        return answers_echo(self.port, self.ae_title)

    def take(self) -> list[str]:
        """Return fingerprints of the pixels that were printed, in no order; forget these."""
        database = self.folder / "database"
        images = [dcmread(path) for path in database.glob("HG_*.dcm")]
        for path in database.iterdir():
            path.unlink()
        return sorted(fingerprint(image.PixelData) for image in images)


def print_images(folder: Path, door: Door, *images: Path) -> Outcome:
    """Make a print job of `images` in `folder` and print it; what is said holds every message."""
    config = write_config(folder, door.port, door.called)
    options = ("-c", config, "-p", door.called)
    assert _run(folder, "dcmpsprt", *options, "--layout", 2, 2, *images).status == 0
    (job,) = (folder / "database").glob("SP_*.dcm")
    printed = _run(folder, "dcmprscu", "-v", "+d", *options, job)
    for path in (folder / "database").iterdir():
        path.unlink()
    return printed


def _run(folder: Path, tool: str, *options: object) -> Outcome:
    done = subprocess.run(
        [program(tool), *map(str, options)],
        capture_output=True,
        cwd=folder,
        env=ENVIRONMENT,
        timeout=TOOL_PATIENCE_S,
        check=False,
    )
    return Outcome(done.returncode, _comparable(done.stderr.decode("latin-1")))


def _comparable(said: str) -> str:
    """Leave out what differs from one job to the next: ports, times, UIDs and their lengths."""
    for pattern in (
        r"Max Send PDV: \d+",
        r"port +: \d+",
        r"'database/.*'|'/.*'",
        r"created \d+ \d+",
        r"1\.2\.276\.0\.7230010[.\d]+",
        r"# +\d+, ",
    ):
        said = re.sub(pattern, "...", said)
    return said

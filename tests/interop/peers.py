"""The archives of the bed that are programs of their own, and stunnel for those without TLS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from tests.interop.objects import dataset_bytes
from tests.interop.pki import Pki
from tests.interop.server import LOOPBACK, Server, answers_echo, program


@attrs.define
class StoreScp(Server):
    """DCMTK's storescp: a process per association, datasets written as they arrived.

    With a `pki` it speaks TLS and nothing else; it asks callers for no certificate. It hesitates
    for so many seconds after each object. `syntaxes` is the option for what it accepts.
    """

    name: ClassVar[str] = "storescp"
    ae_title: str = "STORESCP"
    pki: Pki | None = None
    hesitation: int = attrs.field(kw_only=True, default=0)
    syntaxes: str = attrs.field(kw_only=True, default="+xa")

    @property
    def inbox(self) -> Path:
        """The folder of what was stored, a Part 10 file per SOP Instance UID."""
        return self.folder / "inbox"

    def command(self) -> Sequence[str]:
        tls = ["+tls", str(self.pki.key), str(self.pki.certificate), "-ic"] if self.pki else []
        options = ["--fork", "+B", self.syntaxes, "-aet", self.ae_title, "-od", str(self.inbox)]
        pause = ["--sleep-after", str(self.hesitation)] if self.hesitation else []
        return [program("storescp"), "-v", *options, *pause, *tls, str(self.port)]

    def prepare(self) -> None:
        self.inbox.mkdir(exist_ok=True)

    def serves(self) -> bool:
        tls = self.pki.client_context() if self.pki else None
        return answers_echo(self.port, self.ae_title, tls)

    def take(self) -> dict[str, bytes]:
        """Empty the inbox: return each file's name and the bytes of its dataset."""
        taken = {path.name: dataset_bytes(path) for path in self.inbox.iterdir()}
        for name in taken:
            (self.inbox / name).unlink()
        return taken


QR_CONFIG = """\
NetworkTCPPort  = {port}
MaxPDUSize      = 16384
MaxAssociations = 16
HostTable BEGIN
{hosts}
HostTable END
VendorTable BEGIN
VendorTable END
AETable BEGIN
{titles}
AETable END
"""


@attrs.define
class DcmQrScp(Server):
    """DCMTK's dcmqrscp: an archive that also answers C-FIND, C-GET and C-MOVE; without TLS.

    Each of its AE titles has a store of its own. `destinations` are the AE titles to which it
    may move, with their ports on loopback.
    """

    name: ClassVar[str] = "dcmqrscp"
    ae_titles: Sequence[str] = ("QRSCP",)
    destinations: Mapping[str, int] = attrs.field(factory=dict)

    @property
    def config(self) -> Path:
        """The configuration file, written at each start."""
        return self.folder / "dcmqrscp.cfg"

    def command(self) -> Sequence[str]:
        return [program("dcmqrscp"), "-v", "-c", str(self.config)]

    def prepare(self) -> None:
        for title in self.ae_titles:
            (self.folder / title).mkdir(exist_ok=True)
        hosts = (f"{aet} = ({aet}, {LOOPBACK}, {p})" for aet, p in self.destinations.items())
        titles = (f"{aet} {self.folder / aet} RW (500, 1024mb) ANY" for aet in self.ae_titles)
        text = QR_CONFIG.format(port=self.port, hosts="\n".join(hosts), titles="\n".join(titles))
        self.config.write_text(text)

    def serves(self) -> bool:
        return answers_echo(self.port, self.ae_titles[0])


@attrs.define
class Stunnel(Server):
    """stunnel: TLS in front of a peer that has none, or taken off for a caller that has none.

    `echo` names the AE title behind it, to which a C-ECHO must succeed before it serves.
    """

    name: ClassVar[str] = "stunnel"
    pki: Pki
    target: int
    echo: str
    client: bool = False

    @property
    def config(self) -> Path:
        """The configuration file, written at each start."""
        return self.folder / "stunnel.conf"

    def command(self) -> Sequence[str]:
        return [program("stunnel4", "stunnel"), str(self.config)]

    def prepare(self) -> None:
        self.config.write_text("\n".join(self._lines()) + "\n")

    def serves(self) -> bool:
        return answers_echo(
            self.port, self.echo, None if self.client else self.pki.client_context()
        )

    def _lines(self) -> list[str]:
        common = ["foreground = yes", "pid =", "debug = warning", "[dicom]"]
        ends = [f"accept = {LOOPBACK}:{self.port}", f"connect = {LOOPBACK}:{self.target}"]
        return [*common, *ends, *(self._trust() if self.client else self._identity())]

    def _trust(self) -> list[str]:
        return [
            "client = yes",
            f"CAfile = {self.pki.ca}",
            "verifyChain = yes",
            "checkHost = localhost",
        ]

    def _identity(self) -> list[str]:
        return [f"cert = {self.pki.certificate}", f"key = {self.pki.key}"]

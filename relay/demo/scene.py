"""What stands around the relay in the demonstration: a folder, certificates, two archives.

The two archives are two doors of one: they share a store, as the upstreams of a pool have to.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import attrs

from relay.demo import HOST
from relay.demo.archive import Archive
from relay.demo.certificates import Certificates
from relay.demo.store import Store
from relay.transport.tls import server_options

AE_TITLE = "RELAY"
ARCHIVES = {"archive-a": "ARCHIVE_A", "archive-b": "ARCHIVE_B"}
"""AE titles by the names that the relay's configuration and its log give them."""

_CONFIGURATION = """\
# What `twistd relay --demo` runs with; its archives and certificates are of one run only.

[relay]
ae_title = "{ae_title}"

[[listener]]
endpoint = "tcp:port={port}:interface={host}"
{upstreams}
[pool.archive]
upstreams = [{names}]

[[route]]
pool = "archive"
"""

_UPSTREAM = """
[upstream.{name}]
address = "{ae_title}@{host}:{port}"
tls = {{ ca = "{files.ca}", certificate = "{files.relay[0]}", key = "{files.relay[1]}" }}
"""


@attrs.define(eq=False)
class Scene:
    """`folder` holds PEM files, the relay's `configuration`, and below `store.folder` objects."""

    folder: Path
    store: Store
    archives: list[Archive]

    @property
    def configuration(self) -> Path:
        """The relay's, a TOML file."""
        return self.folder / "relay.toml"

    @classmethod
    def set(cls, reactor: Any, port: int) -> Scene:
        """Open the archives, and write down a relay in front of them that listens on `port`."""
        folder = Path(tempfile.mkdtemp(prefix="dicom-relay-demo-"))
        store = Store(folder / "objects")
        store.folder.mkdir()
        scene = cls(folder, store, [Archive(name, reactor, store) for name in ARCHIVES])
        certificates = Certificates(folder)
        certificates.write(HOST)
        tls = server_options(certificates.of_archive())
        upstreams = [
            _UPSTREAM.format(
                name=archive.name,
                ae_title=ARCHIVES[archive.name],
                host=HOST,
                port=archive.listen(HOST, tls),
                files=certificates,
            )
            for archive in scene.archives
        ]
        scene.configuration.write_text(_configuration(port, upstreams), "utf-8")
        return scene

    async def strike(self) -> None:
        """Close the archives; the folder stays."""
        for archive in self.archives:
            await archive.stop()


def _configuration(port: int, upstreams: list[str]) -> str:
    names = ", ".join(f'"{name}"' for name in ARCHIVES)
    return _CONFIGURATION.format(
        ae_title=AE_TITLE, port=port, host=HOST, upstreams="".join(upstreams), names=names
    )

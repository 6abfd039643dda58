"""Orthanc: an archive on one bank, a workstation on the other, and what makes it call by itself."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar
from urllib.request import Request, urlopen

import attrs

from tests.interop.objects import dataset_bytes, fingerprint, is_part10
from tests.interop.pki import Pki
from tests.interop.server import (
    LOOPBACK,
    PATIENCE_S,
    POLL_S,
    Server,
    answers_echo,
    free_port,
    program,
)

SERVICES = ("Echo", "Store", "Find", "FindWorklist", "Get", "Move")
WORKLISTS = "/usr/share/orthanc/plugins/libModalityWorklists.so"
"""The plugin, as Debian's package of Orthanc installs it."""


@attrs.define
class Orthanc(Server):
    """Orthanc, with TLS on its DICOM port unless told otherwise; it converts nothing it stores.

    It answers every caller. Unlike dcmqrscp it has one store, whatever AE title it is called.
    `destinations` are those that it calls, with their ports on loopback, `secure` those that it
    calls by TLS. With `calls` it has a web server by which it is told to call. `worklist` is the
    folder from which its plugin serves a worklist.
    """

    name: ClassVar[str] = "orthanc"
    pki: Pki
    ae_title: str = "ORTHANC"
    destinations: Mapping[str, int] = attrs.field(factory=dict)
    tls: bool = attrs.field(kw_only=True, default=True)
    secure: Mapping[str, int] = attrs.field(kw_only=True, factory=dict)
    calls: bool = attrs.field(kw_only=True, default=False)
    worklist: Path | None = attrs.field(kw_only=True, default=None)
    web: int = attrs.field(init=False, default=0)

    @property
    def config(self) -> Path:
        """The configuration file, written at each start."""
        return self.folder / "orthanc.json"

    def command(self) -> Sequence[str]:
        return [program("Orthanc"), str(self.config)]

    def prepare(self) -> None:
        self.web = free_port() if self.calls else 0
        self.config.write_text(json.dumps(self._settings()))

    def serves(self) -> bool:
        tls = self.pki.client_context() if self.tls else None
        return answers_echo(self.port, self.ae_title, tls)

    def stop(self) -> None:
        """End it at once: its farewell takes a second, and its store is thrown away."""
        self.kill()

    def held_objects(self) -> list[str]:
        """Return fingerprints of the datasets in its store, in no order of arrival."""
        files = (path for path in self.store.rglob("*") if path.is_file() and is_part10(path))
        return sorted(fingerprint(dataset_bytes(path)) for path in files)

    @property
    def store(self) -> Path:
        """The folder of its files, each named by a UUID, and of its index."""
        return self.folder / "store"

    def ask(self, path: str) -> Any:
        """Return what its web server says of `path`."""
        return self._request(Request(self._url(path)))

    def tell(self, path: str, said: object) -> Any:
        """Post `said` to `path`, an operation that Orthanc then carries out; return its answer.

        Raises HTTPError where the operation fails.
        """
        return self._request(Request(self._url(path), json.dumps(said).encode()))

    def forget(self) -> None:
        """Empty its store."""
        for patient in self.ask("patients"):
            self._request(Request(self._url(f"patients/{patient}"), method="DELETE"))

    def settled(self, path: str) -> Any:
        """Return what `path` says of itself as soon as that is no longer "Pending"."""
        deadline = time.monotonic() + PATIENCE_S
        while (said := self.ask(path))["Status"] == "Pending":
            assert time.monotonic() < deadline, f"{path} is pending"
            assert not self.ends_within(POLL_S)
        return said

    def _url(self, path: str) -> str:
        return f"http://{LOOPBACK}:{self.web}/{path}"

    def _request(self, request: Request) -> Any:
        with urlopen(request, timeout=PATIENCE_S) as response:
            return json.loads(response.read() or b"null")

    def _settings(self) -> dict[str, object]:
        return {
            "Name": self.ae_title,
            "StorageDirectory": str(self.store),
            "IndexDirectory": str(self.store),
            "StorageCompression": False,
            "DicomAet": self.ae_title,
            "DicomPort": self.port,
            "DicomThreadsCount": 4,
            "DicomScuTimeout": int(PATIENCE_S),
            "UnknownSopClassAccepted": True,
            "DicomModalities": {
                **{title: _modality(title, port) for title, port in self.destinations.items()},
                **{title: _modality(title, port, True) for title, port in self.secure.items()},
            },
            **{f"DicomAlwaysAllow{service}": True for service in SERVICES},
            **self._web(),
            **self._worklist(),
            **self._identity(),
        }

    def _web(self) -> dict[str, object]:
        access = {"RemoteAccessAllowed": False, "AuthenticationEnabled": False}
        return {"HttpServerEnabled": self.calls, "HttpPort": self.web, **access}

    def _worklist(self) -> dict[str, object]:
        if self.worklist is None:
            return {"Plugins": []}
        served = {"Enable": True, "Database": str(self.worklist)}
        return {"Plugins": [WORKLISTS], "Worklists": served}

    def _identity(self) -> dict[str, object]:
        return {
            "DicomTlsEnabled": self.tls,
            "DicomTlsCertificate": str(self.pki.certificate),
            "DicomTlsPrivateKey": str(self.pki.key),
            "DicomTlsTrustedCertificates": str(self.pki.ca),
            "DicomTlsRemoteCertificateRequired": False,
        }


def _modality(ae_title: str, port: int, tls: bool = False) -> dict[str, object]:
    return {"AET": ae_title, "Host": LOOPBACK, "Port": port, "UseDicomTls": tls}

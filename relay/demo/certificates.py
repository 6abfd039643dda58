"""A throw-away CA, and what it issues: a certificate for the archives, one for the relay."""

from __future__ import annotations

from pathlib import Path

import attrs
import trustme

from relay.config import ServerTLS


@attrs.frozen
class Certificates:
    """Names of PEM files in `folder`. The CA's own key is kept nowhere."""

    folder: Path
    ca: str = "ca.pem"
    archive: tuple[str, str] = ("archive.pem", "archive.key")
    relay: tuple[str, str] = ("relay.pem", "relay.key")

    def write(self, host: str) -> None:
        """Make them all anew; the archives' is for `host`."""
        authority = trustme.CA(organization_name="dicom-relay demonstration")
        authority.cert_pem.write_to_path(self.folder / self.ca)
        _write(authority.issue_cert(host), self.folder, *self.archive)
        _write(authority.issue_cert("relay.invalid"), self.folder, *self.relay)

    def of_archive(self) -> ServerTLS:
        """What an archive's door shows, and of whom it asks a certificate: of everybody."""
        certificate, key = (self.folder / name for name in self.archive)
        return ServerTLS(certificate, key, client_ca=self.folder / self.ca)


def _write(issued: trustme.LeafCert, folder: Path, certificate: str, key: str) -> None:
    issued.private_key_pem.write_to_path(folder / key)
    for place, each in enumerate(issued.cert_chain_pems):
        each.write_to_path(folder / certificate, append=place > 0)

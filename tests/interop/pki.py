"""One throw-away certification authority for the whole bed, written to files once."""

from __future__ import annotations

import ssl
from pathlib import Path

import attrs
import trustme


@attrs.frozen
class Pki:
    """Where the PEM files of the bed are: the authority, and one server's certificate and key.

    The certificate carries ``localhost`` and ``127.0.0.1``, the names by which peers are called.
    """

    ca: Path
    certificate: Path
    key: Path

    @classmethod
    def write(cls, folder: Path) -> Pki:
        """Make the authority and a server's certificate, and write them to `folder`."""
        pki = cls(folder / "ca.pem", folder / "server.pem", folder / "server.key")
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(pki.ca)
        leaf.private_key_pem.write_to_path(pki.key)
        for certificate in leaf.cert_chain_pems:
            certificate.write_to_path(pki.certificate, append=True)
        return pki

    def server_context(self) -> ssl.SSLContext:
        """Return what a TLS server of the bed needs."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self) -> ssl.SSLContext:
        """Return what a caller needs to trust the bed's servers, and no other."""
        return ssl.create_default_context(cafile=str(self.ca))

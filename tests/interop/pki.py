"""One throw-away certification authority for the whole bed, written to files once."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

import attrs
import trustme

CLIENTS = ("ct1.ward.example.org", "ct2.attic.example.org")
"""Names in certificates of callers."""


@attrs.frozen
class Pki:
    """Where the PEM files of the bed are: the authority, and one server's certificate and key.

    The certificate carries ``localhost`` and ``127.0.0.1``, the names by which peers are called.
    `clients` are those of CLIENTS, each with its key in one file.
    """

    ca: Path
    certificate: Path
    key: Path
    clients: Mapping[str, Path] = attrs.field(factory=dict)

    @classmethod
    def write(cls, folder: Path) -> Pki:
        """Make the authority, a server's certificate and callers', and write them to `folder`."""
        clients = {name: folder / f"{name}.pem" for name in CLIENTS}
        pki = cls(folder / "ca.pem", folder / "server.pem", folder / "server.key", clients)
        authority = trustme.CA()
        leaf = authority.issue_cert("localhost", "127.0.0.1")
        authority.cert_pem.write_to_path(pki.ca)
        leaf.private_key_pem.write_to_path(pki.key)
        for certificate in leaf.cert_chain_pems:
            certificate.write_to_path(pki.certificate, append=True)
        for name, path in clients.items():
            authority.issue_cert(name).private_key_and_cert_chain_pem.write_to_path(path)
        return pki

    def server_context(self) -> ssl.SSLContext:
        """Return what a TLS server of the bed needs."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.certificate, self.key)
        return context

    def client_context(self, shown: str | None = None) -> ssl.SSLContext:
        """Return what a caller needs to trust the bed's servers, and no other.

        Where it is asked for a certificate it shows that of `clients` with the name `shown`.
        """
        context = ssl.create_default_context(cafile=str(self.ca))
        if shown is not None:
            context.load_cert_chain(self.clients[shown])
        return context

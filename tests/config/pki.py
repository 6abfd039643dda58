"""A throw-away authority that issues the files a configuration names."""

from __future__ import annotations

import datetime
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization

DAY = datetime.timedelta(days=1)


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def issue(
    folder: Path, certificate: str, key: str, kind: trustme.KeyType = trustme.KeyType.ECDSA
) -> None:
    """Write a new certificate and its key."""
    issued = authority().issue_cert("relay.example.org", key_type=kind)
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(folder / certificate), append=True)
    issued.private_key_pem.write_to_path(str(folder / key))


def revocations(
    authority: trustme.CA,
    *revoked: Path,
    starts: datetime.timedelta = -DAY,
    ends: datetime.timedelta = DAY,
) -> bytes:
    """The authority's list, with the certificates of these files on it; `ends` is when the next is
    due."""
    now = datetime.datetime.now(datetime.UTC)
    own = x509.load_pem_x509_certificate(authority.cert_pem.bytes())
    key: Any = serialization.load_pem_private_key(authority.private_key_pem.bytes(), None)
    made = x509.CertificateRevocationListBuilder(own.subject, now + starts, now + ends)
    for path in revoked:
        serial = x509.load_pem_x509_certificate(path.read_bytes()).serial_number
        made = made.add_revoked_certificate(
            x509.RevokedCertificateBuilder(serial, now - DAY).build()
        )
    return made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def encrypt(key: Path, into: Path) -> None:
    """Write a key with a passphrase."""
    private = serialization.load_pem_private_key(key.read_bytes(), None)
    into.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )


def issue_all(text: str, folder: Path) -> None:
    """Write every file that this configuration names, so that it can be read with this folder."""
    for tls in _tls_tables(tomllib.loads(text)):
        if "certificate" in tls and not (folder / tls["certificate"]).exists():
            issue(folder, tls["certificate"], tls["key"])
        for name in {"ca", "client_ca"} & tls.keys():
            authority().cert_pem.write_to_path(str(folder / tls[name]))
        for name in tls.get("crl", ()):
            (folder / name).write_bytes(revocations(authority(), ends=365 * DAY))

    for name, content in SECRETS.items():
        (folder / name).write_bytes(content)


SECRETS = {
    "users": b"ct1:$2b$04$" + b"x" * 53 + b"\n",
    "passcode": b"secret\n",
    "log-key": b"0123456789abcdef\n",
}
"""Files of users, passcodes and keys, as conf/ names them."""


def _tls_tables(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for table in [*document["listener"], *document["upstream"].values()]:
        if "tls" in table:
            yield table["tls"]

"""Files of certificate revocation lists (RFC 5280 5), in PEM."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from cryptography.x509 import (
    CertificateRevocationList,
    load_pem_x509_certificates,
    load_pem_x509_crl,
)

_ONE = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


def read_revocations(path: Path) -> list[CertificateRevocationList]:
    """The lists in a file, one at least. Raises OSError, and ValueError for what is none."""
    found = [load_pem_x509_crl(each) for each in _ONE.findall(path.read_bytes())]
    if not found:
        raise ValueError("no list in PEM")
    return found


def unlisted(authorities: Path, lists: Iterable[Path]) -> list[str]:
    """The names (RFC 4514) of those authorities in a file that no list is of. Raises as
    `read_revocations`."""
    issuers = {each.issuer for path in lists for each in read_revocations(path)}
    found = load_pem_x509_certificates(authorities.read_bytes())
    return [each.subject.rfc4514_string() for each in found if each.subject not in issuers]

"""Files of certificate revocation lists (RFC 5280 5), in PEM."""

from __future__ import annotations

import re
from pathlib import Path

from cryptography.x509 import CertificateRevocationList, load_pem_x509_crl

_ONE = re.compile(rb"-----BEGIN X509 CRL-----.*?-----END X509 CRL-----", re.DOTALL)


def read_revocations(path: Path) -> list[CertificateRevocationList]:
    """The lists in a file, one at least. Raises OSError, and ValueError for what is none."""
    found = [load_pem_x509_crl(each) for each in _ONE.findall(path.read_bytes())]
    if not found:
        raise ValueError("no list in PEM")
    return found

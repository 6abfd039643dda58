"""Whether a peer's certificate is good, and why not: in words that an operator can act on.

OpenSSL verifies, and asks about each certificate of the chain. What is raised there ends the
handshake with OpenSSL's alert for it, and is raised from there, on sockets and in memory alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from cryptography.x509 import DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType
from OpenSSL import SSL, crypto
from service_identity import CertificateError, VerificationError
from service_identity.hazmat import DNS_ID, IPAddress_ID, verify_service_identity
from service_identity.pyopenssl import extract_patterns
from twisted.internet.abstract import isIPAddress, isIPv6Address

OTHER_HOST = "the certificate is for another host name"
UNREADABLE = "the names of the certificate cannot be read"
EXPIRED = "the certificate has expired"

_WHY: Mapping[int, str] = {
    3: "there is no revocation list of the certificate's authority",
    8: "the revocation list is not signed by the certificate's authority",
    9: "the certificate is not valid yet, or a clock is wrong",
    10: EXPIRED,
    11: "the revocation list is not valid yet, or a clock is wrong",
    12: "the revocation list has expired",
    18: "the certificate is signed by itself, and not by an authority that is believed",
    19: "the certificate is of an authority that is not believed",
    20: "the certificate is of an authority that is not believed",
    21: "the certificate is of an authority that is not believed",
    23: "the certificate is revoked",
    26: "the certificate is for another purpose",
    35: "the certificate's authority may sign no revocation lists",
    44: "the revocation list is for other certificates",
    66: "the key of the certificate is too short",
    67: "the key of the certificate's authority is too short",
    68: "the certificate is signed with a weak hash",
}
"""By X509_V_ERR_* of openssl/x509_vfy.h, which pyOpenSSL has no names for."""

NOT_READ = (DuplicateExtension, InvalidVersion, UnsupportedGeneralNameType, ValueError)
"""What is raised about the names of certificates that OpenSSL itself has nothing against."""

_Judge = Callable[[SSL.Connection, crypto.X509, int, int, int], bool]


class Refused(SSL.Error):
    """A peer's certificate is not good. It has its words where OpenSSL's own errors have them."""

    def __init__(self, why: str) -> None:
        super().__init__([("relay", "", why)])


def judging(host: str | None = None) -> _Judge:
    """What is asked about each certificate of the peer's chain, its own at depth 0.

    With a `host` the peer's certificate has to be for that name or address. Raises `Refused`.
    """

    def judge(
        tls: SSL.Connection, certificate: crypto.X509, error: int, depth: int, is_good: int
    ) -> bool:
        if not is_good:
            raise Refused(_WHY.get(error, f"certificate verify failed ({error})"))
        if depth == 0 and host is not None:
            verify(certificate, host)
        return True

    return judge


def judge_again(certificate: crypto.X509 | None, host: str) -> None:
    """Judge the certificate of a session that was taken up again, which OpenSSL does not verify.

    Raises `Refused`.
    """
    if certificate is None:
        raise Refused("no certificate")
    if certificate.has_expired():
        raise Refused(EXPIRED)
    verify(certificate, host)


def verify(certificate: crypto.X509, host: str) -> None:
    """Raise `Refused` unless the certificate is for this host name or address."""
    wanted: IPAddress_ID | DNS_ID = IPAddress_ID(host) if is_address(host) else DNS_ID(host)
    try:
        verify_service_identity(extract_patterns(certificate), [wanted], [])
    except VerificationError:
        raise Refused(OTHER_HOST) from None
    except (CertificateError, *NOT_READ):
        raise Refused(UNREADABLE) from None


def is_address(host: str) -> bool:
    """Whether this is an address of IPv4 or IPv6, and no name."""
    return isIPAddress(host) or isIPv6Address(host)

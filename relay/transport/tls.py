"""TLS both ways: 1.2 and 1.3 only, with the suites of a profile of PS3.15 (BCP 195, RFC 9325).

Contexts are built from files that the configuration has checked, and not changed afterwards. A
connection that fails fails closed: an expired certificate, a wrong host name or a missing client
certificate end it. Nothing here writes keys down, compresses or renegotiates.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cryptography.x509 import (
    DNSName,
    ExtensionNotFound,
    IPAddress,
    RFC822Name,
    SubjectAlternativeName,
    UniformResourceIdentifier,
    load_pem_x509_certificates,
)
from OpenSSL import SSL, crypto
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.ssl import (
    Certificate,
    CertificateOptions,
    TLSVersion,
    platformTrust,
    trustRootFromCertificates,
)

from relay.config import ClientTLS, ServerTLS
from relay.config.revocations import read_revocations
from relay.transport.judging import NOT_READ, judging
from relay.transport.profiles import restrict
from relay.transport.securing import Client, Server


class Unusable(Exception):
    """A file that TLS needs cannot be used: which one, and why."""


_NAMES = (DNSName, IPAddress, UniformResourceIdentifier, RFC822Name)


def server_options(tls: ServerTLS) -> CertificateOptions:
    """The context of a listener; with `client_ca` callers are asked for certificates.

    Raises `Unusable`.
    """
    options = CertificateOptions(
        **_own(tls.certificate, tls.key),
        trustRoot=_trust(tls.client_ca) if tls.client_ca is not None and tls.asks else None,
        raiseMinimumTo=TLSVersion.TLSv1_2,
    )
    with _using(tls.certificate):
        context = restrict(options.getContext(), tls.profile)
    if tls.asks:
        _revoke(context, tls.crl)
        must = SSL.VERIFY_FAIL_IF_NO_PEER_CERT if tls.client_certificates == "required" else 0
        context.set_verify(SSL.VERIFY_PEER | must, judging())
    return options


def server_security(tls: ServerTLS) -> Server:
    """A listener's side, whatever carries the bytes. Raises `Unusable`."""
    return Server.of(server_options(tls))


def client_security(tls: ClientTLS, host: str) -> Client:
    """The context towards an upstream whose certificate must be for `host`, or `server_name`;
    sessions are taken up again, unless there are revocation lists. Raises `Unusable`."""
    options = CertificateOptions(
        trustRoot=_trust(tls.ca) if tls.ca is not None else platformTrust(),
        enableSessionTickets=True,
        raiseMinimumTo=TLSVersion.TLSv1_2,
        **_shown(tls),
    )
    with _using(tls.certificate or tls.ca or Path("what the platform trusts")):
        context = restrict(options.getContext(), tls.profile)
    _revoke(context, tls.crl)
    # OpenSSL looks at the lists in full handshakes only.
    return Client.of(options, tls.server_name or host, resumes=tls.crl is None)


def _shown(tls: ClientTLS) -> dict[str, Any]:
    """The certificate to be shown to an upstream, if any."""
    if tls.certificate is None or tls.key is None:
        return {}
    return _own(tls.certificate, tls.key)


def _own(certificate: Path, key: Path) -> dict[str, Any]:
    """A certificate of our own, its key and the chain behind it."""
    leaf, chain = _chain(certificate)
    private = _key(key)
    mine: Any = private.to_cryptography_key()
    if mine.public_key() != leaf.get_pubkey().to_cryptography_key():
        raise Unusable(f"{key} belongs to another certificate than {certificate}")
    return {"certificate": leaf, "privateKey": private, "extraCertChain": chain}


def names_shown(transport: object) -> tuple[str, ...]:
    """The subject alternative names of the certificate that the peer has shown, as text: DNS names,
    IP addresses, URIs, e-mail addresses. None without TLS, or a certificate.

    Case does not matter in DNS names (RFC 5280 7.2): those that have capitals are there without
    them, too.
    """
    if not ISSLTransport.providedBy(transport):
        return ()
    certificate: Any = transport.getPeerCertificate()
    if certificate is None:
        return ()
    try:
        extension = certificate.to_cryptography().extensions.get_extension_for_class(
            SubjectAlternativeName
        )
    except (ExtensionNotFound, *NOT_READ):
        # What cannot be read names nobody.
        return ()
    names = (each for each in extension.value if isinstance(each, _NAMES))
    return tuple(dict.fromkeys(text for each in names for text in _texts(each)))


def _texts(name: Any) -> tuple[str, ...]:
    written = str(name.value)
    return (written, written.lower()) if isinstance(name, DNSName) else (written,)


def _chain(path: Path) -> tuple[crypto.X509, list[crypto.X509]]:
    """The certificate in a PEM file, and those that follow it to be sent along."""
    with _using(path):
        certificates = [
            crypto.X509.from_cryptography(each)
            for each in load_pem_x509_certificates(path.read_bytes())
        ]
    return certificates[0], certificates[1:]


def _key(path: Path) -> crypto.PKey:
    with _using(path):
        # Without the empty passphrase OpenSSL would ask the terminal for one.
        return crypto.load_privatekey(crypto.FILETYPE_PEM, path.read_bytes(), b"")


def _trust(path: Path) -> Any:
    leaf, others = _chain(path)
    return trustRootFromCertificates([Certificate(each) for each in (leaf, *others)])


def _revoke(context: SSL.Context, lists: Sequence[Path] | None) -> None:
    """Have certificates of a chain be on none of these lists, and each authority have a list."""
    store = context.get_cert_store()
    if not lists or store is None:
        return
    for path in lists:
        with _using(path):
            for each in read_revocations(path):
                store.add_crl(each)
    store.set_flags(crypto.X509StoreFlags.CRL_CHECK | crypto.X509StoreFlags.CRL_CHECK_ALL)


@contextmanager
def _using(path: Path) -> Iterator[None]:
    """Raise `Unusable` for what is wrong with a file. What it holds is not repeated."""
    try:
        yield
    except OSError as error:
        raise Unusable(f"{path} cannot be read ({error.strerror})") from error
    except (ValueError, TypeError, SSL.Error, crypto.Error) as error:
        raise Unusable(f"{path} does not hold what it should") from error

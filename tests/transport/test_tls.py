"""TLS both ways: what gets through, what does not, and what is said of it (PS3.15 B.12)."""

from __future__ import annotations

import contextlib
import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from OpenSSL import SSL, crypto
from twisted.internet.error import ConnectionDone
from twisted.internet.interfaces import ISSLTransport
from zope.interface import directlyProvides

from relay.config import ClientTLS, ServerTLS
from relay.transport.profiles import FFDHE2048, MODIFIED, SUITES
from relay.transport.reasons import describe
from relay.transport.tls import names_shown
from tests.transport.tls_bed import (
    DAY,
    HOST,
    By,
    BySockets,
    ByTwisted,
    Ends,
    Pki,
    Plain,
    context,
    hello_of_old,
)

RSA, ECDSA = trustme.KeyType.RSA, trustme.KeyType.ECDSA

FIT = {
    "ECDHE-RSA-AES128-GCM-SHA256": RSA,
    "ECDHE-RSA-AES256-GCM-SHA384": RSA,
    "ECDHE-ECDSA-AES128-GCM-SHA256": ECDSA,
    "ECDHE-ECDSA-AES256-GCM-SHA384": ECDSA,
}
"""Suites of TLS 1.2 that PS3.15 B.12 asks for, and the key that each needs."""

UNFIT = [
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES128-SHA256",
    "ECDHE-RSA-AES256-SHA384",
    "ECDHE-RSA-CHACHA20-POLY1305",
    "AES128-GCM-SHA256",
    "AES128-SHA",
    "NULL-SHA256",
]
"""CBC, no forward secrecy, no encryption, or not of that list."""

FIT_FOR_OLD = {
    "ECDHE-RSA-CHACHA20-POLY1305": RSA,
    "ECDHE-ECDSA-CHACHA20-POLY1305": ECDSA,
    "DHE-RSA-AES128-GCM-SHA256": RSA,
    "DHE-RSA-AES256-GCM-SHA384": RSA,
}
"""What PS3.15 B.13 has beside these, for peers that have nothing better."""

UNFIT_EVER = [
    "ECDHE-RSA-AES128-SHA",
    "ECDHE-RSA-AES256-SHA384",
    "DHE-RSA-AES128-SHA256",
    "DHE-RSA-AES128-CCM8",
    "AES128-GCM-SHA256",
    "AES128-SHA",
    "NULL-SHA256",
]

STRANGER = "the certificate is of an authority that is not believed"


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def other_pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("other"))


@pytest.fixture(params=[ByTwisted, BySockets], ids=["twisted", "socket"])
def by(request) -> Iterator[By]:
    """By Twisted's transports, and by TLS on the socket."""
    with contextlib.ExitStack() as stack:
        yield request.param(stack)


def believing(pki: Pki) -> ClientTLS:
    return ClientTLS(pki.ca)


def why(ends: Ends) -> tuple[str, str]:
    """What either end's log would say."""
    assert ends.server.why_lost is not None
    assert ends.client.why_lost is not None
    return describe(ends.server.why_lost), describe(ends.client.why_lost)


def of(
    suites: str, first: int, last: int, tls: ServerTLS | None = None, with_group: bool = False
) -> Plain:
    """A peer of these suites and versions, and of no others, with this certificate."""

    def prepare(made: SSL.Context) -> None:
        made.set_min_proto_version(first)
        made.set_max_proto_version(last)
        made.set_cipher_list(f"{suites}:@SECLEVEL=0".encode())
        if tls is not None:
            made.use_certificate_chain_file(str(tls.certificate))
            made.use_privatekey_file(str(tls.key))
        if tls is not None and with_group:
            group = tls.key.with_suffix(".group")
            group.write_bytes(FFDHE2048)
            made.load_tmp_dh(str(group))

    return Plain(context(prepare))


def only(suite: str, tls: ServerTLS | None = None, with_group: bool = False) -> Plain:
    """A peer of TLS 1.2 with one suite; for DHE a server needs a group."""
    return of(suite, SSL.TLS1_2_VERSION, SSL.TLS1_2_VERSION, tls, with_group)


def of_old(tls: ServerTLS | None = None) -> Plain:
    """A peer of TLS 1.0 and 1.1."""
    return of("ALL", SSL.TLS1_VERSION, SSL.TLS1_1_VERSION, tls)


# what gets through


def test_both_ends_of_the_relay_speak_tls_1_3(by, pki):
    ends = by.meet(by.server(pki.server()), by.client(believing(pki), HOST))
    assert ends.have_talked
    assert ends.tls.get_protocol_version_name() == "TLSv1.3"


@pytest.mark.parametrize(("suite", "kind"), FIT.items())
def test_tls_1_2_with_a_fit_suite_gets_through_to_a_listener(by, pki, suite, kind):
    ends = by.meet(by.server(pki.server(kind=kind)), only(suite))
    assert ends.have_talked
    assert (ends.tls.get_protocol_version_name(), ends.tls.get_cipher_name()) == ("TLSv1.2", suite)


@pytest.mark.parametrize(("suite", "kind"), FIT.items())
def test_tls_1_2_with_a_fit_suite_gets_through_to_an_upstream(by, pki, suite, kind):
    ends = by.meet(only(suite, pki.server(kind=kind)), by.client(believing(pki), HOST))
    assert ends.have_talked
    assert ends.tls.get_cipher_name() == suite


def test_the_chain_behind_a_certificate_is_sent_along_by_a_listener(by, pki):
    ends = by.meet(by.server(pki.server(below=True)), by.client(believing(pki), HOST))
    assert ends.have_talked


def test_the_chain_behind_a_certificate_is_sent_along_to_an_upstream(by, pki):
    server = attrs.evolve(pki.server(), client_ca=pki.ca)
    ends = by.meet(by.server(server), by.client(pki.client(below=True), HOST))
    assert ends.have_talked


def test_an_upstream_may_be_called_by_its_address(by, pki):
    server = by.server(pki.server("192.0.2.1"))
    assert by.meet(server, by.client(believing(pki), "192.0.2.1")).have_talked
    assert by.meet(server, by.client(believing(pki), "192.0.2.2")).have_nothing


def test_a_name_may_be_given_where_it_is_not_the_addresss(by, pki):
    tls = attrs.evolve(believing(pki), server_name=HOST)
    assert by.meet(by.server(pki.server()), by.client(tls, "192.0.2.1")).have_talked


# versions and suites


def test_tls_1_1_is_refused_by_a_listener(by, pki):
    ends = by.meet(by.server(pki.server(kind=RSA)), of_old())
    assert ends.have_nothing
    assert why(ends)[0] == "TLS: unsupported protocol"


def test_tls_1_1_is_refused_of_an_upstream(by, pki):
    server = of_old(pki.server(kind=RSA))
    assert by.meet(server, of_old()).have_talked
    ends = by.meet(server, by.client(believing(pki), HOST))
    assert ends.have_nothing
    assert why(ends)[1] == "TLS: tlsv1 alert protocol version"


@pytest.mark.parametrize(
    "version", [b"\x03\x00", b"\x03\x01", b"\x03\x02"], ids=lambda each: each.hex()
)
def test_an_old_hello_is_answered_with_an_alert_and_nothing_else(by, pki, version):
    # Written by hand: what a library offers is for the library to say.
    alert, reason = by.answer_to(hello_of_old(version), by.server(pki.server(kind=RSA)))
    assert alert[0] == 0x15
    # fatal; protocol_version, or of an older OpenSSL handshake_failure
    assert alert[-2:] in (bytes((2, 70)), bytes((2, 40)))
    assert len(alert) == 7
    assert reason.startswith("TLS: ")


@pytest.mark.parametrize("suite", [b"\x00\x0a", b"\x00\x05", b"\x00\x01", b"\xc0\x12"])
def test_what_libraries_have_dropped_is_refused_too(by, pki, suite):
    # 3DES, RC4, no encryption, 3DES with forward secrecy (RFC 5246 A.5, RFC 8422 6)
    said = hello_of_old(b"\x03\x03", suite)
    alert, reason = by.answer_to(said, by.server(pki.server(kind=RSA)))
    assert (alert[0], alert[-2:]) == (0x15, bytes((2, 40)))  # fatal, handshake_failure
    assert reason == "TLS: no shared cipher"


def test_no_key_is_written_down_whatever_the_environment_says(by, pki, monkeypatch, tmp_path):
    keys = tmp_path / "keys"
    monkeypatch.setenv("SSLKEYLOGFILE", str(keys))
    assert by.meet(by.server(pki.server()), by.client(believing(pki), HOST)).have_talked
    assert not keys.exists()


@pytest.mark.parametrize("suite", UNFIT)
def test_an_unfit_suite_is_refused_both_ways_though_others_would_talk(by, pki, suite):
    tls = pki.server(kind=RSA)
    server = only(suite, tls)
    assert by.meet(server, only(suite)).have_talked
    ends = by.meet(by.server(tls), only(suite))
    assert ends.have_nothing
    assert why(ends)[0] == "TLS: no shared cipher"
    assert by.meet(server, by.client(believing(pki), HOST)).have_nothing


@pytest.mark.parametrize(("suite", "kind"), [*FIT.items(), *FIT_FOR_OLD.items()])
def test_the_modified_profile_has_suites_for_old_peers_both_ways(by, pki, suite, kind):
    tls = attrs.evolve(pki.server(kind=kind), profile=MODIFIED)
    assert by.meet(by.server(tls), only(suite)).tls.get_cipher_name() == suite
    client = by.client(attrs.evolve(believing(pki), profile=MODIFIED), HOST)
    ends = by.meet(only(suite, tls, with_group=True), client)
    assert ends.have_talked
    assert ends.tls.get_cipher_name() == suite


@pytest.mark.parametrize("suite", FIT_FOR_OLD)
def test_the_usual_profile_does_without_them(by, pki, suite):
    tls = pki.server(kind=FIT_FOR_OLD[suite])
    assert by.meet(by.server(tls), only(suite)).have_nothing
    server = only(suite, tls, with_group=True)
    assert by.meet(server, by.client(believing(pki), HOST)).have_nothing


@pytest.mark.parametrize("suite", UNFIT_EVER)
def test_what_is_retired_is_off_in_the_modified_profile_too(by, pki, suite):
    tls = attrs.evolve(pki.server(kind=RSA), profile=MODIFIED)
    server = only(suite, tls, with_group=True)
    assert by.meet(server, only(suite)).have_talked
    ends = by.meet(by.server(tls), only(suite))
    assert ends.have_nothing
    assert why(ends)[0] == "TLS: no shared cipher"
    client = by.client(attrs.evolve(believing(pki), profile=MODIFIED), HOST)
    assert by.meet(server, client).have_nothing


@pytest.mark.parametrize("profile", SUITES)
def test_both_profiles_prefer_tls_1_3(by, pki, profile):
    server = by.server(attrs.evolve(pki.server(), profile=profile))
    ends = by.meet(server, by.client(attrs.evolve(believing(pki), profile=profile), HOST))
    assert ends.tls.get_protocol_version_name() == "TLSv1.3"


@pytest.mark.parametrize("profile", SUITES)
def test_tls_1_1_is_refused_with_each_profile(by, pki, profile):
    ends = by.meet(by.server(attrs.evolve(pki.server(kind=RSA), profile=profile)), of_old())
    assert ends.have_nothing


# whom an upstream is believed to be


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"starts": -2 * DAY, "ends": -DAY}, "TLS: the certificate has expired"),
        (
            {"starts": DAY, "ends": 2 * DAY},
            "TLS: the certificate is not valid yet, or a clock is wrong",
        ),
        ({"name": "elsewhere.example.org"}, "TLS: the certificate is for another host name"),
    ],
    ids=["expired", "not yet valid", "wrong host name"],
)
def test_an_upstreams_certificate_that_is_no_good_is_refused(by, pki, how, reason):
    ends = by.meet(by.server(pki.server(**how)), by.client(believing(pki), HOST))
    assert ends.have_nothing
    assert why(ends)[1] == reason


def test_an_authority_that_nobody_named_is_not_believed(by, pki, other_pki):
    ends = by.meet(by.server(other_pki.server()), by.client(believing(pki), HOST))
    assert ends.have_nothing
    assert why(ends)[1] == f"TLS: {STRANGER}"


def test_without_an_authority_named_the_platforms_are_believed_and_not_all(by, pki):
    assert by.meet(by.server(pki.server()), by.client(ClientTLS(), HOST)).have_nothing


# whom a caller has to be


def asking(by: By, pki: Pki, how: str = "required") -> Any:
    """A listener that lets in who has a certificate from here."""
    return by.server(attrs.evolve(pki.server(), client_ca=pki.ca, client_certificates=how))


def test_a_caller_with_a_certificate_gets_through(by, pki):
    assert by.meet(asking(by, pki), by.client(pki.client(), HOST)).have_talked


def test_a_caller_without_a_certificate_does_not(by, pki):
    ends = by.meet(asking(by, pki), by.client(believing(pki), HOST))
    assert ends.server.heard == b""
    assert why(ends)[0] == "TLS: peer did not return a certificate"
    # In TLS 1.3 a caller learns of it behind its handshake only.
    assert why(ends)[1] == "TLS: tlsv13 alert certificate required"


@pytest.mark.parametrize(
    ("how", "said", "told"),
    [
        (
            {"starts": -2 * DAY, "ends": -DAY},
            "the certificate has expired",
            "certificate expired",
        ),
        (
            {"starts": DAY, "ends": 2 * DAY},
            "the certificate is not valid yet, or a clock is wrong",
            "bad certificate",
        ),
    ],
    ids=["old", "new"],
)
def test_a_caller_whose_certificate_is_out_of_date_does_not(by, pki, how, said, told):
    ends = by.meet(asking(by, pki), by.client(pki.client(**how), HOST))
    assert ends.server.heard == b""
    assert why(ends)[0] == f"TLS: {said}"
    # The caller is told by OpenSSL's own alert for it.
    assert why(ends)[1].endswith(f"alert {told}")


def test_a_caller_with_a_certificate_from_elsewhere_does_not(by, pki, other_pki):
    tls = attrs.evolve(other_pki.client(), ca=pki.ca)
    ends = by.meet(asking(by, pki), by.client(tls, HOST))
    assert ends.server.heard == b""
    assert why(ends)[0] == f"TLS: {STRANGER}"


def test_a_certificate_that_is_wanted_may_be_left_out(by, pki):
    assert by.meet(asking(by, pki, "wanted"), by.client(believing(pki), HOST)).have_talked


def test_a_certificate_that_is_wanted_and_shown_is_known_by_its_names(by, pki):
    ends = by.meet(asking(by, pki, "wanted"), by.client(pki.client("ct1.example.org"), HOST))
    assert ends.have_talked
    assert names_shown(ends.server.transport) == ("ct1.example.org",)


def test_a_certificate_that_is_wanted_has_to_be_good(by, pki, other_pki):
    tls = attrs.evolve(other_pki.client(), ca=pki.ca)
    ends = by.meet(asking(by, pki, "wanted"), by.client(tls, HOST))
    assert ends.server.heard == b""
    assert why(ends)[0] == f"TLS: {STRANGER}"


def test_a_certificate_that_is_not_wanted_is_not_asked_for(by, pki):
    ends = by.meet(asking(by, pki, "none"), by.client(pki.client("ct1.example.org"), HOST))
    assert ends.have_talked
    assert names_shown(ends.server.transport) == ()


def test_the_names_of_a_callers_certificate_are_known(by, pki):
    for name in ("ct1.example.org", "10.1.2.3", "ct@example.org"):
        ends = by.meet(asking(by, pki), by.client(pki.client(name), HOST))
        assert names_shown(ends.server.transport) == (name,)


def test_who_shows_no_certificate_has_no_name(by, pki):
    ends = by.meet(by.server(pki.server()), by.client(believing(pki), HOST))
    assert names_shown(ends.server.transport) == ()
    assert names_shown(object()) == ()


class Shown:
    """A transport whose peer has shown a certificate with these extensions."""

    def __init__(self, *extensions: x509.ExtensionType) -> None:
        self.extensions = extensions
        directlyProvides(self, ISSLTransport)

    def getPeerCertificate(self):
        key = ec.generate_private_key(ec.SECP256R1())
        nobody = x509.Name([])
        now = datetime.datetime.now(datetime.UTC)
        built = x509.CertificateBuilder(nobody, nobody, key.public_key(), 1, now, now)
        for each in self.extensions:
            built = built.add_extension(each, critical=False)
        return crypto.X509.from_cryptography(built.sign(key, hashes.SHA256()))


def test_a_certificate_without_such_names_names_nobody():
    assert names_shown(Shown()) == ()
    assert names_shown(Shown(x509.SubjectAlternativeName([]))) == ()


@pytest.mark.parametrize(
    "names",
    [
        "3002a300",  # an X.400 address
        "3002a500",  # the name of an EDI party
        "30ff",
        "",
        "3003820180",  # a DNS name that is no ASCII
        "300487020102",  # an IP address of two bytes
    ],
)
def test_names_that_cannot_be_read_name_nobody(names):
    oid = x509.SubjectAlternativeName.oid
    unread = x509.UnrecognizedExtension(oid, bytes.fromhex(names))
    assert names_shown(Shown(unread)) == ()


def test_dns_names_are_known_without_their_capitals_too_and_others_as_they_are():
    named = [
        x509.DNSName("CT1.Example.ORG"),
        x509.DNSName("ct1.example.org"),
        x509.RFC822Name("CT@Example.org"),
    ]
    expected = ("CT1.Example.ORG", "ct1.example.org", "CT@Example.org")
    assert names_shown(Shown(x509.SubjectAlternativeName(named))) == expected


def test_where_no_authority_is_named_callers_show_nothing(by, pki):
    assert by.meet(by.server(pki.server()), by.client(pki.client(), HOST)).have_talked


# who is on a list


LISTED = {
    "the certificate is revoked": lambda pki, client: [pki.revoked(client.certificate)],
    "the revocation list has expired": lambda pki, client: [
        pki.revoked(starts=-2 * DAY, ends=-DAY)
    ],
    "the revocation list is not valid yet, or a clock is wrong": lambda pki, client: [
        pki.revoked(starts=DAY, ends=2 * DAY)
    ],
    "there is no revocation list of the certificate's authority": lambda pki, client: [
        Pki(pki.folder).revoked()
    ],
}
"""Why a certificate is refused, and the files that make it so."""


@pytest.mark.parametrize("reason", LISTED)
def test_a_caller_is_refused_by_a_list_or_for_want_of_one(by, pki, reason):
    client = pki.client()
    server = attrs.evolve(pki.server(), client_ca=pki.ca, crl=tuple(LISTED[reason](pki, client)))
    ends = by.meet(by.server(server), by.client(client, HOST))
    assert ends.server.heard == b""
    assert why(ends)[0] == f"TLS: {reason}"


@pytest.mark.parametrize("reason", LISTED)
def test_an_upstream_is_refused_by_a_list_or_for_want_of_one(by, pki, reason):
    server = pki.server()
    client = attrs.evolve(believing(pki), crl=tuple(LISTED[reason](pki, server)))
    ends = by.meet(by.server(server), by.client(client, HOST))
    assert ends.have_nothing
    assert why(ends)[1] == f"TLS: {reason}"


def test_who_is_on_no_list_gets_through_both_ways(by, pki, other_pki):
    revoked = pki.client()
    several = pki.folder / "several.crl"
    lists = (other_pki.revoked(), pki.revoked(revoked.certificate))
    several.write_bytes(b"".join(each.read_bytes() for each in lists))
    server = by.server(attrs.evolve(pki.server(), client_ca=pki.ca, crl=(several,)))
    ours = attrs.evolve(pki.client(), crl=(several,))
    assert by.meet(server, by.client(ours, HOST)).have_talked
    assert by.meet(server, by.client(revoked, HOST)).server.heard == b""


def test_each_authority_of_a_chain_needs_its_list(by, pki):
    tls = attrs.evolve(pki.server(), client_ca=pki.ca, crl=(pki.revoked(),))
    ends = by.meet(by.server(tls), by.client(pki.client(below=True), HOST))
    assert ends.server.heard == b""
    assert why(ends)[0] == "TLS: there is no revocation list of the certificate's authority"


# and at the end


def test_a_connection_that_ends_well_is_just_closed(by, pki):
    ends = by.meet(by.server(pki.server()), by.client(believing(pki), HOST))
    ends.client.transport.loseConnection()
    ends.network.settle()
    assert ends.server.why_lost is not None
    assert ends.server.why_lost.check(ConnectionDone)


def test_a_contexts_files_are_read_once_when_it_is_made(by, pki, tmp_path):
    own = Pki(Path(tmp_path), pki.authority)
    tls = own.server()
    options = by.server(tls)
    tls.certificate.unlink()
    tls.key.unlink()
    assert by.meet(options, by.client(believing(pki), HOST)).have_talked

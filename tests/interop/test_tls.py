"""Which versions and suites connect: OpenSSL's and DCMTK's own clients and servers as peers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
import trustme
from OpenSSL import SSL
from pynetdicom import AE
from pynetdicom.association import Association
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from relay.config import ClientTLS
from relay.transport.profiles import FFDHE2048
from relay.transport.tls import client_security
from tests.config.pki import revocations
from tests.interop.archive import Archive
from tests.interop.openssl import Met, OpenSSLServer, Speech, meet, suites
from tests.interop.peers import StoreScp
from tests.interop.pki import Pki
from tests.interop.relay_process import AE_TITLE, Relay, Route, Upstream, table
from tests.interop.server import LOOPBACK, PATIENCE_S, POLL_S, answers, held_port, program

pytestmark = pytest.mark.peers("openssl")

BCP195, MODIFIED = "bcp195", "bcp195-modified"
PROFILES = (BCP195, MODIFIED)
RSA, ECDSA = trustme.KeyType.RSA, trustme.KeyType.ECDSA

OF_TLS_1_3 = {"TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256", "TLS_AES_128_GCM_SHA256"}
FIT = {
    (BCP195, RSA): {"ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"},
    (BCP195, ECDSA): {"ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"},
}
FIT[MODIFIED, RSA] = FIT[BCP195, RSA] | {
    *("ECDHE-RSA-CHACHA20-POLY1305", "DHE-RSA-AES128-GCM-SHA256", "DHE-RSA-AES256-GCM-SHA384")
}
FIT[MODIFIED, ECDSA] = FIT[BCP195, ECDSA] | {"ECDHE-ECDSA-CHACHA20-POLY1305"}
"""The suites of TLS 1.2 with a key of each kind: of PS3.15 B.12, and of B.13 what docs/tls.md says.
"""

OAKLEY_2 = b"""-----BEGIN DH PARAMETERS-----
MIGHAoGBAP//////////yQ/aoiFowjTExmKLgNwc0SkCTgiKZ8x0Agu+pjsTmyJR
Sgh5jjQE3e+VGbPNOkMbMCsKbfJfFDdP4TVtbVHCReSFtXZiXn7G9ExC6aY37WsL
/1y29Aa37e44a/taiZ+lrp8kEXxLH+ZJKGZR7OZTgf//////////AgEC
-----END DH PARAMETERS-----
"""
"""A group of 1024 bits (RFC 2409 6.2)."""


@attrs.frozen
class Keys:
    """An authority, and certificates of it with keys of both kinds, in files of a folder."""

    folder: Path
    authority: trustme.CA
    own: dict[trustme.KeyType, tuple[Path, Path]]

    @classmethod
    def write(cls, folder: Path) -> Keys:
        folder.mkdir()
        keys = cls(folder, trustme.CA(), {})
        keys.authority.cert_pem.write_to_path(keys.ca)
        for kind in (RSA, ECDSA):
            keys.own[kind] = keys.issue(kind.name, kind)
        return keys

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str, kind: trustme.KeyType = ECDSA) -> tuple[Path, Path]:
        """A certificate for loopback and its key."""
        issued = self.authority.issue_cert("localhost", LOOPBACK, key_type=kind)
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        issued.cert_chain_pems[0].write_to_path(certificate)
        issued.private_key_pem.write_to_path(key)
        return certificate, key


@pytest.fixture(scope="module")
def keys(bed: Path) -> Keys:
    return Keys.write(bed / "tls-keys")


@attrs.frozen
class Ports:
    """A relay and the ports of its listeners: by profile and kind of key, and one for callers who
    have a certificate, with files of its own."""

    relay: Relay
    by: dict[tuple[str, trustme.KeyType], int]
    cards: int
    files: dict[str, Path]


@pytest.fixture(scope="module")
def ports(bed: Path, pki: Pki, keys: Keys) -> Iterator[Ports]:
    with ExitStack() as stack:
        by = {each: stack.enter_context(held_port()) for each in FIT}
        cards = stack.enter_context(held_port())
        tables: list[str] = []
        for (profile, kind), port in by.items():
            certificate, key = keys.own[kind]
            tables += listener(port, certificate, key, profile=profile)
        certificate, key = keys.issue("cards")
        crl = keys.folder / "ca.crl"
        crl.write_bytes(revocations(keys.authority))
        tables += listener(cards, certificate, key, client_ca=str(keys.ca), crl=[str(crl)])
        files = {"certificate": certificate, "key": key, "crl": crl}
        archive = stack.enter_context(Archive(pki))
        routes = [Route(Upstream("ARCHIVE", archive.port))]
        relay = Relay(bed / "relay-tls", pki, routes, tables="\n".join(tables))
        yield Ports(stack.enter_context(relay), by, cards, files)


def listener(port: int, certificate: Path, key: Path, **more: object) -> list[str]:
    """The table of a listener with TLS."""
    endpoint = f"tcp:port={port}:interface={LOOPBACK}"
    tls = {"certificate": str(certificate), "key": str(key), **more}
    return [*table("[[listener]]", {"endpoint": endpoint, "tls": tls})]


def ours(port: int, keys: Keys, profile: str) -> str | None:
    """The suite by which the relay's own side talks to an upstream, None where it does not."""
    security = client_security(ClientTLS(keys.ca, profile=profile), LOOPBACK)
    with socket.create_connection((LOOPBACK, port), timeout=30) as connection:
        connection.settimeout(None)
        tls = security.over(connection)
        try:
            tls.do_handshake()
            security.judge(tls)
        except SSL.Error:
            return None
        return tls.get_cipher_name()


# callers


@pytest.mark.parametrize(("profile", "kind"), FIT, ids=str)
def test_of_all_suites_of_tls_1_2_those_of_the_profile_connect(ports, profile, kind):
    port = ports.by[profile, kind]
    offered = suites()
    assert FIT[profile, kind] <= set(offered)
    assert "AES128-SHA" in offered  # CBC
    assert "NULL-SHA256" in offered
    met = {each: meet(port, Speech.of(each)).suite for each in offered}
    assert {each for each, suite in met.items() if suite is not None} == FIT[profile, kind]
    assert all(suite in (None, each) for each, suite in met.items())


@pytest.mark.parametrize(("profile", "kind"), FIT, ids=str)
def test_every_suite_of_tls_1_3_connects_and_is_preferred(ports, profile, kind):
    port = ports.by[profile, kind]
    for suite in OF_TLS_1_3:
        assert meet(port, Speech.of(suite)).suite == suite
    assert meet(port, Speech()).suite in OF_TLS_1_3


@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
@pytest.mark.parametrize(("profile", "kind"), FIT, ids=str)
def test_older_versions_are_refused_by_an_alert(ports, profile, kind, version):
    met = meet(ports.by[profile, kind], Speech(version))
    assert met.suite is None
    assert "alert protocol version" in met.said


@pytest.mark.parametrize("version", ["-tls1_1", "-tls1_2"])
def test_openssl_itself_would_talk_as_it_is_refused_to_here(bed, keys, version):
    # Or the tests above would show nothing.
    certificate, key = keys.own[RSA]
    speech = Speech(version)
    folder = bed / f"s_server{version}"
    with OpenSSLServer(folder, certificate, key, speech) as server:
        assert meet(server.port, attrs.evolve(speech, suites="AES128-SHA:@SECLEVEL=0")).suite


def test_a_callers_renegotiation_is_refused(ports):
    command = [program("openssl"), "s_client", "-connect", f"{LOOPBACK}:{ports.by[MODIFIED, RSA]}"]
    done = subprocess.run(
        [*command, "-tls1_2"], input=b"R\n", capture_output=True, timeout=30, check=False
    )
    assert b"RENEGOTIATING" in done.stdout + done.stderr
    assert b"no renegotiation" in done.stdout + done.stderr


def test_callers_get_no_tickets_to_come_back_with(ports):
    met = meet(ports.by[BCP195, RSA], Speech("-tls1_2", "DEFAULT"))
    assert met.suite is not None
    assert "TLS session ticket:" not in met.said


# upstreams


@pytest.mark.parametrize(("profile", "kind"), FIT, ids=str)
def test_an_upstream_with_one_suite_of_the_profile_is_talked_to(bed, keys, profile, kind):
    certificate, key = keys.own[kind]
    group = keys.folder / "2048.pem"
    group.write_bytes(FFDHE2048)
    for suite in sorted(FIT[profile, kind]):
        folder = bed / f"s_server-{profile}-{suite}"
        with OpenSSLServer(folder, certificate, key, Speech.of(suite), group) as server:
            assert ours(server.port, keys, profile) == suite


@pytest.mark.parametrize(("profile", "kind"), FIT, ids=str)
def test_an_upstream_with_all_others_is_not(bed, keys, profile, kind):
    certificate, key = keys.own[kind]
    others = ":".join(set(suites()) - FIT[profile, kind])
    folder = bed / f"s_server-{profile}-{kind.name}-others"
    speech = Speech.of(others)
    with OpenSSLServer(folder, certificate, key, speech) as server:
        assert meet(server.port, speech).suite is not None
        assert ours(server.port, keys, profile) is None


@pytest.mark.parametrize("profile", PROFILES)
@pytest.mark.parametrize("version", ["-tls1", "-tls1_1"])
def test_an_upstream_of_an_older_version_is_not(bed, keys, version, profile):
    certificate, key = keys.own[RSA]
    folder = bed / f"s_server-{profile}{version}"
    with OpenSSLServer(folder, certificate, key, Speech(version)) as server:
        assert meet(server.port, Speech(version)).suite is not None
        assert ours(server.port, keys, profile) is None


def test_an_upstream_whose_group_is_too_small_is_not(bed, keys):
    certificate, key = keys.own[RSA]
    speech, group = Speech.of("DHE-RSA-AES128-GCM-SHA256"), keys.folder / "1024.pem"
    group.write_bytes(OAKLEY_2)
    with OpenSSLServer(bed / "s_server-1024", certificate, key, speech, group) as server:
        assert "DH, 1024 bits" in meet(server.port, speech).said
        assert ours(server.port, keys, MODIFIED) is None


# DCMTK

DCMTK = {"+py": True, "+px": True, "+pz": True, "+pa": False, "+pn": False}
"""Its profiles (non-downgrading, BCP 195, extended; AES in CBC mode; no encryption), and whether
they have something in common with the relay's."""


@pytest.mark.peers("dcmtk")
@pytest.mark.parametrize("option", DCMTK)
@pytest.mark.parametrize("profile", PROFILES)
def test_a_modality_with_a_profile_of_dcmtk_s(ports, keys, profile, option):
    command = [program("echoscu"), "-d", "+tla", "+cf", str(keys.ca), option, "-aec", AE_TITLE]
    done = subprocess.run(
        [*command, LOOPBACK, str(ports.by[profile, RSA])],
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = (done.stdout + done.stderr).decode("latin-1")
    assert (done.returncode == 0) is DCMTK[option], said
    assert ("Received Echo Response (Success)" in said) is DCMTK[option], said


@attrs.define
class OfProfile(StoreScp):
    """storescp with a profile of its own."""

    option: str = attrs.field(kw_only=True)

    def command(self) -> list[str]:
        *rest, port = super().command()
        return [*rest, self.option, port]

    def serves(self) -> bool:
        return answers(self.port)


@pytest.mark.peers("dcmtk")
@pytest.mark.parametrize("option", DCMTK)
def test_an_archive_with_a_profile_of_dcmtk_s(bed, pki, keys, option):
    own = attrs.evolve(pki, ca=keys.ca, certificate=keys.own[RSA][0], key=keys.own[RSA][1])
    with OfProfile(bed / f"storescp{option}", "STORESCP", own, option=option) as archive:
        for profile in PROFILES:
            assert (ours(archive.port, keys, profile) is not None) is DCMTK[option]


# whose certificates


def shown(met: Met) -> str:
    """The certificate that a listener has shown."""
    return met.said.partition("-----BEGIN CERTIFICATE-----")[2].partition("-----END")[0]


def test_certificates_and_lists_are_renewed_while_associations_go_on(ports, keys):
    certificate, key = keys.issue("ct1")
    card = ("-cert", certificate, "-key", key)
    speech = Speech("-tls1_2", "DEFAULT")
    before = meet(ports.cards, speech, *card)
    assert before.suite is not None
    association = associated(ports.cards, keys, certificate, key)
    new = keys.issue("renewed")
    shutil.copy(new[0], ports.files["certificate"])
    # Half of it is not enough, and nothing changes.
    reload(ports.relay, "belongs to another certificate")
    assert shown(meet(ports.cards, speech, *card)) == shown(before)
    shutil.copy(new[1], ports.files["key"])
    reload(ports.relay, "TLS: files are read again")
    after = meet(ports.cards, speech, *card)
    assert after.suite is not None
    assert shown(after) != shown(before)
    ports.files["crl"].write_bytes(revocations(keys.authority, certificate))
    reload(ports.relay, "TLS: files are read again")
    refused = meet(ports.cards, speech, *card)
    assert refused.suite is None
    assert "alert certificate revoked" in refused.said
    assert "TLS: the certificate is revoked" in ports.relay.log.read_text()
    assert association.send_c_echo().Status == 0x0000
    association.release()


def associated(port: int, keys: Keys, certificate: Path, key: Path) -> Association:
    """An association of a caller who shows a certificate."""
    context = ssl.create_default_context(cafile=str(keys.ca))
    context.load_cert_chain(certificate, key)
    caller = AE("CT1")
    caller.add_requested_context(Verification)
    association = caller.associate(
        LOOPBACK, port, ae_title=AE_TITLE, tls_args=(context, "localhost")
    )
    assert association.is_established
    return association


def reload(relay: Relay, words: str) -> None:
    """Send SIGHUP, and wait until the log has these words once more."""
    before = relay.log.read_text().count(words)
    os.kill(relay.process.pid, signal.SIGHUP)
    deadline = time.monotonic() + PATIENCE_S
    while relay.log.read_text().count(words) == before:
        assert time.monotonic() < deadline, relay.log.read_text()
        assert not relay.ends_within(POLL_S)

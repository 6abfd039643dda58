"""Who the peer is on TLS on a socket, also where a session is taken up again."""

from __future__ import annotations

from collections.abc import Iterator

import attrs
import pytest
from cryptography.x509 import UnsupportedGeneralNameType
from OpenSSL import SSL, crypto
from service_identity import CertificateError

from relay.config import ServerTLS
from relay.transport import judging
from relay.transport.judging import EXPIRED, OTHER_HOST, UNREADABLE
from relay.transport.reasons import describe
from relay.transport.securing import Client, Server
from relay.transport.tls import client_security, server_options
from tests.transport.hand import Hand, Teller, Two, by_hand, join, sockets
from tests.transport.tls_bed import DAY, HOST, Loose, Pki, context


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def hand() -> Iterator[Hand]:
    with by_hand() as hand:
        yield hand


class Archive:
    """An archive that lets sessions be taken up again, and counts how often it is shown."""

    def __init__(
        self, tls: ServerTLS, pki: Pki, last: int = SSL.TLS1_3_VERSION, session_id: bytes = b"id"
    ) -> None:
        self.shown = 0
        made = context()
        made.set_max_proto_version(last)
        made.use_certificate_chain_file(str(tls.certificate))
        made.use_privatekey_file(str(tls.key))
        made.load_verify_locations(str(pki.ca))
        made.set_verify(SSL.VERIFY_PEER)
        # Without it, who verifies takes nothing up again.
        made.set_session_id(session_id)
        made.set_info_callback(self._count)
        self.side = Loose(made, is_client=False)

    def _count(self, tls: SSL.Connection, where: int, code: int) -> None:
        self.shown += where & SSL.SSL_CB_LOOP > 0 and tls.get_state_string().endswith(
            b"write certificate"
        )

    def called_by(self, hand: Hand, client: Client, talks: bool = True, cut: bool = False) -> Two:
        """Be called, and talked to, and left."""
        two = Two(hand, (client, self.side))
        if talks:
            two.far.on["established"] = lambda: two.far.transport.write(b"hello")
        two.meet()
        if two.near.why_lost is None:
            (two.near.transport.abortConnection if cut else two.near.transport.loseConnection)()
            hand.settle()
        return two


VERSIONS = pytest.mark.parametrize(
    "last", [SSL.TLS1_2_VERSION, SSL.TLS1_3_VERSION], ids=["TLS 1.2", "TLS 1.3"]
)


@VERSIONS
@pytest.mark.parametrize("cut", [False, True], ids=["closed", "cut"])
@pytest.mark.parametrize("shows", [False, True], ids=["anonymous", "with a certificate"])
def test_a_session_is_taken_up_again_however_the_connection_ended(hand, pki, last, cut, shows):
    archive = Archive(pki.server(), pki, last)
    tls = pki.client()
    if not shows:
        tls = attrs.evolve(tls, certificate=None, key=None)
    client = client_security(tls, HOST)
    for _ in range(4):
        two = archive.called_by(hand, client, cut=cut)
        assert two.near.heard == b"hello"
        assert two.near.told[:2] == ["made", "established"]
    assert archive.shown == 1


def test_of_a_connection_that_said_nothing_no_session_is_kept(hand, pki):
    archive, client = Archive(pki.server(), pki), client_security(pki.client(), HOST)
    archive.called_by(hand, client, talks=False)
    assert client.session is None


def test_a_session_that_is_for_another_name_gets_nobody_through(hand, pki):
    archive, client = Archive(pki.server(), pki), client_security(pki.client(), HOST)
    archive.called_by(hand, client)
    other = Client(client.context, "elsewhere.example.org", client.session)
    two = archive.called_by(hand, other)
    assert archive.shown == 1
    assert (two.near.told, bytes(two.near.heard)) == (["made", "lost"], b"")
    assert two.near.why_lost is not None
    assert describe(two.near.why_lost) == f"TLS: {OTHER_HOST}"


def test_a_session_whose_certificate_has_expired_since_gets_nobody_through(hand, pki, monkeypatch):
    archive, client = Archive(pki.server(), pki), client_security(pki.client(), HOST)
    archive.called_by(hand, client)
    monkeypatch.setattr(crypto.X509, "has_expired", lambda certificate: True)
    two = archive.called_by(hand, client)
    assert (two.near.told, bytes(two.near.heard)) == (["made", "lost"], b"")
    assert two.near.why_lost is not None
    assert describe(two.near.why_lost) == f"TLS: {EXPIRED}"
    monkeypatch.undo()
    assert archive.called_by(hand, client).near.heard == b"hello"
    assert archive.shown == 2


@VERSIONS
def test_an_archive_that_cannot_take_up_what_it_gave_out_is_asked_once(hand, pki, last):
    archive = Archive(pki.server(), pki, last, session_id=b"")
    client = client_security(pki.client(), HOST)
    heard = [bytes(archive.called_by(hand, client).near.heard) for _ in range(5)]
    assert heard == [b"hello", b"", b"hello", b"hello", b"hello"]


def test_a_cut_in_the_handshake_is_not_held_against_a_session(hand, pki):
    archive, client = Archive(pki.server(), pki), client_security(pki.client(), HOST)
    archive.called_by(hand, client)
    (near, far), teller = sockets(), Teller()
    join(hand, near, teller, client)
    far.close()
    hand.settle()
    assert teller.told == ["made", "lost"]
    archive.called_by(hand, client)
    assert archive.shown == 1


def test_sessions_of_one_upstream_are_not_shown_to_another(hand, pki):
    first, second = (client_security(pki.client(), HOST) for _ in range(2))
    archive = Archive(pki.server(), pki)
    archive.called_by(hand, first)
    archive.called_by(hand, second)
    assert archive.shown == 2


def test_with_revocation_lists_each_handshake_is_in_full(hand, pki):
    # A session that is taken up again is verified by nobody.
    client = client_security(attrs.evolve(pki.client(), crl=(pki.revoked(),)), HOST)
    archive = Archive(pki.server(), pki)
    for shown in (1, 2):
        assert archive.called_by(hand, client).near.heard == b"hello"
        assert archive.shown == shown


def test_an_archive_that_has_forgotten_a_session_is_met_in_full(hand, pki):
    client = client_security(pki.client(), HOST)
    for _ in range(2):
        archive = Archive(pki.server(), pki)
        assert archive.called_by(hand, client).near.heard == b"hello"
        assert archive.shown == 1


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        ({"name": "elsewhere.example.org"}, f"TLS: {OTHER_HOST}"),
        ({"name": "192.0.2.1"}, f"TLS: {OTHER_HOST}"),
        ({"starts": -2 * DAY, "ends": -DAY}, f"TLS: {EXPIRED}"),
    ],
    ids=["another name", "an address", "expired"],
)
def test_the_wrong_one_is_shown_nothing_and_told_nothing(hand, pki, how, reason):
    server = attrs.evolve(pki.server(**how), client_ca=pki.ca)
    two = Two(hand, (client_security(pki.client(), HOST), Server.of(server_options(server))))
    two.near.on["made"] = lambda: two.near.transport.write(b"secret")
    two.meet()
    assert (two.near.told, two.far.told) == (["made", "lost"], ["made", "lost"])
    assert two.far.heard == two.near.heard == b""
    assert two.near.why_lost is not None
    assert describe(two.near.why_lost) == reason


@pytest.mark.parametrize("error", [CertificateError, UnsupportedGeneralNameType, ValueError])
def test_a_certificate_whose_names_cannot_be_read_is_the_wrong_one(hand, pki, monkeypatch, error):
    def unreadable(certificate: object) -> None:
        raise error("subjectAltName")

    monkeypatch.setattr(judging, "extract_patterns", unreadable)
    archive = Archive(pki.server(), pki)
    two = archive.called_by(hand, client_security(pki.client(), HOST))
    assert two.near.told == ["made", "lost"]
    assert two.near.why_lost is not None
    assert describe(two.near.why_lost) == f"TLS: {UNREADABLE}"


def test_a_name_is_sent_along_and_an_address_is_not(hand, pki):
    named = []
    for host in (HOST, "192.0.2.1"):
        archive = Archive(pki.server(host), pki)
        archive.side.context.set_tlsext_servername_callback(
            lambda tls: named.append(tls.get_servername())
        )
        assert archive.called_by(hand, client_security(pki.client(), host)).near.heard == b"hello"
    assert named == [HOST.encode(), None]

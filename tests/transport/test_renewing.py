"""Certificates, keys and authorities are read again: for connections to come, or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.internet.endpoints import TCP4ClientEndpoint

from relay.config import ClientTLS, ServerTLS, parse
from relay.transport.reasons import describe
from relay.transport.renewing import rehearse
from relay.transport.tls import Unusable
from relay.transport.ways import ways
from tests.bed import NO_FOLDER, configured
from tests.config.pki import encrypt
from tests.network import Sole
from tests.transport.hand import Hand, Teller, by_hand
from tests.transport.tls_bed import HOST, Pki, put

LOOPBACK = "127.0.0.1"


class Each:
    """Makes a protocol for each connection, and keeps them."""

    def __init__(self) -> None:
        self.made: list[Teller] = []

    def buildProtocol(self, address: object) -> Teller:
        self.made.append(Teller())
        return self.made[-1]

    def doStart(self) -> None: ...
    def doStop(self) -> None: ...


@attrs.define
class Bed:
    """A listener and a caller by one kind of transports, with files that change under them."""

    hand: Hand
    kind: str
    pki: Pki
    server: ServerTLS
    client: ClientTLS
    far: Each = attrs.field(factory=Each)
    listening: Any = None
    calling: Any = None
    endpoint: Any = None
    port: Any = None

    def open(self) -> Bed:
        ports: list[Any] = []
        self.listening = ways(self.hand, self.kind)
        self.calling = ways(self.hand, self.kind)
        where = f"tcp:port=0:interface={LOOPBACK}"
        endpoint, factory = self.listening.listening(where, self.server, self.far)
        endpoint.listen(factory).addCallback(ports.append)
        (self.port,) = ports
        number = self.port.getHost().port
        self.endpoint = self.calling.calling(
            lambda reactor: TCP4ClientEndpoint(reactor, LOOPBACK, number), self.client, HOST
        )
        return self

    def call(self) -> Teller:
        """A new connection, once its handshake is over or has failed."""
        near = Teller()
        self.endpoint.connect(Sole(near))
        self.hand.settle(lambda: len(near.told) > 1 and len(self.far.made[-1].told) > 1)
        return near

    def talk(self, near: Teller, far: Teller) -> bool:
        """Whether both hear each other."""
        for one, other in ((near, far), (far, near)):
            other.heard.clear()
            one.transport.write(b"hello")
            self.hand.settle(partial(bool, other.heard))
        return True

    def close(self) -> None:
        for each in self.far.made:
            if each.why_lost is None:
                each.transport.abortConnection()
        self.port.stopListening()
        self.hand.settle()


def serial(teller: Teller) -> int:
    """Of the certificate that the peer has shown."""
    certificate: Any = teller.transport.getPeerCertificate()
    return int(certificate.get_serial_number())


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(params=["socket", "twisted"])
def bed(request, pki, tmp_path) -> Iterator[Bed]:
    own = Pki(tmp_path, pki.authority)
    with by_hand() as hand:
        made = Bed(hand, request.param, own, own.server(), own.client()).open()
        yield made
        made.close()


def test_new_connections_see_the_new_certificate_and_established_ones_go_on(bed):
    first = bed.call()
    put(bed.pki.server(), bed.server)
    assert bed.listening.renew() == 1
    second = bed.call()
    assert serial(first) != serial(second)
    assert bed.talk(first, bed.far.made[0])
    assert bed.talk(second, bed.far.made[1])


def test_whom_to_believe_is_renewed_on_either_side(bed, tmp_path):
    others = Pki(tmp_path)
    assert bed.talk(bed.call(), bed.far.made[-1])
    put(others.server(), bed.server)
    bed.listening.renew()
    stranger = bed.call()
    assert stranger.told == ["made", "lost"]
    shutil.copy(others.ca, bed.client.ca)
    bed.calling.renew()
    assert bed.talk(bed.call(), bed.far.made[-1])


def test_a_certificate_is_revoked_by_a_new_list(bed):
    server = attrs.evolve(bed.server, client_ca=bed.pki.ca, crl=(bed.pki.revoked(),))
    far, ports = Each(), list[Any]()
    endpoint, factory = bed.listening.listening(f"tcp:port=0:interface={LOOPBACK}", server, far)
    endpoint.listen(factory).addCallback(ports.append)
    number = ports[0].getHost().port
    calling = bed.calling.calling(
        lambda reactor: TCP4ClientEndpoint(reactor, LOOPBACK, number), bed.client, HOST
    )
    calling.connect(Sole(Teller()))
    bed.hand.settle(lambda: far.made and "established" in far.made[0].told)
    (old,) = server.crl
    shutil.copy(bed.pki.revoked(bed.client.certificate), old)
    bed.listening.renew()
    calling.connect(Sole(Teller()))
    bed.hand.settle(lambda: len(far.made) == 2 and far.made[1].why_lost)
    refused = far.made[1].why_lost
    assert refused is not None
    assert describe(refused) == "TLS: the certificate is revoked"
    # Who is in stays in.
    assert far.made[0].why_lost is None
    far.made[0].transport.abortConnection()
    ports[0].stopListening()


def missing(tls: ServerTLS, pki: Pki) -> Path:
    tls.certificate.unlink()
    return tls.certificate


def garbled(tls: ServerTLS, pki: Pki) -> Path:
    tls.key.write_text("SECRET")
    return tls.key


def empty(tls: ServerTLS, pki: Pki) -> Path:
    tls.certificate.write_bytes(b"")
    return tls.certificate


def half_renewed(tls: ServerTLS, pki: Pki) -> Path:
    shutil.copy(pki.server().certificate, tls.certificate)
    return tls.key


@pytest.mark.parametrize("spoil", [missing, garbled, empty, half_renewed])
def test_a_file_that_cannot_be_used_leaves_all_as_they_were(
    bed, spoil: Callable[[ServerTLS, Pki], Path]
):
    before = serial(bed.call())
    ports: list[Any] = []
    second = bed.pki.server()
    endpoint, factory = bed.listening.listening(f"tcp:port=0:interface={LOOPBACK}", second, Each())
    endpoint.listen(factory).addCallback(ports.append)
    put(bed.pki.server(), bed.server)
    culprit = spoil(second, bed.pki)
    with pytest.raises(Unusable) as raised:
        bed.listening.renew()
    assert str(culprit) in str(raised.value)
    assert "SECRET" not in str(raised.value)
    # The first one's new files are good, and wait.
    assert serial(bed.call()) == before
    ports[0].stopListening()


def test_nobody_is_asked_for_the_passphrase_of_a_key(bed):
    encrypt(bed.server.key, bed.server.key)
    with pytest.raises(Unusable, match="does not hold what it should"):
        bed.listening.renew()


def test_a_refused_caller_is_let_in_once_its_authority_is_believed(bed, tmp_path):
    others = Pki(tmp_path / "others")
    others.folder.mkdir()
    believed = tmp_path / "believed.pem"
    shutil.copy(bed.pki.ca, believed)
    far, ports = Each(), list[Any]()
    tls = attrs.evolve(bed.pki.server(), client_ca=believed)
    endpoint, factory = bed.listening.listening(f"tcp:port=0:interface={LOOPBACK}", tls, far)
    endpoint.listen(factory).addCallback(ports.append)
    number = ports[0].getHost().port
    caller = attrs.evolve(others.client(), ca=bed.pki.ca)
    calling = bed.calling.calling(
        lambda reactor: TCP4ClientEndpoint(reactor, LOOPBACK, number), caller, HOST
    )
    calling.connect(Sole(Teller()))
    bed.hand.settle(lambda: far.made and far.made[0].why_lost)
    refused = far.made[0].why_lost
    assert refused is not None
    assert describe(refused) == "TLS: the certificate is of an authority that is not believed"
    shutil.copy(others.ca, believed)
    bed.listening.renew()
    calling.connect(Sole(Teller()))
    bed.hand.settle(lambda: len(far.made) == 2 and "established" in far.made[1].told)
    far.made[1].transport.abortConnection()
    ports[0].stopListening()


def test_a_rehearsal_says_what_is_unusable_and_how_much_there_is(pki):
    server = pki.server()
    text = configured(
        listener=f'tls = {{ certificate = "{server.certificate}", key = "{server.key}" }}',
        upstream=f'tls = {{ ca = "{pki.ca}" }}',
    )
    configuration = parse(text, NO_FOLDER)
    assert rehearse(configuration) == 2
    server.key.unlink()
    with pytest.raises(Unusable):
        rehearse(configuration)
    assert rehearse(parse(configured(), NO_FOLDER)) == 0

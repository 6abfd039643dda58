"""Bad inputs that are about the transport, over real sockets: TLS on the socket, and Twisted's.

The reactor is real, and turned by hand with a clock of its own. What is answered is in
docs/bad-inputs.md, and the same as over the network in memory (test_transport.py, test_peers.py).
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
from pathlib import Path
from typing import Any

import attrs
import pytest
from twisted.protocols.tls import TLSMemoryBIOFactory

from relay import process
from relay.config import ClientTLS, parse
from relay.downstream.reserve import PAUSE
from relay.service import relay_service
from relay.transport.sockets import MOST_AT_ONCE, Sockets
from relay.transport.tls import client_security, server_options
from relay.wire.pdu import AssociateAC, AssociateRJ, ReleaseRP, ReleaseRQ
from tests.bad_inputs.case import ECHOED, STORED
from tests.bed import LogCase
from tests.network import Sole
from tests.peers import STORE, Archives, Caller, associate_rq, echo, said, store, store_command
from tests.transport.hand import Hand
from tests.transport.tls_bed import DAY, HOST, Pki
from tests.vectors import HTTP_REQUEST, TLS_CLIENT_HELLO

LOOPBACK = "127.0.0.1"
TRY_AGAIN = AssociateRJ(2, 3, 1)

CONFIGURATION = """
[relay]
ae_title = "RELAY"
transport = "{transport}"
{relay}
[[listener]]
endpoint = "tcp:port=0:interface=127.0.0.1"
[[listener]]
endpoint = "tcp:port=0:interface=127.0.0.1"
tls = {{ certificate = "{server.certificate}", key = "{server.key}", handshake_timeout = 5 }}
[[listener]]
endpoint = "tcp:port=0:interface=127.0.0.1"
[listener.tls]
certificate = "{server.certificate}"
key = "{server.key}"
client_ca = "{ca}"
crl = ["{crl}"]
[upstream.pacs]
address = "PACS@127.0.0.1:{port}"
tls = {{ ca = "{ca}", server_name = "pacs.example.org" }}
[pool.archive]
upstreams = ["pacs"]
[[route]]
pool = "archive"
"""


class BySockets(LogCase):
    """A relay with a plain port and one behind TLS, and an archive behind TLS."""

    transport = "socket"
    relay = ""

    def setUp(self) -> None:
        super().setUp()
        self.hand: Any = Hand()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pki, self.archive = Pki(Path(folder.name)), Archives()
        self.revoked = self.pki.revoked()
        self.raw: list[socket.socket] = []

    def start(self, **how: Any) -> None:
        """Start the relay, before an archive with such a certificate."""
        certificate = server_options(self.pki.server(**how))
        factory = TLSMemoryBIOFactory(certificate, False, self.archive, clock=self.hand)
        self.archive_port = self.hand.listenTCP(0, factory, interface=LOOPBACK)
        text = CONFIGURATION.format(
            transport=self.transport,
            relay=self.relay,
            server=self.pki.server("relay"),
            ca=self.pki.ca,
            crl=self.revoked,
            port=self.archive_port.getHost().port,
        )
        self.service = relay_service(self.hand, parse(text, self.pki.folder))
        self.service.privilegedStartService()
        self.service.startService()
        ports: list[Any] = list(self.service.ports)
        self.plain, self.secure, self.cards = (each.getHost().port for each in ports)
        self.events.clear()

    def tearDown(self) -> None:
        # Not a cleanup: those come before this.
        for each in self.raw:
            each.close()
        self.hand.settle()
        stopped = self.service.stopService()
        self.archive_port.stopListening()
        self.hand.wait(1)
        self.hand.wait(10)
        self.successResultOf(stopped)
        self.assertIn("0 opening, 0 idle, 0 leased, 0 waiting", self._keeper())
        self.assertEqual(self.hand.getDelayedCalls(), [])
        self.assertEqual(self.hand.getReaders(), self.hand.idle)
        self.hand.close()

    def call(self, port: int, tls: bool = False, shown: ClientTLS | None = None) -> Caller:
        """A caller that has connected, and may have a certificate."""
        caller = Caller()
        tables = shown or ClientTLS(self.pki.ca)
        security = client_security(tables, "relay") if tls or shown else None
        factory: Any = Sole(caller)
        for name in ("startedConnecting", "clientConnectionFailed", "clientConnectionLost"):
            setattr(factory, name, lambda *_: None)
        Sockets(self.hand, security).connectTCP(LOOPBACK, port, factory)
        self.hand.settle(lambda: caller.connected)
        return caller

    def hears(self, caller: Caller) -> Any:
        """The next thing that a caller is told."""
        self.hand.settle(lambda: caller.heard)
        (heard,) = caller.since()
        return heard

    def served(self, port: int, tls: bool = False, shown: ClientTLS | None = None) -> None:
        """A well-behaved caller is answered, and let go."""
        caller = self.call(port, tls, shown)
        caller.say(associate_rq())
        self.assertIsInstance(self.hears(caller), AssociateAC)
        caller.say(echo())
        self.assertEqual(self.hears(caller).told, ECHOED)
        caller.say(store(bytes(300_000)))
        self.assertEqual(self.hears(caller).told, STORED)
        self.assertEqual(self.archive.messages[-1].dataset, bytes(300_000))
        caller.say(ReleaseRQ().encode())
        self.assertEqual(self.hears(caller), ReleaseRP())
        self.hand.settle(lambda: caller.is_closed)

    def stranger(self, port: int, said: bytes = b"") -> socket.socket:
        """Somebody at a port, who says this and nothing else."""
        raw = socket.create_connection((LOOPBACK, port))
        self.raw.append(raw)
        raw.sendall(said)
        self.hand.settle()
        return raw

    def is_closed(self, raw: socket.socket) -> bool:
        """Whether a stranger's connection is closed; what it was told is thrown away."""
        raw.setblocking(False)
        try:
            while raw.recv(65536):
                pass
        except BlockingIOError:
            return False
        except ConnectionResetError:
            pass
        return True

    def test_a_well_behaved_caller(self):
        self.start()
        self.served(self.plain)
        self.served(self.secure, tls=True)

    @pytest.mark.row(5)
    def test_a_handshake_that_stalls(self):
        self.start()
        hello = TLS_CLIENT_HELLO
        stalled = [self.stranger(self.secure, said) for said in (b"", hello[:1], hello[:20])]
        self.served(self.secure, tls=True)
        self.hand.wait(4)
        self.assertFalse(any(map(self.is_closed, stalled)))
        self.hand.wait(1)
        self.assertTrue(all(map(self.is_closed, stalled)))
        self.assertEqual(self.lines().count(f"{LOOPBACK}: no TLS handshake in time"), 3)

    @pytest.mark.row(5)
    def test_more_handshakes_than_may_begin_in_a_second(self):
        self.relay = "handshakes_per_second = 2"
        self.start()
        flood = [self.stranger(self.secure, TLS_CLIENT_HELLO[:20]) for _ in range(4)]
        self.assertEqual([self.is_closed(each) for each in flood], [False, False, True, True])
        self.served(self.plain)
        self.hand.wait(1)
        self.served(self.secure, tls=True)

    @pytest.mark.row(34)
    def test_descriptors_run_out(self):
        self.start()
        limit = (process.descriptors() or 0) + 200
        self.service.reserve.limit = lambda: limit
        caller = self.call(self.plain)
        caller.say(associate_rq())
        self.assertIsInstance(self.hears(caller), AssociateAC)
        listener = self.service.doors[0].listener
        while not self.service.reserve.is_short:
            self.stranger(self.plain)
        # Both ends of each are open in this process.
        left = limit - (process.descriptors() or 0)
        self.assertGreaterEqual(left, limit // 4 - MOST_AT_ONCE)
        known = len(listener.connections)
        waiting = [self.stranger(self.plain) for _ in range(5)]
        self.hand.wait(PAUSE)
        self.assertEqual(len(listener.connections), known)
        self.assertFalse(any(map(self.is_closed, waiting)))

        caller.say(store(bytes(300_000)))
        self.assertEqual(self.hears(caller).told, STORED)
        for each in self.raw:
            each.close()
        self.hand.wait(PAUSE)
        self.served(self.secure, tls=True)
        caller.say(ReleaseRQ().encode())
        self.assertEqual(self.hears(caller), ReleaseRP())
        self.assertEqual(len(self.lines("warn")), 1)

    @pytest.mark.row(3)
    def test_connect_and_close(self):
        self.start()
        for port in (self.plain, self.secure):
            for data in (b"", TLS_CLIENT_HELLO[:20]) if port == self.secure else (b"",):
                for is_reset in (False, True):
                    raw = self.stranger(port, data)
                    if is_reset:
                        reset(raw)
                    raw.close()
                    self.hand.settle()
        listeners = [door.listener for door in self.service.doors]
        self.hand.settle(lambda: not any(each.connections for each in listeners))
        self.assertEqual(self.lines(), [])

    @pytest.mark.row(1)
    def test_plain_dicom_and_nonsense_on_the_tls_port(self):
        self.start()
        for said_ in (associate_rq(), HTTP_REQUEST):
            raw = self.stranger(self.secure, said_)
            self.hand.settle(lambda raw=raw: self.is_closed(raw))
        self.assertEqual(len(self.lines()), 2)
        self.assertTrue(all(f"{LOOPBACK}: TLS: " in line for line in self.lines()))
        self.served(self.secure, tls=True)

    @pytest.mark.row(12)
    def test_a_tls_stream_that_is_cut_in_the_middle_of_a_pdu(self):
        self.start()
        context = ssl.create_default_context(cafile=str(self.pki.ca))
        for is_reset in (False, True):
            coming, going = ssl.MemoryBIO(), ssl.MemoryBIO()
            tls = context.wrap_bio(coming, going, server_hostname="relay")
            raw = self.stranger(self.secure)
            raw.setblocking(False)

            def done(what: Any, *how: Any, raw=raw, coming=coming, going=going) -> bool:
                try:
                    what(*how)
                except ssl.SSLWantReadError:
                    raw.sendall(going.read())
                    with contextlib.suppress(BlockingIOError):
                        coming.write(raw.recv(65536))
                    return False
                raw.sendall(going.read())
                return True

            self.hand.settle(lambda done=done, tls=tls: done(tls.do_handshake))
            done(tls.write, associate_rq())
            self.hand.settle(lambda done=done, tls=tls: done(tls.read, 65536))
            done(tls.write, said(STORE, store_command(), bytes(3000))[:-1000])
            self.hand.settle(lambda: self.archive.heard and "1 leased" in self._keeper())
            if is_reset:
                reset(raw)
            raw.close()
            self.hand.settle(lambda: "0 leased" in self._keeper())
        self.assertEqual(self.archive.messages, [])

    def _keeper(self) -> str:
        (keeper,) = self.service.keepers.values()
        return repr(keeper)

    def rejected(self, **how: Any) -> str:
        """The one line that is said of an archive with such a certificate."""
        self.start(**how)
        caller = self.call(self.plain)
        caller.say(associate_rq())
        self.assertEqual(self.hears(caller), TRY_AGAIN)
        self.hand.settle(lambda: caller.is_closed)
        self.assertEqual(self.archive.heard, [])
        (line,) = self.lines("warn")
        return line

    @pytest.mark.row(62)
    def test_a_callers_certificate_that_is_out_of_date_revoked_or_of_nobody(self):
        revoked = self.pki.client()
        self.revoked = self.pki.revoked(revoked.certificate)
        self.start()
        with tempfile.TemporaryDirectory() as folder:
            stranger = attrs.evolve(Pki(Path(folder)).client(), ca=self.pki.ca)
            for why, shown in {
                "the certificate has expired": self.pki.client(starts=-2 * DAY, ends=-DAY),
                "the certificate is not valid yet, or a clock is wrong": self.pki.client(
                    starts=DAY, ends=2 * DAY
                ),
                "the certificate is revoked": revoked,
                "the certificate is of an authority that is not believed": stranger,
                "peer did not return a certificate": ClientTLS(self.pki.ca),
            }.items():
                self.events.clear()
                caller = self.call(self.cards, shown=shown)
                self.hand.settle(lambda caller=caller: caller.is_closed)
                self.assertEqual(caller.since(), [])
                self.assertEqual(self.lines(), [f"{LOOPBACK}: TLS: {why}"])
        self.assertEqual(self.archive.heard, [])
        self.served(self.cards, shown=self.pki.client())

    @pytest.mark.row(62)
    def test_revocation_lists_that_have_expired_let_nobody_in(self):
        self.revoked = self.pki.revoked(starts=-2 * DAY, ends=-DAY)
        self.start()
        caller = self.call(self.cards, shown=self.pki.client())
        self.hand.settle(lambda: caller.is_closed)
        self.assertEqual(self.lines(), [f"{LOOPBACK}: TLS: the revocation list has expired"])
        self.served(self.secure, tls=True)

    @pytest.mark.row(62)
    def test_an_archives_certificate_that_is_out_of_date(self):
        line = self.rejected(starts=-2 * DAY, ends=-DAY)
        self.assertEqual(line, "upstream pacs is out: TLS: the certificate has expired")

    @pytest.mark.row(62)
    def test_an_archives_certificate_of_somebody_else(self):
        self.assertNotEqual(HOST, "other.example.org")
        line = self.rejected(name="other.example.org")
        why = "TLS: the certificate is for another host name"
        self.assertEqual(line, f"upstream pacs is out: {why}")


class ByTwisted(BySockets):
    """The same over Twisted's transports."""

    transport = "twisted"


def reset(raw: socket.socket) -> None:
    """Have it reset when it is closed."""
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")

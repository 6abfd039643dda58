"""Certificates that belong to AE titles, over TLS: on the socket, and Twisted's. Row 25.

The reactor is real, and turned by hand.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import pytest

from relay.config import ClientTLS, parse
from relay.service import relay_service
from relay.transport.sockets import Sockets
from relay.transport.tls import client_security
from relay.wire.pdu import AssociateAC, ReleaseRP, ReleaseRQ
from tests.bad_inputs.case import CALLED_UNKNOWN, CALLING_UNKNOWN, ECHOED
from tests.bed import LogCase
from tests.network import Sole
from tests.peers import Archives, Caller, associate_rq, echo
from tests.transport.hand import Hand
from tests.transport.tls_bed import Pki

LOOPBACK = "127.0.0.1"

CONFIGURATION = """
[relay]
ae_title = "RELAY"
transport = "{transport}"

[[listener]]
endpoint = "tcp:port=0:interface=127.0.0.1"
[listener.tls]
certificate = "{server.certificate}"
key = "{server.key}"
client_ca = "{ca}"
client_certificates = "wanted"
[listener.allow]
called = ["RELAY"]
[listener.allow.certificates]
CT1 = ["ct1.example.org"]
"MR?" = ["*.mr.example.org"]
MR2 = ["2.*"]

[[listener]]
endpoint = "tcp:port=0:interface=127.0.0.1"
allow = {{ networks = ["192.0.2.0/24"] }}
[listener.tls]
certificate = "{server.certificate}"
key = "{server.key}"

[upstream.pacs]
address = "PACS@127.0.0.1:{port}"
[pool.archive]
upstreams = ["pacs"]
[[route]]
pool = "archive"
"""


class BySockets(LogCase):
    """A relay that binds AE titles to certificates, with an archive behind it."""

    transport = "socket"

    def setUp(self) -> None:
        super().setUp()
        self.hand: Any = Hand()
        self.folder = tempfile.TemporaryDirectory()
        self.pki, self.archive = Pki(Path(self.folder.name)), Archives()
        self.archive_port = self.hand.listenTCP(0, self.archive, interface=LOOPBACK)
        text = CONFIGURATION.format(
            transport=self.transport,
            server=self.pki.server("relay"),
            ca=self.pki.ca,
            port=self.archive_port.getHost().port,
        )
        self.service = relay_service(self.hand, parse(text, self.pki.folder))
        self.service.privilegedStartService()
        self.service.startService()
        ports: list[Any] = list(self.service.ports)
        self.bound, self.elsewhere = (each.getHost().port for each in ports)
        self.events.clear()

    def tearDown(self) -> None:
        # Not a cleanup: those come before this.
        self.served()
        stopped = self.service.stopService()
        self.archive_port.stopListening()
        self.hand.wait(1)
        self.hand.wait(30)
        self.successResultOf(stopped)
        self.assertEqual(self.hand.getDelayedCalls(), [])
        self.assertEqual(self.hand.getReaders(), self.hand.idle)
        self.hand.close()
        self.folder.cleanup()

    def call(self, shown: str | None, port: int | None = None) -> Caller:
        """A caller that has connected, and has a certificate for this name."""
        tls = ClientTLS(self.pki.ca) if shown is None else self.pki.client(shown)
        caller = Caller()
        factory: Any = Sole(caller)
        for name in ("startedConnecting", "clientConnectionFailed", "clientConnectionLost"):
            setattr(factory, name, lambda *_: None)
        security = client_security(tls, "relay")
        Sockets(self.hand, security).connectTCP(LOOPBACK, port or self.bound, factory)
        self.hand.settle(lambda: caller.connected)
        return caller

    def hears(self, caller: Caller) -> Any:
        """The next thing that a caller is told."""
        self.hand.settle(lambda: caller.heard)
        (heard,) = caller.since()
        return heard

    def answer(self, calling: str, shown: str | None, called: str = "RELAY") -> Any:
        """What somebody is told who calls itself so, and shows a certificate for this name."""
        caller = self.call(shown)
        caller.say(associate_rq(calling=calling.encode(), called=called.encode()))
        answer = self.hears(caller)
        if isinstance(answer, AssociateAC):
            caller.say(ReleaseRQ().encode())
            self.assertEqual(self.hears(caller), ReleaseRP())
        self.hand.settle(lambda: caller.is_closed)
        return answer

    def served(self) -> None:
        """A well-behaved caller is answered."""
        caller = self.call("ct1.example.org")
        caller.say(associate_rq(calling=b"CT1"))
        self.assertIsInstance(self.hears(caller), AssociateAC)
        caller.say(echo())
        self.assertEqual(self.hears(caller).told, ECHOED)
        caller.say(ReleaseRQ().encode())
        self.assertEqual(self.hears(caller), ReleaseRP())
        self.hand.settle(lambda: caller.is_closed)

    @pytest.mark.row(25)
    def test_a_certificate_that_belongs_to_the_ae_title(self):
        for calling, shown in (
            ("CT1", "ct1.example.org"),
            ("MR1", "1.mr.example.org"),
            ("MR2", "2.mr.example.org"),
        ):
            self.assertIsInstance(self.answer(calling, shown), AssociateAC)

    @pytest.mark.row(25)
    def test_a_certificate_that_belongs_to_another_ae_title(self):
        for calling, shown in (
            ("CT1", "1.mr.example.org"),
            ("MR1", "ct1.example.org"),
            ("MR2", "1.mr.example.org"),
            ("MR2", "2.example.org"),
            ("CT2", "ct1.example.org"),
        ):
            self.assertEqual(self.answer(calling, shown), CALLING_UNKNOWN)
        self.assertEqual(self.archive.heard, [])
        self.assertEqual(len(self.lines()), 5)
        for line in self.lines():
            self.assertIn("rejected: (1,1,3), allow.certificates;", line)

    @pytest.mark.row(25)
    def test_no_certificate(self):
        self.assertEqual(self.answer("CT1", None), CALLING_UNKNOWN)

    @pytest.mark.row(25)
    def test_a_called_title_that_is_not_listed_comes_before_the_certificate(self):
        self.assertEqual(self.answer("CT1", None, called="PACS"), CALLED_UNKNOWN)

    @pytest.mark.row(25)
    def test_a_network_that_is_not_listed_is_hung_up_on_before_tls(self):
        caller = self.call(None, self.elsewhere)
        self.hand.settle(lambda: caller.is_closed)
        self.assertEqual(caller.since(), [])
        self.assertEqual(self.lines(), [f"{LOOPBACK}: closed: no network that is allowed"])


class ByTwisted(BySockets):
    """The same over Twisted's transports."""

    transport = "twisted"

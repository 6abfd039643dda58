"""A whole relay on real sockets of loopback, in the clear or behind TLS on both sides, in process.

The reactor is real and turned by hand, with a clock that stands still (tests/transport/hand.py), so
what a test finds open, allocated or pending afterwards is the relay's, and nothing has to be waited
for. Callers and archives are those of tests/peers.py, and know what they heard to the byte.
"""

from __future__ import annotations

import gc
import os
import socket
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import attrs
from twisted.protocols.tls import TLSMemoryBIOFactory

from relay.config import ClientTLS, parse
from relay.service import RelayService, relay_service
from relay.transport.sockets import Sockets
from relay.transport.tls import client_security, server_options
from relay.wire.pdu import AssociateAC, ReleaseRP, ReleaseRQ
from tests.bad_inputs.case import is_the_relays
from tests.network import Sole
from tests.peers import Archives, Caller, Script, associate_rq, echo
from tests.transport.hand import Hand
from tests.transport.tls_bed import Pki

LOOPBACK = "127.0.0.1"
LONG = 120
"""Seconds: what rests has expired by then, and whoever was found wanting has been asked again."""

BY_NAME = ("_Account",)
"""Classes of which there is one for each peer that has caused a line in the log, up to a number
(relay/policy/lines.py)."""

LITTLE = 65536
"""Bytes that an archive's socket holds."""

CONFIGURATION = """
[relay]
ae_title = "RELAY"
{relay}
[[listener]]
endpoint = "tcp:port=0:interface=127.0.0.1"
{listener}
[pool.archive]
upstreams = [{names}]
balance = "primary-backup"
[[route]]
pool = "archive"
"""

UPSTREAM = """
[upstream.{name}]
address = "{title}@127.0.0.1:{port}"
{tls}
"""


class Noting(Caller):
    """A caller that notes the very bytes that it is told, too."""

    def __init__(self) -> None:
        super().__init__()
        self.told = b""

    def dataReceived(self, data: bytes) -> None:
        self.told += data
        super().dataReceived(data)

    def taken(self) -> bytes:
        """The bytes that it was told since the last time."""
        told, self.told, self.heard = self.told, b"", []
        return told


@attrs.frozen
class Left:
    """What there is when all is said: whatever of it grows from time to time leaks."""

    objects: Counter[str]
    descriptors: int
    timers: int

    def grown(self, before: Left) -> list[Any]:
        """What is more than it was."""
        more: list[Any] = [*(self.objects - before.objects).items()]
        if self.descriptors > before.descriptors:
            more.append(f"{self.descriptors - before.descriptors} descriptors")
        if self.timers > before.timers:
            more.append(f"{self.timers - before.timers} timers")
        return more


@attrs.define(eq=False)
class Loopback:
    """A relay, `archives` behind it of which the first is preferred, and those who call it."""

    pki: Pki
    by_tls: bool
    relay: str = ""
    count: int = 1
    shown: Mapping[str, Any] = attrs.field(factory=dict)
    """How the certificate of the first archive is made, behind TLS."""
    listener: str = ""
    hand: Any = attrs.field(factory=Hand)
    archives: list[Archives] = attrs.field(init=False)
    service: RelayService = attrs.field(init=False)
    _ports: list[Any] = attrs.field(init=False, factory=list)

    def __attrs_post_init__(self) -> None:
        self.archives = [Archives() for _ in range(self.count)]
        tables = [self._upstream(number, each) for number, each in enumerate(self.archives)]
        server = self.pki.server("relay")
        tls = f'tls = {{ certificate = "{server.certificate}", key = "{server.key}" }}'
        text = CONFIGURATION.format(
            relay=self.relay,
            listener=f"{self.listener}\n{tls if self.by_tls else ''}",
            names=", ".join(f'"pacs{number}"' for number in range(self.count)),
        )
        self.service = relay_service(self.hand, parse(text + "".join(tables), self.pki.folder))
        self.service.privilegedStartService()
        self.service.startService()

    def _upstream(self, number: int, archive: Archives) -> str:
        """Listen as an archive; what is said of it in the configuration."""
        factory: Any = archive
        if self.by_tls:
            certificate = server_options(self.pki.server(**({} if number else self.shown)))
            factory = TLSMemoryBIOFactory(certificate, False, archive, clock=self.hand)
        port = self.hand.listenTCP(0, factory, interface=LOOPBACK)
        # Or the kernel would take megabytes for an archive that does not read.
        port.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, LITTLE)
        # Acknowledgements may be late, and then their time is not that of the reactor.
        port.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._ports.append(port)
        tls = f'tls = {{ ca = "{self.pki.ca}", server_name = "pacs.example.org" }}'
        return UPSTREAM.format(
            name=f"pacs{number}",
            title=f"PACS{number}",
            port=port.getHost().port,
            tls=tls if self.by_tls else "",
        )

    def stop(self) -> None:
        """The relay ends, and so does all else."""
        stopped = self.service.stopService()
        for each in self._ports:
            each.stopListening()
        self.wait(LONG)
        assert stopped.called
        assert self.hand.getDelayedCalls() == []
        assert self.hand.getReaders() == self.hand.idle
        self.hand.close()

    # what happens

    @property
    def archive(self) -> Archives:
        """The first of them."""
        return self.archives[0]

    @property
    def port(self) -> int:
        """Where the relay listens."""
        port: Any = self.service.ports[0]
        return int(port.getHost().port)

    @property
    def keeper(self) -> Any:
        """Whoever keeps the associations with the first archive."""
        return self.service.keepers["pacs0"]

    def settle(self, enough: Any = None) -> None:
        """Let everything move, until it is enough where that is given."""
        self.hand.settle(enough)

    def wait(self, seconds: float) -> None:
        """Let time pass, from one call that is due to the next."""
        until = self.hand.seconds() + seconds
        self.settle()
        while True:
            times = [each.getTime() for each in self.hand.getDelayedCalls()]
            due = min((each for each in times if each <= until), default=until)
            self.hand.wait(max(0.0, due - self.hand.seconds()))
            if due == until:
                return

    # callers

    def call(self, *said: bytes, polite: bool = True) -> Noting:
        """A caller that has connected and says this."""
        caller = Noting()
        caller.is_polite = polite
        security = client_security(ClientTLS(self.pki.ca), "relay") if self.by_tls else None
        factory: Any = Sole(caller)
        for name in ("startedConnecting", "clientConnectionFailed", "clientConnectionLost"):
            setattr(factory, name, _ignore)
        Sockets(self.hand, security).connectTCP(LOOPBACK, self.port, factory)
        self.settle(lambda: caller.connected)
        caller.transport.setTcpNoDelay(True)
        for data in said:
            caller.say(data)
        return caller

    def associate(self, request: bytes | None = None, *said: bytes) -> Noting:
        """A caller with an association, on which it says this; what it was told is thrown away."""
        caller = self.call(request or associate_rq())
        self.settle(lambda: caller.heard)
        assert isinstance(caller.heard[0], AssociateAC), caller.heard
        caller.taken()
        for data in said:
            caller.say(data)
            self.settle()
        return caller

    def release(self, caller: Noting) -> None:
        """Release the association as it ought to be done."""
        caller.say(ReleaseRQ().encode())
        self.settle(lambda: caller.is_closed)
        told = caller.taken()
        assert told == ReleaseRP().encode(), told

    def hears(self, caller: Noting, answer: bytes) -> None:
        """The caller is told this, to the byte, and then nothing more."""
        self.settle(lambda: len(caller.told) >= len(answer) or caller.is_closed)
        self.settle()
        told = caller.taken()
        assert told == answer, told

    def is_over(self, caller: Noting) -> None:
        """The relay has ended the connection, or agrees that it be."""
        self.settle(lambda: caller.is_closed)

    # behind it

    def mend(self) -> None:
        """The archives behave, and forget."""
        for archive in self.archives:
            archive.script = Script()
            for association in archive.open:
                association.transport.resumeProducing()
                association.heard.clear()
            archive.associations[:] = archive.open

    def answers_an_echo(self) -> None:
        """A well-behaved caller is answered at once: by the clock, and by the processor's time."""
        now, began = self.hand.seconds(), time.process_time()
        caller = self.associate(None, echo(9))
        self.settle(lambda: caller.heard)
        assert caller.messages() == [("C_ECHO_RSP", 9, 0)]
        caller.taken()
        self.release(caller)
        assert self.hand.seconds() == now
        assert time.process_time() - began < 1

    def left(self) -> Left:
        """What there is when what rests has expired."""
        self.wait(LONG)
        for archive in self.archives:
            archive.associations[:] = archive.open
        gc.collect()
        kinds = (type(each) for each in gc.get_objects())
        objects = Counter(each.__qualname__ for each in kinds if is_the_relays(each))
        for name in BY_NAME:
            del objects[name]
        return Left(
            objects,
            len(os.listdir("/proc/self/fd")),
            len(self.hand.getDelayedCalls()),
        )


def _ignore(*_: object) -> None:
    """What a factory is told and need not know."""

"""The relay put together from a configuration: it listens, it relays, it stops."""

from __future__ import annotations

import socket
import tempfile
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, wrapClientTLS
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.trial.unittest import SynchronousTestCase, TestCase

from relay.config import parse
from relay.policy.affinity import by_operation
from relay.policy.health import Judgement
from relay.policy.leasing import Reuse
from relay.service import STOPPING_PERIOD, RelayService, relay_service
from relay.transport.association import CLOSING_TIMEOUT
from relay.transport.in_memory import InMemory
from relay.transport.tls import client_security, server_options
from relay.upstream.bank import Bank
from relay.upstream.limits import Limits
from relay.upstream.rules import Place, PoolRules
from relay.wire.pdu import Abort, AssociateAC, AssociateRJ, ReleaseRP, ReleaseRQ
from tests.bed import NO_FOLDER, PORT, Bed, RelayCase, idle
from tests.network import Network, Sole
from tests.peers import (
    ECHO,
    STORE,
    Archives,
    Caller,
    associate_rq,
    context_item,
    echo,
    proposals,
    store,
    succeed,
)
from tests.transport.tls_bed import HOST, Pki
from tests.vectors import CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN, VERIFICATION

CALLED_UNKNOWN = AssociateRJ(1, 1, 7)
CALLING_UNKNOWN = AssociateRJ(1, 1, 3)
TOO_MANY = AssociateRJ(2, 3, 2)
WORKLIST = "1.2.840.10008.5.1.4.31"

TWO_OF_ALL = """
[relay]
ae_title = "RELAY"
max_associations = 3
[[listener]]
endpoint = "tcp:port=11112"
max_associations = 2
[[listener]]
endpoint = "tcp:port=11113"
max_pdu = 8192
[upstream.a]
address = "A@a.example.org:104"
connect_timeout = 2
[upstream.b]
address = "B@b.example.org:105"
connect_timeout = 6
max_pdu = 4096
[upstream.ris]
address = "RIS@ris.example.org:106"
[pool.archive]
upstreams = ["a", "b"]
balance = "round-robin"
[pool.ris]
upstreams = ["ris"]
[[route]]
services = ["storage", "verification"]
pool = "archive"
[[route]]
called = "WORK*"
calling = "MOD*"
pool = "ris"
[[route]]
services = ["worklist"]
pool = "ris"
"""


class Listening(SynchronousTestCase):
    def build(self, text: str = TWO_OF_ALL) -> RelayService:
        self.network = Network()
        return relay_service(self.network, parse(text, NO_FOLDER))

    def start(self, service: RelayService) -> None:
        service.privilegedStartService()
        service.startService()

    def test_building_opens_nothing(self):
        self.build()
        self.assertEqual(self.network.listening, {})
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_it_listens_on_every_port_before_it_runs(self):
        service = self.build()
        service.privilegedStartService()
        self.assertEqual(set(self.network.listening), {11112, 11113})
        self.assertFalse(service.running)

    def test_a_port_that_is_taken_ends_it_with_a_line(self):
        service = self.build()
        self.network.listenTCP(11112, object())
        with self.assertRaises(SystemExit) as raised:
            service.privilegedStartService()
        why = "relay: cannot listen on tcp:port=11112: [Errno 98] Address already in use"
        self.assertEqual(raised.exception.code, why)

    def test_each_port_that_is_taken_is_named(self):
        service = self.build()
        for port in (11112, 11113):
            self.network.listenTCP(port, object())
        with self.assertRaises(SystemExit) as raised:
            service.privilegedStartService()
        lines = str(raised.exception.code).splitlines()
        self.assertEqual([line.split(": ")[1][-5:] for line in lines], ["11112", "11113"])

    def test_a_stop_stops_listening(self):
        service = self.build()
        self.start(service)
        stopped = service.stopService()
        self.network.wait(1)
        self.successResultOf(stopped)
        self.assertEqual(self.network.listening, {})
        self.assertEqual(self.network.getDelayedCalls(), [])


class Configured(SynchronousTestCase):
    def setUp(self) -> None:
        self.bed = Bed(TWO_OF_ALL)
        self.network = self.bed.network
        self.archives = {"a": self.bed.archive, "b": Archives(), "ris": Archives()}
        self.network.listenTCP(105, self.archives["b"])
        self.network.listenTCP(106, self.archives["ris"])

    def answer(self, request: bytes, port: int = PORT) -> Any:
        (answer,) = self.bed.call(request, port=port).since()
        return answer

    def test_contexts_of_one_association_go_to_their_own_pools(self):
        contexts = proposals((STORE,)) + context_item(21, WORKLIST, IMPLICIT_LITTLE_ENDIAN)
        caller = self.bed.associate(associate_rq(contexts))
        (asked,) = self.archives["a"].heard
        # Verification is the relay's own addition: an association that has rested is asked by it.
        proposed = [each.abstract_syntax for each in asked.contexts]
        self.assertEqual(proposed, [CT_IMAGE_STORAGE, VERIFICATION])
        self.assertEqual((asked.called, asked.calling), ("A", "MODALITY"))
        (asked,) = self.archives["ris"].heard
        self.assertEqual(asked.contexts[0].abstract_syntax, WORKLIST)
        self.bed.release(caller)

    def test_without_a_pattern_a_route_is_for_the_relays_own_title(self):
        self.assertEqual(self.answer(associate_rq(called=b"OTHER")), CALLED_UNKNOWN)

    def test_patterns_are_held_against_both_titles(self):
        wanted = associate_rq(called=b"WORKLIST", calling=b"MODALITY")
        self.assertIsInstance(self.answer(wanted), AssociateAC)
        unwanted = associate_rq(called=b"WORKLIST", calling=b"VISITOR")
        self.assertEqual(self.answer(unwanted), CALLING_UNKNOWN)

    def test_a_listener_has_its_own_limit_within_the_relays(self):
        first = [self.answer(associate_rq(), port=11112) for _ in range(3)]
        self.assertEqual([each == TOO_MANY for each in first], [False, False, True])
        second = [self.answer(associate_rq(), port=11113) for _ in range(2)]
        self.assertEqual([each == TOO_MANY for each in second], [False, True])

    def test_a_listener_announces_its_own_maximum_length_or_less(self):
        for port, expected in ((11112, 16384), (11113, 8192)):
            answer = self.answer(associate_rq(), port=port)
            self.assertEqual(answer.user_information.maximum_length, expected)

    def test_an_upstream_is_announced_its_own_maximum_length(self):
        self.bed.associate(associate_rq(proposals((ECHO,))))
        self.bed.associate(associate_rq(proposals((STORE,))))
        for name, maximum in (("a", 131072), ("b", 4096)):
            (asked,) = self.archives[name].heard
            self.assertEqual(asked.user_information.maximum_length, maximum)

    def test_all_tries_of_a_pool_have_the_longest_time_of_its_upstreams(self):
        self.network.silent = {104, 105}
        caller = self.bed.call(associate_rq())
        self.network.wait(5.9)
        self.assertEqual(caller.since(), [])
        self.network.wait(0.1)
        self.assertEqual(caller.since(), [AssociateRJ(2, 3, 1)])

    def test_where_one_pool_is_down_its_contexts_alone_are_refused(self):
        del self.network.listening[106]
        contexts = proposals((STORE,)) + context_item(21, WORKLIST, IMPLICIT_LITTLE_ENDIAN)
        caller = self.bed.call(associate_rq(contexts))
        self.network.wait(1)
        (answer,) = caller.since()
        self.assertEqual([(each.id, each.result) for each in answer.contexts], [(3, 0), (21, 2)])


EVERY_KEY = """
[relay]
ae_title = "RELAY"
[[listener]]
endpoint = "tcp:port=11112"
[upstream.a]
address = "A@192.0.2.1:104"
max_associations = 9
warm = 2
max_idle = 3
idle_timeout = 20
max_age = 600
max_waiting = 5
echo_after = 4
reuse = "caller"
connect_timeout = 7
probe_interval = 30
probe_timeout = 3
eject_after = 6
eject_rate = 0.25
eject_shortest = 2
eject_longest = 60
slow_start = 11
[upstream.b]
address = "B@[2001:db8::5]:105"
drain = true
[pool.archive]
upstreams = ["a", "b"]
balance = "round-robin"
weights = { a = 3 }
affinity = "operation"
max_ejected = 0.25
on_failure = "abort"
retries_per_second = 2
[pool.backup]
upstreams = ["b", "a"]
balance = "primary-backup"
[[route]]
pool = "archive"
[[route]]
calling = "OTHER"
pool = "backup"
"""


class Banked(SynchronousTestCase):
    """What a configuration says of upstreams and pools reaches their keepers and their bank."""

    def setUp(self) -> None:
        self.bed = Bed(EVERY_KEY)
        self.network, self.keepers = self.bed.network, self.bed.service.keepers

    def tearDown(self) -> None:
        self.bed.service.stopService()
        self.network.wait(60)
        self.assertEqual(self.network.getDelayedCalls(), [])

    def test_the_limits_of_an_upstream(self):
        expected = Limits(
            maximum=9,
            max_idle=3,
            idle_timeout=20,
            warm=2,
            max_age=600,
            max_waiting=5,
            echo_after=4,
            reuse=Reuse.CALLER,
            probe_interval=30,
            probe_timeout=3,
        )
        self.assertEqual(self.keepers["a"].limits, expected)

    def test_how_its_health_is_judged(self):
        expected = Judgement(failures=6, rate=0.25, shortest=2, longest=60, slow_start=11)
        self.assertEqual(self.keepers["a"].condition.health.judgement, expected)

    def test_the_rules_of_a_pool(self):
        bank = self.bed.service.doors[0].listener.upstreams
        assert isinstance(bank, Bank)
        expected = PoolRules(
            (Place("a", weight=3), Place("b", tier=1)),
            timeout=10.0,
            balance="round-robin",
            most_ejected=0.25,
            affinity=by_operation,
            aborts=True,
            retries_per_second=2,
        )
        self.assertEqual(bank.pools["archive"].rules, expected)
        places = bank.pools["backup"].rules.places
        self.assertEqual(places, (Place("b", tier=0), Place("a", tier=1)))

    def test_an_upstream_that_is_taken_out_is_not_called(self):
        self.assertTrue(self.keepers["b"].is_draining)
        for _ in range(3):
            self.bed.associate()
        self.assertEqual(set(self.network.dialled), {104})

    def test_probes_run_while_the_relay_does_and_in_its_name(self):
        self.network.wait(31)
        asked, *_ = self.bed.archive.heard
        self.assertEqual((asked.called, asked.calling), ("A", "RELAY"))

    def test_that_nobody_is_at_an_address_is_noticed_at_once(self):
        del self.network.listening[104]
        self.keepers["b"].resume()
        caller = self.bed.call(associate_rq())
        self.assertEqual(caller.since(), [AssociateRJ(2, 3, 1)])
        self.assertEqual(set(self.network.dialled), {104, 105})

    def test_its_leases_last_as_the_upstream_wants_them_to(self):
        self.bed.say(self.bed.associate(), echo())
        reuse = {each.manners.reuse for each in self.keepers["a"]._members}
        self.assertEqual(reuse, {Reuse.CALLER})


class Stopping(RelayCase):
    relay = "shutdown_grace = 10"

    def tearDown(self) -> None:
        self.assertEqual(list(self.network.ends), [])
        self.assertEqual(self.network.getDelayedCalls(), [])

    def store(self) -> Caller:
        """A caller that has stored, and whose archive has not answered."""
        self.archive.script.answer = lambda message: None
        caller = self.bed.associate()
        self.bed.say(caller, store(b"pixels"))
        return caller

    def answer(self) -> None:
        """The archive answers."""
        (message,) = self.archive.messages
        answer = succeed(message)
        assert answer is not None
        self.archive.associations[-1].say(answer)

    def test_a_stop_lets_an_operation_end_and_then_stops(self):
        caller = self.store()
        stopped = self.bed.service.stopService()
        self.network.wait(5)
        self.assertNoResult(stopped)
        self.answer()
        self.network.wait(2 * STOPPING_PERIOD)
        self.successResultOf(stopped)
        told = caller.since()
        self.assertEqual(told[0].told, ("C_STORE_RSP", 1, 0))
        self.assertEqual(told[1:], [Abort(2, 0)])

    def test_while_it_stops_nobody_else_is_let_in(self):
        self.store()
        stopped = self.bed.service.stopService()
        self.assertNotIn(PORT, self.network.listening)
        self.network.wait(11)
        self.successResultOf(stopped)

    def test_an_operation_that_takes_too_long_is_aborted_both_ways(self):
        caller = self.store()
        stopped = self.bed.service.stopService()
        self.network.wait(9)
        self.assertEqual(caller.since(), [])
        self.network.wait(2)
        self.successResultOf(stopped)
        self.assertEqual(caller.since(), [Abort(2, 0)])
        self.assertEqual(self.archive.heard[-1], Abort(0, 0))

    def test_a_message_that_is_half_there_is_waited_for(self):
        caller = self.bed.associate()
        self.bed.say(caller, store(b"pixels")[:-3])
        stopped = self.bed.service.stopService()
        self.network.wait(1)
        self.assertNoResult(stopped)
        self.bed.say(caller, store(b"pixels")[-3:])
        self.network.wait(1)
        self.successResultOf(stopped)
        self.assertEqual(caller.since()[0].told, ("C_STORE_RSP", 1, 0))

    def test_associations_that_rest_are_ended_at_once(self):
        caller, silent = self.bed.associate(), self.bed.call()
        stopped = self.bed.service.stopService()
        self.network.settle()
        self.successResultOf(stopped)
        self.assertEqual(caller.since(), [Abort(2, 0)])
        self.assertTrue(silent.is_closed)
        self.assertEqual(self.archive.heard[-1], ReleaseRQ())

    def test_a_stop_waits_until_every_connection_is_closed(self):
        caller = self.bed.associate()
        caller.transport.pauseProducing()
        stopped = self.bed.service.stopService()
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.assertNoResult(stopped)
        self.network.wait(CLOSING_TIMEOUT / 2)
        self.successResultOf(stopped)
        self.assertTrue(caller.is_closed)

    def test_a_caller_that_waits_for_its_answer_is_ended(self):
        self.archive.script.associate = lambda request: None
        caller = self.bed.call(associate_rq())
        stopped = self.bed.service.stopService()
        self.network.settle()
        self.successResultOf(stopped)
        self.assertEqual(caller.since(), [Abort(2, 0)])
        (keeper,) = self.bed.service.keepers.values()
        self.assertEqual(repr(keeper), idle(keeper))


WITH_TLS = """
[relay]
ae_title = "RELAY"
transport = "{transport}"
[[listener]]
endpoint = "tcp:port=0:interface=127.0.0.1"
[listener.tls]
certificate = "{server.certificate}"
key = "{server.key}"
client_ca = "{ca}"
[upstream.pacs]
address = "PACS@127.0.0.1:{port}"
linger = 0
[upstream.pacs.tls]
ca = "{ca}"
server_name = "pacs.example.org"
[pool.archive]
upstreams = ["pacs"]
[[route]]
pool = "archive"
"""


class Waiting(Caller):
    """A caller that can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._next: Deferred[Any] | None = None
        self.closed: Deferred[None] = Deferred()

    def answer_to(self, data: bytes) -> Deferred[Any]:
        """What is said to this."""
        self._next = Deferred()
        self.say(data)
        return self._next

    def hears(self, what: Any) -> None:
        if self._next is not None:
            answered, self._next = self._next, None
            answered.callback(what)

    def connectionLost(self, reason: Any = None) -> None:
        super().connectionLost(reason)
        self.closed.callback(None)


class RealSockets(TestCase):
    """Over loopback, TLS on both sides: what is about sockets needs sockets."""

    timeout = 20
    transport = "socket"

    async def start(self) -> tuple[Archives, Waiting]:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        pki, archive = Pki(Path(folder.name)), Archives()
        loop: Any = reactor
        tls = TLSMemoryBIOFactory(server_options(pki.server(HOST)), False, archive)
        port = loop.listenTCP(0, tls, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        text = WITH_TLS.format(
            transport=self.transport,
            server=pki.server("relay"),
            ca=pki.ca,
            port=port.getHost().port,
        )
        self.service = relay_service(reactor, parse(text, pki.folder))
        self.service.privilegedStartService()
        self.service.startService()
        self.addCleanup(self.stop)
        where: Any = self.service.ports[0].getHost()
        endpoint = HostnameEndpoint(loop, "127.0.0.1", where.port)
        caller = Waiting()
        shown = InMemory(client_security(pki.client(), "relay"))
        await wrapClientTLS(shown, endpoint).connect(Sole(caller))
        return archive, caller

    def stop(self) -> Deferred[None]:
        if not self.service.running:
            return Deferred.fromCoroutine(_nothing())
        return self.service.stopService()

    async def test_an_operation_crosses_over_tls(self):
        archive, caller = await self.start()
        self.assertIsInstance(await caller.answer_to(associate_rq()), AssociateAC)
        answer = await caller.answer_to(store(bytes(300_000)))
        self.assertEqual(answer.told, ("C_STORE_RSP", 1, 0))
        self.assertEqual(archive.messages[0].dataset, bytes(300_000))
        self.assertEqual(await caller.answer_to(ReleaseRQ().encode()), ReleaseRP())
        await caller.closed

    async def test_an_association_that_the_archive_has_just_closed_is_not_handed_out(self):
        archive, caller = await self.start()
        await caller.answer_to(associate_rq())
        await caller.answer_to(echo(1))
        (keeper,) = self.service.keepers.values()
        (association,) = keeper._members
        self.assertTrue(association.is_idle)
        # The archive's kernel says it; the reactor is not asked in between.
        underneath: Any = archive.associations[0].transport.transport.getHandle()
        underneath.shutdown(socket.SHUT_WR)
        self.assertFalse(association.is_idle)
        answer = await caller.answer_to(echo(2))
        self.assertEqual(answer.told, ("C_ECHO_RSP", 2, 0))
        self.assertEqual(len(archive.associations), 2)
        await caller.answer_to(ReleaseRQ().encode())
        await caller.closed

    async def test_a_stop_tells_callers_and_archives_before_it_is_done(self):
        archive, caller = await self.start()
        await caller.answer_to(associate_rq())
        await caller.answer_to(echo(1))
        await self.service.stopService()
        await caller.closed
        self.assertEqual(caller.heard[-1], Abort(2, 0))
        self.assertEqual(archive.heard[-1], ReleaseRQ())


class RealSocketsByTwisted(RealSockets):
    """The same over Twisted's transports."""

    transport = "twisted"


async def _nothing() -> None:
    pass

"""TLS on the socket: the handshake, what bites, and how it ends."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from OpenSSL import SSL
from twisted.internet.error import ConnectionAborted, ConnectionDone, ConnectionLost
from twisted.internet.interfaces import ISSLTransport
from twisted.internet.protocol import Protocol
from twisted.python.failure import Failure
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from relay.config import ClientTLS
from relay.transport.reasons import describe
from relay.transport.secure import CLOSING_TIMEOUT, RECORD
from relay.transport.securing import Security, Server
from relay.transport.tls import client_security, server_options
from tests.transport.hand import Hand, Teller, Two, by_hand, join, over_loopback, sockets
from tests.transport.tls_bed import HOST, Loose, Pki, context
from tests.vectors import TLS_CLIENT_HELLO


@pytest.fixture(scope="module")
def pki(tmp_path_factory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture
def hand() -> Iterator[Hand]:
    with by_hand() as hand:
        yield hand


@pytest.fixture
def two(hand, pki) -> Two:
    return Two(hand, securities(pki))


def securities(pki: Pki) -> tuple[Security, Security]:
    """A caller and a listener who believe each other."""
    server = attrs.evolve(pki.server(), client_ca=pki.ca)
    return client_security(pki.client(), HOST), Server.of(server_options(server))


class Script:
    """In the place of OpenSSL: what calls give or raise, one after the other, and what is usual."""

    is_client = True

    def __init__(self, **steps: Any) -> None:
        self.left = {what: list(each) for what, each in steps.items()}
        self.calls: list[str] = []
        self.inside = 0
        self.sent: list[bytes] = []
        self.places: list[tuple[int, int]] = []
        """In which object, and how far in it."""

    def over(self, connection: socket.socket) -> Any:
        self.connection = connection
        return self

    def judge(self, tls: object) -> None: ...
    def failed(self) -> None: ...
    def learn(self, tls: object) -> None: ...
    def leave(self, tls: object) -> None: ...

    def do_handshake(self) -> None:
        self.next("do_handshake")

    def shutdown(self) -> bool:
        return bool(self.next("shutdown"))

    def pending(self) -> int:
        return self.inside

    def next(self, what: str) -> Any:
        self.calls.append(what)
        left = self.left.get(what)
        given = left.pop(0) if left else None
        if isinstance(given, Exception):
            raise given
        return given

    def recv(self, size: int) -> bytes:
        given: bytes | None = self.next("recv")
        if given is None:
            with contextlib.suppress(BlockingIOError):
                if not self.connection.recv(size):
                    raise SSL.SysCallError(-1, "Unexpected EOF")
            raise SSL.WantReadError
        return given

    def send(self, data: Any) -> int:
        self.sent.append(bytes(data))
        view = memoryview(data)
        self.places.append((id(view.obj), memoryview(view.obj).nbytes - view.nbytes))
        given: int | None = self.next("send")
        return len(data) if given is None else given


class Blocking:
    """A peer that is not of this house: Python's ssl, over memory, with a socket beside it."""

    def __init__(self, hand: Hand, connection: Any, pki: Pki) -> None:
        self.hand, self.connection = hand, connection
        connection.setblocking(False)
        context = ssl.create_default_context(cafile=str(pki.ca))
        self.coming, self.going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.coming, self.going, server_hostname=HOST)

    def until_done(self, what: Any, *args: Any) -> Any:
        """Do it, and let everybody else do what it takes."""
        for _ in range(100):
            try:
                return what(*args)
            except ssl.SSLWantReadError:
                self.flush()
                self.hand.settle()
                self.take()
            finally:
                self.flush()
        raise AssertionError("it never gets done")

    def flush(self) -> None:
        if self.going.pending:
            self.connection.sendall(self.going.read())

    def take(self) -> None:
        try:
            data = self.connection.recv(65536)
        except BlockingIOError:
            return
        if data:
            self.coming.write(data)
        else:
            self.coming.write_eof()


@pytest.fixture
def stranger(hand, pki) -> Iterator[tuple[Blocking, Teller]]:
    """A peer of another make that has shaken hands, and our end of it."""
    near, far = over_loopback()
    ours = Teller()
    join(hand, near, ours, Server.of(server_options(pki.server())))
    peer = Blocking(hand, far, pki)
    peer.until_done(peer.tls.do_handshake)
    hand.settle()
    yield peer, ours
    far.close()


# the handshake


def test_it_is_a_transport_over_tls(two):
    stream: Any = two.meet().near.transport
    assert ISSLTransport.providedBy(stream)
    verifyObject(ISSLTransport, stream)
    assert stream.getPeerCertificate() is not None
    assert isinstance(two.near.transport.getHandle(), SSL.Connection)
    stream.abortConnection()
    two.hand.settle()
    assert stream.getPeerCertificate() is None


def test_a_protocol_hears_of_the_handshake_before_any_data(two):
    two.near.on["made"] = lambda: two.near.transport.write(b"written before")
    two.near.on["established"] = lambda: two.near.transport.write(b", and behind")
    two.meet()
    assert two.near.told == two.far.told == ["made", "established"]
    assert two.far.heard == b"written before, and behind"


def test_a_protocol_that_does_not_listen_for_it_is_not_told(hand, pki):
    class Mute(Protocol):
        def handshakeCompleted(self) -> None:
            raise AssertionError("nobody asked")

    (near, far), teller = sockets(), Teller()
    client, server = securities(pki)
    join(hand, near, teller, client)
    mute = join(hand, far, Mute(), server)
    hand.settle()
    assert teller.told == ["made", "established"]
    assert mute.connected


@pytest.mark.parametrize("said", [b"", b"\x16", TLS_CLIENT_HELLO[:20]], ids=len)
def test_a_handshake_that_stalls_holds_up_nobody_and_ends_at_once_when_it_is_to(two, said):
    _, server = two.securities
    (near, far), stalled = sockets(), Teller()
    stream = join(two.hand, far, stalled, server)
    stream.write(b"secret")
    near.send(said)
    two.meet().near.transport.write(b"x")
    two.hand.settle()
    assert two.far.heard == b"x"
    assert stalled.told == ["made"]
    stream.abortConnection()
    two.hand.settle()
    assert stalled.why_lost is not None
    assert stalled.why_lost.check(ConnectionAborted)
    near.setblocking(False)
    assert b"secret" not in b"".join(iter(lambda: near.recv(4096), b""))
    near.close()


def test_before_the_handshake_there_is_nobody_to_say_goodbye_to(hand, pki):
    (near, far), teller = sockets(), Teller()
    join(hand, far, teller, securities(pki)[1]).loseConnection()
    hand.settle()
    assert teller.why_lost is not None
    assert teller.why_lost.check(ConnectionAborted)
    near.close()


def test_what_was_written_before_the_handshake_leaves_before_a_close(two):
    two.near.on["made"] = lambda: (
        two.near.transport.write(b"all"),
        two.near.transport.loseConnection(),
    )
    two.meet()
    assert two.far.heard == b"all"
    assert two.whys == (ConnectionDone, ConnectionDone)


def test_the_end_of_a_connection_in_the_handshake_is_a_loss(hand, pki):
    (near, far), teller = sockets(), Teller()
    join(hand, far, teller, securities(pki)[1])
    near.close()
    hand.settle()
    assert teller.why_lost is not None
    assert teller.why_lost.check(ConnectionLost)


def test_nonsense_in_the_place_of_a_handshake_is_an_error_of_openssl(hand, pki):
    (near, far), teller = over_loopback(), Teller()
    join(hand, far, teller, securities(pki)[1])
    near.send(b"GET / HTTP/1.1\r\n\r\n")
    hand.settle(lambda: teller.why_lost)
    assert teller.why_lost is not None
    assert describe(teller.why_lost).startswith("TLS: ")
    near.close()


def test_a_refused_client_certificate_shows_at_the_first_read(hand, pki):
    _, server = securities(pki)
    two = Two(hand, (client_security(ClientTLS(pki.ca), HOST), server)).meet()
    assert two.near.told == ["made", "established", "lost"]
    assert two.near.why_lost is not None
    assert describe(two.near.why_lost) == "TLS: tlsv13 alert certificate required"
    assert "established" not in two.far.told


def test_in_the_handshake_pausing_waits_for_its_end(two):
    two.far.on["made"] = lambda: two.far.transport.pauseProducing()
    two.near.on["made"] = lambda: two.near.transport.write(b"x")
    two.meet()
    assert two.far.told == ["made", "established"]
    assert two.far.heard == b""
    two.far.transport.resumeProducing()
    two.hand.settle()
    assert two.far.heard == b"x"


def test_who_is_given_up_in_the_midst_of_its_handshake_hears_nothing_of_it(two):
    two.near.on["established"] = lambda: two.near.transport.abortConnection()
    two.far.on["made"] = lambda: two.far.transport.write(b"x")
    two.meet()
    assert two.near.heard == b""
    assert two.whys[0] is ConnectionAborted


def test_an_archive_that_negotiates_again_is_told_no(hand, pki):
    tls = pki.server()

    def old(made: SSL.Context) -> None:
        made.set_max_proto_version(SSL.TLS1_2_VERSION)
        made.use_certificate_chain_file(str(tls.certificate))
        made.use_privatekey_file(str(tls.key))

    two = Two(hand, (client_security(ClientTLS(pki.ca), HOST), Loose(context(old), False))).meet()
    near, far = (each.transport.getHandle() for each in (two.near, two.far))
    assert far.renegotiate()
    with contextlib.suppress(SSL.Error):
        far.do_handshake()
    hand.settle()
    assert near.total_renegotiations() == 0


def test_what_is_written_is_offered_in_one_call(two):
    two.meet()
    assert two.near.transport.getHandle().send(bytes(65536)) == 65536


# what it waits for


def test_nothing_stays_inside_openssl_where_the_reactor_cannot_see_it(two):
    two.meet(pair=over_loopback())
    stream = two.far.transport
    two.far.on["data"] = stream.pauseProducing
    two.near.transport.write(bytes(10 * RECORD * 16 + 5000))
    while len(two.far.heard) < 10 * RECORD * 16 + 5000:
        stream.resumeProducing()
        two.hand.settle()
        assert stream.getHandle().pending() == 0


def full_and_there(near: socket.socket, far: socket.socket) -> None:
    """Something is there for `near` to read, and nothing can be written to it."""
    near.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            near.send(bytes(4096))
    far.send(b"x")


def test_a_read_that_has_to_write_waits_until_it_can_and_does_not_spin(hand):
    (near, far), teller = sockets(tiny=True), Teller()
    script = Script(recv=[SSL.WantWriteError(), b"data"])
    stream = join(hand, near, teller, script)
    stream.pauseProducing()
    hand.settle()
    full_and_there(near, far)
    stream.resumeProducing()
    hand.settle()
    assert script.calls == ["do_handshake", "recv"]
    assert (hand.getReaders(), hand.getWriters()) == (hand.idle, [stream])
    far.recv(1 << 20)
    hand.settle(lambda: teller.heard)
    assert teller.heard == b"data"
    assert hand.getWriters() == []
    stream.abortConnection()
    hand.settle()
    far.close()


def test_a_write_that_has_to_read_waits_until_it_can_and_offers_the_same_again(hand):
    (near, far), teller = sockets(), Teller()
    script = Script(send=[SSL.WantReadError()])
    stream = join(hand, near, teller, script)
    hand.settle()
    stream.pauseProducing()
    data = bytes(100)
    stream.write(data)
    stream.write(b"behind")
    hand.settle()
    assert script.sent == [data]
    assert (hand.getWriters(), stream in hand.getReaders()) == ([], True)
    far.send(b"x")
    hand.settle(lambda: len(script.sent) > 2)
    assert script.sent == [data, data, b"behind"]
    assert stream not in hand.getReaders()
    stream.abortConnection()
    hand.settle()
    far.close()


def test_a_write_that_blocked_offers_the_same_bytes_at_the_same_place(hand):
    (near, far), teller = sockets(), Teller()
    script = Script(send=[SSL.WantWriteError(), SSL.WantWriteError()])
    stream = join(hand, near, teller, script)
    hand.settle()
    data = b"x" * 100
    stream.write(data)
    stream.write(b"behind")
    hand.settle()
    assert script.sent == [data] * 3 + [b"behind"]
    # OpenSSL goes by the address.
    assert script.places[0] == script.places[1] == script.places[2]
    stream.abortConnection()
    hand.settle()
    far.close()


def test_where_openssl_writes_record_by_record_the_rest_stays_where_it_was(hand):
    (near, far), teller = sockets(), Teller()
    script = Script(send=[16, SSL.WantWriteError()])
    stream = join(hand, near, teller, script)
    hand.settle()
    stream.write(bytes(100))
    hand.settle()
    assert [len(each) for each in script.sent] == [100, 84, 84]
    assert [offset for _, offset in script.places] == [0, 16, 16]
    assert len({place for place, _ in script.places}) == 1
    stream.abortConnection()
    hand.settle()
    far.close()


def test_an_error_while_writing_is_told_by_the_reactor(hand):
    (near, far), teller = sockets(), Teller()
    join(hand, near, teller, Script(send=[SSL.Error([("", "", "bad")])]))
    hand.settle()
    teller.transport.write(b"x")
    assert teller.why_lost is None
    hand.settle()
    assert teller.why_lost is not None
    assert describe(teller.why_lost) == "TLS: bad"
    far.close()


# the end


def test_a_goodbye_is_answered_and_is_a_good_end(hand, stranger):
    peer, ours = stranger
    ours.on["data"] = lambda: ours.transport.write(b"answer")
    peer.tls.write(b"hello")
    peer.flush()
    assert peer.until_done(peer.tls.read, 6) == b"answer"
    peer.until_done(peer.tls.unwrap)
    hand.settle()
    assert ours.heard == b"hello"
    assert ours.why_lost is not None
    assert ours.why_lost.check(ConnectionDone)


def test_what_is_said_before_a_goodbye_is_answered(hand, stranger):
    peer, ours = stranger
    ours.on["data"] = lambda: ours.transport.write(b"answer")
    peer.tls.write(b"hello")
    with contextlib.suppress(ssl.SSLWantReadError):
        peer.tls.unwrap()
    peer.flush()
    hand.settle(lambda: ours.why_lost)
    assert ours.why_lost.check(ConnectionDone)
    peer.take()
    assert peer.tls.read(100) == b"answer"


def closing(hand: Hand, *steps: Any) -> tuple[Teller, Script, Any]:
    """A connection that is being closed, where OpenSSL's part takes these steps."""
    (near, far), teller = sockets(), Teller()
    script = Script(shutdown=steps)
    stream = join(hand, near, teller, script)
    hand.settle()
    stream.loseConnection()
    hand.settle()
    return teller, script, far


def test_a_goodbye_that_does_not_go_is_tried_again(hand):
    teller, script, far = closing(hand, SSL.WantWriteError(), SSL.WantWriteError(), False)
    assert script.calls.count("shutdown") == 3
    assert teller.why_lost is None
    teller.transport.startWriting()
    hand.settle()
    assert script.calls.count("shutdown") == 3
    hand.wait(CLOSING_TIMEOUT)
    assert teller.why_lost is not None
    assert teller.why_lost.check(ConnectionDone)
    far.close()


@pytest.mark.parametrize("step", [True, SSL.Error([("", "", "bad")])], ids=["said", "error"])
def test_a_goodbye_that_is_said_already_or_cannot_be_is_not_waited_for(hand, step):
    teller, _, far = closing(hand, step)
    assert teller.why_lost is not None
    assert teller.why_lost.check(ConnectionDone)
    far.close()


def test_a_goodbye_that_was_said_in_one_direction_is_waited_for(hand):
    teller, _, far = closing(hand, SSL.WantReadError())
    assert teller.why_lost is None
    far.close()
    hand.settle(lambda: teller.why_lost)


@pytest.mark.parametrize("step", [SSL.WantWriteError(), SSL.Error([])], ids=["later", "never"])
def test_the_end_of_one_direction_may_have_to_wait(hand, step):
    (near, far), teller = sockets(), Teller()
    script = Script(shutdown=[step])
    stream = join(hand, near, teller, script)
    hand.settle()
    stream.loseWriteConnection()
    hand.settle()
    assert script.calls.count("shutdown") == (2 if isinstance(step, SSL.WantWriteError) else 1)
    assert teller.why_lost is None
    stream.abortConnection()
    assert stream.doRead() is None
    assert stream.doWrite() is None
    hand.settle()
    far.close()


@pytest.mark.parametrize("what", ["recv", "send"])
def test_what_waited_for_the_other_direction_may_fail_in_it(hand, what):
    (near, far), teller = sockets(), Teller()
    other = {"recv": SSL.WantWriteError(), "send": SSL.WantReadError()}[what]
    stream = join(hand, near, teller, Script(**{what: [other, SSL.Error([("", "", "bad")])]}))
    hand.settle()
    with contextlib.suppress(BrokenPipeError):
        far.send(b"x")
    stream.write(b"x")
    hand.settle(lambda: teller.why_lost)
    assert teller.why_lost is not None
    assert describe(teller.why_lost) == "TLS: bad"
    far.close()


def test_a_handshake_may_have_to_write_before_it_reads(hand):
    (near, far), teller = sockets(), Teller()
    script = Script(do_handshake=[SSL.WantReadError(), SSL.WantWriteError(), None])
    stream = join(hand, near, teller, script)
    hand.settle()
    assert (stream in hand.getReaders(), hand.getWriters()) == (True, [])
    far.send(b"x")
    hand.settle(lambda: "established" in teller.told)
    assert script.calls[:3] == ["do_handshake"] * 3
    stream.abortConnection()
    hand.settle()
    far.close()


def test_an_error_that_says_nothing_is_a_cut(hand):
    (near, far), teller = sockets(), Teller()
    join(hand, near, teller, Script(do_handshake=[SSL.Error([])]))
    hand.settle()
    assert teller.why_lost is not None
    assert teller.why_lost.check(ConnectionLost)
    far.close()


def test_a_close_says_goodbye_and_waits_for_it_to_be_said_back(hand, stranger):
    peer, ours = stranger
    ours.transport.write(b"last words")
    ours.transport.loseConnection()
    hand.settle()
    assert peer.until_done(peer.tls.read, 100) == b"last words"
    assert peer.until_done(peer.tls.read, 100) == b""
    peer.tls.write(b"not heard any more")
    peer.flush()
    hand.settle()
    assert ours.why_lost is None
    peer.until_done(peer.tls.unwrap)
    hand.settle()
    assert ours.heard == b""
    assert ours.why_lost is not None
    assert ours.why_lost.check(ConnectionDone)
    assert hand.getDelayedCalls() == []


def test_who_does_not_say_it_back_has_its_time_to(hand, stranger):
    _, ours = stranger
    ours.transport.loseConnection()
    hand.wait(CLOSING_TIMEOUT - 1)
    assert ours.why_lost is None
    hand.wait(1)
    assert ours.why_lost is not None
    assert ours.why_lost.check(ConnectionDone)


def test_who_just_leaves_when_it_was_told_goodbye_has_ended_well(hand, stranger):
    peer, ours = stranger
    ours.transport.loseConnection()
    hand.settle()
    peer.connection.close()
    hand.settle(lambda: ours.why_lost)
    assert ours.why_lost.check(ConnectionDone)


def test_a_stream_that_is_cut_is_lost_and_what_came_before_is_delivered(hand, stranger):
    peer, ours = stranger
    peer.tls.write(b"half of")
    peer.flush()
    peer.connection.close()
    hand.settle(lambda: ours.why_lost)
    assert ours.heard == b"half of"
    assert ours.why_lost.check(ConnectionLost)


def test_a_stream_that_is_cut_in_the_middle_of_a_record_is_lost(hand, stranger):
    peer, ours = stranger
    peer.tls.write(bytes(1000))
    peer.connection.sendall(peer.going.read()[:-1])
    peer.connection.close()
    hand.settle(lambda: ours.why_lost)
    assert ours.heard == b""
    assert ours.why_lost.check(ConnectionLost)


def test_a_record_that_was_tampered_with_is_an_error_and_not_delivered(hand, stranger):
    peer, ours = stranger
    peer.tls.write(b"untouched")
    peer.connection.sendall(peer.going.read()[:-1] + b"x")
    hand.settle(lambda: ours.why_lost)
    assert ours.heard == b""
    assert describe(ours.why_lost).startswith("TLS: ")


def test_an_end_that_only_the_reactor_saw_was_a_cut(two):
    two.meet().near.transport.readConnectionLost(Failure(ConnectionDone()))
    assert two.whys[0] is ConnectionLost


def test_what_is_inside_openssl_is_there_to_be_read(hand):
    near, far = sockets()
    script = Script()
    stream = join(hand, near, Teller(), script)
    hand.settle()
    assert stream.is_silent()
    script.inside = 1
    assert not stream.is_silent()
    stream.abortConnection()
    hand.settle()
    far.close()


def test_one_direction_can_end_by_itself(two):
    two.meet(tiny=True)
    two.near.transport.write(bytes(300_000))
    two.near.transport.loseWriteConnection()
    two.near.transport.write(b"written before it was said")
    two.hand.settle()
    assert len(two.far.heard) == 300_026
    # The peer answers a goodbye at once.
    assert two.whys == (ConnectionDone, ConnectionDone)


def test_an_abort_in_the_midst_of_a_record_resets(two):
    two.meet(pair=over_loopback())
    two.far.transport.pauseProducing()
    two.near.transport.write(bytes(16 << 20))
    two.hand.settle()
    two.near.transport.abortConnection()
    two.hand.settle(lambda: two.near.why_lost)
    two.far.transport.resumeProducing()
    two.hand.settle(lambda: two.far.why_lost)
    assert two.whys == (ConnectionAborted, ConnectionLost)


def _greet(two: Two) -> None:
    two.near.transport.write(b"x")


class Raising(SynchronousTestCase):
    def test_what_a_protocol_raises_is_logged_and_loses_its_connection(self):
        class Oops(Exception):
            pass

        def oops() -> None:
            raise Oops

        for what in ("established", "data"):
            with by_hand() as hand, TemporaryDirectory() as folder:
                two = Two(hand, securities(Pki(Path(folder))))
                two.far.on[what] = oops
                two.near.on["established"] = partial(_greet, two)
                two.meet()
                self.assertIs(two.whys[1], Oops)
                self.assertEqual(len(self.flushLoggedErrors(Oops)), 1)

"""What is written leaves at once, by whatever transport."""

from __future__ import annotations

import socket
from typing import Any

from twisted.internet.tcp import Server
from twisted.internet.testing import StringTransport

from relay.transport.outlet import Prompt, Prompted, outlet
from tests.transport.hand import Teller, by_hand, join, sockets


def test_a_transport_of_ours_is_written_to_and_asked_directly():
    with by_hand() as hand:
        near, far = sockets()
        stream = join(hand, near, Teller())
        found = outlet(stream)
        assert isinstance(found, Prompt)
        assert found.send == found.put == stream.write
        found.send(b"x")
        assert far.recv(10) == b"x"
        found.full()
        found.drained()
        assert found.is_silent()
        far.send(b"y")
        assert not found.is_silent()
        far.close()


def test_a_socket_of_twisteds_is_offered_it_at_once():
    with by_hand() as hand:
        near, far = sockets()
        teller, where = Teller(), ("127.0.0.1", 1)
        transport: Any = Server(near, teller, where, None, 0, hand)  # type: ignore[arg-type]
        teller.makeConnection(transport)
        found = outlet(transport)
        assert isinstance(found, Prompted)
        found.send(b"at once")
        assert far.recv(10) == b"at once"
        found.put(b"later")
        far.setblocking(False)
        found.send(b", and with it")
        assert far.recv(100) == b"later, and with it"
        transport.abortConnection()
        hand.settle()
        far.close()


def test_a_socket_that_is_being_closed_is_left_alone():
    with by_hand() as hand:
        near, far = sockets()
        teller, where = Teller(), ("127.0.0.1", 1)
        transport: Any = Server(near, teller, where, None, 0, hand)  # type: ignore[arg-type]
        teller.makeConnection(transport)
        found = outlet(transport)
        transport.loseConnection()
        found.send(b"x")
        far.setblocking(False)
        try:
            far.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            pass
        else:
            raise AssertionError("it was not left alone")
        hand.settle()
        far.close()


def test_what_has_no_socket_is_just_written_to():
    transport = StringTransport()
    found = outlet(transport)
    found.send(b"x")
    found.full()
    found.send(b"y")
    found.drained()
    assert transport.value() == b"xy"
    assert found.is_silent()

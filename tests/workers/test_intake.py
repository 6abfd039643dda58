"""Where a worker's callers come in."""

from __future__ import annotations

import socket
from typing import Any

from relay.policy.entry import Entry
from relay.transport.sockets import Sockets
from relay.workers.intake import Entrance
from relay.workers.passing import Particulars
from tests.network import Network

ITS = Particulars(1, 0, "192.0.2.7", 4242, Entry.SERVED)


class Nobody:
    """A listener that wants nothing of a connection."""

    def buildProtocol(self, addr: object) -> None:
        """None at all."""


def is_closed(factory: Any) -> bool:
    """Whether a caller is hung up on, and counts no more."""
    near, far = socket.socketpair()
    ended: list[bool] = []
    entrance = Entrance(Sockets(Network()), factory)
    entrance.enter(far, ITS, lambda: ended.append(True))
    with near:
        near.setblocking(False)
        return near.recv(1) == b"" and ended == [True]


def test_a_caller_whom_the_listener_does_not_want_is_hung_up_on():
    assert is_closed(Nobody())


def test_so_is_one_for_whom_there_is_no_listener_any_more():
    assert is_closed(None)

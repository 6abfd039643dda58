"""Ports of the first process: whoever is accepted on one is handed on, by whatever endpoint."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, cast

import attrs
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure

from relay.transport.sockets import Sockets

Accepted = Callable[[socket.socket, int, "IAddress | None"], None]
"""Takes a connection that was accepted, by which door, and from where."""


class Passage(Protocol):
    """A caller's connection, for the moment that it is here."""

    def __init__(self, address: IAddress | None) -> None:
        self.address = address

    def makeConnection(self, transport: Any) -> None:
        """It is somebody else's by now."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It was never this one's to lose."""


class Door(Factory):
    """What listens at the listener of that number, from 0 on."""

    noisy = False

    def __init__(self, number: int) -> None:
        self.number = number

    def buildProtocol(self, addr: IAddress | None) -> Passage:
        """For a caller at `addr`."""
        return Passage(addr)

    def logPrefix(self) -> str:
        """What it is in the log: the same as where the process serves by itself."""
        return "Listener"


@attrs.define(eq=False)
class Accepting(Sockets):
    """Stands in for the reactor where a port is opened: connections go to `accepted`."""

    accepted: Accepted = attrs.field(kw_only=True)
    door: int = attrs.field(kw_only=True)

    def stream(self, connection: socket.socket, protocol: Any, *_: Any) -> Any:
        """Hand a connection on, with the address that it was accepted from."""
        self.accepted(connection, self.door, cast(Passage, protocol).address)

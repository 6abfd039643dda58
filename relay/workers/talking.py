"""One end of a conversation in words.py, over a pair of Unix sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.protocol import connectionDone
from twisted.protocols.amp import AMP, BinaryBoxProtocol, CommandLocator
from twisted.python.failure import Failure

Heard = dict[str, object]
"""What is given back by whoever hears something, and has nothing to say to it."""


class Talk(AMP):
    """One end; `locator` hears what the other one says, `lost` that there is no other one."""

    def __init__(self, locator: CommandLocator, lost: Callable[[], None]) -> None:
        super().__init__(locator=locator)  # type: ignore[no-untyped-call]
        self._lost = lost

    def say(self, what: Any, **values: Any) -> Deferred[Any] | None:
        """Say something; None where nobody answers that."""
        answer: Deferred[Any] | None = self.callRemote(what, **values)  # type: ignore[no-untyped-call]
        return answer

    # AMP says in the log with whom it talks, where there is only one to talk to.

    def makeConnection(self, transport: Any) -> None:
        """It begins."""
        BinaryBoxProtocol.makeConnection(self, transport)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """It is over."""
        BinaryBoxProtocol.connectionLost(self, reason)
        self.transport = None
        self._lost()

    def drop(self) -> None:
        """Hear no more."""
        if self.transport is not None:
            transport: Any = self.transport
            transport.abortConnection()

    def begin(self, end: socket.socket, reactor: Any) -> None:
        """Talk by this end, which is closed here: Twisted makes a copy of it."""
        with end:
            end.setblocking(False)
            reactor.adoptStreamConnection(end.fileno(), socket.AF_UNIX, _Sole(self))


@attrs.frozen
class _Sole:
    """A factory for one protocol."""

    protocol: Any

    def buildProtocol(self, addr: object) -> Any:
        return self.protocol

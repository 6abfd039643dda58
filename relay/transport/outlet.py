"""How what an association says leaves by its transport: at once, by whatever transport it is.

The transports of this room (stream.py) send when they are written to. Twisted's put everything
aside for the reactor's next turn; there the socket is offered it directly, or the transport is made
to do what the reactor would have had it do.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any, Protocol, cast

import attrs
from twisted.internet.abstract import FileDescriptor
from twisted.internet.interfaces import IWriteDescriptor

from relay.transport.stream import IPromptTransport
from relay.transport.tcp import is_silent


class Outlet(Protocol):
    """A transport's, as far as writing goes."""

    @property
    def send(self) -> Callable[[bytes], None]:
        """Send, as far as the socket takes it."""

    @property
    def put(self) -> Callable[[bytes], None]:
        """Give it to the transport, which says when it is full; more will follow in this turn."""

    def full(self) -> None:
        """The transport has enough unsent."""

    def drained(self) -> None:
        """It has sent it."""

    def is_silent(self) -> bool:
        """Whether nothing is there to be read, not even the end of the connection."""


def outlet(transport: Any) -> Outlet:
    """The outlet of a transport."""
    if not IPromptTransport.providedBy(transport):
        return Prompted(transport)
    prompt = cast(Any, transport)
    return Prompt(prompt.write, prompt.write, prompt.is_silent)


@attrs.frozen
class Prompt:
    """A transport that needs no help."""

    send: Callable[[bytes], None]
    put: Callable[[bytes], None]
    is_silent: Callable[[], bool]

    def full(self) -> None:
        """It knows."""

    def drained(self) -> None:
        """It knows."""


class Prompted:
    """A transport of Twisted's, or one that is over another, as TLS is."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._descriptor: Any = next(filter(IWriteDescriptor.providedBy, self._all()), None)
        self._is_full = False
        self._is_clear = self._is_socket = isinstance(transport, FileDescriptor)
        """Whether it is a socket that has sent all that it was given."""

    def send(self, data: bytes) -> None:
        """Offer it to a socket that has nothing else to send, and what is left to the transport."""
        if self._is_clear and not self._descriptor.disconnecting:
            data = self._left(data)
        if data:
            self.put(data)
            self._push()

    def _left(self, data: bytes) -> bytes:
        sent = self._descriptor.writeSomeData(data)
        # A failure is the reactor's to see: it will have the same.
        return data[sent:] if isinstance(sent, int) else data

    def put(self, data: bytes) -> None:
        """Give it to the transport, which sends it by and by, and says when it is full."""
        self._is_clear = False
        self._transport.write(data)

    def _push(self) -> None:
        """Have the transport send what it can by now."""
        descriptor = self._descriptor
        if descriptor is not None and not self._is_full and not descriptor.disconnecting:
            # What comes of it is the reactor's to see: it tries again where anything is left, and
            # where it failed.
            descriptor.doWrite()

    def full(self) -> None:
        """The transport has enough unsent."""
        self._is_full = True

    def drained(self) -> None:
        """It has sent it."""
        self._is_full, self._is_clear = False, self._is_socket

    def is_silent(self) -> bool:
        """Whether nothing is there to be read. (Under TLS what is there may be harmless.)"""
        underneath = self._socket()
        return underneath is None or is_silent(underneath)

    def _socket(self) -> socket.socket | None:
        """The socket, also where the transport is TLS over another one."""
        for transport in self._all():
            handle = getattr(transport, "getHandle", lambda: None)()
            if isinstance(handle, socket.socket):
                return handle
        return None

    def _all(self) -> Iterator[Any]:
        """The transport, and the one that it is over, if any."""
        transport = self._transport
        while transport is not None:
            yield transport
            transport = getattr(transport, "transport", None)

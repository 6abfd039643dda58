"""Both banks' associations on a network in memory, brought to each state by what is said and done.

An acceptor is a `DownstreamAssociation` as a listener makes it, a requestor an
`UpstreamAssociation`; a user that writes down what it is told stands in the place of a session.
Nothing sets a state: bytes come from the peer, primitives from the user, time from the clock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
from twisted.internet.address import IPv4Address
from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from relay.transport.association import AssociationProtocol
from relay.upstream.dialer import Dialer
from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss
from tests import vectors
from tests.downstream.front import MAXIMUM, Front
from tests.network import Network, Sole
from tests.upstream.rig import CALLING, MANNERS, OFFER
from tests.upstream.test_dialer import Keeps
from tests.vectors import p_data, pdv

REQUEST = AssociateRQ.decode(vectors.ASSOCIATE_RQ[6:])
ACCEPTANCE = AssociateAC.decode(vectors.ASSOCIATE_AC[6:])
REJECTION = AssociateRJ(1, 1, 2)
COMMAND = b"COMMANDS"
DATA = p_data(pdv(1, 3, COMMAND))
PORT = 104


class Remote(Protocol):
    """The peer: it says what it is told to, and never closes of itself."""

    transport: Any

    def __init__(self) -> None:
        self.heard = b""
        self.is_closed = False

    def dataReceived(self, data: bytes) -> None:
        self.heard += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.is_closed = True


@attrs.define
class Recorder:
    """A user that answers nothing, and writes down what it is told."""

    told: list[Any] = attrs.field(factory=list)

    def associate_indication(self, request: AssociateRQ) -> None:
        self.told.append("associate?")

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        self.told.append("associate!")

    def data_indication(self, fragments: Fragments) -> None:
        self.told.append(b"".join(fragments.bodies()))

    def release_indication(self) -> None:
        self.told.append("release?")

    def release_confirmation(self) -> None:
        self.told.append("release!")

    def abort_indication(self, loss: Loss) -> None:
        self.told.append("lost")


@attrs.define(eq=False)
class Rig:
    """An association that is not connected yet, and its peer. `is_requestor`: it will be asked."""

    is_requestor: bool
    front: Front = attrs.field(factory=Front)
    remote: Remote = attrs.field(factory=Remote)
    user: Recorder = attrs.field(factory=Recorder)
    keeps: Keeps = attrs.field(factory=Keeps)
    association: AssociationProtocol = attrs.field(init=False)
    dialling: Any = attrs.field(init=False, default=None)

    def __attrs_post_init__(self) -> None:
        caller = IPv4Address("TCP", "192.0.2.7", 50000)
        if self.is_requestor:
            self.association = self._dialer.association(self.keeps, CALLING, OFFER)
        else:
            made = self.front.listener.buildProtocol(caller)
            assert isinstance(made, AssociationProtocol)
            self.association = made
        self.association.layer.user = self.user

    @property
    def network(self) -> Network:
        return self.front.network

    @property
    def _dialer(self) -> Dialer:
        endpoint = HostnameEndpoint(self.network, "pacs.example.org", PORT, timeout=10)
        return Dialer(self.network, endpoint, "PACS", MAXIMUM, MANNERS)

    @property
    def asked(self) -> bytes:
        """The A-ASSOCIATE-RQ of a requestor's, as it ought to be."""
        return OFFER.request(CALLING.calling, b"PACS".ljust(16), MAXIMUM).encode()

    # the transport

    def connect(self) -> None:
        """The peer calls, or is called, and is there."""
        if self.is_requestor:
            self.network.listening[PORT] = Sole(self.remote)
            self.dial()
            self.network.settle()
        else:
            self.network.listening[PORT] = Sole(self.association)
            self.network.join(self.remote, PORT)

    def dial(self) -> None:
        """Begin to call the peer."""
        self.dialling = self._dialer.dial(self.association)  # type: ignore[arg-type]

    def hang_up(self) -> None:
        """The peer closes."""
        self.remote.transport.loseConnection()

    def says(self, data: bytes) -> None:
        """The peer says this; where the connection is gone, it was on its way."""
        if self.association.why_lost is None:
            self.remote.transport.write(data)
        else:
            self.association.dataReceived(data)

    # what is seen

    def settle(self) -> None:
        self.network.settle()

    def forget(self) -> None:
        """What was heard and told so far is known."""
        self.settle()
        self.remote.heard = b""
        self.user.told.clear()

    def done(self, *steps: Callable[[Rig], None]) -> Rig:
        """Do these, one after another, and forget what came of it."""
        for step in steps:
            step(self)
            self.settle()
        self.forget()
        return self

"""A listener on a network in memory, with the in-memory upstreams of doubles.py behind it."""

from __future__ import annotations

import attrs

from relay.bridge.exchange import Retention
from relay.bridge.ports import Negotiated
from relay.bridge.session import Rules
from relay.downstream.census import Census
from relay.downstream.listener import Listener
from relay.downstream.protocol import DownstreamAssociation, Limits
from relay.policy.entry import Gate
from relay.policy.planning import Directory
from relay.policy.routing import Route
from relay.wire.negotiation import Context
from relay.wire.pdu import AssociateAC
from tests.doubles import ROOMY, Association, Bank, accepting, some_budget
from tests.network import Network
from tests.peers import Caller, associate_rq

PORT = 11112
PATIENCE = Limits(artim=30.0, handshake=None, minimum_rate=100, stall=60.0, idle=0.0)
MAXIMUM = 32768


@attrs.define(eq=False)
class Front:
    """The listener, its callers, and what is asked of the upstreams."""

    limits: Limits = PATIENCE
    census: Census = attrs.field(factory=lambda: Census(3))
    gate: Gate = attrs.field(factory=Gate)
    network: Network = attrs.field(factory=Network)
    bank: Bank = attrs.field(factory=lambda: Bank([]))
    listener: Listener = attrs.field(init=False)
    held: dict[int, Context] = attrs.field(init=False, factory=dict)

    def __attrs_post_init__(self) -> None:
        self.listener = Listener(
            self.network,
            self.bank,
            Rules(
                Directory((Route("archive"),)),
                MAXIMUM,
                self.census.enter,
                Retention(some_budget(), 2**20),
            ),
            self.census,
            self.limits,
            gate=self.gate,
        )
        self.network.listening[PORT] = self.listener

    @property
    def association(self) -> DownstreamAssociation:
        """The relay's end of the one connection that there is."""
        (association,) = self.listener.connections
        return association

    def call(self, *said: bytes) -> Caller:
        """A caller that has connected and said this."""
        caller = Caller()
        self.network.join(caller, PORT)
        self.network.settle()
        return self.say(caller, *said)

    def say(self, caller: Caller, *said: bytes) -> Caller:
        """Send these, each in a read of its own."""
        for data in said:
            caller.say(data)
            self.network.settle()
        return caller

    def associate(self) -> Caller:
        """A caller with an association."""
        caller = self.call(associate_rq())
        self.answer()
        (answer,) = caller.since()
        assert isinstance(answer, AssociateAC)
        return caller

    def answer(self) -> None:
        """The upstream accepts what was asked of it."""
        asked, _ = self.bank.asked["archive"]
        answer = accepting(asked.offer)
        self.held = answer.in_force(asked.offer)
        self.bank.answer("archive", Negotiated("a", answer, ROOMY))
        self.network.settle()

    def lend(self) -> Association:
        """The upstream association that was wished for."""
        lent = Association("a", [], held=self.held)
        self.bank.grants(lent)
        return lent

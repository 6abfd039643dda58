"""A C-ECHO of the relay's own: is there anybody at the other end of this association?

Readability shows an association that was closed. It does not show one whose packets go nowhere
since a firewall forgot it, nor one whose archive has hung up inside. A C-ECHO does.
"""

from __future__ import annotations

import attrs
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime

from relay.bridge.messages import Assembler
from relay.bridge.ports import Fault
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.command import NO_DATASET, CommandField, MalformedCommand, decode, encode
from relay.wire.errors import ProtocolError
from relay.wire.items import PresentationContextRQ
from relay.wire.negotiation import Offer
from relay.wire.reader import Fragments
from relay.wire.upperlayer import Loss

VERIFICATION = "1.2.840.10008.1.1"
"""The SOP class of C-ECHO (PS3.4 A.4)."""

IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
"""The transfer syntax that everybody has to accept (PS3.5 10.1)."""

MOST_CONTEXTS = 128
"""Presentation contexts that an association has room for: their ids are odd, and one byte."""

SUCCESS = 0x0000

_MESSAGE_ID = 1
_REQUEST = encode(
    {
        0x0002: VERIFICATION,
        0x0100: CommandField.C_ECHO_RQ,
        0x0110: _MESSAGE_ID,
        0x0800: NO_DATASET,
    }
)

ONLY_VERIFICATION = Offer((PresentationContextRQ(1, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,)),))
"""What is proposed to an upstream from which nothing else is wanted."""


def verification(offer: Offer) -> PresentationContextRQ | None:
    """A context for Verification to propose beside `offer`.

    None where it has one itself, or no room for another.
    """
    used = {each.id for each in offer.contexts}
    has_its_own = any(each.abstract_syntax == VERIFICATION for each in offer.contexts)
    if has_its_own or len(used) >= MOST_CONTEXTS:
        return None
    # Behind the others, as devices number them, where there is room behind them.
    unused = (each for each in range(1, 256, 2) if each not in used)
    last = max(used, default=0)
    chosen = min(unused, key=lambda each: (each < last, each))
    return PresentationContextRQ(chosen, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,))


def echo_context(association: UpstreamAssociation) -> int | None:
    """The id of a context that C-ECHO may be asked on; None: there is none."""
    if association.own_context is not None:
        return association.own_context
    for each, its in association.held.items():
        # (scu, scp) of the relay; None is the default, that it invokes.
        if its.abstract_syntax == VERIFICATION and (its.roles is None or its.roles[0]):
            return each
    return None


def echo(
    association: UpstreamAssociation, context_id: int, clock: IReactorTime, timeout: float
) -> Deferred[bool]:
    """Whether `association`, which nobody else leases, answers a C-ECHO in `timeout` seconds.

    If it does not it is gone. If it does it is leased still: lend it, or have it given back.
    """
    asking = _Echo(association, Deferred())
    asking.ask(context_id, clock, timeout)
    return asking.answered


@attrs.define(eq=False)
class _Echo:
    """Leases an association for one C-ECHO."""

    association: UpstreamAssociation
    answered: Deferred[bool]
    _assembler: Assembler = attrs.field(factory=Assembler)
    _timer: IDelayedCall | None = None

    def ask(self, context_id: int, clock: IReactorTime, timeout: float) -> None:
        self.association.use(self)
        why = f"C-ECHO was not answered in {timeout:g} s"
        self._timer = clock.callLater(timeout, self._failed, why)
        self.association.ask(context_id, _REQUEST)

    def lease_data(self, fragments: Fragments) -> None:
        """The answer, or nonsense."""
        try:
            command_set = self._assembler.command(fragments)
            if command_set is not None:
                self._judge(command_set)
        except (ProtocolError, MalformedCommand):
            self._failed("C-ECHO was answered with nonsense")

    def lease_full(self) -> None:
        """So little that it is sure to leave."""

    def lease_drained(self) -> None:
        """It has left."""

    def lease_lost(self, loss: Loss) -> None:
        """It is gone."""
        self._tell(False)

    def _judge(self, command_set: bytes) -> None:
        its = decode(command_set)
        is_answer = its.field == CommandField.C_ECHO_RSP and its.responding_to == _MESSAGE_ID
        if is_answer and its.status == SUCCESS and not its.has_dataset:
            self._tell(True)
        else:
            self._failed("C-ECHO was not answered with success")

    def _failed(self, why: str) -> None:
        # One that has rested is given up without a word about its upstream, which may be well.
        fault = Fault.ELSEWHERE if self.association.is_reused else Fault.UPSTREAM
        self.association.abort(why, fault)
        self._tell(False)

    def _tell(self, is_alive: bool) -> None:
        if self.answered.called:
            return
        if self._timer is not None and self._timer.active():
            self._timer.cancel()
        self.answered.callback(is_alive)

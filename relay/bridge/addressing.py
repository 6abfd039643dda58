"""Whom an operation of the caller is for, and under which names it leaves.

Nearly always the presentation context says it, and nothing is changed. These are the exceptions,
all of them for archives that know the relay instead of the modalities behind it:

    C-MOVE           its Move Destination is replaced, maybe its Message ID, too
    C-STORE          as a sub-operation of such a C-MOVE it goes to the move's real destination, and
                     names the real originator (moving.py for both)
    N-ACTION         asks for storage commitment in another AE title's place: its Transaction UID is
                     written down before it leaves
    N-EVENT-REPORT   reports on storage commitment, to whoever asked by that Transaction UID
                     (committing.py for both)
"""

from __future__ import annotations

import attrs

from relay.bridge.committing import Commitment
from relay.bridge.forwarding import Forwarding, Next
from relay.bridge.leg import Leg
from relay.bridge.legs import Legs
from relay.bridge.moving import Relocation
from relay.bridge.operation import Operation
from relay.bridge.ports import Clock, Transactions
from relay.policy.moves import Moves
from relay.policy.planning import COMMITMENT
from relay.wire.command import CommandField, Status
from relay.wire.pdu import ae_title


@attrs.frozen
class Registers:
    """What is remembered beyond a crossing: the moves under way, and who asked for which storage
    commitment; None: nobody may do so in another's place."""

    moves: Moves = attrs.field(factory=Moves)
    transactions: Transactions | None = None


@attrs.define(eq=False, repr=False)
class Addressing:
    """Addresses the operations of the caller of that crossing which `forwarding` is of."""

    forwarding: Forwarding
    registers: Registers
    clock: Clock

    @property
    def legs(self) -> Legs:
        """All legs of the crossing."""
        return self.forwarding.legs

    def start(self, operation: Operation, then: Next) -> None:
        """Find the leg of `operation`, and make it ready to leave."""
        leg = operation.leg = self.legs.of(operation.context_id)
        if leg is None:
            self._find(operation, then)
        elif operation.field == CommandField.C_MOVE_RQ and leg.terms.moving is not None:
            self._relocation.move(operation, leg.terms.moving, leg, then)
        elif operation.field == CommandField.N_ACTION_RQ and self._is_for_another(operation, leg):
            self._commitment.request(operation, then)
        else:
            then.go(operation)

    def call_back(self, operation: Operation, then: Next) -> None:
        """An upstream's operation, on an association that is leased for this crossing."""
        legs = (each for each in self.legs if each.berth_of(operation.invoker) is not None)
        leg = next(legs, None)
        is_report = operation.field == CommandField.N_EVENT_REPORT_RQ
        if is_report and leg is not None and self._is_for_another(operation, leg):
            self._commitment.report_here(operation, then)
        else:
            then.go(operation)

    def close(self) -> None:
        """The crossing is over."""
        self.forwarding.is_over = True

    def _find(self, operation: Operation, then: Next) -> None:
        """Its context does not say whom it is for."""
        is_commitment = operation.context.abstract_syntax == COMMITMENT
        if operation.field == CommandField.C_STORE_RQ:
            self._relocation.store(operation, then)
        elif operation.field == CommandField.N_EVENT_REPORT_RQ and is_commitment:
            self._commitment.report(operation, then)
        else:
            status, why = Status.UNRECOGNIZED_OPERATION, "an operation that is for nobody"
            self.forwarding.fail(operation, then, status, why)

    # Made when they are needed: nearly no crossing ever does.

    @property
    def _relocation(self) -> Relocation:
        return Relocation(self.forwarding, self.registers.moves, self.clock)

    @property
    def _commitment(self) -> Commitment:
        return Commitment(self.forwarding, self.registers.transactions)

    def _is_for_another(self, operation: Operation, leg: Leg) -> bool:
        """Whether it is storage commitment that the archive takes somebody else to ask for."""
        is_commitment = operation.context.abstract_syntax == COMMITMENT
        shown = ae_title(leg.asked.titles.calling)
        return is_commitment and shown != self.forwarding.who.calling

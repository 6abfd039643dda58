"""Storage commitment that is asked for in another AE title's place: who gets the report?

An archive reports on an association of its own, maybe days later, to the AE title that had asked.
Where that is one that the relay shows for its callers, only the Transaction UID tells them apart
(PS3.4 J.3.2, J.3.3). So it is written down before the N-ACTION leaves, and looked up when an
N-EVENT-REPORT comes. It stands near the beginning of both datasets: what comes until it has been
read is held, like any message that may not leave yet. A report that finds nobody is answered by a
failure, and the archive will report again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import attrs

from relay.bridge.forwarding import Forwarding, Next
from relay.bridge.operation import Operation
from relay.bridge.ports import Requester, Transactions
from relay.wire.command import UID_MAXIMUM, Status
from relay.wire.dataset import Peek
from relay.wire.elements import text_of
from relay.wire.reader import Fragments

TRANSACTION_UID = 0x00081195


@attrs.define(eq=False, repr=False)
class Commitment:
    """Sees to the storage commitment of one crossing. Without `transactions` nobody may ask for it
    in another's place."""

    forwarding: Forwarding
    transactions: Transactions | None

    def request(self, operation: Operation, then: Next) -> None:
        """An N-ACTION that asks for storage commitment as somebody else."""
        read_uid(operation, partial(self._remember, operation, then))

    def report(self, operation: Operation, then: Next) -> None:
        """An N-EVENT-REPORT for whoever asked."""
        read_uid(operation, partial(self._find, operation, then))

    def report_here(self, operation: Operation, then: Next) -> None:
        """An N-EVENT-REPORT on an association that was leased for this crossing. The archive knows
        several by the title that it was shown: it might be another's."""
        read_uid(operation, partial(self._whose, operation, then))

    def _whose(self, operation: Operation, then: Next, uid: str | None) -> None:
        if uid is None or self.transactions is None:
            self._here(operation, then, None)
        else:
            self.transactions.find(uid, partial(self._here, operation, then))

    def _here(self, operation: Operation, then: Next, requester: Requester | None) -> None:
        if self.forwarding.is_over or operation.invoker.lane.is_closed:
            return
        if requester is not None and requester.calling == self.forwarding.who.calling:
            then.go(operation)
        else:
            why = "a report of a storage commitment that this caller has not asked for"
            self.forwarding.fail(operation, then, Status.PROCESSING_FAILURE, why)

    def _remember(self, operation: Operation, then: Next, uid: str | None) -> None:
        if uid is None or self.transactions is None:
            why = "a storage commitment request without a Transaction UID"
            self.forwarding.fail(operation, then, Status.PROCESSING_FAILURE, why)
            return
        who = self.forwarding.who
        remembered = partial(self._remembered, operation, then)
        self.transactions.remember(uid, Requester(who.calling, who.called), remembered)

    def _remembered(self, operation: Operation, then: Next, is_kept: bool) -> None:
        if self.forwarding.is_over:
            return
        if is_kept:
            then.go(operation)
        else:
            why = "a storage commitment request that could not be written down"
            self.forwarding.fail_for_now(operation, then, why)

    def _find(self, operation: Operation, then: Next, uid: str | None) -> None:
        if uid is None or self.transactions is None:
            self._found(operation, then, None)
        else:
            self.transactions.find(uid, partial(self._found, operation, then))

    def _found(self, operation: Operation, then: Next, requester: Requester | None) -> None:
        if self.forwarding.is_over:
            return
        if requester is None:
            why = "a report of a storage commitment that nobody is known to have asked for"
            self.forwarding.fail(operation, then, Status.PROCESSING_FAILURE, why)
        else:
            self.forwarding.go_to(operation, then, requester.calling, requester.called)


def read_uid(operation: Operation, done: Callable[[str | None], None]) -> None:
    """The Transaction UID in a dataset that is coming in; None where it has none, or hides it."""
    request = operation.request
    peek = Peek(operation.context.transfer_syntax, TRANSACTION_UID)
    is_told = False

    def look(fragments: Fragments) -> None:
        for body in fragments.bodies():
            peek.feed(body)
        settle()

    def settle() -> None:
        nonlocal is_told
        # Headers are held, too: with more of them than may be, nothing else would come.
        if request.ended or operation.invoker.valve.is_overfull:
            peek.end()
        if peek.is_done and not is_told:
            is_told, request.watcher = True, None
            uid = text_of(peek.value or b"")
            done(uid if 0 < len(uid) <= UID_MAXIMUM else None)

    request.watch(look)
    settle()

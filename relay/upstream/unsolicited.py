"""What an upstream says on an association that nobody leases.

An archive may report (N-EVENT-REPORT) on an association that rests in the pool. Whom it would
concern is not known here, so the answer is that it was not delivered: a processing failure, never a
success, and the archive will report again. Anything else breaks the rules.
"""

from __future__ import annotations

from collections.abc import Container

import attrs

from relay.bridge.messages import Assembler, Expect
from relay.bridge.ports import Sink
from relay.wire.command import MalformedCommand, Status, decode, response
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.reader import Fragments


@attrs.define
class Unsolicited:
    """Answers requests on one association while it rests."""

    sink: Sink
    accepted: Container[int | None] = frozenset()
    """The ids of contexts that hold."""
    _assembler: Assembler = attrs.field(factory=Assembler)
    _answer: bytes = attrs.field(default=b"", repr=False)

    @property
    def is_silent(self) -> bool:
        """Whether nothing is half read or half answered."""
        return self._assembler.between_messages

    def received(self, fragments: Fragments) -> None:
        """Fragments of a message. ProtocolError for any but a request, for a context that does not
        hold, and for broken order."""
        if fragments.context_id not in self.accepted:
            what = f"context {fragments.context_id} was not accepted"
            raise ProtocolError(what, AbortReason.UNEXPECTED_PARAMETER)
        if fragments.is_command:
            command_set = self._assembler.command(fragments)
            if command_set is not None:
                self._command(command_set)
        else:
            self._assembler.dataset(fragments)
        if fragments.ended and self._assembler.expect is Expect.COMMAND:
            self.sink.command(fragments.context_id, self._answer)

    def _command(self, command_set: bytes) -> None:
        try:
            has_dataset = decode(command_set).has_dataset
        except MalformedCommand as malformed:
            what = f"malformed command set: {malformed}"
            raise ProtocolError(what, AbortReason.NOT_SPECIFIED, AbortSource.SERVICE_USER) from None
        try:
            self._answer = response(command_set, Status.PROCESSING_FAILURE)
        except MalformedCommand as malformed:
            what = f"not a request: {malformed}"
            raise ProtocolError(what, AbortReason.UNEXPECTED_PARAMETER) from None
        self._assembler.expect = Expect.DATASET if has_dataset else Expect.COMMAND

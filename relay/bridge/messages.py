"""Fragments of one association -> messages: the order of PS3.8 Annex E, and whole command sets."""

from __future__ import annotations

from enum import Enum, auto

import attrs

from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.reader import Fragments


class Expect(Enum):
    """What may come next on an association."""

    COMMAND = auto()
    DATASET = auto()
    EITHER = auto()
    """After a command set that could not be understood: who knows whether a dataset follows."""


@attrs.define
class Assembler:
    """Holds a command set until it is complete, and holds the sender to the order of messages."""

    bounds: Bounds = BOUNDS
    expect: Expect = Expect.COMMAND
    context_id: int = 0
    _command: bytearray = attrs.field(factory=bytearray, repr=False)
    _has_begun: bool = False
    """Whether a command set has, and be it with a fragment that holds nothing."""

    @property
    def between_messages(self) -> bool:
        """Whether the last message is complete and the next one has not begun."""
        return self.expect is not Expect.DATASET and not self._has_begun

    def command(self, fragments: Fragments) -> bytes | None:
        """The command set when it is complete with these fragments.

        The caller sets `expect` once it knows whether a dataset follows. ProtocolError (2,5) for
        one where a dataset is due or with another context in the middle, (0,0) for one longer than
        `max_command` of its bounds.
        """
        if self.expect is Expect.DATASET or self._is_other(fragments):
            raise _out_of_order("a command fragment", fragments)
        if len(self._command) + fragments.size > self.bounds.max_command:
            raise ProtocolError(
                f"a command set of more bytes than max_command, {self.bounds.max_command}",
                AbortReason.NOT_SPECIFIED,
                AbortSource.SERVICE_USER,
            )
        self.context_id = fragments.context_id
        if fragments.ended and not self._has_begun:
            # Nearly always.
            return b"".join(fragments.bodies())
        for body in fragments.bodies():
            self._command += body
        self._has_begun = not fragments.ended
        if self._has_begun:
            return None
        command, self._command = bytes(self._command), bytearray()
        return command

    def dataset(self, fragments: Fragments) -> None:
        """Take note of dataset fragments; ProtocolError (2,5) where they are not due."""
        if self.expect is Expect.COMMAND or self._has_begun:
            raise _out_of_order("a dataset fragment", fragments)
        if fragments.context_id != self.context_id:
            raise _out_of_order("a dataset fragment of another message", fragments)
        self.expect = Expect.COMMAND if fragments.ended else Expect.DATASET

    def _is_other(self, fragments: Fragments) -> bool:
        return self._has_begun and fragments.context_id != self.context_id


def _out_of_order(what: str, fragments: Fragments) -> ProtocolError:
    return ProtocolError(
        f"{what} on context {fragments.context_id}, which is not due",
        AbortReason.UNEXPECTED_PARAMETER,
    )

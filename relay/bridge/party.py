"""One association's end in a crossing, the caller's or an upstream's: messages both ways."""

from __future__ import annotations

from collections.abc import Mapping

import attrs

from relay.bridge.delivery import Delivery
from relay.bridge.lane import Lane
from relay.bridge.messages import Assembler, Expect
from relay.bridge.ports import Sink, Source
from relay.bridge.pressure import Valve
from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.negotiation import Context
from relay.wire.reader import Fragments


@attrs.define(eq=False)
class Party:
    """What comes from an association, what goes to it, and the contexts that hold on it, by id."""

    valve: Valve
    lane: Lane
    contexts: Mapping[int, Context]
    assembler: Assembler = attrs.field(factory=Assembler)
    incoming: Delivery | None = None
    """The message whose dataset is coming in."""

    @classmethod
    def of(
        cls,
        source: Source,
        sink: Sink,
        contexts: Mapping[int, Context],
        bounds: Bounds = BOUNDS,
    ) -> Party:
        """The party at an association that is both source and sink, and keeps to `bounds`."""
        return cls(Valve(source), Lane(sink), contexts, Assembler(bounds))

    @property
    def is_idle(self) -> bool:
        """Whether it is between messages, both ways."""
        return self.assembler.between_messages and self.lane.is_idle

    @property
    def is_clean(self) -> bool:
        """Whether whoever uses the association next finds it between messages, for certain."""
        return self.is_idle and self.assembler.expect is Expect.COMMAND

    def retire(self) -> None:
        """The crossing is done with it: neither way is anybody left stopped on its account."""
        self.valve.retire()
        self.lane.let_sources_go_on()

    def command(self, fragments: Fragments) -> bytes | None:
        """A command set that is complete with `fragments`. ProtocolError as the assembler says."""
        if fragments.context_id not in self.contexts:
            raise ProtocolError(
                f"context {fragments.context_id} was not accepted",
                AbortReason.UNEXPECTED_PARAMETER,
            )
        return self.assembler.command(fragments)

    def dataset(self, fragments: Fragments) -> None:
        """Pass dataset fragments to where their message goes. ProtocolError where none is due."""
        self.assembler.dataset(fragments)
        if self.incoming is not None:
            self.incoming.add(fragments)

    def id_of(self, context: Context, like: int) -> int | None:
        """The id under which `context` holds here, `like` where that is one; None: it does not."""
        if self.contexts.get(like) == context:
            return like
        return next((each for each, held in self.contexts.items() if held == context), None)

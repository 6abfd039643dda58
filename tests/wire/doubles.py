"""A carrier and a user that write down what they are told, in one transcript."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import attrs

from relay.wire.pdu import AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.reader import Buffer, Fragments
from relay.wire.upperlayer import Loss, UpperLayer


@attrs.define(eq=False)
class Bench:
    """An upper layer between a carrier and a user; both are this.

    `transcript` has bytes for what was written, a str for what else the carrier was told, and
    tuples for what the user was told. `reactions` are what the user does when told: name -> call.
    `prompt`: the transport is closed before `close` or `drop` return.
    """

    is_requestor: bool = False
    maximum: int = 16384
    prompt: bool = False
    reactions: dict[str, Callable[[], None]] = attrs.field(factory=dict)
    transcript: list[Any] = attrs.field(factory=list)
    artim: bool = False
    layer: UpperLayer = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.layer = UpperLayer(self, self, self.maximum, self.is_requestor)

    def since(self) -> list[Any]:
        """What was written down since the last time."""
        taken, self.transcript = self.transcript, []
        return taken

    # the carrier

    def write(self, buffers: Sequence[Buffer]) -> None:
        self.transcript.append(b"".join(buffers))

    def close(self) -> None:
        self._end("close")

    def drop(self) -> None:
        self._end("drop")

    def _end(self, how: str) -> None:
        self.transcript.append(how)
        if self.prompt:
            self.layer.closed()

    def start_artim(self) -> None:
        self.transcript.append("start artim")
        self.artim = True

    def stop_artim(self) -> None:
        self.transcript.append("stop artim")
        self.artim = False

    # the user

    def _told(self, name: str, *what: object) -> None:
        self.transcript.append((name, *what))
        self.reactions.get(name, lambda: None)()

    def associate_indication(self, request: AssociateRQ) -> None:
        self._told("associate?", request)

    def associate_confirmation(self, answer: AssociateAC | AssociateRJ) -> None:
        self._told("associate!", answer)

    def data_indication(self, fragments: Fragments) -> None:
        self._told("data", fragments.context_id, fragments.is_command, b"".join(fragments.bodies()))

    def release_indication(self) -> None:
        self._told("release?")

    def release_confirmation(self) -> None:
        self._told("release!")

    def abort_indication(self, loss: Loss) -> None:
        self._told("lost", str(loss))

"""Who hears what a worker says to the first process."""

from __future__ import annotations

from typing import Protocol

from twisted.protocols.amp import CommandLocator

from relay.workers import words
from relay.workers.talking import Heard


class Hearer(Protocol):
    """What becomes of what workers say; each by its number."""

    def is_ready(self, number: int) -> None: ...
    def leaves(self, number: int) -> None: ...
    def ended(self, number: int) -> None: ...


class Ears(CommandLocator):
    """Hears the worker of that number, for `hearer`."""

    def __init__(self, hearer: Hearer, worker: int) -> None:
        super().__init__()
        self.hearer = hearer
        self.worker = worker

    @words.Ready.responder
    def ready(self) -> Heard:
        """It serves."""
        self.hearer.is_ready(self.worker)
        return {}

    @words.Leaving.responder
    def leaving(self) -> Heard:
        """It stops."""
        self.hearer.leaves(self.worker)
        return {}

    @words.Ended.responder
    def ended(self, number: int) -> Heard:
        """A connection is closed."""
        self.hearer.ended(number)
        return {}

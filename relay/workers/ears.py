"""Who hears what a worker says to the first process."""

from __future__ import annotations

from typing import Protocol

from twisted.internet.defer import Deferred
from twisted.protocols.amp import CommandLocator

from relay.workers import words
from relay.workers.broker import Brokerage
from relay.workers.moving import How
from relay.workers.post import Postbox
from relay.workers.talking import Heard


class Hearer(Protocol):
    """What becomes of what workers say; each by its number."""

    def is_ready(self, number: int) -> None: ...
    def leaves(self, number: int) -> None: ...
    def ended(self, number: int) -> None: ...

    @property
    def brokerage(self) -> Brokerage: ...
    @property
    def moves(self) -> Postbox: ...


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

    @words.Wish.responder
    def wish(self, upstream: str, total: int) -> Heard:
        """It would like to have more associations, or none any more."""
        self.hearer.brokerage.wishes(self.worker, upstream, total)
        return {}

    @words.GiveBack.responder
    def give_back(self, upstream: str) -> Heard:
        """It has one less."""
        self.hearer.brokerage.gives_back(self.worker, upstream)
        return {}

    @words.Busy.responder
    def busy(self, upstream: str) -> Heard:
        """It has none to spare."""
        self.hearer.brokerage.is_busy(self.worker, upstream)
        return {}

    @words.Begin.responder
    def begin(self, move: str) -> Deferred[Heard]:
        """It has begun a C-MOVE."""
        return self.hearer.moves.begun(self.worker, move)

    @words.Over.responder
    def over(self, sent_id: int, how: str) -> Heard:
        """A C-MOVE of its is over."""
        self.hearer.moves.over(self.worker, sent_id, How(how))
        return {}

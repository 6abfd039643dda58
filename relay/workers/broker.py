"""The first process grants associations with the upstreams, as sharing.py decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from relay.config import Upstream
from relay.workers import words
from relay.workers.sharing import Sharing, Step, What

WORDS = {What.GRANTED: words.Granted, What.ASKED: words.Asked, What.UNASKED: words.Unasked}


class Say(Protocol):
    """Says something to the worker of that number."""

    def __call__(self, worker: int, what: Any, **values: Any) -> object: ...


class Brokerage:
    """The shares of all upstreams, for `of` workers."""

    def __init__(self, upstreams: Mapping[str, Upstream], of: int, say: Say) -> None:
        self.say = say
        self.sharings = {
            name: Sharing(upstream.max_associations, of) for name, upstream in upstreams.items()
        }

    def join(self, worker: int) -> dict[str, int]:
        """A worker starts; what it is granted of each upstream."""
        return {name: sharing.join(worker) for name, sharing in self.sharings.items()}

    def gone(self, worker: int) -> None:
        """A worker is no more, and neither are its associations."""
        for name, sharing in self.sharings.items():
            self._take(name, sharing.gone(worker))

    def wishes(self, worker: int, upstream: str, total: int) -> None:
        """A worker would like to have so many in all."""
        self._take(upstream, self.sharings[upstream].wishes(worker, total))

    def gives_back(self, worker: int, upstream: str) -> None:
        """A worker has one less."""
        self._take(upstream, self.sharings[upstream].gives_back(worker))

    def is_busy(self, worker: int, upstream: str) -> None:
        """A worker has nothing to spare."""
        self._take(upstream, self.sharings[upstream].is_busy(worker))

    def _take(self, upstream: str, steps: list[Step]) -> None:
        for step in steps:
            self.say(step.worker, WORDS[step.what], upstream=upstream)

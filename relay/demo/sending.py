"""The modality's work in the demonstration: every object once, over a few associations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil

import attrs
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint

from relay.demo.dimse import SUCCESS
from relay.demo.modality import MOST_CONTEXTS, Modality, NotAnswered
from relay.demo.samples import Sample
from relay.demo.scene import AE_TITLE
from relay.demo.show import Sent
from relay.demo.store import Store
from relay.wire.command import CommandField

ASSOCIATIONS = 4
"""At least so many, one after the other: each is served by one archive, and they take turns."""


@attrs.frozen(eq=False)
class Sender:
    """Sends to the relay at `endpoint`, looks into the archives' `store`, tells `line` of each."""

    clock: IReactorTime
    endpoint: IStreamClientEndpoint
    store: Store
    line: Callable[[Sent], None]

    async def send(self, samples: Sequence[Sample]) -> list[Sent]:
        """All of them."""
        sent: list[Sent] = []
        for batch in batches(samples):
            sent += await self._associated(batch)
        return sent

    async def _associated(self, batch: Sequence[Sample]) -> list[Sent]:
        """Those of one association."""
        contexts = dict.fromkeys(each.context for each in batch)
        try:
            modality = await Modality.call(self.clock, self.endpoint, AE_TITLE, contexts)
        except NotAnswered as error:
            return [self._told(each, why=str(error)) for each in batch]
        try:
            sent = [await self._store(modality, each) for each in batch]
            await modality.release()
        finally:
            modality.drop()
        return sent

    async def _store(self, modality: Modality, sample: Sample) -> Sent:
        field, dataset = CommandField.C_STORE_RQ, sample.dataset()
        began = self.clock.seconds()
        try:
            responses = await modality.ask(sample.context, field, sample.instance, dataset)
        except NotAnswered as error:
            return self._told(sample, why=str(error))
        return self._told(sample, responses[-1].status, self.clock.seconds() - began)

    def _told(
        self, sample: Sample, status: int | None = None, seconds: float = 0.0, why: str = ""
    ) -> Sent:
        """What came of an object, after a look at what is on disk of it."""
        original = sample.dataset()
        stored = self.store.last(sample.instance) if status == SUCCESS else None
        archive = stored.archive if stored is not None else None
        is_same = stored is not None and stored.dataset() == original
        sent = Sent(sample.name, len(original), seconds, status, archive, is_same, why)
        self.line(sent)
        return sent


def batches(samples: Sequence[Sample]) -> list[Sequence[Sample]]:
    """One for each association; no more objects in it than an association has contexts."""
    size = min(MOST_CONTEXTS, max(1, ceil(len(samples) / ASSOCIATIONS)))
    return [samples[at : at + size] for at in range(0, len(samples), size)]

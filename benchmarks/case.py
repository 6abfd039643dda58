"""What a case is: a batch, the contenders that send it, and what is wanted of the relay."""

from __future__ import annotations

import attrs

from benchmarks.sending import Batch
from benchmarks.wanted import Wanted
from benchmarks.ways.way import Kind


@attrs.frozen
class Contender:
    """Somebody who is compared. Of a case's batch it sends so many objects, on so many associations
    at once, where these are named: for some the whole batch would take for ever. Some take nothing
    but `images`.
    """

    name: str
    kind: Kind
    count: int | None = None
    associations: int | None = None
    images: bool = False

    def batch(self, batch: Batch) -> Batch:
        """What it sends in each round."""
        return attrs.evolve(
            batch,
            count=self.count or batch.count,
            associations=self.associations or batch.associations,
            images=self.images,
        )


@attrs.frozen
class Case:
    """A batch that is sent in each round by each contender.

    `hashed`: how many of its objects are compared, byte by byte, beforehand. `wanted`: figures that
    the relay should come to. `notes`: what else there is to know of the figures. `one_way`: seconds
    that each byte takes to or from the archive. `resting`: the associations are opened and rest,
    before the batch is stored on them. `most`: rounds beyond that say nothing new.
    """

    title: str
    batch: Batch
    contenders: tuple[Contender, ...]
    hashed: int
    wanted: tuple[Wanted, ...] = ()
    notes: tuple[str, ...] = ()
    one_way: float = 0.0
    resting: bool = False
    most: int | None = None

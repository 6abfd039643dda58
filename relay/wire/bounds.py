"""What a peer may say, at most: how much a request for an association and a message may hold.

What an A-ASSOCIATE PDU holds is counted by the headers of its items alone, before anything is made
of them. So a request costs no more than its bound, however many items its megabyte has room for.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from relay.wire.command import COMMAND_SET_MAXIMUM
from relay.wire.errors import ProtocolError
from relay.wire.items import ITEM_HEADER, ItemType
from relay.wire.pdu import ASSOCIATE_FIXED_LENGTH

MOST_CONTEXTS = 128
"""There are no more odd numbers up to 255 (PS3.8 9.3.2.2)."""

MOST_ITEMS = 16 * 1024
"""Twice what 128 contexts take that propose all 60 transfer syntaxes each (7,936), with a role and
both extended negotiations for each of them (384), and what there is beside."""

_CONTEXTS = frozenset({ItemType.PRESENTATION_CONTEXT_RQ, ItemType.PRESENTATION_CONTEXT_AC})
_WITHIN: dict[int, int] = {**dict.fromkeys(_CONTEXTS, 4), ItemType.USER_INFORMATION: 0}
"""Items that hold others, and the bytes in front of these."""


@attrs.frozen
class Extent:
    """How much an A-ASSOCIATE PDU holds: presentation contexts, and items, sub-items included."""

    contexts: int
    items: int


@attrs.frozen
class Bounds:
    """What is taken from one peer, at most; `max_command` and `max_object` are in bytes.

    `max_object` is of one dataset, 0: any. `strict`: odd lengths are refused, not mended.
    """

    max_contexts: int = MOST_CONTEXTS
    max_items: int = MOST_ITEMS
    max_command: int = COMMAND_SET_MAXIMUM
    max_object: int = 0
    strict: bool = False

    def measure(self, body: bytes) -> Extent:
        """How much the A-ASSOCIATE PDU with this body holds. ProtocolError as `check` says."""
        contexts = items = 0
        for kind, start, stop in _items(body, ASSOCIATE_FIXED_LENGTH, len(body)):
            contexts += kind in _CONTEXTS
            items += 1
            if kind in _WITHIN:
                items += sum(1 for _ in _items(body, start + _WITHIN[kind], stop))
            if items > self.max_items:
                break
        extent = Extent(contexts, items)
        self.check(extent)
        return extent

    def check(self, extent: Extent) -> None:
        """ProtocolError, with the name of the bound, for more than may be."""
        if extent.contexts > self.max_contexts:
            most = self.max_contexts
            raise ProtocolError(f"more presentation contexts than max_contexts, {most}")
        if extent.items > self.max_items:
            raise ProtocolError(f"more items and sub-items than max_items, {self.max_items}")


BOUNDS = Bounds()
"""Those of whoever has no other."""


def _items(body: bytes, at: int, end: int) -> Iterator[tuple[int, int, int]]:
    """Type, start and stop of the bodies of items, as far as there are bytes for them: that one is
    longer than its parent is found when it is decoded."""
    while at + ITEM_HEADER.size <= end:
        kind, length = ITEM_HEADER.unpack_from(body, at)
        start = at + ITEM_HEADER.size
        at = min(start + length, end)
        yield kind, start, at

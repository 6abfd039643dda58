"""Reading a stream as a peer would: all its events, and what they add up to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import attrs

from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH
from relay.wire.reader import Event, Fragments, Reader


def events(reads: Iterable[bytes], maximum: int = LARGEST_MAXIMUM_LENGTH) -> Iterator[Any]:
    """Every `Event` of these reads; a ProtocolError where they break the protocol."""
    reader = Reader(maximum)
    for data in reads:
        reader.feed(data)
        yield from drained(reader)


def drained(reader: Reader) -> Iterator[Any]:
    """Every `Event` that a reader has got."""
    while (event := reader.next_event()) is not None:
        yield event


@attrs.define
class Said:
    """Part of a message as it adds up: the same however it was cut."""

    context_id: int
    is_command: bool
    body: bytes = b""
    ended: bool = False

    @property
    def whole(self) -> tuple[int, bool, bytes]:
        """What the peer meant to say; it must have ended."""
        assert self.ended
        return self.context_id, self.is_command, self.body


def said(found: Iterable[Event]) -> Iterator[Any]:
    """Control PDUs, and parts put together as `Said`; one that another interrupts has not ended."""
    part: Said | None = None
    for event in found:
        if not isinstance(event, Fragments):
            yield event
            continue
        begun = Said(event.context_id, event.is_command)
        if part is None:
            part = begun
        elif (part.context_id, part.is_command) != (begun.context_id, begun.is_command):
            yield part
            part = begun
        part.body += b"".join(event.bodies())
        if event.ended:
            part.ended = True
            yield part
            part = None
    if part is not None:
        yield part


def held(reader: Reader) -> int:
    """Bytes that a reader keeps."""
    kept = attrs.astuple(reader, recurse=False)
    return sum(len(each) for each in kept if isinstance(each, bytes | bytearray))

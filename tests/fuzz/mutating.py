"""Changing an input without breaking its frame: a length is made to fit what was put behind it.

A byte more or less in the middle breaks every length around it, and then nothing behind the first
check is reached. So what has lengths is taken apart, one of its parts is taken out, doubled,
exchanged or changed, and all is put together again. As often the bytes alone are changed.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Literal, TypeAlias

import attrs

Part: TypeAlias = tuple[bytes | None, bytes]
"""What stands in front of a length, and what it counts; None: bytes that are no part."""


@attrs.frozen
class Frame:
    """How parts are written: `front` bytes, a length of `size` bytes, and so many bytes.

    `inside`, by the first byte, says how many bytes stand in front of parts that are in it.
    """

    front: int
    size: int
    order: Literal["big", "little"] = "big"
    inside: Callable[[int], tuple[int, Frame] | None] = lambda _: None

    def taken_apart(self, data: bytes) -> list[Part]:
        """The parts; what cannot be taken apart is the last one."""
        parts: list[Part] = []
        while data:
            start = self.front + self.size
            length = int.from_bytes(data[self.front : start], self.order)
            if start + length > len(data):
                return [*parts, (None, data)]
            parts.append((data[: self.front], data[start : start + length]))
            data = data[start + length :]
        return parts

    def together(self, parts: list[Part]) -> bytes:
        """The bytes of these parts, with lengths that fit."""
        return b"".join(map(self._written, parts))

    def _written(self, part: Part) -> bytes:
        front, body = part
        if front is None:
            return body
        most = 256**self.size - 1
        return front + min(len(body), most).to_bytes(self.size, self.order) + body


@attrs.frozen
class Lines:
    """Parts that are lines, and have no length."""

    def taken_apart(self, data: bytes) -> list[Part]:
        """The lines, each with its end."""
        return [(b"", line) for line in data.splitlines(keepends=True)]

    def together(self, parts: list[Part]) -> bytes:
        """The bytes of these lines."""
        return b"".join(body for _, body in parts)

    def inside(self, kind: int) -> None:
        """There is nothing to take apart in a line."""


def _in_item(kind: int) -> tuple[int, Frame] | None:
    return {0x20: (4, ITEMS), 0x21: (4, ITEMS), 0x50: (0, ITEMS)}.get(kind)


def _in_pdu(kind: int) -> tuple[int, Frame] | None:
    return {1: (68, ITEMS), 2: (68, ITEMS), 4: (0, PDVS)}.get(kind)


ITEMS = Frame(2, 2, inside=_in_item)
PDVS = Frame(0, 4)
PDUS = Frame(2, 4, inside=_in_pdu)
ELEMENTS = Frame(4, 4, "little")

LINES = Lines()

FRAMES: dict[str, tuple[int, Frame | Lines]] = {
    "association": (0, PDUS),
    "reader": (5, PDUS),
    "command": (0, ELEMENTS),
    "messages": (5, PDUS),
    "upperlayer": (5, PDUS),
    "dataset": (5, ELEMENTS),
    "configuration": (0, LINES),
}
"""By target: how many bytes stand in front, and how the rest is framed."""


@attrs.frozen
class Mutator:
    """Changes inputs of one target; `change` changes bytes that have no frame."""

    head: int
    frame: Frame | Lines
    change: Callable[[bytes], bytes]
    random: Random

    def mutated(self, data: bytes) -> bytes:
        """The input with something changed."""
        return data[: self.head] + self._mutated(data[self.head :], self.frame)

    def _mutated(self, data: bytes, frame: Frame | Lines) -> bytes:
        parts = frame.taken_apart(data)
        if not parts:
            return self.change(data)
        at, other = (self.random.randrange(len(parts)) for _ in range(2))
        (front, body), (its_front, its_body) = parts[at], parts[other]
        match self.random.randrange(8):
            case 0:
                del parts[at]
            case 1:
                parts.insert(other, parts[at])
            case 2:
                parts[at], parts[other] = parts[other], parts[at]
            case 3:
                parts[at] = (its_front, body)
            case 4:
                parts[at] = (front, its_body)
            case 5:
                parts[at] = (front, body[: self.random.randrange(len(body) + 1)])
            case _:
                parts[at] = (front, self._inside(front, body, frame))
        return frame.together(parts)

    def _inside(self, front: bytes | None, body: bytes, frame: Frame | Lines) -> bytes:
        """The part changed in what it holds, or bluntly."""
        its = frame.inside(front[0]) if front else None
        if its is None or self.random.randrange(4) == 0:
            return self.change(body)
        head, inner = its
        return body[:head] + self._mutated(body[head:], inner)

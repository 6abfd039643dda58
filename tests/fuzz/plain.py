"""The wire read the plain way: the whole input is there, and one thing is taken after the other.

This is what the targets hold relay/wire to, so it shares no code with it. It is written from the
tables of PS3.8 9.3 and Annex D, and PS3.7 D.3.3, 6.3.1 and Annex E. It may be slow, not clever.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import attrs


class Broken(Exception):
    """What was read is not as the standard has it."""


@attrs.define
class Cursor:
    """Takes bytes from the front of `left`."""

    left: bytes

    def take(self, size: int) -> bytes:
        """The next `size` bytes; Broken where there are fewer."""
        if size > len(self.left):
            raise Broken
        taken, self.left = self.left[:size], self.left[size:]
        return taken

    def number(self, size: int) -> int:
        """The next `size` bytes as a number, the most significant one first."""
        return int.from_bytes(self.take(size), "big")

    def counted(self) -> bytes:
        """A field behind its two-byte length."""
        return self.take(self.number(2))

    def rest(self) -> bytes:
        """All that is left."""
        return self.take(len(self.left))

    def items(self) -> Iterator[tuple[int, Cursor]]:
        """Type and value of the items that are left."""
        while self.left:
            kind = self.number(1)
            self.take(1)
            yield kind, Cursor(self.counted())


def text(raw: bytes) -> str:
    """A UID or a name, without its padding."""
    return raw.decode("latin-1").rstrip("\0 ")


# --- A-ASSOCIATE-RQ and -AC, in the shape that attrs.astuple gives relay.wire.pdu's


def associate(kind: int, body: bytes) -> tuple[Any, ...]:
    """The parts of such a PDU; Broken where the relay has to refuse it."""
    cursor = Cursor(body)
    version = cursor.number(2)
    cursor.take(2)
    called, calling, reserved = cursor.take(16), cursor.take(16), cursor.take(32)
    name, contexts, user = "", [], _user_information(Cursor(b""))
    for item, value in cursor.items():
        if item == 0x10:
            name = text(value.rest())
        elif item == 0x1F + kind:
            contexts.append(value)
        elif item == 0x50:
            user = _user_information(value)
    read = [_proposed(each) if kind == 1 else _answered(each) for each in contexts]
    ids = [each[0] for each in read]
    if len(ids) != len(set(ids)) or (kind == 1 and not ids):
        raise Broken
    return called, calling, user, name, version, reserved, read


def _context(value: Cursor) -> tuple[int, int, dict[int, list[str]]]:
    """Id, result, and the sub-items' names by their types."""
    context_id, _, result, _ = value.take(4)
    if context_id % 2 == 0:
        raise Broken
    names: dict[int, list[str]] = {0x30: [], 0x40: []}
    for item, name in value.items():
        names.setdefault(item, []).append(text(name.rest()))
    return context_id, result, names


def _proposed(value: Cursor) -> tuple[Any, ...]:
    context_id, _, names = _context(value)
    if len(names[0x30]) != 1 or not names[0x40]:
        raise Broken
    return context_id, names[0x30][0], names[0x40]


def _answered(value: Cursor) -> tuple[Any, ...]:
    context_id, result, names = _context(value)
    if result == 0 and len(names[0x40]) != 1:
        raise Broken
    return context_id, result, next(iter(names[0x40]), "")


def _user_information(value: Cursor) -> tuple[Any, ...]:
    found: dict[int, list[Any]] = {}
    for item, sub in value.items():
        if item in _SUB_ITEMS:
            found.setdefault(item, []).append(_SUB_ITEMS[item](sub))
    once = {item: found.get(item, [None])[-1] for item in _SUB_ITEMS}
    many = {item: found.get(item, []) for item in _SUB_ITEMS}
    return (
        *(once[0x51], once[0x52], once[0x55], once[0x53]),
        *(many[0x54], many[0x56], many[0x57]),
        *(once[0x58], once[0x59]),
    )


def _exactly(sub: Cursor, size: int) -> Cursor:
    if len(sub.left) != size:
        raise Broken
    return sub


def _roles(sub: Cursor) -> tuple[Any, ...]:
    name = text(sub.counted())
    scu, scp = _exactly(sub, 2).take(2)
    return name, scu == 1, scp == 1


def _common(sub: Cursor) -> tuple[Any, ...]:
    names = [text(sub.counted()), text(sub.counted())]
    related, found = Cursor(sub.counted()), []
    while related.left:
        found.append(text(related.counted()))
    return *names, found


def _window(sub: Cursor) -> tuple[Any, ...]:
    _exactly(sub, 4)
    return sub.number(2), sub.number(2)


_SUB_ITEMS: dict[int, Any] = {
    0x51: lambda sub: _exactly(sub, 4).number(4),
    0x52: lambda sub: text(sub.rest()),
    0x53: _window,
    0x54: _roles,
    0x55: lambda sub: text(sub.rest()),
    0x56: lambda sub: (text(sub.counted()), sub.rest()),
    0x57: _common,
    0x58: lambda sub: (sub.number(1), sub.number(1) == 1, sub.counted(), sub.counted()),
    0x59: lambda sub: (sub.counted(),),
}


def extent(body: bytes) -> tuple[int, int]:
    """How many contexts such a PDU holds, and how many items and sub-items, as far as it goes."""
    contexts = found = 0
    for kind, value in _as_far_as_it_goes(body[68:]):
        contexts += kind in {0x20, 0x21}
        found += 1
        if kind in {0x20, 0x21, 0x50}:
            found += len(list(_as_far_as_it_goes(value[4 if kind < 0x50 else 0 :])))
    return contexts, found


def _as_far_as_it_goes(raw: bytes) -> Iterator[tuple[int, bytes]]:
    """Items whose headers are there, the last of them maybe cut short."""
    while len(raw) >= 4:
        end = 4 + int.from_bytes(raw[2:4], "big")
        yield raw[0], raw[4:end]
        raw = raw[end:]


# --- a stream of PDUs


@attrs.frozen
class Control:
    """A PDU that is none of data: where it is, its type and body."""

    head: int
    stop: int
    kind: int
    body: bytes


@attrs.frozen
class PDV:
    """A fragment: where its header, its body and its end are.

    `is_first`: its header stands behind the PDU's own, and `head` is where that begins. `inside`
    are the bytes that its PDU has from there on, without the PDU's header.
    """

    head: int
    start: int
    stop: int
    context_id: int
    control: int
    inside: int
    is_first: bool
    reserved: int

    @property
    def end(self) -> int:
        """Where its PDU ends."""
        return self.head + self.inside + (6 if self.is_first else 0)

    @property
    def is_alone(self) -> bool:
        """Whether its PDU holds nothing else."""
        return self.is_first and self.stop == self.end

    @property
    def part(self) -> tuple[int, int]:
        """The message part that it can belong to: context id, command set or dataset."""
        return self.context_id, self.control & 1


@attrs.frozen
class Limits:
    """How long PDUs may be: those of data, and of each other type, in bytes of body."""

    data: int
    others: dict[int, int]


@attrs.define
class Stream:
    """What a stream of PDUs holds, up to its end or to `fault`, which stands at `until`.

    A fault is "type" (an unknown one), "late" (of another time), or "parameter".
    """

    units: list[Control | PDV] = attrs.field(factory=list)
    until: int = 0
    fault: str | None = None

    @property
    def is_at_rest(self) -> bool:
        """Whether no PDU of data has begun that is not complete."""
        last = self.units[-1] if self.units else None
        return not isinstance(last, PDV) or last.end == self.until


def stream(raw: bytes, limits: Limits, late: int | None = None) -> Stream:
    """All of `raw`; `late`: the longest PDU, not one of data, once there is an association."""
    found = Stream()
    while found.fault is None and len(raw) - found.until >= 6:
        at = found.until
        kind, length = raw[at], int.from_bytes(raw[at + 2 : at + 6], "big")
        found.fault = _fault(kind, length, limits, late)
        if found.fault is not None:
            break
        if kind == 4:
            if not _data(raw, at, length, found):
                break
        elif kind == 7 and length != 4:
            found.units.append(Control(at, len(raw), 7, b"\0\0\0\0"))
            found.until = len(raw)
        elif len(raw) < at + 6 + length:
            break
        else:
            found.until = at + 6 + length
            found.units.append(Control(at, found.until, kind, raw[at + 6 : found.until]))
    return found


def _fault(kind: int, length: int, limits: Limits, late: int | None) -> str | None:
    if kind not in {4, *limits.others}:
        return "type"
    if kind == 4:
        return None if 6 <= length <= limits.data else "parameter"
    if kind == 7:
        return None
    if length > limits.others[kind]:
        return "parameter"
    return "late" if late is not None and length > late else None


def _data(raw: bytes, pdu_at: int, length: int, found: Stream) -> bool:
    """Take the fragments of one PDU; False where it has not come to its end."""
    end, head = pdu_at + 6 + length, pdu_at
    while head < end:
        is_first = head == pdu_at
        start = head + (12 if is_first else 6)
        if start > len(raw):
            return False
        body = int.from_bytes(raw[start - 6 : start - 2], "big") - 2
        stop = start + body
        if body < 0 or stop > end or 0 < end - stop < 6:
            found.fault = "parameter"
            return False
        context_id, control, reserved = raw[start - 2], raw[start - 1], raw[pdu_at + 1]
        inside = length if is_first else end - head
        found.units.append(PDV(head, start, stop, context_id, control, inside, is_first, reserved))
        found.until = min(stop, len(raw))
        if stop > len(raw):
            return False
        head = stop
    return True


# --- command sets


def elements(raw: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Group, number and value of each element; Broken where one is cut off."""
    cursor = Cursor(raw)
    while cursor.left:
        group, number, length = (int.from_bytes(cursor.take(n), "little") for n in (2, 2, 4))
        yield group, number, cursor.take(length)

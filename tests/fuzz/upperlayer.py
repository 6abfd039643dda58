"""The upper layer: whatever a peer says, from the first byte to the end of the transport.

The input is a byte that says which side this is and what its user does, four bytes that say how
long reads are, by turns, and the peer's stream of PDUs.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from relay.wire.pdu import BODY_MAXIMUM, AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.state import State
from tests import vectors
from tests.fuzz import plain
from tests.fuzz.pieces import HEAD, pieces
from tests.fuzz.reader import WORDS as PDUS
from tests.wire.doubles import Bench

MAXIMUM = 16384
REQUEST = AssociateRQ.decode(vectors.ASSOCIATE_RQ[6:])
ACCEPTANCE = AssociateAC.decode(vectors.ASSOCIATE_AC[6:])
REJECTION = AssociateRJ.decode(vectors.ASSOCIATE_RJ[6:])

REQUESTOR, PROMPT, REJECTS, RELEASES, WAITS, ABORTS, SILENT = (1 << bit for bit in range(7))
"""Bits of the first byte: this side has asked for the association; the transport closes at once;
the user rejects; asks for release at the first data, or aborts then; leaves a request for release
unanswered; and the peer falls silent at the end."""

WORDS = (vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC, *PDUS)


def check(data: bytes) -> None:
    """AssertionError where something does not hold."""
    if len(data) < HEAD:
        return
    choice, bench = data[0], _bench(data[0])
    bench.layer.connected(REQUEST if choice & REQUESTOR else None)
    for read in pieces(data[HEAD:], data[1:HEAD]):
        if bench.layer.state is State.IDLE:
            break
        bench.layer.received(read)
    if choice & SILENT and bench.artim:
        bench.layer.artim_expired()
        assert {"close", "drop"} & set(map(str, bench.transcript))
    bench.layer.closed()
    assert bench.layer.state is State.IDLE
    assert not bench.artim
    _sent_in_order(bench)
    _told_in_order(bench)


def _bench(choice: int) -> Bench:
    """A user that does what was chosen."""
    bench = Bench(bool(choice & REQUESTOR), MAXIMUM, bool(choice & PROMPT))
    layer = bench.layer
    answer: Callable[[], None] = lambda: layer.accept(ACCEPTANCE, REQUEST)  # noqa: E731
    bench.reactions["associate?"] = (
        (lambda: layer.reject(REJECTION)) if choice & REJECTS else answer
    )
    if not choice & WAITS:
        bench.reactions["release?"] = layer.release_response
    if choice & ABORTS:
        bench.reactions["data"] = layer.abort
    elif choice & RELEASES:
        bench.reactions["data"] = lambda: layer.release() if layer.established else None
    return bench


def _sent_in_order(bench: Bench) -> None:
    """What was written are whole PDUs, and behind a rejection or an abort only one more abort: of
    who asks for an association, or sends data, then (PS3.8 9.2, Sta13: AA-7)."""
    raw = b"".join(each for each in bench.transcript if isinstance(each, bytes))
    found = plain.stream(raw, plain.Limits(MAXIMUM, BODY_MAXIMUM))
    assert (found.fault, found.until) == (None, len(raw))
    kinds = [each.kind if isinstance(each, plain.Control) else 4 for each in found.units]
    assert all(kinds.count(each) <= 1 for each in (1, 2, 3, 5, 6))
    assert not {3, 7} & set(kinds[:-1]) or kinds[-2:] in ([3, 7], [7, 7])
    assert not {3, 7} & set(kinds[:-2])


def _told_in_order(bench: Bench) -> None:
    """The user hears of nothing before there is an association, nor after its end."""
    told: list[Any] = [each for each in bench.transcript if isinstance(each, tuple)]
    names = [each[0] for each in told]
    assert all(names.count(each) <= 1 for each in set(names) - {"data"})
    assert not names or names[0] in {"associate?", "associate!", "lost"}
    assert "lost" not in names[:-1]

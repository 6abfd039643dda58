"""The last word reaches a peer that is still sending (Sta13 of PS3.8 9.2).

A connection that is closed with bytes unread is reset, and a reset may take along what the peer has
not read yet. So what a peer sends behind an A-ABORT or an A-ASSOCIATE-RJ is thrown away until it
closes, or ARTIM ends.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone

from relay.wire.pdu import Abort, ReleaseRQ
from tests.bad_inputs.by_number.loopback import Loopback, Noting
from tests.bad_inputs.case import CALLED_UNKNOWN, NO_ASSOCIATION, UNEXPECTED, UNRECOGNIZED
from tests.peers import (
    A_DATASET,
    COMMITMENT,
    STORAGE_COMMITMENT,
    associate_rq,
    command_of,
)
from tests.transport.tls_bed import Pki
from tests.vectors import HTTP_REQUEST, p_data, pdu, pdv

BLOCK = p_data(pdv(COMMITMENT, 0, bytes(16000)))
MANY = 50_000_000 // len(BLOCK)
ARTIM = 30

CASES = {
    "no association": (False, HTTP_REQUEST, NO_ASSOCIATION.encode()),
    "a rejection": (False, associate_rq(called=b"NOBODY"), CALLED_UNKNOWN.encode()),
    "an abort": (True, pdu(0x47, b""), UNRECOGNIZED.encode()),
    "data behind a release": (True, ReleaseRQ().encode() + BLOCK, UNEXPECTED.encode()),
}
"""Whether there is an association, what is said before 50 MB more, what is answered."""


WAYS = {"plain": (False, "socket"), "TLS": (True, "socket"), "TLS by Twisted": (True, "twisted")}


@pytest.fixture(params=WAYS)
def bed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    by_tls, transport = WAYS[request.param]
    pki = Pki(tmp_path_factory.mktemp("pki"))
    bed = Loopback(pki, by_tls, relay=f'transport = "{transport}"')
    yield bed
    bed.stop()


def unread(caller: Noting) -> Noting:
    """It does not read, nor close, until it is told to."""
    caller.is_polite = False
    caller.transport.pauseProducing()
    return caller


class Sending:
    """A producer that sends so many blocks, one when another has left, and knows when all have."""

    def __init__(self, caller: Noting, blocks: int) -> None:
        self.transport = caller.transport
        self.blocks = blocks
        self.is_done = False
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        if self.blocks:
            self.blocks -= 1
            self.transport.write(BLOCK)
        else:
            self.is_done = True
            self.transport.unregisterProducer()

    def stopProducing(self) -> None:
        """The connection is gone."""


def is_told(bed: Loopback, caller: Noting, answer: bytes, blocks: int = MANY) -> None:
    """It sends so many blocks, and only then reads, is told this, and closes; nothing is reset."""
    sending = Sending(caller, blocks)
    bed.settle(lambda: sending.is_done)
    caller.transport.resumeProducing()
    bed.hears(caller, answer)
    assert not caller.is_closed
    caller.transport.loseConnection()
    bed.is_over(caller)
    assert caller.why_lost is not None
    assert caller.why_lost.check(ConnectionDone)


@pytest.mark.parametrize("what", CASES)
def test_an_answer_reaches_a_peer_that_sends_50_mb_before_it_reads(bed: Loopback, what: str):
    is_associated, data, answer = CASES[what]
    caller = unread(bed.associate() if is_associated else bed.call())
    caller.say(data)
    is_told(bed, caller, answer)


def test_an_abort_reaches_a_peer_that_was_not_read_from_when_it_was_said(bed: Loopback):
    action = command_of(0x0130, 1, A_DATASET, e0003=STORAGE_COMMITMENT, e1001="1.2.3", e1008=1)
    caller = unread(bed.associate(None, p_data(pdv(COMMITMENT, 3, action))))
    bed.settle(lambda: bed.archive.open)
    bed.archive.open[0].transport.pauseProducing()
    sending = Sending(caller, MANY)
    bed.settle()
    assert not sending.is_done
    bed.wait(60)
    bed.settle(lambda: sending.is_done)
    is_told(bed, caller, Abort(2, 0).encode(), blocks=0)


def test_an_answer_reaches_a_peer_that_takes_its_time_to_send(bed: Loopback):
    caller = unread(bed.call(HTTP_REQUEST))
    for _ in range(ARTIM - 1):
        caller.say(BLOCK)
        bed.wait(1)
    is_told(bed, caller, NO_ASSOCIATION.encode(), blocks=1)


def test_a_peer_that_sends_without_end_is_dropped_when_artim_ends(bed: Loopback):
    caller = unread(bed.call(HTTP_REQUEST))
    for _ in range(ARTIM):
        caller.say(BLOCK)
        bed.wait(1)
    caller.transport.resumeProducing()
    bed.is_over(caller)

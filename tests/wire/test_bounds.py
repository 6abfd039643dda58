"""What an A-ASSOCIATE PDU holds is counted before it is decoded, and bounded."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire.bounds import MOST_ITEMS, Bounds, Extent
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.items import ITEM_HEADER
from relay.wire.pdu import AssociateRQ
from relay.wire.reader import Reader
from relay.wire.requests import Requests
from tests import vectors
from tests.vectors import item
from tests.wire import strategies

ABSTRACT, TRANSFER = item(0x30, b"1.2"), item(0x40, b"1.2.840.10008.1.2")
APPLICATION = vectors.APPLICATION_CONTEXT
ROOMY = Bounds(max_items=2**20)


def body(*items):
    """The body of an A-ASSOCIATE-RQ of these items."""
    return struct.pack(">H2x", 1) + vectors.ASSOCIATE_RQ[10:74] + b"".join(items)


def context(identifier=1, syntaxes=1):
    return item(0x20, bytes((identifier, 0, 0, 0)) + ABSTRACT + TRANSFER * syntaxes)


def refused(bounds, made):
    with pytest.raises(ProtocolError) as caught:
        bounds.measure(made)
    return str(caught.value)


@pytest.mark.parametrize(
    ("made", "extent"),
    [
        (body(), Extent(0, 0)),
        (body(APPLICATION), Extent(0, 1)),
        (body(APPLICATION, context()), Extent(1, 4)),
        (body(context(1, 3), context(3)), Extent(2, 8)),
        (body(item(0x21, bytes(4) + TRANSFER)), Extent(1, 2)),
        (body(item(0x50, item(0x51, bytes(4)) + item(0x54, b"") * 3)), Extent(0, 5)),
        (body(item(0x77, TRANSFER * 3)), Extent(0, 1)),
        (body(item(0x50, item(0x20, TRANSFER))), Extent(0, 2)),
    ],
)
def test_items_are_counted_with_those_within_them(made, extent):
    assert ROOMY.measure(made) == extent


@pytest.mark.parametrize(
    "made",
    [
        body(context()[:-3]),
        body(context(), b"\x20\0\xff"),
        body(b"\x50\0\xff\xff" + item(0x54, b"") * 3),
        b"",
        body()[:20],
    ],
)
def test_what_is_cut_off_is_counted_as_far_as_it_is_there(made):
    assert ROOMY.measure(made).items <= 4


@given(st.binary(max_size=400))
def test_no_bytes_hold_more_items_than_there_is_room_for(items):
    assert ROOMY.measure(body(items)).items <= len(items) / 4


@given(strategies.requests)
def test_what_is_decoded_was_counted(request_):
    its = request_.user_information
    known = 2 + sum(2 + len(each.transfer_syntaxes) for each in request_.contexts)
    known += len(its.roles) + len(its.extended) + len(its.common_extended)
    known += its.user_identity is not None
    extent = ROOMY.measure(request_.encode()[6:])
    assert extent.contexts == len(request_.contexts)
    assert extent.items >= known


@pytest.mark.row(19)
def test_a_request_of_as_many_contexts_as_may_be_is_read_and_of_one_more_refused():
    bounds = Bounds(max_contexts=2)
    two = body(context(1), context(3))
    assert bounds.measure(two).contexts == 2
    assert refused(bounds, two + context(5)) == "more presentation contexts than max_contexts, 2"


@pytest.mark.row(19)
def test_a_request_of_as_many_items_as_may_be_is_read_and_of_one_more_refused():
    bounds = Bounds(max_items=4)
    assert bounds.measure(body(APPLICATION, context())).items == 4
    why = "more items and sub-items than max_items, 4"
    assert refused(bounds, body(APPLICATION, context(1, 2))) == why
    assert refused(bounds, body(context(), item(0x77, b""), item(0x77, b""))) == why


def test_the_largest_request_that_makes_sense_is_within_the_bounds():
    negotiated = (item(0x54, b"") + item(0x56, b"") + item(0x57, b"")) * 128
    beside = item(0x51, bytes(4)) + item(0x52, b"") + item(0x53, b"") + item(0x55, b"")
    largest = body(
        APPLICATION,
        *(context(2 * number + 1, 60) for number in range(128)),
        item(0x50, negotiated + beside + item(0x58, b"")),
    )
    assert Bounds().measure(largest).items * 1.9 < MOST_ITEMS


class Counting:
    """Stands where the header's format does, and counts how often it is used."""

    size = ITEM_HEADER.size

    def __init__(self):
        self.count = 0

    def unpack_from(self, *args):
        self.count += 1
        return ITEM_HEADER.unpack_from(*args)


def test_nothing_is_looked_at_behind_the_bound(monkeypatch):
    header = Counting()
    monkeypatch.setattr("relay.wire.bounds.ITEM_HEADER", header)
    refused(Bounds(max_items=16), body(item(0x77, b"") * 200_000))
    assert header.count == 17


@pytest.mark.parametrize("kind", [1, 2])
def test_a_reader_refuses_what_is_beyond_its_bounds(kind):
    made = body(context(1), context(3)).replace(b"\x20\0", bytes((0x1F + kind, 0)))
    reader = Reader(16384, bounds=Bounds(max_contexts=1))
    reader.feed(vectors.pdu(kind, made))
    with pytest.raises(ProtocolError) as caught:
        reader.next_event()
    assert "max_contexts, 1" in str(caught.value)
    assert caught.value.reason is AbortReason.INVALID_PARAMETER


def test_a_request_that_is_known_is_held_to_the_bounds_of_who_asks():
    requests, two = Requests(), body(APPLICATION, context(1), context(3))
    assert isinstance(requests.decode(two), AssociateRQ)
    for bounds in (Bounds(max_contexts=1), Bounds(max_items=6)):
        with pytest.raises(ProtocolError):
            requests.decode(two, bounds)
    assert requests.decode(two, Bounds(max_contexts=2, max_items=7)) is requests.decode(two)

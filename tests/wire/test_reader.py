"""The reader: whole, byte by byte, with trailing data, cut anywhere, and fed with rubbish."""

from __future__ import annotations

from random import Random
from struct import pack
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.pdu import ASSOCIATE_MAXIMUM, DECODERS, Abort, AssociateRQ, ReleaseRP, ReleaseRQ
from relay.wire.reader import COMMAND, COPIED_MAXIMUM, LAST, LATE_MAXIMUM, Fragments, Piece, Reader
from tests import vectors
from tests.vectors import octets, p_data, pdu, pdv
from tests.wire import strategies
from tests.wire.reading import Said, drained, events, held, said

CONTROL = [
    vectors.ASSOCIATE_RQ,
    vectors.ASSOCIATE_AC,
    vectors.ASSOCIATE_RJ,
    vectors.RELEASE_RQ,
    vectors.RELEASE_RP,
    vectors.ABORT,
]
CONVERSATION = [
    DECODERS[1].decode(vectors.ASSOCIATE_RQ[6:]),
    Said(1, True, b"COMMANDS", ended=True),
    Said(1, False, b"PIXELS", ended=True),
    ReleaseRQ(),
]
CONVERSATION_RAW = vectors.ASSOCIATE_RQ + vectors.P_DATA + vectors.RELEASE_RQ

MAXIMUM = 64
"""A small maximum length, so that a longer P-DATA-TF is short."""


def byte_by_byte(raw):
    return [raw[at : at + 1] for at in range(len(raw))]


def fragments(raw, maximum=MAXIMUM):
    """The one event of these bytes, which are P-DATA."""
    (event,) = events([raw], maximum)
    assert isinstance(event, Fragments)
    return event


def outcome(reads, maximum):
    """All that is said, and the error that ends it, in comparable form."""
    reader, error = Reader(maximum), None
    found: list[Any] = []
    try:
        for data in reads:
            reader.feed(data)
            found.extend(drained(reader))
    except ProtocolError as broken:
        error = (str(broken), broken.reason, broken.source)
    return list(said(found)), error


# control PDUs


@pytest.mark.parametrize("raw", CONTROL)
def test_a_control_pdu_is_read_whole(raw):
    assert list(events([raw])) == [DECODERS[raw[0]].decode(raw[6:])]


@pytest.mark.parametrize("raw", CONTROL)
def test_a_control_pdu_is_read_byte_by_byte_and_comes_with_its_last_byte(raw):
    reader = Reader(MAXIMUM)
    for each in byte_by_byte(raw[:-1]):
        reader.feed(each)
        assert reader.next_event() is None
    reader.feed(raw[-1:])
    assert list(drained(reader)) == [DECODERS[raw[0]].decode(raw[6:])]


@pytest.mark.parametrize("raw", CONTROL)
@pytest.mark.parametrize("trailing", [1, 5, 6, 9, 10])
def test_a_control_pdu_is_read_with_trailing_data_which_stays_for_the_next(raw, trailing):
    reader = Reader(MAXIMUM)
    reader.feed(raw + vectors.RELEASE_RP[:trailing])
    first, *more = drained(reader)
    assert first == DECODERS[raw[0]].decode(raw[6:])
    reader.feed(vectors.RELEASE_RP[trailing:])
    assert more + list(drained(reader)) == [ReleaseRP()]


def test_a_conversation_is_the_same_wherever_it_is_cut_in_two():
    for cut in range(len(CONVERSATION_RAW) + 1):
        reads = [CONVERSATION_RAW[:cut], CONVERSATION_RAW[cut:]]
        assert list(said(events(reads))) == CONVERSATION, cut


def test_a_conversation_is_the_same_byte_by_byte():
    assert list(said(events(byte_by_byte(CONVERSATION_RAW)))) == CONVERSATION


def test_nothing_comes_of_nothing():
    reader = Reader(MAXIMUM)
    assert reader.next_event() is None
    reader.feed(b"")
    assert reader.next_event() is None


def test_events_that_were_not_taken_yet_are_not_lost_to_the_next_feed():
    reader = Reader(MAXIMUM)
    reader.feed(vectors.RELEASE_RQ + vectors.RELEASE_RP)
    assert reader.next_event() == ReleaseRQ()
    reader.feed(vectors.ABORT)
    assert list(drained(reader)) == [ReleaseRP(), Abort(2, 6)]


# fragments


def test_a_read_of_whole_pdus_is_one_event_that_keeps_the_read_itself():
    raw = p_data(pdv(1, 0, b"abcd")) + p_data(pdv(1, 0, b"efghij")) + p_data(pdv(1, LAST, b"k"))
    found = fragments(raw)
    assert found == Fragments(
        context_id=1,
        control=LAST,
        raw=raw,
        size=11,
        missing=0,
        longest=12,
        passable=True,
    )
    assert found.raw is raw
    assert (found.is_command, found.ended) == (False, True)
    assert found.pieces == [Piece(4, 12, 16), Piece(6, 28, 34), Piece(1, 46, 47)]
    assert found.bodies() == [b"abcd", b"efghij", b"k"]


def test_a_piece_of_a_fragment_comes_at_once_with_what_is_missing_of_it():
    raw = p_data(pdv(5, COMMAND | LAST, b"0123456789"))
    reader = Reader(MAXIMUM)
    reader.feed(raw[:15])
    (first,) = drained(reader)
    reader.feed(raw[15:])
    (rest,) = drained(reader)
    assert (first.pieces, first.missing, first.longest) == ([Piece(10, 12, 15)], 7, 16)
    assert (first.is_command, first.ended, first.size) == (True, False, 3)
    assert (rest.pieces, rest.missing, rest.longest) == ([Piece(None, 0, 7)], 0, 0)
    assert (rest.is_command, rest.ended, rest.context_id) == (True, True, 5)
    assert rest.bodies() == [b"3456789"]
    assert first.passable and rest.passable


def test_a_header_alone_is_an_event_with_nothing_in_it_but_what_is_missing():
    found = fragments(p_data(pdv(1, LAST, b"0123"))[:12])
    assert (found.pieces, found.missing, found.size, found.ended) == (
        [Piece(4, 12, 12)],
        4,
        0,
        False,
    )


def test_a_change_of_part_begins_a_new_event():
    raw = p_data(pdv(1, COMMAND | LAST, b"cc")) + p_data(pdv(1, LAST, b"dd"))
    command, dataset = events([raw + vectors.RELEASE_RQ[:3]])
    assert command.is_command and not dataset.is_command
    assert bytes(command.raw) + bytes(dataset.raw) == raw
    assert dataset.bodies() == [b"dd"]


def test_each_part_of_a_read_has_its_own_bytes_though_all_are_of_one_length():
    raws = [p_data(pdv(1, control | LAST, b"even")) for control in (COMMAND, 0, COMMAND)]
    assert [bytes(event.raw) for event in events([b"".join(raws)])] == raws


def test_the_last_bit_ends_an_event_though_the_next_part_looks_alike():
    raw = p_data(pdv(1, LAST, b"aa")) + p_data(pdv(1, LAST, b"bb"))
    assert [event.bodies() for event in events([raw])] == [[b"aa"], [b"bb"]]


def test_a_change_of_context_begins_a_new_event():
    raw = p_data(pdv(1, 0, b"aa")) + p_data(pdv(3, 0, b"bb"))
    assert [event.context_id for event in events([raw])] == [1, 3]


def test_another_pdu_behind_fragments_is_an_event_of_its_own():
    raw = p_data(pdv(1, 0, b"aa")) + vectors.ABORT
    first, second = events([raw])
    assert (bytes(first.raw), second) == (p_data(pdv(1, 0, b"aa")), Abort(2, 6))


@pytest.mark.parametrize(
    ("raw", "passable"),
    [
        (p_data(pdv(1, 0, b"even")), True),
        (p_data(pdv(1, LAST, b"odd")), True),
        (p_data(pdv(1, LAST, b"")), True),
        (p_data(pdv(1, COMMAND, b"even")), True),
        (p_data(pdv(1, 0, b"odd")), False),
        (p_data(pdv(1, 0, b"")), False),
        (p_data(pdv(1, 0, b"two"), pdv(1, 0, b"of them")), False),
        (p_data(pdv(1, 0, b"odd")) + p_data(pdv(1, 0, b"even")), False),
        (p_data(pdv(1, 0xFC, b"even")), False),
        (b"\x04\x01" + p_data(pdv(1, 0, b"even"))[2:], False),
    ],
)
def test_what_may_pass_as_it_came_is_one_even_fragment_per_pdu_or_a_last_one(raw, passable):
    assert fragments(raw).passable is passable


def test_what_may_not_pass_keeps_nothing_back_of_what_may():
    raw = p_data(pdv(1, 0, b"even")) * 3 + p_data(pdv(1, 0, b"odd"))
    first, second = events([raw])
    assert (first.passable, second.passable) == (True, False)
    assert b"".join(first.bodies() + second.bodies()) == b"even" * 3 + b"odd"


@pytest.mark.parametrize(
    "behind",
    [p_data(pdv(1, 0, bytes(MAXIMUM))), pack(">BBLLBB", 4, 0, 5, 1, 1, 0)],
    ids=["too long", "too short"],
)
def test_what_is_sound_comes_out_before_a_pdu_behind_it_that_breaks_the_protocol(behind):
    reader = Reader(MAXIMUM)
    reader.feed(p_data(pdv(1, 0, b"even")) + behind)
    first = reader.next_event()
    assert isinstance(first, Fragments) and first.bodies() == [b"even"]
    with pytest.raises(ProtocolError):
        reader.next_event()


@pytest.mark.parametrize("cut", range(1, 33))
def test_pdus_with_one_header_are_the_same_fragments_wherever_a_read_ends(cut):
    raw = p_data(pdv(1, 0, b"same")) * 4
    found = list(events([raw[:cut], raw[cut:]]))
    assert b"".join(bytes(each.raw) for each in found) == raw
    assert all(each.passable for each in found)
    assert sum(each.size for each in found) == 16
    lengths = [piece.length for each in found for piece in each.pieces if piece.length is not None]
    assert lengths == [4] * 4


def test_what_is_cut_in_a_header_and_behind_an_earlier_fragment_is_told_from_the_bytes():
    raw = p_data(pdv(1, 0, b"earlier!")) + p_data(pdv(1, LAST, b"four"))
    first, second = events([raw[:16], raw[16:]])
    assert (first.pieces, first.missing) == ([Piece(8, 12, 16)], 4)
    assert (second.lead, second.listed) == (4, None)
    assert second.pieces == [Piece(None, 0, 4), Piece(4, 16, 20)]
    assert second.bodies() == [b"ier!", b"four"]


def test_few_bytes_of_a_read_are_copied_and_many_are_viewed():
    few, many = (p_data(pdv(1, LAST, bytes(size))) for size in (100, COPIED_MAXIMUM))
    kept = [type(each.raw) for each in events([few + many])]
    assert kept == [bytes, memoryview]


def test_a_fragment_that_is_not_the_first_of_its_pdu_may_not_pass_though_a_read_begins_with_it():
    raw = p_data(pdv(1, 0, b"even"), pdv(1, LAST, b"more"))
    first, second = events([raw[:16], raw[16:]])
    assert (first.bodies(), second.bodies()) == ([b"even"], [b"more"])
    assert not first.passable and not second.passable


def test_what_is_read_does_not_show():
    reader = Reader(MAXIMUM)
    reader.feed(vectors.ASSOCIATE_RQ[:-1])
    assert reader.next_event() is None
    shown = repr(reader)
    for raw in (p_data(pdv(1, LAST, b"CANARY")), CONVERSATION_RAW):
        reader = Reader(MAXIMUM)
        reader.feed(raw)
        shown += repr(reader) + repr(reader.next_event()) + repr(reader)
    assert "Fragments" in shown and "Reader" in shown
    assert not any(word in shown for word in ("CANARY", "PIXELS", "secret"))


def test_reserved_bits_of_the_message_control_header_are_not_tested():
    found = fragments(p_data(pdv(1, 0xFF, b"COMMANDS")))
    assert (found.is_command, found.ended) == (True, True)
    found = fragments(p_data(pdv(1, 0xFC, b"PIXELS")))
    assert (found.is_command, found.ended) == (False, False)


@given(strategies.streams(reserved_bits=True), strategies.cuts)
def test_any_cutting_gives_the_same_parts_and_loses_no_byte(stream, where):
    found = list(events(strategies.reads(stream.raw, where)))
    assert b"".join(bytes(event.raw) for event in found) == stream.raw
    assert [part.whole for part in said(found)] == [part.whole for part in stream.parts]


@given(strategies.streams(), strategies.cuts)
def test_the_declared_lengths_are_those_of_the_fragments_and_what_is_missing_comes(stream, where):
    declared, missing = [], 0
    for event in events(strategies.reads(stream.raw, where)):
        if event.pieces[0].length is None:
            assert missing
            missing -= event.pieces[0].stop - event.pieces[0].start
        for piece in event.pieces:
            if piece.length is not None:
                assert missing == 0
                missing = piece.length - (piece.stop - piece.start)
                declared.append(piece.length)
        assert event.missing == missing
    assert declared == [len(body) for part in stream.parts for body in part.fragments]


CONVERSATIONS = st.lists(
    strategies.streams().map(lambda stream: stream.raw)
    | strategies.control_pdus.map(lambda value: value.encode()),
    max_size=5,
).map(b"".join)


@given(CONVERSATIONS, strategies.cuts)
def test_any_cutting_of_a_conversation_gives_the_same_events(raw, where):
    whole = list(said(events([raw])))
    assert list(said(events(strategies.reads(raw, where)))) == whole


@given(strategies.streams(), strategies.cuts, st.data())
def test_any_cutting_of_a_damaged_stream_gives_the_same_events_and_error(stream, where, data):
    raw = bytearray(vectors.RELEASE_RQ + stream.raw + vectors.ABORT)
    for _ in range(data.draw(st.integers(1, 3))):
        raw[data.draw(st.integers(0, min(len(raw) - 1, 60)))] = data.draw(strategies.octet)
    damaged = bytes(raw)
    assert outcome(strategies.reads(damaged, where), MAXIMUM) == outcome([damaged], MAXIMUM)


# what breaks the protocol


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (pdu(4, bytes(MAXIMUM + 1)), "P-DATA-TF of 65 bytes, longer than 64"),
        (octets("04 00 FFFFFFFF"), "P-DATA-TF of 4294967295 bytes"),
        (pdu(4, b""), "P-DATA-TF of 0 bytes, without a fragment"),
        (pdu(4, b"\0\0\0\x01\x01"), "P-DATA-TF of 5 bytes, without a fragment"),
        (pdu(4, octets("00000000 01 00")), "a fragment of 0 bytes in 6 of a P-DATA-TF"),
        (pdu(4, octets("00000001 01 00")), "a fragment of 1 bytes in 6 of a P-DATA-TF"),
        (pdu(4, octets("00000003 01 00")), "a fragment of 3 bytes in 6 of a P-DATA-TF"),
        (pdu(4, octets("FFFFFFFF 01 00")), "a fragment of 4294967295 bytes in 6 of a P-DATA-TF"),
        (pdu(4, octets("00000002 01 00 0000000000")), "a fragment of 2 bytes in 11"),
        (pdu(3, b"\0\1\1"), "A-ASSOCIATE-RJ of 3 bytes where 4 are due"),
        (pdu(3, b""), "A-ASSOCIATE-RJ of 0 bytes where 4 are due"),
        (pdu(3, bytes(5)), "PDU type 03H of 5 bytes"),
        (pdu(5, bytes(2)), "A-RELEASE-RQ of 2 bytes where 4 are due"),
        (octets("05 00 FFFFFFFF"), "PDU type 05H of 4294967295 bytes"),
        (pdu(6, bytes(3)), "A-RELEASE-RP of 3 bytes where 4 are due"),
        (octets("06 00 00000008"), "PDU type 06H of 8 bytes"),
        (octets("01 00 FFFFFFFF"), "PDU type 01H of 4294967295 bytes"),
        (octets("02 00 00100001"), "PDU type 02H of 1048577 bytes"),
        (pdu(1, bytes(67)), "an A-ASSOCIATE PDU is shorter than its fixed fields"),
    ],
)
@pytest.mark.parametrize("cut", [byte_by_byte, lambda raw: [raw], lambda raw: [raw + b"\0" * 20]])
def test_an_invalid_pdu_is_refused_with_2_6_and_again_when_asked_again(raw, what, cut):
    reader = Reader(MAXIMUM)
    with pytest.raises(ProtocolError, match=what) as refused:
        for data in cut(raw):
            reader.feed(data)
            assert list(drained(reader)) == []
    assert (refused.value.source, refused.value.reason) == (
        AbortSource.SERVICE_PROVIDER,
        AbortReason.INVALID_PARAMETER,
    )


@pytest.mark.parametrize(
    "raw", [vectors.HTTP_REQUEST, vectors.TLS_CLIENT_HELLO, octets("00 00 00000000"), pdu(8, b"")]
)
def test_an_unknown_pdu_is_refused_with_2_1_on_its_header(raw):
    reader = Reader(MAXIMUM)
    reader.feed(raw[:5])
    assert reader.next_event() is None
    reader.feed(raw[5:6])
    with pytest.raises(ProtocolError, match=f"PDU type {raw[0]:02X}H") as refused:
        reader.next_event()
    assert refused.value.reason is AbortReason.UNRECOGNIZED_PDU


@pytest.mark.parametrize(
    "bad", [octets("00000001 01 00"), octets("0000FFFF 01 00"), octets("00000002 01 00 0000")]
)
def test_what_stands_in_front_of_a_broken_fragment_is_delivered_first(bad):
    good = pdv(1, 0, b"good")
    for raw in (vectors.pdu(4, good + bad), p_data(good) + vectors.pdu(4, bad)):
        reader = Reader(MAXIMUM)
        reader.feed(raw)
        assert next(drained(reader)).bodies() == [b"good"]
        with pytest.raises(ProtocolError, match="a fragment of"):
            reader.next_event()


@pytest.mark.parametrize("length", [0, 3, MAXIMUM + 1])
def test_a_pdu_of_wrong_length_behind_a_good_one_is_refused_after_it(length):
    reader = Reader(MAXIMUM)
    reader.feed(p_data(pdv(1, 0, b"good")) + pdu(4, bytes(length)) + bytes(20))
    assert next(drained(reader)).bodies() == [b"good"]
    with pytest.raises(ProtocolError, match=f"P-DATA-TF of {length} bytes"):
        reader.next_event()


@pytest.mark.parametrize("length", [MAXIMUM - 1, MAXIMUM])
def test_a_pdu_up_to_the_maximum_is_read(length):
    assert fragments(p_data(pdv(1, LAST, bytes(length - 6)))).size == length - 6


def test_the_longest_pdu_that_there_can_be_is_read_piece_by_piece():
    reader = Reader(2**32 - 1)
    reader.feed(octets("04 00 FFFFFFFF FFFFFFFB 01 02") + bytes(100))
    (found,) = drained(reader)
    assert found.missing == 2**32 - 1 - 6 - 100
    assert held(reader) == 0


@pytest.mark.parametrize("length", [0, 3, 5, 2**32 - 1])
@pytest.mark.parametrize("cut", [byte_by_byte, lambda raw: [raw]])
def test_a_malformed_abort_is_an_abort_and_nothing_behind_it_is_read(length, cut):
    raw = b"\x07\0" + length.to_bytes(4) + vectors.RELEASE_RQ + vectors.HTTP_REQUEST
    assert list(events(cut(raw))) == [Abort(0, 0)]


def test_nothing_comes_after_discard():
    for before in (b"", vectors.ASSOCIATE_RQ[:100], vectors.P_DATA[:14], vectors.P_DATA[:3]):
        reader = Reader(MAXIMUM)
        reader.feed(before)
        list(drained(reader))
        reader.discard()
        assert reader.next_event() is None
        reader.feed(vectors.RELEASE_RQ)
        assert reader.next_event() is None
        assert held(reader) == 0


def test_what_was_not_read_yet_is_discarded_too():
    reader = Reader(MAXIMUM)
    reader.feed(vectors.P_DATA + vectors.RELEASE_RQ)
    assert reader.next_event() is not None
    reader.discard()
    assert reader.next_event() is None


RUBBISH = st.lists(
    st.binary(max_size=30)
    | st.sampled_from([*CONTROL, vectors.P_DATA, vectors.ASSOCIATE_RQ[:80], b"\x04\0\0\0\0"])
    | st.builds(
        lambda kind, size: bytes((kind, 0, 0, 0, 0, size)), st.integers(0, 9), strategies.octet
    ),
    max_size=8,
).map(b"".join)


@given(RUBBISH, strategies.cuts)
def test_rubbish_is_read_or_refused_with_a_protocol_error_and_never_kept(raw, where):
    reader = Reader(MAXIMUM)
    try:
        for data in strategies.reads(raw, where):
            reader.feed(data)
            list(drained(reader))
            assert held(reader) <= len(raw)
    except ProtocolError:
        reader.discard()
    reader.feed(raw)
    assert held(reader) <= 2 * len(raw)


# what is held


@pytest.mark.parametrize("size", [1, 7, 100, 5000])
def test_of_p_data_no_more_is_held_than_a_header_that_was_cut(size):
    raw = b"".join(p_data(pdv(1, 0, bytes(n))) for n in (0, 1, 2000, 3, 300, 0, 0)) * 2
    reader, seen = Reader(5000), 0
    for at in range(0, len(raw), size):
        reader.feed(raw[at : at + size])
        for event in drained(reader):
            seen += len(event.raw)
        assert held(reader) == min(at + size, len(raw)) - seen < 12


def test_when_a_read_has_been_taken_nothing_of_it_is_held():
    for raw in (vectors.P_DATA, vectors.P_DATA[:20], vectors.ASSOCIATE_RQ, vectors.ABORT):
        reader = Reader(MAXIMUM)
        reader.feed(raw)
        list(drained(reader))
        assert held(reader) == 0


def test_a_control_pdu_that_trickles_in_is_held_once_and_never_gathered_anew():
    request = AssociateRQ.decode(vectors.ASSOCIATE_RQ[6:])
    like = attrs.evolve(request.contexts[0], abstract_syntax="1" * 64)
    contexts = tuple(attrs.evolve(like, id=2 * n + 1) for n in range(128))
    raw = attrs.evolve(request, contexts=contexts).encode()
    assert len(raw) > 10_000
    reader, gathered = Reader(MAXIMUM), set()
    for count, each in enumerate(byte_by_byte(raw[:-1]), 1):
        reader.feed(each)
        assert reader.next_event() is None
        assert held(reader) == count
        if count >= 6:
            gathered |= {id(v) for v in attrs.astuple(reader) if isinstance(v, bytearray)}
    assert len(gathered) == 1
    reader.feed(raw[-1:])
    assert next(drained(reader)).encode() == raw
    assert held(reader) == len(raw)
    assert reader.next_event() is None
    assert held(reader) == 0


def test_no_more_is_held_of_a_control_pdu_than_its_bound():
    reader, noise = Reader(MAXIMUM), Random(1)
    reader.feed(octets("01 00") + ASSOCIATE_MAXIMUM.to_bytes(4))
    with pytest.raises(ProtocolError):
        for _ in range(100):
            assert reader.next_event() is None
            assert held(reader) <= ASSOCIATE_MAXIMUM + 6
            reader.feed(noise.randbytes(16 * 1024))


@pytest.mark.parametrize("kind", [1, 2])
def test_in_an_association_a_long_associate_pdu_is_refused_on_its_header(kind):
    """No timer runs there: gathering it would hold a megabyte for as long as the peer likes."""
    reader = Reader(16384, is_established=True)
    reader.feed(pack(">BxL", kind, LATE_MAXIMUM + 1))
    with pytest.raises(ProtocolError) as caught:
        reader.next_event()
    assert caught.value.reason is AbortReason.UNEXPECTED_PDU


def test_a_reader_is_empty_when_all_has_come_out_and_nothing_has_begun():
    reader = Reader(MAXIMUM)
    for cut in (3, 8, 14):
        assert reader.is_empty
        data = p_data(pdv(1, 2, b"PIXELS"))
        reader.feed(data[:cut])
        assert not reader.is_empty
        while reader.next_event() is not None:
            pass
        assert not reader.is_empty
        reader.feed(data[cut:])
        assert not reader.is_empty
        while reader.next_event() is not None:
            pass
    assert reader.is_empty

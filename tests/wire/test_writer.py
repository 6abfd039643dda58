"""The writer: what leaves is what came, cut as the peer can take it."""

from __future__ import annotations

import struct

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH
from relay.wire.reader import COMMAND, LAST, Reader
from relay.wire.writer import SMALLEST, Writer
from tests.vectors import p_data, pdv
from tests.wire import strategies
from tests.wire.reading import drained, events, said

maxima = st.one_of(
    st.sampled_from([8, 9, 10, 11, 12, 16, 21, 46, 128, 16384, 2**31, 2**32 - 2, 2**32 - 1]),
    st.integers(8, 60),
    st.integers(8, LARGEST_MAXIMUM_LENGTH),
)
"""Maximum lengths from the smallest legal to the largest."""


def same(context_id):
    return context_id


def other(context_id):
    return context_id + 4


def written(reads, maximum, mapped=same, hasten=True):
    """What leaves of these reads; with `hasten` off, nothing takes the fast way."""
    return b"".join(step for step, _, _ in steps(reads, maximum, mapped, hasten))


def steps(reads, maximum, mapped=same, hasten=True):
    """(bytes that leave, bytes of body that had come by then, writer) after each event."""
    writer, came = Writer(maximum), 0
    for event in events(reads):
        came += event.size
        if not hasten:
            event = attrs.evolve(event, passable=False)
        yield b"".join(writer.fragments(mapped(event.context_id), event)), came, writer


def pdus(raw):
    """(length, context id, message control header, body) of PDUs that hold one fragment each."""
    found, at = [], 0
    while at < len(raw):
        kind, reserved, length, inside, context_id, control = struct.unpack_from(">BBLLBB", raw, at)
        assert (kind, reserved, length) == (4, 0, inside + 4)
        body = raw[at + 12 : at + 6 + length]
        assert len(body) == inside - 2
        found.append((length, context_id, control, body))
        at += 6 + length
    return found


def wholes(raw):
    """What a peer understands of these bytes."""
    return [part.whole for part in said(events([raw]))]


# properties


@given(
    strategies.streams(reserved_bits=True), maxima, st.sampled_from([same, other]), strategies.cuts
)
def test_what_leaves_says_what_came(stream, maximum, mapped, where):
    raw = written(strategies.reads(stream.raw, where), maximum, mapped)
    assert wholes(raw) == [
        (mapped(identifier), is_command, body)
        for identifier, is_command, body in (part.whole for part in stream.parts)
    ]


@given(strategies.streams(reserved_bits=True), maxima, strategies.cuts)
def test_what_leaves_is_cut_as_the_standard_and_the_peer_want_it(stream, maximum, where):
    sizes, size = [], 0
    for length, _, control, body in pdus(written(strategies.reads(stream.raw, where), maximum)):
        assert length <= maximum
        assert control <= COMMAND | LAST
        assert control & LAST or (body and len(body) % 2 == 0)
        size += len(body)
        if control & LAST:
            sizes.append(size)
            size = 0
    assert [*sizes, size] == [*(len(part.whole[2]) for part in stream.parts), 0]


@given(
    strategies.streams(reserved_bits=True), maxima, st.sampled_from([same, other]), strategies.cuts,
)  # fmt: skip
def test_what_leaves_does_not_depend_on_how_it_came(stream, maximum, mapped, where):
    whole = written([stream.raw], maximum, mapped)
    assert written(strategies.reads(stream.raw, where), maximum, mapped) == whole


@given(strategies.streams(reserved_bits=True), maxima, strategies.cuts)
def test_the_fast_way_and_the_slow_way_give_the_same_bytes(stream, maximum, where):
    reads = strategies.reads(stream.raw, where)
    fast = written(reads, maximum)
    assert written(reads, maximum, hasten=False) == fast
    assert pdus(written(reads, maximum, other)) == [
        (length, other(identifier), control, body)
        for length, identifier, control, body in pdus(fast)
    ]


@given(strategies.streams(), maxima, strategies.cuts, st.lists(st.booleans(), min_size=1))
def test_the_ways_can_change_at_any_point_and_give_the_same_bytes(stream, maximum, where, hasten):
    writer, out = Writer(maximum), b""
    for number, event in enumerate(events(strategies.reads(stream.raw, where))):
        event.passable &= hasten[number % len(hasten)]
        out += b"".join(writer.fragments(event.context_id, event))
    assert out == written([stream.raw], maximum, hasten=False)


EVEN = strategies.streams(strategies.parts(body=strategies.even_bodies), packed=False)


@given(EVEN, strategies.cuts)
def test_pdus_that_fit_leave_as_they_came_and_as_the_very_buffers(stream, where):
    writer = Writer(16384)
    for event in events(strategies.reads(stream.raw, where)):
        (buffer,) = writer.fragments(event.context_id, event)
        assert buffer is event.raw
    assert written(strategies.reads(stream.raw, where), 16384) == stream.raw


@given(strategies.streams(), maxima, st.sampled_from([same, other]), strategies.cuts)
def test_nothing_waits_but_one_odd_byte(stream, maximum, mapped, where):
    peer, left, missing = Reader(maximum), 0, 0
    for step, came, writer in steps(strategies.reads(stream.raw, where), maximum, mapped):
        peer.feed(step)
        for event in drained(peer):
            left, missing = left + event.size, event.missing
        assert came - left in {0, 1}
        assert writer.inside_pdu == (missing > 0)
    assert came == left and missing == 0


# cases


@pytest.mark.parametrize("length", [2, 250])
def test_a_pdu_as_long_as_the_peer_takes_leaves_as_the_very_buffer(length):
    (event,) = events([p_data(pdv(1, 0, bytes(length))) * 3])
    (buffer,) = Writer(length + 6).fragments(1, event)
    assert buffer is event.raw


def test_the_byte_that_is_held_does_not_show():
    writer = Writer(100)
    assert fed(writer, p_data(pdv(1, 0, b"evenZ"))) == p_data(pdv(1, 0, b"even"))
    assert "Z" not in repr(writer)


def fed(writer, raw, context_id=1):
    """What a writer makes of these bytes."""
    return b"".join(b for e in events([raw]) for b in writer.fragments(context_id, e))


def test_a_long_pdu_is_cut_and_the_last_bit_is_on_the_true_last_piece_only():
    raw = fed(Writer(10), p_data(pdv(1, LAST, b"0123456789")))
    assert raw == p_data(pdv(1, 0, b"0123")) + p_data(pdv(1, 0, b"4567")) + p_data(
        pdv(1, LAST, b"89")
    )


def test_a_piece_that_others_follow_is_even_though_the_maximum_is_odd():
    raw = fed(Writer(11), p_data(pdv(1, 0, b"0123456789")))
    assert [body for *_, body in pdus(raw)] == [b"0123", b"4567", b"89"]


def test_a_last_piece_may_be_odd_and_as_long_as_the_maximum():
    raw = fed(Writer(11), p_data(pdv(1, LAST, b"012345678")))
    assert [body for *_, body in pdus(raw)] == [b"0123", b"45678"]


def test_the_smallest_maximum_sends_two_bytes_at_a_time():
    raw = fed(Writer(8), p_data(pdv(1, LAST, b"01234")))
    assert [body for *_, body in pdus(raw)] == [b"01", b"23", b"4"]


@pytest.mark.parametrize("maximum", [7, 6, 1, 0, -1])
def test_a_maximum_that_nothing_can_be_cut_to_is_refused(maximum):
    assert SMALLEST == 8
    with pytest.raises(ValueError, match="maximum"):
        Writer(maximum)


def test_fragments_packed_into_one_pdu_leave_in_one_pdu_each():
    raw = fed(Writer(100), p_data(pdv(1, 0, b"abcd"), pdv(1, LAST, b"ef")))
    assert raw == p_data(pdv(1, 0, b"abcd")) + p_data(pdv(1, LAST, b"ef"))


def test_a_whole_message_in_one_pdu_leaves_as_command_and_dataset():
    raw = fed(Writer(100), p_data(pdv(1, 3, b"COMMANDS"), pdv(1, 2, b"PIXELS")))
    assert raw == p_data(pdv(1, 3, b"COMMANDS")) + p_data(pdv(1, 2, b"PIXELS"))


def test_an_odd_fragment_is_evened_out_with_a_byte_of_its_own():
    raw = fed(
        Writer(100), p_data(pdv(1, 0, b"abc")) + p_data(pdv(1, 0, b"de")) + p_data(pdv(1, 2, b"f"))
    )
    assert raw == p_data(pdv(1, 0, b"ab")) + p_data(pdv(1, 0, b"cd")) + p_data(pdv(1, LAST, b"ef"))


def test_two_odd_fragments_make_an_even_whole():
    raw = fed(Writer(100), p_data(pdv(1, 0, b"abc")) + p_data(pdv(1, 0, b"def")))
    assert raw == p_data(pdv(1, 0, b"ab")) + p_data(pdv(1, 0, b"cdef"))


def test_an_odd_byte_that_nothing_follows_leaves_with_the_empty_last_fragment():
    raw = fed(
        Writer(100), p_data(pdv(1, 0, b"abc")) + p_data(pdv(1, 0, b"")) + p_data(pdv(1, 2, b""))
    )
    assert raw == p_data(pdv(1, 0, b"ab")) + p_data(pdv(1, LAST, b"c"))


def test_fragments_of_one_byte_wait_for_each_other_and_none_is_lost():
    raw = b"".join(p_data(pdv(1, 0, each)) for each in (b"a", b"b", b"c")) + p_data(pdv(1, 2, b""))
    assert fed(Writer(100), raw) == p_data(pdv(1, 0, b"ab")) + p_data(pdv(1, LAST, b"c"))


@pytest.mark.parametrize("mapped", [1, 5])
def test_an_empty_fragment_leaves_only_where_it_ends_a_part(mapped):
    raw = fed(Writer(100), p_data(pdv(1, 0, b"")) + p_data(pdv(1, LAST, b"")), mapped)
    assert raw == p_data(pdv(mapped, LAST, b""))


def test_an_odd_total_cannot_be_mended_and_passes():
    raw = p_data(pdv(1, LAST, b"odd"))
    assert fed(Writer(100), raw) == raw
    assert fed(Writer(100), raw, 5) == p_data(pdv(5, LAST, b"odd"))


@pytest.mark.parametrize("control", [0, COMMAND, LAST, COMMAND | LAST])
def test_a_differing_context_id_is_mapped_and_nothing_else(control):
    raw = fed(Writer(100), p_data(pdv(1, control, b"even")), 255)
    assert raw == p_data(pdv(255, control, b"even"))


@pytest.mark.parametrize("mapped", [1, 5])
def test_what_is_reserved_leaves_as_zero(mapped):
    raw = b"\x04\xff" + p_data(pdv(1, 0xFF, b"even"))[2:]
    assert fed(Writer(100), raw, mapped) == p_data(pdv(mapped, 3, b"even"))


def test_a_header_leaves_with_the_first_byte_of_what_it_announces():
    writer, raw = Writer(10), p_data(pdv(1, LAST, b"0123456"))
    assert not writer.inside_pdu
    first, second, third = events([raw[:13], raw[13:18], raw[18:]])
    assert b"".join(writer.fragments(1, first)) == p_data(pdv(1, 0, b"0123"))[:13]
    assert writer.inside_pdu
    assert b"".join(writer.fragments(1, second)) == b"123" + p_data(pdv(1, LAST, b"456"))[:14]
    assert writer.inside_pdu
    assert b"".join(writer.fragments(1, third)) == b"6"
    assert not writer.inside_pdu


@pytest.mark.parametrize("mapped", [1, 5])
def test_between_two_pdus_nothing_is_half_written(mapped):
    writer = Writer(10)
    (event,) = events([p_data(pdv(1, 0, b"0123456789"))[:16]])
    assert b"".join(writer.fragments(mapped, event)) == p_data(pdv(mapped, 0, b"0123"))
    assert not writer.inside_pdu


def test_an_announced_fragment_of_4_gib_leaves_cut_without_waiting_for_it():
    writer, header = Writer(1006), struct.pack(">BxLLBB", 4, 2**32 - 1, 2**32 - 5, 1, LAST)
    (event,) = events([header + bytes(2500)])
    raw = b"".join(writer.fragments(1, event))
    assert len(raw) == 2500 + 3 * 12
    assert struct.unpack_from(">BxLLBB", raw) == (4, 1006, 1002, 1, 0)
    assert writer.inside_pdu


# command sets


@given(st.binary(max_size=300), maxima, strategies.ids)
def test_a_command_set_leaves_whole_however_it_must_be_cut(command_set, maximum, context_id):
    raw = b"".join(Writer(maximum).command(context_id, command_set))
    assert wholes(raw) == [(context_id, True, command_set)]
    *front, last = pdus(raw)
    assert last[2] == COMMAND | LAST
    assert all(control == COMMAND and body and len(body) % 2 == 0 for _, _, control, body in front)
    assert all(length <= maximum for length, *_ in (*front, last))


def test_a_command_set_that_fits_is_one_pdu_and_an_empty_one_too():
    for command_set in (b"", b"COMMANDS", bytes(94)):
        raw = b"".join(Writer(100).command(3, command_set))
        assert raw == p_data(pdv(3, COMMAND | LAST, command_set))
    assert len(pdus(b"".join(Writer(100).command(3, bytes(96))))) == 2

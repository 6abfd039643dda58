"""Records: what has passed of a dataset can be sent again, and what it takes is paid back."""

from __future__ import annotations

import errno
import tracemalloc
import weakref
from itertools import chain, islice, repeat
from unittest import mock

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from relay.bridge import record as record_module
from relay.bridge.record import (
    CHUNK,
    FRAGMENTS_COST,
    PIECE_COST,
    Budget,
    Kept,
    LostRecord,
)
from relay.wire.pdu import LARGEST_MAXIMUM_LENGTH
from relay.wire.reader import COPIED_MAXIMUM, LAST
from relay.wire.writer import Writer
from tests.vectors import p_data, pdv
from tests.wire import strategies
from tests.wire.reading import events

HUGE = 2**40
ENDLESS = 10_000
EACH = FRAGMENTS_COST
"""What one fragment in one read is counted with, beside its bytes."""


class Pad:
    """An overflow that is a list of bytes, and fails when it is told to."""

    def __init__(self, shelf):
        self.shelf, self.data, self.writes, self.is_closed = shelf, bytearray(), 0, False

    def write(self, buffers):
        assert not self.is_closed
        self.shelf.work()
        self.writes += 1
        self.data += b"".join(buffers)

    def read(self, at, length):
        assert not self.is_closed
        self.shelf.work()
        return bytes(self.data[at : at + length])

    def close(self):
        assert not self.is_closed
        self.is_closed = True


class Shelf:
    """Opens pads."""

    def __init__(self):
        self.pads, self.is_full = [], False

    def __call__(self):
        self.work()
        self.pads.append(Pad(self))
        return self.pads[-1]

    def work(self):
        if self.is_full:
            raise OSError(errno.ENOSPC, "No space left on device")

    @property
    def used(self):
        return sum(len(pad.data) for pad in self.pads if not pad.is_closed)


@pytest.fixture
def shelf():
    return Shelf()


def budget_of(shelf, window=HUGE, memory=HUGE, disk=HUGE):
    return Budget(window, memory, disk, shelf)


def read(*reads):
    """The fragments that a reader makes of these reads."""
    return list(events(reads))


def added(record, found):
    """What became of each."""
    return [record.add(each, each.size) for each in found]


def played(playback):
    """All that a playback gives by now; one that never ends gives more than anyone expects."""
    return list(islice(iter(playback.next, None), ENDLESS))


def told(fragments):
    """Fragments as (lengths of pieces, bodies, bytes that are missing, LAST bit)."""
    lengths = [piece.length for piece in fragments.pieces]
    body = b"".join(fragments.bodies())
    return lengths, body, fragments.missing, bool(fragments.control & LAST)


# in memory


def test_what_is_in_memory_is_played_as_the_very_objects_that_came(shelf):
    record = budget_of(shelf).record()
    found = read(p_data(pdv(1, 0, b"first")), p_data(pdv(1, LAST, b"second")))
    assert added(record, found) == [Kept.YES, Kept.YES]
    assert record.size == 11
    for _ in range(2):
        for given_back, came in zip(played(record.play()), found, strict=True):
            assert given_back is came
    assert shelf.pads == []


def test_a_playback_goes_on_with_what_is_added_behind_it(shelf):
    record = budget_of(shelf).record()
    first, second = read(p_data(pdv(1, 0, b"first")), p_data(pdv(1, LAST, b"second")))
    playback = record.play()
    assert playback.is_done and playback.next() is None
    record.add(first, 5)
    assert not playback.is_done
    assert playback.next() is first
    assert playback.is_done and playback.next() is None
    record.add(second, 6)
    assert playback.next() is second
    assert playback.is_done and playback.next() is None


def test_a_read_is_counted_with_its_bytes_and_what_its_objects_take(shelf):
    budget = budget_of(shelf)
    raw = p_data(pdv(1, 0, b"ab")) + p_data(pdv(1, 0, b"cd"))
    (found,) = read(raw)
    budget.record().add(found, 4)
    assert budget.used_memory == len(raw) + FRAGMENTS_COST


def test_pieces_that_are_listed_are_counted_too(shelf):
    budget = budget_of(shelf)
    raw = p_data(pdv(1, 0, b"ab"), pdv(1, 0, b"cd"))
    (found,) = read(raw)
    budget.record().add(found, 4)
    assert budget.used_memory == len(raw) + FRAGMENTS_COST + 2 * PIECE_COST


@pytest.mark.parametrize(("command", "kept"), [(b"short", "whole"), (b"l" * 25000, "copy")])
def test_a_view_is_counted_with_all_that_it_keeps_alive_or_copied(shelf, command, kept):
    budget = budget_of(shelf)
    raw = p_data(pdv(1, 3, command)) + p_data(pdv(1, 0, b"body" * 5000))
    _, found = read(raw)
    view = found.raw
    assert isinstance(view, memoryview)
    assert budget.record().add(found, 20000) is Kept.YES
    assert found.bodies() == [b"body" * 5000]
    if kept == "whole":
        assert found.raw is view
        assert budget.used_memory == len(raw) + EACH
    else:
        assert found.raw == view and type(found.raw) is bytes
        assert budget.used_memory == len(view) + EACH


HALF = COPIED_MAXIMUM
HALVES = p_data(pdv(1, 3, bytes(HALF))) + p_data(pdv(1, 0, bytes(HALF)))
"""A read of two parts that are just long enough to be viewed."""


def test_a_view_of_just_half_of_its_read_is_not_copied(shelf):
    budget = budget_of(shelf)
    _, found = read(HALVES)
    budget.record().add(found, HALF)
    assert isinstance(found.raw, memoryview)
    assert budget.used_memory == len(HALVES) + EACH


ONE = p_data(pdv(1, 0, b"ab"))


def own(raw):
    """Bytes that nobody else has, as those of a read."""
    return bytes(bytearray(raw))


@pytest.mark.parametrize(
    "reads",
    [
        lambda: (own(ONE) for _ in range(4000)),
        lambda: (own([octet]) for _ in range(2000) for octet in ONE),
        lambda: (own(ONE * 2000) for _ in range(4)),
        lambda: (own(p_data(*[pdv(1, 0, b"")] * 2000)) for _ in range(4)),
        lambda: chain([ONE + ONE[:5]], (ONE[5:] + ONE[:5] for _ in range(4000))),
        lambda: (p_data(pdv(3, 0, b"x" * 400)) + ONE for _ in range(2000)),
    ],
    ids=["a PDU a read", "a byte a read", "many a read", "packed", "views", "views of a few"],
)
def test_no_fragments_take_more_memory_than_they_are_counted_with(shelf, reads):
    budget = budget_of(shelf)
    record = budget.record()
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        for found in events(reads()):
            if found.context_id == 1:
                record.add(found, found.size)
        del found
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0 < after - before <= budget.used_memory


def test_the_objects_of_a_read_of_whole_pdus_add_little_to_its_count(shelf):
    budget = budget_of(shelf)
    raw = p_data(pdv(1, 0, bytes(16372))) * 4
    added(budget.record(), read(raw))
    assert budget.used_memory < 1.02 * len(raw)


# into the overflow


FOUR = [p_data(pdv(1, 0, body)) for body in (b"aaaa", b"bbbb", b"cccc")] + [
    p_data(pdv(1, LAST, b"dddd"))
]
"""Four reads, of which each is counted with PART bytes in memory."""
PART = 16 + EACH


@pytest.mark.parametrize("limits", [{"window": 2 * PART}, {"memory": 2 * PART}])
def test_beyond_the_window_or_the_memory_of_all_bodies_go_to_the_overflow(shelf, limits):
    budget = budget_of(shelf, **limits)
    record = budget.record()
    found = read(*FOUR)
    assert added(record, found) == [Kept.YES] * 4
    (pad,) = shelf.pads
    assert pad.data == b"ccccdddd"
    assert (budget.used_memory, budget.used_disk) == (2 * PART, 8)
    assert record.size == 16
    first, second, rest = played(record.play())
    assert (first, second) == (found[0], found[1])
    assert told(rest) == ([8], b"ccccdddd", 0, True)
    assert not rest.passable
    assert (rest.context_id, rest.is_command) == (1, False)


def test_one_byte_less_of_window_or_memory_is_not_enough_for_two(shelf):
    for limits in ({"window": 2 * PART - 1}, {"memory": 2 * PART - 1}):
        record = budget_of(shelf, **limits).record()
        added(record, read(*FOUR))
        assert shelf.pads.pop().data == b"bbbbccccdddd"


def test_a_view_goes_to_the_overflow_when_there_is_no_room_for_all_that_it_keeps_alive(shelf):
    _, found = read(HALVES)
    least = len(HALVES) + EACH
    for limits in ({"window": least - 1}, {"memory": least - 1}):
        budget = budget_of(shelf, **limits)
        budget.record().add(found, HALF)
        assert (budget.used_memory, budget.used_disk) == (0, HALF)


def test_a_view_stays_in_memory_when_there_is_just_room_for_all_that_it_keeps_alive(shelf):
    least = len(HALVES) + EACH
    for limits in ({"window": least}, {"memory": least}):
        _, found = read(HALVES)
        budget = budget_of(shelf, **limits)
        budget.record().add(found, HALF)
        assert (budget.used_memory, budget.used_disk) == (least, 0)


def test_once_in_the_overflow_nothing_goes_to_memory_again(shelf):
    budget = budget_of(shelf, memory=PART)
    other, record = budget.record(), budget.record()
    found = read(*FOUR)
    added(other, found[:1])
    added(record, found[:2])
    other.forget()
    added(record, found[2:])
    assert budget.used_memory == 0
    assert [told(each) for each in played(record.play())] == [([16], b"aaaabbbbccccdddd", 0, True)]


def test_all_pieces_of_one_read_are_one_write(shelf):
    record = budget_of(shelf, window=0).record()
    (found,) = read(b"".join(FOUR))
    record.add(found, 16)
    assert shelf.pads[0].writes == 1


def test_no_overflow_is_opened_for_fragments_without_a_byte(shelf):
    record = budget_of(shelf, window=0).record()
    assert added(record, read(p_data(pdv(1, 0, b"")), p_data(pdv(1, LAST, b"")))) == [
        Kept.YES,
        Kept.YES,
    ]
    assert shelf.pads == []
    assert [told(each) for each in played(record.play())] == [([0], b"", 0, True)]


# out of the overflow


def test_a_fragment_that_is_open_where_memory_ends_is_continued_first(shelf):
    record = budget_of(shelf, window=PART).record()
    pdu = p_data(pdv(1, 0, b"abcdefgh"))
    added(record, read(pdu[:16], pdu[16:18], pdu[18:] + p_data(pdv(1, LAST, b"ij"))))
    assert [told(each) for each in played(record.play())] == [
        ([8], b"abcd", 4, False),
        ([None], b"efgh", 0, False),
        ([2], b"ij", 0, True),
    ]


def test_at_the_end_of_what_was_kept_the_fragment_in_progress_is_left_open(shelf):
    record = budget_of(shelf, window=0).record()
    pdu = p_data(pdv(1, LAST, b"abcdefgh"))
    came, rest = read(pdu[:17], pdu[17:])
    record.add(came, 5)
    playback = record.play()
    assert told(playback.next()) == ([8], b"abcde", 3, True)
    assert playback.is_done and playback.next() is None
    record.add(rest, 3)
    assert not playback.is_done
    assert told(playback.next()) == ([None], b"fgh", 0, True)
    assert playback.is_done and playback.next() is None


def test_a_header_that_came_without_a_byte_is_played_too(shelf):
    record = budget_of(shelf, window=0).record()
    last = p_data(pdv(1, LAST, b"cd"))
    came = read(p_data(pdv(1, 0, b"ab")), last[:12], last[12:])
    record.add(came[0], 2)
    playback = record.play()
    assert told(playback.next()) == ([2], b"ab", 0, False)
    record.add(came[1], 0)
    assert not playback.is_done
    assert told(playback.next()) == ([2], b"", 2, True)
    assert playback.is_done and playback.next() is None
    assert [told(each) for each in played(record.play())] == [([4], b"ab", 2, True)]


def test_a_header_that_came_without_a_byte_is_played_though_more_follow(shelf):
    record = budget_of(shelf, window=0).record()
    pdu = p_data(pdv(1, 0, b"cd"))
    came = read(p_data(pdv(1, 0, b"ab")), pdu[:12], pdu[12:])
    added(record, came[:1])
    playback = record.play()
    assert told(playback.next()) == ([2], b"ab", 0, False)
    added(record, came[1:2])
    assert not playback.is_done
    assert told(playback.next()) == ([2], b"", 2, False)
    assert playback.is_done and playback.next() is None
    added(record, came[2:])
    assert told(playback.next()) == ([None], b"cd", 0, False)


def test_an_empty_last_fragment_is_played_once(shelf):
    record = budget_of(shelf, window=0).record()
    came = read(p_data(pdv(1, 0, b"ab")), p_data(pdv(1, LAST, b"")))
    record.add(came[0], 2)
    playback = record.play()
    assert told(playback.next()) == ([2], b"ab", 0, False)
    record.add(came[1], 0)
    assert not playback.is_done
    assert told(playback.next()) == ([0], b"", 0, True)
    assert playback.is_done and playback.next() is None


def test_an_empty_fragment_that_others_follow_is_not_played(shelf):
    record = budget_of(shelf, window=0).record()
    added(record, read(p_data(pdv(1, 0, b""))))
    playback = record.play()
    assert playback.is_done and playback.next() is None


def test_bytes_of_the_overflow_come_in_even_chunks(shelf):
    record = budget_of(shelf, window=0).record()
    body = bytes(range(251)) * (2 * CHUNK // 251 + 1)
    assert CHUNK % 2 == 0 and 2 * CHUNK < len(body) < 3 * CHUNK
    added(record, read(p_data(pdv(1, LAST, body))))
    chunks = played(record.play())
    assert [told(each)[0] for each in chunks] == [[CHUNK], [CHUNK], [len(body) - 2 * CHUNK]]
    assert [told(each)[2:] for each in chunks] == [(0, False), (0, False), (0, True)]
    assert b"".join(told(each)[1] for each in chunks) == body


def test_what_just_fills_a_chunk_comes_in_one(shelf):
    record = budget_of(shelf, window=0).record()
    added(record, read(p_data(pdv(1, LAST, bytes(CHUNK)))))
    (chunk,) = played(record.play())
    assert told(chunk) == ([CHUNK], bytes(CHUNK), 0, True)


@pytest.mark.parametrize("odd", [CHUNK - 1, CHUNK, CHUNK + 1])
def test_a_fragment_that_is_continued_comes_in_chunks_too(shelf, odd):
    record = budget_of(shelf, window=PART + PIECE_COST).record()
    pdu = p_data(pdv(1, 0, b"head" + bytes(odd)))
    added(record, read(pdu[:16], pdu[16:]))
    _, *chunks = played(record.play())
    sizes = [odd] if odd <= CHUNK else [CHUNK, 1]
    assert [len(told(each)[1]) for each in chunks] == sizes
    assert [each.missing for each in chunks] == [odd - CHUNK, 0][-len(sizes) :]
    assert {told(each)[0][0] for each in chunks} == {None}


# past the budget


def test_what_exceeds_the_disk_is_kept_and_said_to_be_too_much(shelf):
    budget = budget_of(shelf, window=PART, disk=8)
    record = budget.record()
    found = read(*FOUR)
    assert added(record, found) == [Kept.YES, Kept.YES, Kept.YES, Kept.FULL]
    assert budget.used_disk == 12
    assert [told(each)[1] for each in played(record.play())] == [b"aaaa", b"bbbbccccdddd"]


def test_the_disk_is_that_of_all_records(shelf):
    budget = budget_of(shelf, window=0, disk=4)
    first, second = budget.record(), budget.record()
    found = read(*FOUR)
    assert added(first, found[:1]) == [Kept.YES]
    assert added(first, found[1:2]) == [Kept.FULL]
    assert added(second, found[:1]) == [Kept.FULL]
    first.forget()
    assert added(second, found[1:2]) == [Kept.YES]
    assert added(second, found[2:3]) == [Kept.FULL]


def test_nobody_has_all_of_the_disk_to_himself(shelf):
    budget = budget_of(shelf, window=0, disk=HUGE)
    budget.share = 7
    first, second = budget.record(), budget.record()
    found = read(*FOUR)
    assert added(first, found[:2]) == [Kept.YES, Kept.FULL]
    assert added(second, found[:1]) == [Kept.YES]


def test_without_room_on_disk_it_stays_in_memory_and_no_overflow_is_opened(shelf):
    budget = budget_of(shelf, window=0, disk=0)
    record = budget.record()
    found = read(*FOUR)
    assert added(record, found[:2]) == [Kept.FULL, Kept.FULL]
    assert shelf.pads == []
    assert (budget.used_memory, budget.used_disk) == (2 * PART, 0)
    assert played(record.play()) == found[:2]
    budget.disk = budget.share = HUGE
    assert added(record, found[2:]) == [Kept.YES, Kept.YES]
    assert [told(each)[1] for each in played(record.play())] == [b"aaaa", b"bbbb", b"ccccdddd"]


# lost, and forgotten


def test_a_forgotten_record_takes_nothing_and_cannot_be_played(shelf):
    budget = budget_of(shelf, window=PART)
    record = budget.record()
    found = read(*FOUR)
    added(record, found[:3])
    playback = record.play()
    playback.next()
    for _ in range(2):
        record.forget()
        assert record.is_lost
        assert (record.size, budget.used_memory, budget.used_disk) == (0, 0, 0)
        assert shelf.pads[0].is_closed
    for each in (playback, record.play()):
        assert not each.is_done
        with pytest.raises(LostRecord):
            each.next()
    assert added(record, found[3:]) == [Kept.LOST]
    assert (record.size, budget.used_memory, budget.used_disk) == (0, 0, 0)


def test_nothing_is_added_to_a_record_that_was_forgotten_before_it_left_memory(shelf):
    budget = budget_of(shelf)
    record = budget.record()
    found = read(*FOUR)
    added(record, found[:1])
    record.forget()
    assert added(record, found[1:2]) == [Kept.LOST]
    assert (record.size, budget.used_memory) == (0, 0)


def test_a_forgotten_record_keeps_nothing_alive_while_a_playback_of_it_does(shelf):
    record = budget_of(shelf).record()
    (found,) = read(FOUR[0])
    record.add(found, 4)
    playback, alive = record.play(), weakref.ref(found)
    del found
    assert alive() is not None
    record.forget()
    assert alive() is None
    assert not playback.is_done


@pytest.mark.parametrize("already", [1, 2, 3], ids=["opening", "first write", "next write"])
def test_a_record_whose_overflow_fails_is_lost_and_takes_nothing(already):
    fails = chain(repeat(False, already - 1), repeat(True))

    class Failing(Shelf):
        def work(self):
            self.is_full = next(fails)
            super().work()

    shelf = Failing()
    budget = budget_of(shelf, window=PART)
    record = budget.record()
    result = added(record, read(*FOUR))
    assert result == [Kept.YES] * max(1, already - 1) + [Kept.LOST] * min(3, 5 - already)
    assert record.is_lost
    assert (record.size, budget.used_memory, budget.used_disk, shelf.used) == (0, 0, 0, 0)


def test_a_record_that_cannot_be_read_is_lost_and_takes_nothing(shelf):
    budget = budget_of(shelf, window=PART)
    record = budget.record()
    added(record, read(*FOUR))
    playback = record.play()
    assert playback.next() is not None
    shelf.is_full = True
    with pytest.raises(LostRecord, match="No space left"):
        playback.next()
    assert record.is_lost
    assert (budget.used_memory, budget.used_disk, shelf.used) == (0, 0, 0)


def test_an_overflow_that_gives_less_than_it_was_given_has_lost_the_record(shelf):
    budget = budget_of(shelf, window=PART)
    record = budget.record()
    added(record, read(*FOUR))
    del shelf.pads[0].data[-1:]
    playback = record.play()
    playback.next()
    with pytest.raises(LostRecord, match="11 bytes instead of 12"):
        playback.next()
    assert record.is_lost
    assert (budget.used_memory, budget.used_disk, shelf.used) == (0, 0, 0)


def test_nothing_of_the_data_shows_in_a_repr(shelf):
    record = budget_of(shelf, window=PART).record()
    added(record, read(*FOUR))
    assert "aaaa" not in repr(record.play())
    assert "bbbb" not in repr(record.play())


# through reader and writer


sizes = st.integers(0, 9) | st.integers(0, 300)
maxima = st.sampled_from([8, 9, 12, 13, 21, 46, 128, 300, LARGEST_MAXIMUM_LENGTH])
windows = st.integers(0, 3 * EACH) | st.sampled_from([0, 2000, HUGE])
chunks = st.sampled_from([2, 4, 10, 64, CHUNK])
same_or_other = st.sampled_from([1, 5])


@attrs.frozen
class Dataset:
    """A dataset, and the reads that bring it."""

    whole: bytes
    reads: list[bytes]


@st.composite
def datasets(draw):
    """A dataset of up to six fragments, packed into PDUs and cut into reads in any way."""
    lengths = draw(st.lists(sizes, min_size=1, max_size=6))
    # No two neighbouring bytes swapped, left out or doubled go unseen.
    whole = bytes((7 * at + at // 256) % 256 for at in range(sum(lengths)))
    pdvs, at = [], 0
    for number, length in enumerate(lengths, 1):
        last = LAST if number == len(lengths) else 0
        pdvs.append(pdv(1, last, whole[at : at + length]))
        at += length
    raw = p_data(pdv(1, 3, bytes(draw(sizes))))
    while pdvs:
        many = draw(st.sampled_from([1, 1, 1, 2, 3]))
        raw += p_data(*pdvs[:many])
        del pdvs[:many]
    return Dataset(whole, strategies.reads(raw, draw(strategies.cuts)))


def of_the_dataset(reads):
    """The fragments of a dataset's reads, without the command set before it."""
    return [each for each in events(reads) if not each.is_command]


class Attempt:
    """A message on its way to an upstream: played from its record, then followed as it comes."""

    def __init__(self, record, maximum, context_id):
        self.playback, self.maximum, self.context_id = record.play(), maximum, context_id
        self.writer, self.out, self.is_live = Writer(maximum), b"", False

    def write(self, fragments):
        self.out += b"".join(self.writer.fragments(self.context_id, fragments))

    def play(self, most):
        """Write as many fragments; when there are no more, go on with what comes."""
        for _ in repeat(None, most):
            if (fragments := self.playback.next()) is None:
                break
            self.write(fragments)
        self.is_live = self.playback.is_done

    def play_all(self):
        self.play(ENDLESS)
        assert self.is_live

    def check(self, dataset, came):
        """That the peer has the beginning of the dataset, cut as the standard and it want it."""
        left, ended = b"", False
        if self.out:
            # One event out of one read, or the last-fragment bit is not where it belongs. What a
            # writer makes is passable: one fragment a PDU, which is the last or even and not empty.
            (found,) = events([self.out], self.maximum)
            assert found.passable
            assert found.context_id == self.context_id and not found.is_command
            assert len(found.raw) == len(self.out)
            assert (found.missing > 0) == self.writer.inside_pdu
            left, ended = b"".join(found.bodies()), found.ended
        assert dataset.whole.startswith(left)
        assert len(left) <= came
        if self.is_live:
            # Nothing is held back but one odd byte.
            assert came - len(left) in {0, 1}
        return left, ended

    def check_whole(self, dataset):
        assert self.check(dataset, len(dataset.whole)) == (dataset.whole, True)


@given(
    datasets(),
    windows,
    chunks,
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 40), maxima, same_or_other), max_size=5),
)
def test_a_playback_at_any_moment_and_the_live_rest_make_the_whole(dataset, window, chunk, tries):
    shelf = Shelf()
    budget = budget_of(shelf, window=window)
    record, came = budget.record(), 0
    attempt = Attempt(record, LARGEST_MAXIMUM_LENGTH, 1)
    with mock.patch.object(record_module, "CHUNK", chunk):
        for number, fragments in enumerate(of_the_dataset(dataset.reads)):
            came += fragments.size
            is_live = attempt.is_live
            assert record.add(fragments, fragments.size) is Kept.YES
            if is_live:
                attempt.write(fragments)
            for moment, most, maximum, context_id in tries:
                if moment == number:
                    attempt = Attempt(record, maximum, context_id)
                    attempt.play(most)
                    attempt.check(dataset, came)
        if not attempt.is_live:
            attempt.play_all()
        attempt.check_whole(dataset)
        assert record.size == came == len(dataset.whole)
        for maximum in (8, 13, LARGEST_MAXIMUM_LENGTH):
            again = Attempt(record, maximum, 1)
            again.play_all()
            again.check_whole(dataset)
    record.forget()
    assert (budget.used_memory, budget.used_disk, shelf.used) == (0, 0, 0)


@given(datasets(), windows, chunks)
def test_no_fragments_of_a_playback_are_longer_than_a_chunk_or_odd_before_the_end(
    dataset, window, chunk
):
    record = budget_of(Shelf(), window=window).record()
    found = of_the_dataset(dataset.reads)
    added(record, found)
    with mock.patch.object(record_module, "CHUNK", chunk):
        again = played(record.play())
    made = [each for each in again if not any(each is one for one in found)]
    for each in made:
        assert each.size <= chunk and not each.passable
        (piece,) = each.pieces
        assert piece.length is None or piece.length % 2 == 0 or each is again[-1]


# any order, and a shelf that breaks


@attrs.define(eq=False)
class Message:
    """One that comes, is recorded, and is sent by one attempt after another."""

    dataset: Dataset
    fragments: list
    record: object
    attempt: Attempt | None = None
    came: int = 0
    results: list = attrs.field(factory=list)


class Records(RuleBasedStateMachine):
    """Messages with records of one budget: come, fail, are sent again, end, in any order.

    What holds at any time: each attempt has sent the beginning of its dataset, cut as it ought to
    be; the counts are those of what is kept, and nothing when nothing is.
    """

    messages = Bundle("messages")

    @initialize(
        window=windows,
        memory=st.integers(0, 6 * EACH) | st.just(HUGE),
        disk=st.integers(0, 600) | st.just(HUGE),
        chunk=chunks,
    )
    def begin(self, window, memory, disk, chunk):
        self.shelf, self.all = Shelf(), []
        self.budget = Budget(window, memory, disk, self.shelf)
        self.patch = mock.patch.object(record_module, "CHUNK", chunk)
        self.patch.start()

    @rule(target=messages, dataset=datasets())
    def a_message_begins(self, dataset):
        message = Message(dataset, of_the_dataset(dataset.reads), self.budget.record())
        self.all.append(message)
        return message

    @rule(message=messages, many=st.integers(1, 8))
    def some_of_it_comes(self, message, many):
        for _ in range(min(many, len(message.fragments))):
            self.comes(message)

    def comes(self, message):
        fragments, record, attempt = message.fragments.pop(0), message.record, message.attempt
        message.came += fragments.size
        before = self.budget.used_memory, self.budget.used_disk, record.size, record.is_lost
        is_live = attempt is not None and attempt.is_live
        kept = record.add(fragments, fragments.size)
        if is_live:
            attempt.write(fragments)
        self.judge(record, fragments, kept, *before)

    def judge(self, record, fragments, kept, memory, disk, size, was_lost):
        """What `add` may say."""
        budget = self.budget
        grew = budget.used_memory - memory, budget.used_disk - disk
        if kept is Kept.LOST:
            assert record.is_lost and (was_lost or self.shelf.is_full)
            assert record.size == 0 and max(grew) <= 0
            return
        assert not was_lost and not record.is_lost
        assert record.size == size + fragments.size
        assert (grew[0] >= fragments.size + EACH and not grew[1]) or grew == (0, fragments.size)
        if kept is Kept.YES:
            assert budget.used_memory <= budget.memory or not grew[0]
            assert budget.used_disk <= budget.disk or not grew[1]
        else:
            assert budget.used_disk >= budget.disk

    @rule(message=messages, maximum=maxima, context_id=same_or_other, most=st.integers(0, 10))
    def it_is_sent_again(self, message, maximum, context_id, most):
        if not message.record.is_lost:
            message.attempt = Attempt(message.record, maximum, context_id)
            self.plays(message, most)

    @rule(message=messages, most=st.integers(1, 30))
    def its_sink_takes_more(self, message, most):
        if message.attempt is not None and not message.attempt.is_live:
            self.plays(message, most)

    def plays(self, message, most):
        was_lost = message.record.is_lost
        try:
            message.attempt.play(most)
        except LostRecord:
            assert was_lost or self.shelf.is_full
            assert message.record.is_lost
            assert not message.attempt.playback.is_done
            message.attempt = None

    @rule(message=consumes(messages))
    def it_is_done_with(self, message):
        self.finish(message)

    def finish(self, message):
        """All of it comes, and is sent if that is possible; then its record is forgotten."""
        while message.fragments:
            self.comes(message)
        if message.attempt is None and not message.record.is_lost:
            message.attempt = Attempt(message.record, 46, 1)
        if message.attempt is not None and not message.attempt.is_live:
            self.plays(message, ENDLESS)
        if message.attempt is not None:
            assert message.attempt.is_live
            message.attempt.check_whole(message.dataset)
        message.record.forget()
        message.attempt = None

    @rule(message=messages)
    def it_will_not_be_sent_again(self, message):
        message.record.forget()

    @rule()
    def the_shelf_breaks(self):
        self.shelf.is_full = True

    @precondition(lambda self: self.shelf.is_full)
    @rule()
    def the_shelf_is_mended(self):
        self.shelf.is_full = False

    @invariant()
    def the_counts_are_those_of_what_is_kept(self):
        kept = sum(each.record.size for each in self.all)
        assert self.budget.used_disk == self.shelf.used <= kept
        assert self.budget.used_memory >= kept - self.shelf.used
        assert bool(kept - self.shelf.used) <= bool(self.budget.used_memory)

    @invariant()
    def what_was_sent_is_the_beginning_of_what_came(self):
        for message in self.all:
            if message.attempt is not None:
                message.attempt.check(message.dataset, message.came)

    def teardown(self):
        if not hasattr(self, "patch"):
            return
        self.shelf.is_full = False
        for message in self.all:
            self.finish(message)
        assert (self.budget.used_memory, self.budget.used_disk, self.shelf.used) == (0, 0, 0)
        assert all(pad.is_closed for pad in self.shelf.pads)
        self.patch.stop()


TestRecords = Records.TestCase

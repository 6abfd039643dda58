"""A peek into a dataset: what pydicom wrote is found however it comes, and nothing does harm."""

from __future__ import annotations

import struct
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEGBaseline8Bit,
)

from relay.wire.dataset import DEEPEST, PEEK_MAXIMUM, Peek

TRANSACTION_UID = 0x00081195
UID = "1.2.826.0.1.3680043.8.498.7"
VALUE = UID.encode() + b"\0"

IMPLICIT, EXPLICIT = str(ImplicitVRLittleEndian), str(ExplicitVRLittleEndian)
BIG, DEFLATED = str(ExplicitVRBigEndian), str(DeflatedExplicitVRLittleEndian)
SYNTAXES = [IMPLICIT, EXPLICIT, BIG, DEFLATED]
UNDEFINED = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD


def deflated(data, level=-1):
    compressor = zlib.compressobj(level, zlib.DEFLATED, -15)
    return compressor.compress(data) + compressor.flush()


def encoded(dataset, syntax):
    """The dataset as pydicom writes it."""
    stream = DicomBytesIO()
    stream.is_implicit_VR = syntax == IMPLICIT
    stream.is_little_endian = syntax != BIG
    write_dataset(stream, dataset)
    return deflated(stream.getvalue()) if syntax == DEFLATED else stream.getvalue()


def peeked(syntax, pieces, tag=TRANSACTION_UID):
    """What has been found after these pieces, and the end."""
    peek = Peek(syntax, tag)
    for piece in pieces:
        peek.feed(piece)
    peek.end()
    assert peek.is_done
    return peek.value


def explicit(tag, vr, value=b"", length=None):
    """The bytes of an element in Explicit VR Little Endian, whatever its length field is to say."""
    size = len(value) if length is None else length
    short = vr in (b"UI", b"CS", b"LO")
    head = struct.pack("<HH2sH" if short else "<HH2sxxL", tag >> 16, tag & 0xFFFF, vr, size)
    return head + value


def implicit(tag, value=b"", length=None):
    """The same without a VR; also an item or a delimiter, as it is in any little endian syntax."""
    size = len(value) if length is None else length
    return struct.pack("<HHL", tag >> 16, tag & 0xFFFF, size) + value


WANTED = explicit(TRANSACTION_UID, b"UI", VALUE)
BEFORE, BEHIND = 0x00081110, 0x00081199


def referenced(count):
    items = []
    for number in range(count):
        item = Dataset()
        item.ReferencedSOPClassUID = "1.2.840.10008.5.1.4.1.1.2"
        item.ReferencedSOPInstanceUID = f"1.2.3.{number}"
        items.append(item)
    return items


def sequenced(dataset, keyword, undefined, items):
    """Give the dataset a sequence of these items, with or without lengths of their own."""
    for item in items:
        item.is_undefined_length_sequence_item = undefined
    setattr(dataset, keyword, items)
    dataset[keyword].is_undefined_length = undefined


def commitment(undefined=False, uid=UID):
    """A storage commitment request with all kinds of elements before the Transaction UID."""
    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.RetrieveAETitle = "ARCHIVE"
    inner = referenced(2)
    sequenced(inner[0], "PurposeOfReferenceCodeSequence", undefined, referenced(1))
    sequenced(inner[1], "PurposeOfReferenceCodeSequence", undefined, [])
    sequenced(dataset, "ReferencedStudySequence", undefined, inner)
    sequenced(dataset, "ReferencedSeriesSequence", not undefined, referenced(1))
    sequenced(dataset, "ReferencedPatientSequence", undefined, [])
    dataset.add(DataElement(0x00081190, "UT", "http://archive.example.org/" * 9))
    if uid is not None:
        dataset.TransactionUID = uid
    sequenced(dataset, "ReferencedSOPSequence", undefined, referenced(3))
    return dataset


# What pydicom wrote


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("undefined", [False, True])
class TestInEachSyntax:
    def test_the_element_is_found(self, syntax, undefined):
        assert peeked(syntax, [encoded(commitment(undefined), syntax)]) == VALUE

    def test_it_is_found_byte_by_byte(self, syntax, undefined):
        data = encoded(commitment(undefined), syntax)
        assert peeked(syntax, [bytes([byte]) for byte in data]) == VALUE

    def test_it_is_found_where_its_value_is_whole_and_not_before(self, syntax, undefined):
        data = encoded(commitment(undefined), syntax)
        found = [peeked(syntax, [data[:cut]]) for cut in range(len(data))]
        first = found.index(VALUE)
        assert set(found[:first]) == {None}
        assert set(found[first:]) == {VALUE}
        if syntax != DEFLATED:
            assert first == data.index(VALUE) + len(VALUE)

    def test_it_is_known_at_the_same_byte_however_it_comes(self, syntax, undefined):
        data = encoded(commitment(undefined), syntax)
        cut = next(cut for cut in range(len(data)) if peeked(syntax, [data[:cut]]))
        peek = Peek(syntax, TRANSACTION_UID)
        for at in range(cut):
            assert not peek.is_done
            peek.feed(data[at : at + 1])
        assert peek.is_done

    @pytest.mark.parametrize("kind", [bytearray, memoryview])
    def test_the_kind_of_buffer_makes_no_difference(self, syntax, undefined, kind):
        data = kind(encoded(commitment(undefined), syntax))
        assert peeked(syntax, [data[:50], data[50:]]) == VALUE

    def test_an_element_behind_its_place_ends_the_search(self, syntax, undefined):
        data = encoded(commitment(undefined, uid=None), syntax)
        peek = Peek(syntax, TRANSACTION_UID)
        peek.feed(data)
        assert (peek.is_done, peek.value) == (True, None)

    def test_one_that_is_empty_is_found_empty(self, syntax, undefined):
        assert peeked(syntax, [encoded(commitment(undefined, uid=""), syntax)]) == b""

    def test_one_that_is_only_in_an_item_is_not_found(self, syntax, undefined):
        dataset = Dataset()
        item = Dataset()
        item.TransactionUID = UID
        sequenced(dataset, "ReferencedStudySequence", undefined, [item])
        assert peeked(syntax, [encoded(dataset, syntax)]) is None

    def test_what_comes_when_it_is_done_makes_no_difference(self, syntax, undefined):
        data = encoded(commitment(undefined), syntax)
        assert peeked(syntax, [data, b"\0" * 99, data]) == VALUE

    @given(data=st.data())
    def test_the_pieces_make_no_difference(self, syntax, undefined, data):
        whole = bytearray(encoded(commitment(undefined), syntax))
        for at in data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=2)):
            whole[at] = data.draw(st.integers(0, 255))
        cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
        pieces = [
            whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)
        ]
        assert peeked(syntax, pieces) == peeked(syntax, [whole])


@pytest.mark.parametrize("syntax", SYNTAXES)
@given(data=st.binary(max_size=200))
def test_nothing_that_comes_is_an_error(syntax, data):
    assert peeked(syntax, [data]) == peeked(syntax, [data[:7], data[7:]])


@pytest.mark.parametrize("syntax", [EXPLICIT, str(JPEGBaseline8Bit), "1.2.3", ""])
def test_any_other_transfer_syntax_counts_as_explicit_little_endian(syntax):
    assert peeked(syntax, [encoded(commitment(), EXPLICIT)]) == VALUE


@pytest.mark.parametrize("syntax", SYNTAXES)
@pytest.mark.parametrize("other", SYNTAXES)
def test_a_dataset_in_another_syntax_than_negotiated_has_no_such_element(syntax, other):
    expected = VALUE if other == syntax else None
    assert peeked(syntax, [encoded(commitment(), other)]) == expected


def test_other_elements_can_be_looked_for():
    data = encoded(commitment(), EXPLICIT)
    assert peeked(EXPLICIT, [data], 0x00080054) == b"ARCHIVE "
    assert peeked(EXPLICIT, [data], 0x00081190) == b"http://archive.example.org/" * 9 + b" "


def test_elements_before_it_may_come_in_any_order():
    data = explicit(0x00080054, b"CS", b"A ") + explicit(0x00080005, b"CS", b"B ") + WANTED
    assert peeked(EXPLICIT, [data]) == VALUE


# Sequences and other items


def undefined(tag, vr, *parts):
    return explicit(tag, vr, b"".join(parts), UNDEFINED) + implicit(SEQUENCE_END)


def item(*parts):
    return implicit(ITEM, b"".join(parts), UNDEFINED) + implicit(ITEM_END)


def test_what_is_in_an_unknown_of_undefined_length_is_implicit_little_endian():
    inner = implicit(0x00080050, item(implicit(0x00081155, b"1.")), UNDEFINED)
    inner += implicit(SEQUENCE_END) + implicit(0x00081195, b"2.")
    assert peeked(EXPLICIT, [undefined(BEFORE, b"UN", item(inner)) + WANTED]) == VALUE


def test_in_big_endian_too():
    head = struct.pack(">HH2sxxL", BEFORE >> 16, BEFORE & 0xFFFF, b"UN", UNDEFINED)
    inside = item(implicit(0x00081155, b"1.")) + implicit(SEQUENCE_END)
    wanted = struct.pack(">HH2sH", 0x0008, 0x1195, b"UI", len(VALUE)) + VALUE
    assert peeked(BIG, [head + inside + wanted]) == VALUE


def test_an_unknown_of_undefined_length_in_a_sequence_leaves_the_sequence_explicit():
    unknown = undefined(0x00091010, b"UN", item(implicit(0x00081155, b"1.")))
    sequence = undefined(BEFORE, b"SQ", item(unknown, explicit(0x00091011, b"UI", b"1.")))
    assert peeked(EXPLICIT, [sequence + WANTED]) == VALUE


@pytest.mark.parametrize("vr", [b"OB", b"OW"])
def test_encapsulated_fragments_are_skipped(vr):
    pixels = undefined(BEFORE, vr, implicit(ITEM), implicit(ITEM, b"\xff\xd8\xff\xd9"))
    assert peeked(EXPLICIT, [pixels + WANTED]) == VALUE


@pytest.mark.parametrize("vr", [b"SQ", b"UN", b"OB", b"UC", b"SV", b"ZZ"])
def test_whatever_has_a_length_is_skipped_unseen(vr):
    assert peeked(EXPLICIT, [explicit(BEFORE, vr, bytes(300)) + WANTED]) == VALUE


def nested(depth, implicitly):
    """A sequence in an item in a sequence in an item, and so on."""
    head = implicit(BEFORE, b"", UNDEFINED)
    head = head if implicitly else explicit(BEFORE, b"SQ", b"", UNDEFINED)
    inside = (head + implicit(ITEM, b"", UNDEFINED)) * depth
    return inside + (implicit(ITEM_END) + implicit(SEQUENCE_END)) * depth


@pytest.mark.parametrize("syntax", [IMPLICIT, EXPLICIT, DEFLATED])
@pytest.mark.parametrize(("depth", "found"), [(DEEPEST, VALUE), (DEEPEST + 1, None), (1100, None)])
def test_sequences_are_in_one_another_64_times_at_most(syntax, depth, found):
    wanted = implicit(TRANSACTION_UID, VALUE) if syntax == IMPLICIT else WANTED
    data = nested(depth, syntax == IMPLICIT) + wanted
    assert len(data) < PEEK_MAXIMUM
    assert peeked(syntax, [deflated(data) if syntax == DEFLATED else data]) == found


@pytest.mark.parametrize(
    "before",
    [
        implicit(ITEM),
        implicit(ITEM_END),
        implicit(SEQUENCE_END),
        explicit(BEFORE, b"SQ", b"", UNDEFINED),
        explicit(BEFORE, b"UT", b"", UNDEFINED),
        explicit(BEFORE, b"ZZ", b"", UNDEFINED) + implicit(SEQUENCE_END),
        explicit(BEFORE, b"cs", b"A "),
        explicit(BEFORE, b"C1", b"A "),
        explicit(BEFORE, b"\0\0", b"A "),
        explicit(BEFORE, b"SQ", b"", UNDEFINED) + implicit(ITEM_END),
        explicit(BEFORE, b"SQ", b"", UNDEFINED) + explicit(BEFORE, b"CS") + implicit(SEQUENCE_END),
        undefined(BEFORE, b"SQ", implicit(ITEM, b"", UNDEFINED)),
        undefined(BEFORE, b"SQ", item(implicit(ITEM))),
        undefined(BEFORE, b"SQ", item(implicit(0xFFFEFFFF))),
        undefined(BEFORE, b"SQ", item(implicit(0x00081155, b"1."))),
        undefined(BEFORE, b"UN", item(explicit(0x00081155, b"UI", b"1."))),
    ],
)
def test_behind_something_malformed_nothing_is_believed(before):
    peek = Peek(EXPLICIT, TRANSACTION_UID)
    peek.feed(before + WANTED)
    assert peek.value is None
    peek.end()
    assert (peek.is_done, peek.value) == (True, None)


@pytest.mark.parametrize(
    "wanted",
    [
        explicit(TRANSACTION_UID, b"ui", VALUE),
        explicit(TRANSACTION_UID, b"SQ", VALUE, UNDEFINED),
        explicit(TRANSACTION_UID, b"UN", VALUE, PEEK_MAXIMUM),
    ],
)
def test_the_wanted_element_itself_may_be_malformed(wanted):
    peek = Peek(EXPLICIT, TRANSACTION_UID)
    peek.feed(wanted)
    assert (peek.is_done, peek.value) == (True, None)


# Bounds


def ending_at(size):
    """A dataset whose wanted value ends at that byte."""
    fill = size - len(WANTED) - 12
    return explicit(BEFORE, b"OB", bytes(fill)) + WANTED


@pytest.mark.parametrize("kind", [bytes, deflated])
@pytest.mark.parametrize("step", [1, 1000, 2**20])
@pytest.mark.parametrize(("size", "found"), [(PEEK_MAXIMUM, VALUE), (PEEK_MAXIMUM + 1, None)])
def test_it_is_found_up_to_the_bound(kind, step, size, found):
    data = kind(ending_at(size))
    syntax = DEFLATED if kind is deflated else EXPLICIT
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    assert peeked(syntax, pieces) == found


def test_what_reaches_beyond_the_bound_ends_the_search_at_once():
    peek = Peek(EXPLICIT, TRANSACTION_UID)
    peek.feed(explicit(BEFORE, b"OB", b"", PEEK_MAXIMUM))
    assert (peek.is_done, peek.value) == (True, None)


@pytest.mark.parametrize("step", [1, 4096, PEEK_MAXIMUM - 3])
def test_a_search_ends_at_the_bound(step):
    peek = Peek(EXPLICIT, TRANSACTION_UID)
    data = explicit(BEFORE, b"UI") * (PEEK_MAXIMUM // 8)
    for at in range(0, PEEK_MAXIMUM, step):
        assert not peek.is_done
        peek.feed(data[at : at + step])
    assert (peek.is_done, peek.value) == (True, None)


def test_a_long_value_is_found_and_left_to_the_caller():
    value = b"1" * 60_000
    assert peeked(EXPLICIT, [explicit(TRANSACTION_UID, b"UN", value)]) == value


def growth(work):
    """Bytes of memory that it takes at most."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_stays_bounded_however_long_the_dataset():
    peek = Peek(EXPLICIT, TRANSACTION_UID)
    data = memoryview(explicit(BEFORE, b"UI") * 2**20)
    assert growth(lambda: peek.feed(data)) < 4 * PEEK_MAXIMUM
    assert peek.is_done


def test_a_deflate_bomb_is_harmless():
    bomb = deflated(explicit(BEFORE, b"OB", bytes(PEEK_MAXIMUM - 100)) + bytes(2**26), 9)
    assert len(bomb) < 2**17
    peek = Peek(DEFLATED, TRANSACTION_UID)
    assert growth(lambda: peek.feed(bomb)) < 6 * PEEK_MAXIMUM
    assert (peek.is_done, peek.value) == (True, None)


def test_a_deflated_stream_that_says_nothing_is_not_listened_to_for_ever():
    empty_block = b"\0\0\0\xff\xff"
    peek = Peek(DEFLATED, TRANSACTION_UID)
    peek.feed(empty_block * (PEEK_MAXIMUM // 5))
    assert not peek.is_done
    peek.feed(empty_block)
    assert (peek.is_done, peek.value) == (True, None)


def test_a_deflated_stream_that_is_over_ends_the_dataset():
    peek = Peek(DEFLATED, TRANSACTION_UID)
    peek.feed(deflated(explicit(BEFORE, b"UI")))
    assert (peek.is_done, peek.value) == (True, None)


@pytest.mark.parametrize("step", [1, 2, 2**20])
def test_what_was_deflated_in_front_of_a_fault_counts(step):
    compressor = zlib.compressobj(wbits=-15)
    sound = compressor.compress(WANTED) + compressor.flush(zlib.Z_SYNC_FLUSH)
    data = sound + b"\xff" * 9
    pieces = [data[at : at + step] for at in range(0, len(data), step)]
    assert peeked(DEFLATED, pieces) == VALUE


def test_a_fault_in_front_of_it_ends_the_search():
    peek = Peek(DEFLATED, TRANSACTION_UID)
    peek.feed(b"\xff" * 9)
    assert (peek.is_done, peek.value) == (True, None)


def test_nothing_of_the_dataset_is_in_a_repr():
    peek = Peek(EXPLICIT, TRANSACTION_UID)
    peek.feed(explicit(0x00080054, b"LO", b"NAME"))
    peek.feed(WANTED)
    assert "NAME" not in repr(peek)
    assert UID not in repr(peek)

"""Items and presentation contexts: by hand, round and round, and broken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire.errors import ProtocolError
from relay.wire.items import (
    ContextResult,
    ItemType,
    PresentationContextAC,
    PresentationContextRQ,
    count,
    counted,
    exactly,
    item,
    items,
    uid,
)
from tests import vectors
from tests.vectors import octets
from tests.wire.strategies import context_answers, context_proposals

TWO_ITEMS = octets("51 00 0004 00004000  7F 00 0000")

PROPOSED = octets(
    "01 00 00 00  30 00 0011 '1.2.840.10008.1.1'  40 00 0011 '1.2.840.10008.1.2'"
    "             40 00 0013 '1.2.840.10008.1.2.1'"
)
ACCEPTED = octets("03 00 00 00  40 00 0011 '1.2.840.10008.1.2'")


def test_types_and_results_are_those_of_the_standard():
    kinds = [0x10, 0x20, 0x21, 0x30, 0x40, *range(0x50, 0x5A)]
    assert [int(kind) for kind in ItemType] == kinds
    assert [int(result) for result in ContextResult] == [0, 1, 2, 3, 4]


def test_items_come_with_type_and_body_the_unknown_too():
    assert list(items(TWO_ITEMS)) == [(0x51, b"\0\0\x40\0"), (0x7F, b"")]
    assert list(items(b"")) == []


def test_the_reserved_byte_of_an_item_header_is_not_tested():
    assert list(items(octets("51 FF 0001 07"))) == [(0x51, b"\x07")]


@pytest.mark.parametrize("length", [n for n in range(len(TWO_ITEMS)) if n not in {0, 8}])
def test_items_that_are_cut_off_anywhere_but_between_two_are_refused(length):
    with pytest.raises(ProtocolError):
        list(items(TWO_ITEMS[:length]))


def test_an_item_longer_than_its_parent_is_refused():
    with pytest.raises(ProtocolError, match="item 51H is longer than its parent"):
        list(items(octets("51 00 0005 00004000")))


def test_items_that_declare_more_than_there_is_cost_nothing_beyond_what_is_there():
    flood = octets("40 00 FFFF") * 16_000
    with pytest.raises(ProtocolError, match="longer than its parent"):
        list(items(flood[:64_000]))
    assert len(list(items(octets("40 00 0000") * 16_000))) == 16_000


@given(st.lists(st.tuples(st.sampled_from(ItemType), st.binary(max_size=300))))
def test_items_are_read_as_they_were_written(written):
    raw = b"".join(item(kind, body) for kind, body in written)
    assert raw == b"".join(vectors.item(kind, body) for kind, body in written)
    assert list(items(raw)) == written


@given(st.binary(max_size=200))
def test_items_of_any_bytes_are_read_or_refused_with_a_protocol_error(raw):
    try:
        found = list(items(raw))
    except ProtocolError:
        return
    assert sum(4 + len(body) for _, body in found) == len(raw)


@pytest.mark.parametrize("padded", [b"1.2.3", b"1.2.3\0", b"1.2.3 ", b"1.2.3 \0\0"])
def test_a_uid_loses_the_padding_that_devices_send(padded):
    assert uid(padded) == "1.2.3"


def test_a_uid_of_any_bytes_survives_the_crossing():
    raw = bytes(range(1, 256))
    assert uid(raw).encode("latin-1") == raw


@given(st.binary(max_size=70), st.binary(max_size=9), st.binary(max_size=9))
def test_a_counted_field_is_read_from_where_it_stands(field, before, behind):
    raw = before + count(field) + behind
    assert counted(raw, len(before), "a field") == (field, len(raw) - len(behind))


@pytest.mark.parametrize("raw", [b"", b"\0", b"\0\x03ab"])
def test_a_counted_field_that_is_cut_off_is_refused(raw):
    with pytest.raises(ProtocolError, match="a field"):
        counted(raw, 0, "a field")


def test_a_field_of_another_length_than_its_own_is_refused():
    exactly(b"four", 4, "a field")
    for wrong in (b"", b"thr", b"fiver"):
        with pytest.raises(ProtocolError, match=f"a field: {len(wrong)} bytes where 4 are due"):
            exactly(wrong, 4, "a field")


def test_a_proposed_context_is_read_and_written():
    context = PresentationContextRQ(
        1,
        vectors.VERIFICATION,
        (vectors.IMPLICIT_LITTLE_ENDIAN, vectors.EXPLICIT_LITTLE_ENDIAN),
    )
    assert PresentationContextRQ.decode(PROPOSED) == context
    assert context.encode() == vectors.item(0x20, PROPOSED)


def test_an_answered_context_is_read_and_written():
    context = PresentationContextAC(3, ContextResult.ACCEPTANCE, vectors.IMPLICIT_LITTLE_ENDIAN)
    assert PresentationContextAC.decode(ACCEPTED) == context
    assert context.encode() == vectors.item(0x21, ACCEPTED)


@given(context_proposals())
def test_a_proposed_context_survives_encoding(context):
    assert PresentationContextRQ.decode(context.encode()[4:]) == context


@given(context_answers())
def test_an_answered_context_survives_encoding(context):
    assert PresentationContextAC.decode(context.encode()[4:]) == context


@pytest.mark.parametrize("kind", [PresentationContextRQ, PresentationContextAC])
@pytest.mark.parametrize("identifier", [0, 2, 128, 254])
def test_a_context_id_that_is_not_odd_is_refused(kind, identifier):
    body = bytes((identifier,)) + (PROPOSED if kind is PresentationContextRQ else ACCEPTED)[1:]
    with pytest.raises(ProtocolError, match=f"presentation context id {identifier} is not odd"):
        kind.decode(body)


@pytest.mark.parametrize("length", range(len(PROPOSED)))
def test_a_proposed_context_that_is_cut_off_is_refused_or_has_fewer_transfer_syntaxes(length):
    if length == PROPOSED.index(b"\x40\0\0\x13"):
        assert len(PresentationContextRQ.decode(PROPOSED[:length]).transfer_syntaxes) == 1
        return
    with pytest.raises(ProtocolError):
        PresentationContextRQ.decode(PROPOSED[:length])


@pytest.mark.parametrize("length", range(len(ACCEPTED)))
def test_an_accepted_context_that_is_cut_off_is_refused(length):
    with pytest.raises(ProtocolError):
        PresentationContextAC.decode(ACCEPTED[:length])


@pytest.mark.parametrize("kind", [PresentationContextRQ, PresentationContextAC])
def test_an_unknown_sub_item_of_a_context_is_skipped(kind):
    body = PROPOSED if kind is PresentationContextRQ else ACCEPTED
    assert kind.decode(body + octets("7F 00 0002 FFFF")) == kind.decode(body)


@pytest.mark.parametrize("kind", [PresentationContextRQ, PresentationContextAC])
def test_a_sub_item_longer_than_its_parent_is_refused(kind):
    body = PROPOSED if kind is PresentationContextRQ else ACCEPTED
    with pytest.raises(ProtocolError, match="longer than its parent"):
        kind.decode(body + octets("40 00 0001"))


def test_a_proposed_context_has_one_abstract_syntax_and_some_transfer_syntaxes():
    abstract = octets("30 00 0003 '1.2'")
    transfer = octets("40 00 0003 '1.2'")
    for sub_items in (b"", abstract, transfer, abstract + abstract + transfer):
        with pytest.raises(ProtocolError, match="context 1 lacks its abstract or transfer syntax"):
            PresentationContextRQ.decode(b"\x01\0\0\0" + sub_items)


def test_the_same_transfer_syntax_twice_is_tolerated():
    transfer = octets("40 00 0003 '1.2'")
    body = octets("01 00 00 00 30 00 0003 '1.2'") + transfer * 2
    assert PresentationContextRQ.decode(body).transfer_syntaxes == ("1.2", "1.2")


def test_an_accepted_context_has_one_transfer_syntax():
    transfer = octets("40 00 0003 '1.2'")
    for sub_items in (b"", transfer * 2):
        with pytest.raises(ProtocolError, match="context 1 is accepted without one transfer"):
            PresentationContextAC.decode(b"\x01\0\0\0" + sub_items)


@pytest.mark.parametrize("result", [*list(ContextResult)[1:], 99])
def test_a_context_that_is_not_accepted_may_do_without_a_transfer_syntax(result):
    body = bytes((1, 0, result, 0))
    assert PresentationContextAC.decode(body) == PresentationContextAC(1, result, "")


@given(st.binary(max_size=100))
def test_a_context_of_any_bytes_is_read_or_refused_with_a_protocol_error(raw):
    for kind in (PresentationContextRQ, PresentationContextAC):
        try:
            context = kind.decode(raw)
        except ProtocolError:
            continue
        assert context.id == raw[0]

"""The assembler: whole command sets out of fragments, and the order of PS3.8 Annex E."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.messages import Assembler, Expect
from relay.wire.bounds import Bounds
from relay.wire.command import COMMAND_SET_MAXIMUM
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.reader import COMMAND, LAST
from tests.doubles import read
from tests.vectors import p_data, pdv


def fragments(control, body, on=1):
    """The one `Fragments` of a P-DATA-TF with one fragment."""
    (only,) = read(p_data(pdv(on, control, body)))
    return only


def out_of_order(assembler, step, *args):
    with pytest.raises(ProtocolError) as raised:
        step(*args)
    return raised.value.source, raised.value.reason


UNEXPECTED = (AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PARAMETER)


def test_a_command_set_is_given_when_it_is_complete():
    assembler = Assembler()
    assert assembler.command(fragments(COMMAND, b"COM")) is None
    assert assembler.command(fragments(COMMAND, b"MA")) is None
    assert assembler.command(fragments(COMMAND | LAST, b"ND")) == b"COMMAND"


def test_nothing_of_one_command_set_is_left_for_the_next():
    assembler = Assembler()
    assert assembler.command(fragments(COMMAND | LAST, b"ONE")) == b"ONE"
    assert assembler.command(fragments(COMMAND | LAST, b"TWO")) == b"TWO"


@given(st.binary(min_size=1, max_size=60), st.data())
def test_any_cutting_gives_the_same_command_set(command_set, data):
    cuts = sorted(data.draw(st.lists(st.integers(1, len(command_set)), max_size=4)))
    assembler, at = Assembler(), 0
    for cut in cuts:
        assert assembler.command(fragments(COMMAND, command_set[at:cut])) is None
        at = cut
    assert assembler.command(fragments(COMMAND | LAST, command_set[at:])) == command_set


def test_pieces_of_one_fragment_that_came_in_two_reads_are_one_command_set():
    data = p_data(pdv(1, COMMAND | LAST, b"COMMAND"))
    first, second = read(data[:15], data[15:])
    assembler = Assembler()
    assert assembler.command(first) is None
    assert assembler.command(second) == b"COMMAND"


def test_it_is_between_messages_before_after_and_not_within():
    assembler = Assembler()
    assert assembler.between_messages
    assembler.command(fragments(COMMAND, b"COM"))
    assert not assembler.between_messages
    assembler.command(fragments(COMMAND | LAST, b"MAND"))
    assembler.expect = Expect.DATASET
    assert not assembler.between_messages
    assembler.dataset(fragments(0, b"PIX"))
    assert not assembler.between_messages
    assembler.dataset(fragments(LAST, b"ELS"))
    assert assembler.between_messages


def test_a_command_set_begins_with_a_fragment_that_holds_nothing():
    assembler = Assembler()
    assert assembler.command(fragments(COMMAND, b"")) is None
    assert not assembler.between_messages
    other = fragments(COMMAND | LAST, b"COMMAND", on=3)
    assert out_of_order(assembler, assembler.command, other) == UNEXPECTED
    assert assembler.command(fragments(COMMAND | LAST, b"COMMAND")) == b"COMMAND"
    assert assembler.between_messages


def test_a_command_set_of_the_maximum_is_read_and_one_byte_more_is_refused():
    assembler = Assembler()
    longest = bytes(COMMAND_SET_MAXIMUM)
    assert assembler.command(fragments(COMMAND | LAST, longest)) == longest
    too_long = fragments(COMMAND, longest + b"\0")
    answer = out_of_order(assembler, assembler.command, too_long)
    assert answer == (AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)


def test_a_bound_that_is_set_holds_in_the_place_of_the_maximum():
    assembler = Assembler(Bounds(max_command=10))
    assert assembler.command(fragments(COMMAND, b"COMMA")) is None
    assert assembler.command(fragments(COMMAND | LAST, b"ND SE")) == b"COMMAND SE"
    assert assembler.command(fragments(COMMAND, b"COMMAND SE")) is None
    with pytest.raises(ProtocolError, match="max_command, 10"):
        assembler.command(fragments(COMMAND | LAST, b"T"))


@pytest.mark.row(37)
def test_a_command_set_that_never_ends_is_refused_at_the_maximum():
    assembler = Assembler()
    piece = fragments(COMMAND, bytes(1024))
    for _ in range(64):
        assert assembler.command(piece) is None
    answer = out_of_order(assembler, assembler.command, piece)
    assert answer == (AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)


@pytest.mark.row(36)
def test_a_dataset_where_a_command_is_due_is_refused():
    assembler = Assembler()
    assert out_of_order(assembler, assembler.dataset, fragments(0, b"PIX")) == UNEXPECTED


def test_a_dataset_in_the_middle_of_a_command_set_is_refused():
    assembler = Assembler()
    assembler.command(fragments(COMMAND, b"COM"))
    assert out_of_order(assembler, assembler.dataset, fragments(0, b"PIX")) == UNEXPECTED


def test_a_command_in_the_middle_of_a_dataset_is_refused():
    assembler = Assembler()
    assembler.command(fragments(COMMAND | LAST, b"COMMAND"))
    assembler.expect = Expect.DATASET
    assembler.dataset(fragments(0, b"PIX"))
    assert out_of_order(assembler, assembler.command, fragments(COMMAND, b"C")) == UNEXPECTED


def test_another_context_in_the_middle_of_a_command_set_is_refused():
    assembler = Assembler()
    assembler.command(fragments(COMMAND, b"COM"))
    other = fragments(COMMAND | LAST, b"MAND", on=3)
    assert out_of_order(assembler, assembler.command, other) == UNEXPECTED


def test_a_dataset_on_another_context_than_its_command_is_refused():
    assembler = Assembler()
    assembler.command(fragments(COMMAND | LAST, b"COMMAND"))
    assembler.expect = Expect.DATASET
    other = fragments(LAST, b"PIXELS", on=3)
    assert out_of_order(assembler, assembler.dataset, other) == UNEXPECTED


def not_understood():
    assembler = Assembler()
    assembler.command(fragments(COMMAND | LAST, b"?"))
    assembler.expect = Expect.EITHER
    return assembler


def test_after_a_command_that_was_not_understood_the_next_command_may_follow():
    assembler = not_understood()
    assert assembler.between_messages
    assert assembler.command(fragments(COMMAND | LAST, b"COMMAND")) == b"COMMAND"


def test_after_a_command_that_was_not_understood_its_dataset_may_follow():
    assembler = not_understood()
    assembler.dataset(fragments(LAST, b"PIXELS"))
    assert assembler.expect is Expect.COMMAND


def test_a_dataset_does_not_follow_once_the_next_command_has_begun():
    assembler = not_understood()
    assembler.command(fragments(COMMAND, b"COM"))
    assert out_of_order(assembler, assembler.dataset, fragments(LAST, b"PIXELS")) == UNEXPECTED


def test_once_a_dataset_has_begun_nobody_doubts_that_one_follows():
    assembler = not_understood()
    assembler.dataset(fragments(0, b"PIX"))
    assert not assembler.between_messages
    assert out_of_order(assembler, assembler.command, fragments(COMMAND, b"C")) == UNEXPECTED


def test_no_byte_of_a_command_set_shows_in_a_repr():
    assembler = Assembler()
    assembler.command(fragments(COMMAND, b"DOE^JANE"))
    assert "DOE" not in repr(assembler)

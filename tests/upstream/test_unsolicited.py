"""What an archive says on an association that nobody leases is never answered with a success."""

from __future__ import annotations

from typing import Any

import pytest

from relay.upstream.unsolicited import Unsolicited
from relay.wire.command import CommandField, Status, decode
from relay.wire.errors import AbortReason, AbortSource, ProtocolError
from relay.wire.reader import Fragments, Reader
from tests.peers import A_DATASET, STORAGE_COMMITMENT, command_of, response_of
from tests.vectors import p_data, pdv

REPORT = command_of(CommandField.N_EVENT_REPORT_RQ, 7, A_DATASET, e0002=STORAGE_COMMITMENT)
PLAIN_REPORT = command_of(CommandField.N_EVENT_REPORT_RQ, 8, e0002=STORAGE_COMMITMENT)


class Sink:
    """Notes the commands that are sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, bytes]] = []

    def command(self, context_id: int, command_set: bytes) -> None:
        self.sent.append((context_id, command_set))

    def fragments(self, context_id: int, fragments: Fragments) -> None:
        raise AssertionError("nothing here has a dataset")

    @property
    def told(self) -> list[tuple[int, int | None, int | None]]:
        """Context, Message ID responded to, status."""
        commands = [(context_id, decode(each)) for context_id, each in self.sent]
        return [(context_id, each.responding_to, each.status) for context_id, each in commands]


def answering() -> tuple[Unsolicited, Sink]:
    sink = Sink()
    return Unsolicited(sink, {11}), sink


def feed(unsolicited: Unsolicited, *pdus: bytes) -> None:
    reader = Reader(16384)
    for data in pdus:
        reader.feed(data)
        while (event := reader.next_event()) is not None:
            assert isinstance(event, Fragments)
            unsolicited.received(event)


def test_a_report_is_answered_with_a_processing_failure_once_all_of_it_is_there():
    unsolicited, sink = answering()
    feed(unsolicited, p_data(pdv(11, 3, REPORT)), p_data(pdv(11, 0, b"half")))
    assert sink.sent == []
    assert not unsolicited.is_silent
    feed(unsolicited, p_data(pdv(11, 2, b"rest")))
    assert sink.told == [(11, 7, Status.PROCESSING_FAILURE)]
    assert unsolicited.is_silent


def test_a_request_without_a_dataset_is_answered_at_once():
    unsolicited, sink = answering()
    feed(unsolicited, p_data(pdv(11, 3, PLAIN_REPORT)))
    assert sink.told == [(11, 8, Status.PROCESSING_FAILURE)]
    assert unsolicited.is_silent


def test_each_request_has_its_own_answer():
    unsolicited, sink = answering()
    feed(unsolicited, p_data(pdv(11, 3, REPORT)), p_data(pdv(11, 2, b"it")))
    feed(unsolicited, p_data(pdv(11, 3, PLAIN_REPORT)))
    assert [to for _, to, _ in sink.told] == [7, 8]


def test_half_a_command_set_is_not_silence():
    unsolicited, sink = answering()
    feed(unsolicited, p_data(pdv(11, 1, REPORT[:20])))
    assert not unsolicited.is_silent
    feed(unsolicited, p_data(pdv(11, 3, REPORT[20:])))
    assert not unsolicited.is_silent
    assert sink.sent == []


def breach(*pdus: bytes) -> ProtocolError:
    unsolicited, sink = answering()
    with pytest.raises(ProtocolError) as raised:
        feed(unsolicited, *pdus)
    assert sink.sent == []
    return raised.value


@pytest.mark.parametrize(
    "command_set",
    [
        response_of(decode(PLAIN_REPORT), 0),
        command_of(CommandField.C_CANCEL_RQ, 1, e0120=1),
    ],
    ids=["a response", "a C-CANCEL"],
)
def test_anything_but_a_request_breaks_the_rules(command_set: bytes):
    assert breach(p_data(pdv(11, 3, command_set))).reason == AbortReason.UNEXPECTED_PARAMETER


@pytest.mark.row(39)
def test_what_is_no_command_set_is_an_abort_of_the_users():
    error = breach(p_data(pdv(11, 3, b"no command set")))
    assert (error.source, error.reason) == (AbortSource.SERVICE_USER, AbortReason.NOT_SPECIFIED)


@pytest.mark.row(35)
@pytest.mark.parametrize("control", [0, 1, 2, 3])
def test_nothing_may_be_said_on_a_context_that_was_not_accepted(control: int):
    assert breach(p_data(pdv(99, control, REPORT))).reason == AbortReason.UNEXPECTED_PARAMETER


def test_a_dataset_that_belongs_to_nothing_breaks_the_rules():
    assert breach(p_data(pdv(11, 2, b"what for"))).reason == AbortReason.UNEXPECTED_PARAMETER


def test_what_was_said_does_not_show_in_a_repr():
    unsolicited, _ = answering()
    named: Any = command_of(CommandField.N_EVENT_REPORT_RQ, 8, A_DATASET, e1000="2.25.424242")
    feed(unsolicited, p_data(pdv(11, 3, named)))
    assert "424242" not in repr(unsolicited)

"""Every cell of PS3.8 table 9-10, held against pynetdicom's copy of it."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest
from pynetdicom import fsm

from relay.wire.state import EFFECTS, TABLE, Action, Effect, Event, Machine, State
from tests.wire.states_page import label, page, successors

PAGE = Path(__file__).resolve().parents[2] / "docs" / "states.md"

CELLS = list(product(Event, State))
FILLED = [(event, state) for event, state in CELLS if state in TABLE[event]]
BLANK = [(event, state) for event, state in CELLS if state not in TABLE[event]]

THEIRS = {
    "AE-6": ["Sta3"],  # and Sta13 where the provider judges, which ours leaves to its user
    "AR-8": ["Sta9", "Sta10"],
}
"""Successors of the actions that have two."""


def test_states_and_events_are_those_of_the_standard():
    assert {each.value for each in State} == set(fsm.STATES)
    assert {each.value for each in Event} == set(fsm.EVENTS)
    assert {label(each) for each in Action} == set(fsm.ACTIONS)
    assert set(EFFECTS) == set(Action)
    assert set(TABLE) == set(Event)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ASSOCIATE_RQ_RECEIVED", "A-ASSOCIATE-RQ PDU"),
        ("ASSOCIATE_AC_RECEIVED", "A-ASSOCIATE-AC PDU"),
        ("ASSOCIATE_RJ_RECEIVED", "A-ASSOCIATE-RJ PDU"),
        ("P_DATA_RECEIVED", "P-DATA-TF PDU"),
        ("RELEASE_RQ_RECEIVED", "A-RELEASE-RQ PDU"),
        ("RELEASE_RP_RECEIVED", "A-RELEASE-RP PDU"),
        ("ABORT_RECEIVED", "A-ABORT PDU"),
        ("ASSOCIATE_REQUEST", "A-ASSOCIATE request"),
        ("ASSOCIATE_RESPONSE_ACCEPT", "A-ASSOCIATE response primitive (accept)"),
        ("ASSOCIATE_RESPONSE_REJECT", "A-ASSOCIATE response primitive (reject)"),
        ("P_DATA_REQUEST", "P-DATA request"),
        ("RELEASE_REQUEST", "A-RELEASE request"),
        ("RELEASE_RESPONSE", "A-RELEASE response"),
        ("ABORT_REQUEST", "A-ABORT request"),
        ("TRANSPORT_INDICATION", "Transport connection indication"),
        ("TRANSPORT_CONNECTED", "Transport connect confirmation"),
        ("TRANSPORT_CLOSED", "Transport connection closed"),
        ("ARTIM_EXPIRED", "ARTIM timer expired"),
        ("INVALID_PDU", "Unrecognized or invalid PDU"),
    ],
)
def test_an_event_means_what_its_number_means(name, words):
    assert fsm.EVENTS[Event[name].value].startswith(words)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("IDLE", "Idle"),
        ("AWAITING_ASSOCIATE_RQ", "Transport connection open (Awaiting A-ASSOCIATE-RQ PDU)"),
        ("AWAITING_LOCAL_ASSOCIATE_RESPONSE", "Awaiting local A-ASSOCIATE response"),
        ("AWAITING_TRANSPORT_OPEN", "Awaiting transport connection opening"),
        ("AWAITING_ASSOCIATE_ANSWER", "Awaiting A-ASSOCIATE-AC or A-ASSOCIATE-RJ PDU"),
        ("ESTABLISHED", "Association established"),
        ("AWAITING_RELEASE_RP", "Awaiting A-RELEASE-RP PDU"),
        ("AWAITING_LOCAL_RELEASE_RESPONSE", "Awaiting local A-RELEASE response"),
        (
            "COLLISION_REQUESTOR_AWAITING_LOCAL_RELEASE_RESPONSE",
            "Release collision requestor side; awaiting A-RELEASE response",
        ),
        (
            "COLLISION_ACCEPTOR_AWAITING_RELEASE_RP",
            "Release collision acceptor side; awaiting A-RELEASE-RP PDU",
        ),
        (
            "COLLISION_REQUESTOR_AWAITING_RELEASE_RP",
            "Release collision requestor side; awaiting A-RELEASE-RP PDU",
        ),
        (
            "COLLISION_ACCEPTOR_AWAITING_LOCAL_RELEASE_RESPONSE",
            "Release collision acceptor side; awaiting A-RELEASE response",
        ),
        ("AWAITING_TRANSPORT_CLOSE", "Awaiting Transport Connection Close"),
    ],
)
def test_a_state_means_what_its_number_means(name, words):
    assert fsm.STATES[State[name].value].startswith(words)


@pytest.mark.parametrize(("event", "state"), CELLS)
def test_a_cell_has_the_action_that_pynetdicom_has_or_is_blank_in_both(event, state):
    ours = label(TABLE[event][state][0]) if state in TABLE[event] else None
    assert ours == fsm.TRANSITION_TABLE.get((event.value, state.value))


@pytest.mark.parametrize(("event", "state"), FILLED)
def test_a_cell_leads_where_its_action_leads(event, state):
    action = label(TABLE[event][state][0])
    expected = THEIRS.get(action, [fsm.ACTIONS[action][2]])
    assert [each.value for each in successors(event, state)] == expected


@pytest.mark.parametrize(("event", "state"), FILLED)
def test_taking_an_event_gives_the_effects_of_its_action(event, state):
    assert Machine(True, state).on(event) == EFFECTS[TABLE[event][state][0]]


@pytest.mark.parametrize(("event", "state"), BLANK)
def test_a_blank_cell_is_a_lookup_error_and_changes_nothing(event, state):
    machine = Machine(False, state)
    with pytest.raises(LookupError):
        machine.on(event)
    assert machine.state is state


def test_a_machine_begins_idle():
    assert Machine(True).state is State.IDLE


def described(action):
    """The effects that pynetdicom's wording of an action names."""
    text = fsm.ACTIONS[label(action)][0]
    if action is Action.AE_6:
        text = text.partition(" otherwise")[0]
    words = {
        Effect.OPEN_TRANSPORT: r"TRANSPORT CONNECT request",
        Effect.CLOSE_TRANSPORT: r"[Cc]lose transport connection",
        Effect.START_ARTIM: r"start .*ARTIM",
        Effect.STOP_ARTIM: r"Stop ARTIM",
        Effect.SEND_PDU: r"(Send|Issue) (A-ASSOCIATE|A-RELEASE|P-DATA)-\w\w[ -]PDU",
        Effect.SEND_USER_ABORT: r"Send A-ABORT PDU \(service-user source\)",
        Effect.SEND_PROVIDER_ABORT: r"Send A-ABORT PDU( \(service-dul source\)|$)",
        Effect.INDICATE: r"(A-ASSOCIATE|A-RELEASE|P-DATA) (indication|confirmation)",
        Effect.INDICATE_ABORT: r"A-(P-)?ABORT indication",
    }
    return {effect for effect, pattern in words.items() if re.search(pattern, text)}


@pytest.mark.parametrize("action", Action)
def test_an_action_has_the_effects_that_the_standard_describes(action):
    assert set(EFFECTS[action]) == described(action)
    assert len(set(EFFECTS[action])) == len(EFFECTS[action])


@pytest.mark.parametrize("action", Action)
def test_a_timer_is_started_before_anything_can_come_back(action):
    assert Effect.START_ARTIM not in EFFECTS[action][1:]


@pytest.mark.parametrize("action", Action)
def test_the_user_is_told_before_the_transport_is_closed(action):
    assert Effect.CLOSE_TRANSPORT not in EFFECTS[action][:-1]


@pytest.mark.parametrize("state", State)
def test_the_timer_runs_where_an_end_is_awaited_and_nowhere_else(state):
    runs = {State.AWAITING_ASSOCIATE_RQ, State.AWAITING_TRANSPORT_CLOSE}
    for event in Event:
        if state in TABLE[event]:
            action, then = TABLE[event][state]
            started = Effect.START_ARTIM in EFFECTS[action]
            stopped = Effect.STOP_ARTIM in EFFECTS[action]
            assert (started or (state in runs and not stopped)) == (then in runs)


def test_the_page_in_docs_is_the_table():
    assert PAGE.read_text("utf-8") == page(), "python -m tests.wire.states_page > docs/states.md"

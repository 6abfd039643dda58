"""Every cell of PS3.8 table 9-10, driven through the protocols of both banks.

The table below is the standard's own, by hand; what each action does is seen from outside: the
bytes that the peer hears, what the user is told, whether the connection is closed, whether a timer
runs, and the state in which the association is then. What a blank cell is depends on who would have
to bring the event about: the relay itself, where it is a defect; a timer, which does not run; a
transport that is not there, or that is there already.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import attrs
import pytest

from relay.upstream.ends import Unreachable
from relay.wire.pdu import Abort, ReleaseRP, ReleaseRQ
from relay.wire.state import State
from tests import vectors
from tests.network import Sole
from tests.transport.states_rig import (
    ACCEPTANCE,
    COMMAND,
    DATA,
    PORT,
    REJECTION,
    REQUEST,
    Rig,
)

TABLE = """
       Sta1 Sta2 Sta3 Sta4 Sta5 Sta6 Sta7 Sta8 Sta9 Sta10 Sta11 Sta12 Sta13
Evt1   AE-1 .    .    .    .    .    .    .    .    .     .     .     .
Evt2   .    .    .    AE-2 .    .    .    .    .    .     .     .     .
Evt3   .    AA-1 AA-8 .    AE-3 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt4   .    AA-1 AA-8 .    AE-4 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt5   AE-5 .    .    .    .    .    .    .    .    .     .     .     .
Evt6   .    AE-6 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-7
Evt7   .    .    AE-7 .    .    .    .    .    .    .     .     .     .
Evt8   .    .    AE-8 .    .    .    .    .    .    .     .     .     .
Evt9   .    .    .    .    .    DT-1 .    AR-7 .    .     .     .     .
Evt10  .    AA-1 AA-8 .    AA-8 DT-2 AR-6 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt11  .    .    .    .    .    AR-1 .    .    .    .     .     .     .
Evt12  .    AA-1 AA-8 .    AA-8 AR-2 AR-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-6
Evt13  .    AA-1 AA-8 .    AA-8 AA-8 AR-3 AA-8 AA-8 AR-10 AR-3  AA-8  AA-6
Evt14  .    .    .    .    .    .    .    AR-4 AR-9 .     .     AR-4  .
Evt15  .    .    AA-1 AA-2 AA-1 AA-1 AA-1 AA-1 AA-1 AA-1  AA-1  AA-1  .
Evt16  .    AA-2 AA-3 .    AA-3 AA-3 AA-3 AA-3 AA-3 AA-3  AA-3  AA-3  AA-2
Evt17  .    AA-5 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4 AA-4  AA-4  AA-4  AR-5
Evt18  .    AA-2 .    .    .    .    .    .    .    .     .     .     AA-2
Evt19  .    AA-1 AA-8 .    AA-8 AA-8 AA-8 AA-8 AA-8 AA-8  AA-8  AA-8  AA-7
"""

HEADINGS, *ROWS = (line.split() for line in TABLE.strip().splitlines())
ACTIONS = {
    (event, state): action
    for event, *actions in ROWS
    for state, action in zip(HEADINGS, actions, strict=True)
}

LONG = 3600
"""Seconds: no timer of an association's establishment or end runs for so long."""


# events


def by_layer(name: str, *arguments: Any) -> Callable[[Rig], None]:
    """A primitive of the local user's."""
    return lambda rig: getattr(rig.association.layer, name)(*arguments)


SAID = {
    "Evt3": vectors.ASSOCIATE_AC,
    "Evt4": vectors.ASSOCIATE_RJ,
    "Evt6": vectors.ASSOCIATE_RQ,
    "Evt10": DATA,
    "Evt12": vectors.RELEASE_RQ,
    "Evt13": vectors.RELEASE_RP,
    "Evt16": vectors.ABORT,
    "Evt19": vectors.HTTP_REQUEST,
}
"""What the peer says to bring an event about."""


def by_peer(event: str) -> Callable[[Rig], None]:
    """Bytes of the peer's."""
    return lambda rig: rig.says(SAID[event])


EVENTS: dict[str, Callable[[Rig], None]] = {
    **{event: by_peer(event) for event in SAID},
    "Evt1": Rig.connect,
    "Evt2": Rig.settle,
    "Evt5": Rig.connect,
    "Evt7": by_layer("accept", ACCEPTANCE, REQUEST),
    "Evt8": by_layer("reject", REJECTION),
    "Evt9": by_layer("command", 1, COMMAND),
    "Evt11": by_layer("release"),
    "Evt14": by_layer("release_response"),
    "Evt15": by_layer("abort"),
    "Evt17": Rig.hang_up,
    "Evt18": lambda rig: rig.network.wait(LONG),
}


# states

WAYS: dict[str, list[tuple[bool, list[str]]]] = {
    "Sta2": [(False, ["Evt5"])],
    "Sta3": [(False, ["Evt5", "Evt6"])],
    "Sta5": [(True, ["Evt1"])],
    "Sta6": [(False, ["Evt5", "Evt6", "Evt7"]), (True, ["Evt1", "Evt3"])],
    "Sta7": [(False, ["Evt5", "Evt6", "Evt7", "Evt11"]), (True, ["Evt1", "Evt3", "Evt11"])],
    "Sta8": [(False, ["Evt5", "Evt6", "Evt7", "Evt12"]), (True, ["Evt1", "Evt3", "Evt12"])],
    "Sta9": [(True, ["Evt1", "Evt3", "Evt11", "Evt12"])],
    "Sta10": [(False, ["Evt5", "Evt6", "Evt7", "Evt11", "Evt12"])],
    "Sta11": [(True, ["Evt1", "Evt3", "Evt11", "Evt12", "Evt14"])],
    "Sta12": [(False, ["Evt5", "Evt6", "Evt7", "Evt11", "Evt12", "Evt13"])],
    "Sta13": [
        (False, ["Evt5", "Evt6", "Evt8"]),
        (False, ["Evt5", "Evt6", "Evt7", "Evt15"]),
        (True, ["Evt1", "Evt3", "Evt15"]),
    ],
}
"""Whether it asked, and by which events: to each state in which there is a connection."""

ENDED = [*WAYS["Sta6"][0][1], "Evt17"]
"""To Sta1, once there was one."""


# actions


@attrs.frozen
class Seen:
    """What comes of an event."""

    then: str
    says: bytes = b""
    tells: tuple[Any, ...] = ()
    is_closed: bool = False
    has_timer: bool = False


OVER = Seen("Sta1", is_closed=True)
LAST_WORD = Seen("Sta13", has_timer=True)


def gone(*tells: Any) -> Seen:
    return attrs.evolve(OVER, tells=tells)


def last_word(says: bytes, *tells: Any) -> Seen:
    return attrs.evolve(LAST_WORD, says=says, tells=tells)


def provider_abort(event: str) -> bytes:
    """A-ABORT (2,1) for what is no PDU, (2,2) for one that is not due."""
    return Abort(2, 1 if event == "Evt19" else 2).encode()


OUTCOMES: dict[str, Seen | Callable[[str], Seen]] = {
    "AE-3": Seen("Sta6", tells=("associate!",)),
    "AE-4": gone("associate!"),
    "AE-5": Seen("Sta2", has_timer=True),
    "AE-6": Seen("Sta3", tells=("associate?",)),
    "AE-7": Seen("Sta6", says=ACCEPTANCE.encode()),
    "AE-8": last_word(REJECTION.encode()),
    "DT-1": Seen("Sta6", says=DATA),
    "DT-2": Seen("Sta6", tells=(COMMAND,)),
    "AR-1": Seen("Sta7", says=ReleaseRQ().encode()),
    "AR-2": Seen("Sta8", tells=("release?",)),
    "AR-3": gone("release!"),
    "AR-4": last_word(ReleaseRP().encode()),
    "AR-5": OVER,
    "AR-6": Seen("Sta7", tells=(COMMAND,)),
    "AR-7": Seen("Sta8", says=DATA),
    "AR-9": Seen("Sta11", says=ReleaseRP().encode()),
    "AR-10": Seen("Sta12", tells=("release!",)),
    "AA-1": last_word(Abort(0, 0).encode()),
    "AA-2": OVER,
    "AA-3": gone("lost"),
    "AA-4": gone("lost"),
    "AA-5": OVER,
    "AA-6": LAST_WORD,
    "AA-7": lambda event: last_word(provider_abort(event)),
    "AA-8": lambda event: last_word(provider_abort(event), "lost"),
}
"""What each action does. AE-1, AE-2 and AR-8 depend on more than the event: they are below."""

CELLS = [
    (event, state, is_requestor, steps)
    for (event, state), action in ACTIONS.items()
    if action != "." and action != "AR-8"
    for is_requestor, steps in WAYS.get(state, ())
]


def seen(rig: Rig) -> Seen:
    """What came of the last event."""
    rig.settle()
    state = rig.association.layer.state.value
    has_timer = bool(rig.network.getDelayedCalls())
    told = tuple(rig.user.told)
    return Seen(state, rig.remote.heard, told, rig.remote.is_closed, has_timer)


def brought(state: str, is_requestor: bool, steps: list[str]) -> Rig:
    """An association in that state."""
    rig = Rig(is_requestor).done(*(EVENTS[each] for each in steps))
    assert rig.association.layer.state.value == state
    return rig


@pytest.mark.parametrize(("event", "state", "is_requestor", "steps"), CELLS)
def test_a_cell_does_what_the_standard_says(
    event: str, state: str, is_requestor: bool, steps: list[str]
):
    rig = brought(state, is_requestor, steps)
    EVENTS[event](rig)
    outcome = OUTCOMES[ACTIONS[event, state]]
    assert seen(rig) == (outcome(event) if callable(outcome) else outcome)


@pytest.mark.parametrize(("is_requestor", "steps"), WAYS["Sta7"])
def test_a_release_collision_leads_each_side_to_its_own_state(is_requestor: bool, steps: list[str]):
    rig = brought("Sta7", is_requestor, steps)
    EVENTS["Evt12"](rig)
    assert seen(rig) == Seen("Sta9" if is_requestor else "Sta10", tells=("release?",))


# Sta1 and Sta4, where there is no connection

UNCONNECTED = {"Sta1": lambda rig: None, "Sta4": Rig.dial}


def unconnected(state: str) -> Rig:
    """A requestor's association that nobody has dialled, or that is being dialled.

    The association itself knows no Sta4: until the transport is open it is the dialler's.
    """
    rig = Rig(is_requestor=True)
    UNCONNECTED[state](rig)
    return rig


def test_to_ask_for_an_association_opens_the_transport():
    rig = unconnected("Sta1")
    rig.dial()
    rig.settle()
    assert rig.network.dialled == [PORT]


def test_a_transport_that_is_open_brings_the_request():
    rig = unconnected("Sta4")
    rig.network.listening[PORT] = Sole(rig.remote)
    assert seen(rig) == Seen("Sta5", says=rig.asked)


def test_a_transport_that_opens_from_the_other_side_starts_the_timer():
    rig = Rig(is_requestor=False)
    rig.connect()
    assert seen(rig) == OUTCOMES["AE-5"]


def test_an_abort_while_the_transport_opens_calls_that_off():
    rig = unconnected("Sta4")
    rig.network.silent.add(PORT)
    rig.settle()
    rig.dialling.cancel()
    assert seen(rig) == Seen("Sta1")
    ((what, why),) = rig.keeps.noted
    assert (what, type(why)) == ("refused", Unreachable)


def test_no_timer_of_the_associations_runs_while_the_transport_opens():
    rig = unconnected("Sta4")
    rig.network.silent.add(PORT)
    rig.network.wait(9.9)
    assert rig.keeps.noted == []
    rig.network.wait(0.1)
    ((what, why),) = rig.keeps.noted
    assert (what, why.is_slow) == ("refused", True)


def test_a_transport_that_does_not_open_is_a_loss():
    rig = unconnected("Sta4")
    rig.network.wait(1)
    assert seen(rig) == Seen("Sta1")
    ((what, why),) = rig.keeps.noted
    assert (what, str(why)) == ("refused", "connection refused")


# cells that are blank

AGAIN: dict[str, Callable[[Rig], None]] = {
    **EVENTS,
    "Evt1": by_layer("connected", REQUEST),
    "Evt2": by_layer("connected", REQUEST),
    "Evt5": by_layer("connected"),
}
"""The same, where a transport would have to open that is open."""

BY_USER = ("Evt7", "Evt8", "Evt9", "Evt11", "Evt14")
BY_PEER = tuple(SAID)
OF_TRANSPORT = ("Evt1", "Evt2", "Evt5")

BLANK = [
    (event, state, is_requestor, steps)
    for (event, state), action in ACTIONS.items()
    if action == "."
    for is_requestor, steps in WAYS.get(state, ())
]


@pytest.mark.parametrize(
    ("event", "state", "is_requestor", "steps"),
    [
        cell
        for cell in BLANK
        if cell[0] in BY_USER + OF_TRANSPORT and cell[:2] != ("Evt14", "Sta10")
    ],
)
def test_what_may_not_be_asked_for_is_our_own_defect_and_nothing_comes_of_it(
    event: str, state: str, is_requestor: bool, steps: list[str]
):
    rig = brought(state, is_requestor, steps)
    before = seen(rig)
    with pytest.raises(LookupError):
        AGAIN[event](rig)
    assert seen(rig) == before


@pytest.mark.parametrize(
    ("state", "is_requestor", "steps"), [cell[1:] for cell in BLANK if cell[0] == "Evt18"]
)
def test_where_no_timer_is_to_run_none_does(state: str, is_requestor: bool, steps: list[str]):
    rig = brought(state, is_requestor, steps)
    assert seen(rig) == Seen(state)
    EVENTS["Evt18"](rig)
    assert seen(rig) == Seen(state)


@pytest.mark.parametrize(
    ("state", "is_requestor", "steps"), [cell[1:] for cell in BLANK if cell[0] == "Evt15"]
)
def test_an_abort_without_an_association_closes_the_connection(
    state: str, is_requestor: bool, steps: list[str]
):
    rig = brought(state, is_requestor, steps)
    EVENTS["Evt15"](rig)
    assert seen(rig) == OVER


def test_an_answer_given_early_in_a_collision_is_kept_until_the_peers_has_come():
    rig = brought("Sta10", *WAYS["Sta10"][0])
    EVENTS["Evt14"](rig)
    assert seen(rig) == Seen("Sta10")
    EVENTS["Evt13"](rig)
    assert seen(rig) == last_word(ReleaseRP().encode(), "release!")


def test_blank_cells_of_a_connection_are_of_these_kinds_and_no_other():
    assert {event for event, *_ in BLANK} == {*BY_USER, *OF_TRANSPORT, "Evt15", "Evt18"}


@pytest.mark.parametrize("state", UNCONNECTED)
@pytest.mark.parametrize("event", BY_USER + BY_PEER)
def test_before_there_is_a_connection_nothing_can_be_said_or_heard(state: str, event: str):
    rig = unconnected(state)
    with pytest.raises(LookupError):
        if event in BY_PEER:
            rig.association.dataReceived(SAID[event])
        else:
            EVENTS[event](rig)
    assert (rig.user.told, rig.association.layer.state) == ([], State.IDLE)


@pytest.mark.parametrize("event", [*BY_PEER, "Evt15", "Evt17", "Evt18"])
def test_when_the_connection_is_gone_nothing_comes_of_what_was_on_its_way(event: str):
    rig = brought("Sta1", False, ENDED)
    if event == "Evt17":
        rig.association.layer.closed()
    else:
        EVENTS[event](rig)
    assert seen(rig) == OVER


@pytest.mark.parametrize("event", BY_USER)
def test_when_the_connection_is_gone_nothing_can_be_said(event: str):
    rig = brought("Sta1", False, ENDED)
    with pytest.raises(LookupError):
        EVENTS[event](rig)
    assert seen(rig) == OVER


def test_data_behind_a_release_that_was_agreed_to_is_not_ignored():
    """Here the relay does what is not in the table (docs/states.md)."""
    rig = brought("Sta13", False, [*WAYS["Sta8"][0][1], "Evt14"])
    EVENTS["Evt10"](rig)
    assert seen(rig) == last_word(provider_abort("Evt10"))

"""The state table of the upper layer (PS3.8 9.2): which event, in which state, does what.

`TABLE` is table 9-10, cell by cell; `EFFECTS` spells out the actions of tables 9-6 to 9-9 in the
few things that an association can do. Nothing here acts: upperlayer.py looks a cell up and carries
its effects out. A cell that is not in the table cannot happen to a provider that is used correctly;
`Machine.on` then raises `LookupError`, which is a defect of ours, never the peer's doing.
"""

from __future__ import annotations

from enum import Enum, auto

import attrs


class _Member(Enum):
    # Members are looked up wherever anything happens, and Enum would hash their names each time.
    __hash__ = object.__hash__


class State(_Member):
    """States (PS3.8 table 9-1 to 9-5)."""

    IDLE = "Sta1"
    AWAITING_ASSOCIATE_RQ = "Sta2"
    AWAITING_LOCAL_ASSOCIATE_RESPONSE = "Sta3"
    AWAITING_TRANSPORT_OPEN = "Sta4"
    AWAITING_ASSOCIATE_ANSWER = "Sta5"
    ESTABLISHED = "Sta6"
    AWAITING_RELEASE_RP = "Sta7"
    AWAITING_LOCAL_RELEASE_RESPONSE = "Sta8"
    COLLISION_REQUESTOR_AWAITING_LOCAL_RELEASE_RESPONSE = "Sta9"
    COLLISION_ACCEPTOR_AWAITING_RELEASE_RP = "Sta10"
    COLLISION_REQUESTOR_AWAITING_RELEASE_RP = "Sta11"
    COLLISION_ACCEPTOR_AWAITING_LOCAL_RELEASE_RESPONSE = "Sta12"
    AWAITING_TRANSPORT_CLOSE = "Sta13"


class Event(_Member):
    """Events (PS3.8 table 9-10, the rows)."""

    ASSOCIATE_REQUEST = "Evt1"
    TRANSPORT_CONNECTED = "Evt2"
    ASSOCIATE_AC_RECEIVED = "Evt3"
    ASSOCIATE_RJ_RECEIVED = "Evt4"
    TRANSPORT_INDICATION = "Evt5"
    ASSOCIATE_RQ_RECEIVED = "Evt6"
    ASSOCIATE_RESPONSE_ACCEPT = "Evt7"
    ASSOCIATE_RESPONSE_REJECT = "Evt8"
    P_DATA_REQUEST = "Evt9"
    P_DATA_RECEIVED = "Evt10"
    RELEASE_REQUEST = "Evt11"
    RELEASE_RQ_RECEIVED = "Evt12"
    RELEASE_RP_RECEIVED = "Evt13"
    RELEASE_RESPONSE = "Evt14"
    ABORT_REQUEST = "Evt15"
    ABORT_RECEIVED = "Evt16"
    TRANSPORT_CLOSED = "Evt17"
    ARTIM_EXPIRED = "Evt18"
    INVALID_PDU = "Evt19"


class Action(_Member):
    """Actions (PS3.8 tables 9-6 to 9-9)."""

    AE_1 = auto()
    AE_2 = auto()
    AE_3 = auto()
    AE_4 = auto()
    AE_5 = auto()
    AE_6 = auto()
    AE_7 = auto()
    AE_8 = auto()
    DT_1 = auto()
    DT_2 = auto()
    AR_1 = auto()
    AR_2 = auto()
    AR_3 = auto()
    AR_4 = auto()
    AR_5 = auto()
    AR_6 = auto()
    AR_7 = auto()
    AR_8 = auto()
    AR_9 = auto()
    AR_10 = auto()
    AA_1 = auto()
    AA_2 = auto()
    AA_3 = auto()
    AA_4 = auto()
    AA_5 = auto()
    AA_6 = auto()
    AA_7 = auto()
    AA_8 = auto()


class Effect(_Member):
    """What an action is made of."""

    OPEN_TRANSPORT = auto()
    CLOSE_TRANSPORT = auto()
    START_ARTIM = auto()
    STOP_ARTIM = auto()
    SEND_PDU = auto()
    """The PDU that the local user asked for."""
    SEND_USER_ABORT = auto()
    """The A-ABORT that the local user asked for; (0,0) for what comes before an association."""
    SEND_PROVIDER_ABORT = auto()
    """A-ABORT (2,reason), the reason being that of the broken or unexpected PDU."""
    INDICATE = auto()
    """Hand the PDU that was received to the local user."""
    INDICATE_ABORT = auto()
    """Tell the local user that the association is gone (A-ABORT or A-P-ABORT indication)."""


S = State
E = Event
A = Action
F = Effect

# Where an action starts the timer it does so first: what is sent or told may come back as the end
# of the transport before the call returns, and that stops it.
EFFECTS: dict[Action, tuple[Effect, ...]] = {
    # table 9-6, association establishment
    A.AE_1: (F.OPEN_TRANSPORT,),
    A.AE_2: (F.SEND_PDU,),
    A.AE_3: (F.INDICATE,),
    A.AE_4: (F.INDICATE, F.CLOSE_TRANSPORT),
    A.AE_5: (F.START_ARTIM,),
    # AE-6 judges the request: this provider leaves that to the local user, whose refusal is AE-8.
    A.AE_6: (F.STOP_ARTIM, F.INDICATE),
    A.AE_7: (F.SEND_PDU,),
    A.AE_8: (F.START_ARTIM, F.SEND_PDU),
    # table 9-7, data transfer
    A.DT_1: (F.SEND_PDU,),
    A.DT_2: (F.INDICATE,),
    # table 9-8, release
    A.AR_1: (F.SEND_PDU,),
    A.AR_2: (F.INDICATE,),
    A.AR_3: (F.INDICATE, F.CLOSE_TRANSPORT),
    A.AR_4: (F.START_ARTIM, F.SEND_PDU),
    A.AR_5: (F.STOP_ARTIM,),
    A.AR_6: (F.INDICATE,),
    A.AR_7: (F.SEND_PDU,),
    A.AR_8: (F.INDICATE,),
    A.AR_9: (F.SEND_PDU,),
    A.AR_10: (F.INDICATE,),
    # table 9-9, abort
    A.AA_1: (F.START_ARTIM, F.SEND_USER_ABORT),
    A.AA_2: (F.STOP_ARTIM, F.CLOSE_TRANSPORT),
    A.AA_3: (F.INDICATE_ABORT, F.CLOSE_TRANSPORT),
    A.AA_4: (F.INDICATE_ABORT,),
    A.AA_5: (F.STOP_ARTIM,),
    A.AA_6: (),
    A.AA_7: (F.SEND_PROVIDER_ABORT,),
    A.AA_8: (F.START_ARTIM, F.SEND_PROVIDER_ABORT, F.INDICATE_ABORT),
}

_RELEASING = (S.AWAITING_RELEASE_RP, S.COLLISION_REQUESTOR_AWAITING_RELEASE_RP)
_OPEN = (
    S.AWAITING_LOCAL_ASSOCIATE_RESPONSE,
    S.AWAITING_ASSOCIATE_ANSWER,
    S.ESTABLISHED,
    S.AWAITING_RELEASE_RP,
    S.AWAITING_LOCAL_RELEASE_RESPONSE,
    S.COLLISION_REQUESTOR_AWAITING_LOCAL_RELEASE_RESPONSE,
    S.COLLISION_ACCEPTOR_AWAITING_RELEASE_RP,
    S.COLLISION_REQUESTOR_AWAITING_RELEASE_RP,
    S.COLLISION_ACCEPTOR_AWAITING_LOCAL_RELEASE_RESPONSE,
)
"""Sta3 and Sta5 to Sta12: where an event that is not foreseen is answered with AA-8."""

Cell = tuple[Action, State]


def _row(action: Action, then: State, states: tuple[State, ...] = _OPEN) -> dict[State, Cell]:
    """The same cell in each of `states`."""
    return dict.fromkeys(states, (action, then))


_UNEXPECTED: dict[State, Cell] = {
    S.AWAITING_ASSOCIATE_RQ: (A.AA_1, S.AWAITING_TRANSPORT_CLOSE),
    **_row(A.AA_8, S.AWAITING_TRANSPORT_CLOSE),
    S.AWAITING_TRANSPORT_CLOSE: (A.AA_6, S.AWAITING_TRANSPORT_CLOSE),
}
"""The row of a PDU that is foreseen nowhere; the rows below override what is foreseen."""

TABLE: dict[Event, dict[State, Cell]] = {
    E.ASSOCIATE_REQUEST: {S.IDLE: (A.AE_1, S.AWAITING_TRANSPORT_OPEN)},
    E.TRANSPORT_CONNECTED: {
        S.AWAITING_TRANSPORT_OPEN: (A.AE_2, S.AWAITING_ASSOCIATE_ANSWER),
    },
    E.ASSOCIATE_AC_RECEIVED: {
        **_UNEXPECTED,
        S.AWAITING_ASSOCIATE_ANSWER: (A.AE_3, S.ESTABLISHED),
    },
    E.ASSOCIATE_RJ_RECEIVED: {**_UNEXPECTED, S.AWAITING_ASSOCIATE_ANSWER: (A.AE_4, S.IDLE)},
    E.TRANSPORT_INDICATION: {S.IDLE: (A.AE_5, S.AWAITING_ASSOCIATE_RQ)},
    E.ASSOCIATE_RQ_RECEIVED: {
        **_UNEXPECTED,
        S.AWAITING_ASSOCIATE_RQ: (A.AE_6, S.AWAITING_LOCAL_ASSOCIATE_RESPONSE),
        S.AWAITING_TRANSPORT_CLOSE: (A.AA_7, S.AWAITING_TRANSPORT_CLOSE),
    },
    E.ASSOCIATE_RESPONSE_ACCEPT: {
        S.AWAITING_LOCAL_ASSOCIATE_RESPONSE: (A.AE_7, S.ESTABLISHED),
    },
    E.ASSOCIATE_RESPONSE_REJECT: {
        S.AWAITING_LOCAL_ASSOCIATE_RESPONSE: (A.AE_8, S.AWAITING_TRANSPORT_CLOSE),
    },
    E.P_DATA_REQUEST: {
        S.ESTABLISHED: (A.DT_1, S.ESTABLISHED),
        S.AWAITING_LOCAL_RELEASE_RESPONSE: (A.AR_7, S.AWAITING_LOCAL_RELEASE_RESPONSE),
    },
    E.P_DATA_RECEIVED: {
        **_UNEXPECTED,
        S.ESTABLISHED: (A.DT_2, S.ESTABLISHED),
        S.AWAITING_RELEASE_RP: (A.AR_6, S.AWAITING_RELEASE_RP),
    },
    E.RELEASE_REQUEST: {S.ESTABLISHED: (A.AR_1, S.AWAITING_RELEASE_RP)},
    E.RELEASE_RQ_RECEIVED: {
        **_UNEXPECTED,
        S.ESTABLISHED: (A.AR_2, S.AWAITING_LOCAL_RELEASE_RESPONSE),
        # AR-8 has two successors; upperlayer.py, which knows its role, picks between them.
        S.AWAITING_RELEASE_RP: (
            A.AR_8,
            S.COLLISION_REQUESTOR_AWAITING_LOCAL_RELEASE_RESPONSE,
        ),
    },
    E.RELEASE_RP_RECEIVED: {
        **_UNEXPECTED,
        **_row(A.AR_3, S.IDLE, _RELEASING),
        S.COLLISION_ACCEPTOR_AWAITING_RELEASE_RP: (
            A.AR_10,
            S.COLLISION_ACCEPTOR_AWAITING_LOCAL_RELEASE_RESPONSE,
        ),
    },
    E.RELEASE_RESPONSE: {
        S.AWAITING_LOCAL_RELEASE_RESPONSE: (A.AR_4, S.AWAITING_TRANSPORT_CLOSE),
        S.COLLISION_REQUESTOR_AWAITING_LOCAL_RELEASE_RESPONSE: (
            A.AR_9,
            S.COLLISION_REQUESTOR_AWAITING_RELEASE_RP,
        ),
        S.COLLISION_ACCEPTOR_AWAITING_LOCAL_RELEASE_RESPONSE: (
            A.AR_4,
            S.AWAITING_TRANSPORT_CLOSE,
        ),
    },
    E.ABORT_REQUEST: {
        **_row(A.AA_1, S.AWAITING_TRANSPORT_CLOSE),
        S.AWAITING_TRANSPORT_OPEN: (A.AA_2, S.IDLE),
    },
    E.ABORT_RECEIVED: {
        **_row(A.AA_3, S.IDLE),
        S.AWAITING_ASSOCIATE_RQ: (A.AA_2, S.IDLE),
        S.AWAITING_TRANSPORT_CLOSE: (A.AA_2, S.IDLE),
    },
    E.TRANSPORT_CLOSED: {
        **_row(A.AA_4, S.IDLE),
        S.AWAITING_ASSOCIATE_RQ: (A.AA_5, S.IDLE),
        S.AWAITING_TRANSPORT_OPEN: (A.AA_4, S.IDLE),
        S.AWAITING_TRANSPORT_CLOSE: (A.AR_5, S.IDLE),
    },
    E.ARTIM_EXPIRED: {
        S.AWAITING_ASSOCIATE_RQ: (A.AA_2, S.IDLE),
        S.AWAITING_TRANSPORT_CLOSE: (A.AA_2, S.IDLE),
    },
    E.INVALID_PDU: {
        **_UNEXPECTED,
        S.AWAITING_TRANSPORT_CLOSE: (A.AA_7, S.AWAITING_TRANSPORT_CLOSE),
    },
}


@attrs.define
class Machine:
    """One association's place in the table.

    `is_requestor`: whether this side opened the association; it decides the two successors of AR-8.
    """

    is_requestor: bool
    state: State = State.IDLE

    def on(self, event: Event) -> tuple[Effect, ...]:
        """Take `event`: the effects to carry out, in order. LookupError for a blank cell."""
        action, then = TABLE[event][self.state]
        if action is Action.AR_8 and not self.is_requestor:
            then = State.COLLISION_ACCEPTOR_AWAITING_RELEASE_RP
        self.state = then
        return EFFECTS[action]

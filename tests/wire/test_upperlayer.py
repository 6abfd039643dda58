"""The upper layer, cell by cell: what goes in, and the transcript of what comes out."""

from __future__ import annotations

import random
import struct

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from relay.wire.errors import (
    AbortReason,
    AbortSource,
    ProtocolError,
    RejectResult,
    RejectSource,
    UserRejectReason,
)
from relay.wire.pdu import Abort, AssociateAC, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ
from relay.wire.state import TABLE, Action, Event, State
from relay.wire.upperlayer import Loss, peer_maximum
from relay.wire.user_information import UserInformation
from tests import vectors
from tests.vectors import octets, p_data, pdu, pdv
from tests.wire.doubles import Bench
from tests.wire.reading import events, held
from tests.wire.states_page import successors

REQUEST = AssociateRQ.decode(vectors.ASSOCIATE_RQ[6:])
ACCEPTANCE = AssociateAC.decode(vectors.ASSOCIATE_AC[6:])
REJECTION = AssociateRJ(
    RejectResult.PERMANENT,
    RejectSource.SERVICE_USER,
    UserRejectReason.APPLICATION_CONTEXT_NOT_SUPPORTED,
)
ANY_DATA = p_data(pdv(1, 3, b"COMMANDS"))


def abort(source, reason):
    return Abort(source, reason).encode()


def with_maximum(value, maximum):
    information = attrs.evolve(value.user_information, maximum_length=maximum)
    return attrs.evolve(value, user_information=information)


# how to get to each state, as the acceptor of the association unless the state is a requestor's


def requestor(*steps):
    bench = Bench(is_requestor=True)
    bench.layer.connected(REQUEST)
    return driven(bench, *steps)


def acceptor(*steps):
    bench = Bench()
    bench.layer.connected()
    return driven(bench, *steps)


def driven(bench, *steps):
    for step in steps:
        DO[step](bench.layer)
    bench.since()
    return bench


E, S = Event, State

DO = {
    E.ASSOCIATE_REQUEST: lambda layer: layer.connected(REQUEST),
    E.TRANSPORT_INDICATION: lambda layer: layer.connected(),
    E.ASSOCIATE_RQ_RECEIVED: lambda layer: layer.received(vectors.ASSOCIATE_RQ),
    E.ASSOCIATE_AC_RECEIVED: lambda layer: layer.received(vectors.ASSOCIATE_AC),
    E.ASSOCIATE_RJ_RECEIVED: lambda layer: layer.received(vectors.ASSOCIATE_RJ),
    E.ASSOCIATE_RESPONSE_ACCEPT: lambda layer: layer.accept(ACCEPTANCE, REQUEST),
    E.ASSOCIATE_RESPONSE_REJECT: lambda layer: layer.reject(REJECTION),
    E.P_DATA_REQUEST: lambda layer: layer.command(1, b"COMMANDS"),
    E.P_DATA_RECEIVED: lambda layer: layer.received(ANY_DATA),
    E.RELEASE_REQUEST: lambda layer: layer.release(),
    E.RELEASE_RQ_RECEIVED: lambda layer: layer.received(vectors.RELEASE_RQ),
    E.RELEASE_RP_RECEIVED: lambda layer: layer.received(vectors.RELEASE_RP),
    E.RELEASE_RESPONSE: lambda layer: layer.release_response(),
    E.ABORT_REQUEST: lambda layer: layer.abort(),
    E.ABORT_RECEIVED: lambda layer: layer.received(vectors.ABORT),
    E.TRANSPORT_CLOSED: lambda layer: layer.closed(),
    E.ARTIM_EXPIRED: lambda layer: layer.artim_expired(),
    E.INVALID_PDU: lambda layer: layer.received(vectors.HTTP_REQUEST),
}
"""Each event, as it comes from the carrier or the user (Evt2 comes with Evt1)."""

ASKED = (E.ASSOCIATE_RQ_RECEIVED,)
ACCEPTED = (*ASKED, E.ASSOCIATE_RESPONSE_ACCEPT)
COLLISION = (E.RELEASE_REQUEST, E.RELEASE_RQ_RECEIVED)

WAYS = {
    S.IDLE: Bench,
    S.AWAITING_ASSOCIATE_RQ: acceptor,
    S.AWAITING_LOCAL_ASSOCIATE_RESPONSE: lambda: acceptor(*ASKED),
    S.AWAITING_ASSOCIATE_ANSWER: requestor,
    S.ESTABLISHED: lambda: acceptor(*ACCEPTED),
    S.AWAITING_RELEASE_RP: lambda: acceptor(*ACCEPTED, E.RELEASE_REQUEST),
    S.AWAITING_LOCAL_RELEASE_RESPONSE: lambda: acceptor(*ACCEPTED, E.RELEASE_RQ_RECEIVED),
    S.COLLISION_REQUESTOR_AWAITING_LOCAL_RELEASE_RESPONSE: lambda: requestor(
        E.ASSOCIATE_AC_RECEIVED, *COLLISION
    ),
    S.COLLISION_ACCEPTOR_AWAITING_RELEASE_RP: lambda: acceptor(*ACCEPTED, *COLLISION),
    S.COLLISION_REQUESTOR_AWAITING_RELEASE_RP: lambda: requestor(
        E.ASSOCIATE_AC_RECEIVED, *COLLISION, E.RELEASE_RESPONSE
    ),
    S.COLLISION_ACCEPTOR_AWAITING_LOCAL_RELEASE_RESPONSE: lambda: acceptor(
        *ACCEPTED, *COLLISION, E.RELEASE_RP_RECEIVED
    ),
    S.AWAITING_TRANSPORT_CLOSE: lambda: acceptor(*ACCEPTED, E.ABORT_REQUEST),
}
"""Each state but Sta4, which `connected` passes through."""

CELLS = [
    (event, state)
    for event, row in TABLE.items()
    for state in row
    if state in WAYS and event is not E.TRANSPORT_CONNECTED
]


def unexpected(event, state):
    """What a breach is called, and the reason that the A-ABORT gives."""
    if event is E.INVALID_PDU:
        return "protocol error: PDU type 47H", AbortReason.UNRECOGNIZED_PDU
    return f"protocol error: {event.name} while {state.name}", AbortReason.UNEXPECTED_PDU


def a_user_abort(event, state):
    return ["start artim", abort(0, 0)]


def a_provider_abort(event, state):
    what, reason = unexpected(event, state)
    return ["start artim", abort(2, reason), ("lost", what)]


def an_abort_that_nobody_hears(event, state):
    return [abort(2, unexpected(event, state)[1])]


def a_close(event, state):
    dropped = ["drop"] if event is E.ARTIM_EXPIRED else []
    return ["stop artim", "close", *dropped]


OUTCOMES = {
    Action.AE_1: [REQUEST.encode()],  # AE-2 follows at once
    Action.AE_3: [("associate!", ACCEPTANCE)],
    Action.AE_4: [("associate!", AssociateRJ(2, 3, 1)), "close"],
    Action.AE_5: ["start artim"],
    Action.AE_6: ["stop artim", ("associate?", REQUEST)],
    Action.AE_7: [ACCEPTANCE.encode()],
    Action.AE_8: ["start artim", REJECTION.encode()],
    Action.DT_1: [ANY_DATA],
    Action.DT_2: [("data", 1, True, b"COMMANDS")],
    Action.AR_1: [ReleaseRQ().encode()],
    Action.AR_2: [("release?",)],
    Action.AR_3: [("release!",), "close"],
    Action.AR_4: ["start artim", ReleaseRP().encode()],
    Action.AR_5: ["stop artim"],
    Action.AR_6: [("data", 1, True, b"COMMANDS")],
    Action.AR_7: [ANY_DATA],
    Action.AR_8: [("release?",)],
    Action.AR_9: [ReleaseRP().encode()],
    Action.AR_10: [("release!",)],
    Action.AA_1: a_user_abort,
    Action.AA_2: a_close,
    Action.AA_3: [("lost", "aborted by the peer (2,6)"), "close"],
    Action.AA_4: [("lost", "connection closed")],
    Action.AA_5: ["stop artim"],
    Action.AA_6: [],
    Action.AA_7: an_abort_that_nobody_hears,
    Action.AA_8: a_provider_abort,
}
"""What each action does, AE-2 aside."""


@pytest.mark.parametrize("state", WAYS)
def test_every_state_can_be_got_to(state):
    assert WAYS[state]().layer.state is state


@pytest.mark.parametrize(("event", "state"), CELLS)
def test_a_cell_does_what_the_standard_says(event, state):
    bench = WAYS[state]()
    action, _ = TABLE[event][state]
    DO[event](bench.layer)
    outcome = OUTCOMES[action]
    assert bench.since() == (outcome(event, state) if callable(outcome) else outcome)
    if event is E.ASSOCIATE_REQUEST:
        assert bench.layer.state is S.AWAITING_ASSOCIATE_ANSWER
    else:
        assert bench.layer.state in successors(event, state)


def test_every_action_is_tried_in_some_cell():
    assert {TABLE[event][state][0] for event, state in CELLS} == set(OUTCOMES)
    assert set(Action) - set(OUTCOMES) == {Action.AE_2}


def opening():
    """In Sta4, where no call from outside finds it: `connected` is on its way through."""
    bench = Bench(is_requestor=True)
    bench.layer.machine.state = S.AWAITING_TRANSPORT_OPEN
    return bench


def test_an_abort_while_the_transport_opens_closes_it():
    bench = opening()
    bench.layer.abort()
    assert bench.since() == ["stop artim", "close"]
    assert bench.layer.state is S.IDLE


def test_a_transport_that_closes_while_it_opens_is_a_loss():
    bench = opening()
    bench.layer.closed()
    assert bench.since() == [("lost", "connection closed")]
    assert bench.layer.state is S.IDLE


PDUS = [event for event in Event if event.name.endswith("RECEIVED") or event is E.INVALID_PDU]

OURS = [
    E.ASSOCIATE_RESPONSE_ACCEPT, E.ASSOCIATE_RESPONSE_REJECT, E.P_DATA_REQUEST, E.RELEASE_REQUEST,
    E.RELEASE_RESPONSE,
]  # fmt: skip


@pytest.mark.parametrize(
    ("event", "state"),
    [
        (event, state)
        for event in OURS
        for state in WAYS
        if state not in TABLE[event]
        and (event, state) != (E.RELEASE_RESPONSE, S.COLLISION_ACCEPTOR_AWAITING_RELEASE_RP)
    ],
)
def test_what_the_user_may_not_do_in_a_state_is_our_own_defect_and_nothing_is_sent(event, state):
    bench = WAYS[state]()
    with pytest.raises(LookupError):
        DO[event](bench.layer)
    assert bench.since() == []
    assert bench.layer.state is state


@pytest.mark.parametrize("state", [s for s in WAYS if s not in TABLE[E.ABORT_REQUEST]])
def test_an_abort_without_an_association_closes_the_transport_and_reads_nothing_more(state):
    bench = WAYS[state]()
    bench.layer.abort()
    assert bench.since() == ["close"]
    bench.layer.received(vectors.ASSOCIATE_RQ + vectors.HTTP_REQUEST)
    assert bench.since() == []


# what a peer does after the end


@attrs.define
class Peer:
    """Stands where a layer does, to see the bytes of an event."""

    sent: bytes = b""

    def received(self, data):
        self.sent += data


def after_rejection():
    return requestor(E.ASSOCIATE_RJ_RECEIVED)


def after_release():
    return acceptor(*ACCEPTED, E.RELEASE_REQUEST, E.RELEASE_RP_RECEIVED)


def after_abort():
    return acceptor(*ACCEPTED, E.ABORT_RECEIVED)


def after_silence():
    return acceptor(E.ARTIM_EXPIRED)


def after_close():
    return acceptor(*ACCEPTED, E.TRANSPORT_CLOSED)


ENDS = [after_rejection, after_release, after_abort, after_silence, after_close]


@pytest.mark.parametrize("event", PDUS)
@pytest.mark.parametrize("ended", ENDS)
def test_what_comes_after_the_end_is_not_even_read(ended, event):
    bench = ended()
    assert bench.layer.state is S.IDLE
    DO[event](bench.layer)
    bench.layer.closed()
    assert bench.since() == []
    assert held(bench.layer.reader) == 0


@pytest.mark.parametrize("event", PDUS)
@pytest.mark.parametrize(
    ("bench", "end", "told"),
    [
        (lambda: acceptor(*ACCEPTED), vectors.ABORT, [("lost", "aborted by the peer (2,6)")]),
        (requestor, vectors.ASSOCIATE_RJ, [("associate!", AssociateRJ(2, 3, 1))]),
        (lambda: acceptor(*ACCEPTED, E.RELEASE_REQUEST), vectors.RELEASE_RP, [("release!",)]),
    ],
)
def test_what_comes_in_one_read_with_the_end_is_not_even_read(bench, end, told, event):
    bench, peer = bench(), Peer()
    DO[event](peer)
    bench.layer.received(end + peer.sent)
    assert bench.since() == [*told, "close"]


def test_a_transport_that_closed_is_told_once():
    bench = acceptor(*ACCEPTED)
    bench.layer.closed()
    bench.layer.closed()
    assert bench.since() == [("lost", "connection closed")]


def test_a_probe_that_connects_and_closes_is_told_to_nobody():
    bench = acceptor()
    bench.layer.closed()
    assert bench.since() == ["stop artim"]


def test_three_bytes_and_silence_end_with_the_timer_and_what_is_unsent_is_dropped():
    bench = acceptor()
    bench.layer.received(vectors.ASSOCIATE_RQ[:3])
    bench.layer.artim_expired()
    assert bench.since() == ["stop artim", "close", "drop"]
    assert held(bench.layer.reader) == 0


# bad input, by the rows of the list that it is from


def associate(*items, version=1, fixed=vectors.ASSOCIATE_RQ[10:74]):
    """An A-ASSOCIATE-RQ of these items, each with its header."""
    return pdu(1, struct.pack(">H2x", version) + fixed + b"".join(items))


def context(identifier, *sub_items):
    return vectors.item(0x20, bytes((identifier, 0, 0, 0)) + b"".join(sub_items))


ABSTRACT = vectors.item(0x30, b"1.2.840.10008.1.1")
TRANSFER = vectors.item(0x40, b"1.2.840.10008.1.2")
ONE = context(1, ABSTRACT, TRANSFER)
APPLICATION = vectors.APPLICATION_CONTEXT

REFUSED_BEFORE = {
    "1 an HTTP request": vectors.HTTP_REQUEST,
    "1 a TLS ClientHello": vectors.TLS_CLIENT_HELLO,
    "1 random bytes": b"\xff" + random.Random(1).randbytes(5000),
    "6 a request of 4 GiB": octets("01 00 FFFFFFFF"),
    "7 data longer than the maximum": pdu(4, bytes(16385)),
    "8 data of length 0": pdu(4, b""),
    "9 a fragment of length 1": pdu(4, octets("00000001 01 00")),
    "10 a fragment beyond its PDU": pdu(4, octets("00000009 01 00")),
    "11 a release of length 3": pdu(5, bytes(3)),
    "11 a rejection of length 5": pdu(3, bytes(5)),
    "14 a stray acceptance": vectors.ASSOCIATE_AC,
    "15 data before the association": ANY_DATA,
    "15 half of such data": ANY_DATA[:14],
    "18 a sub-item longer than its parent": associate(context(1, ABSTRACT, TRANSFER[:-1])),
    "19 sub-items that declare 64 KiB each": associate(
        ONE, vectors.item(0x50, octets("54 00 FFFF") * 16_000)
    ),
    "26 an even context id": associate(context(2, ABSTRACT, TRANSFER)),
    "26 the context id 0": associate(context(0, ABSTRACT, TRANSFER)),
    "27 a context id twice": associate(ONE, ONE),
    "65 a request without a context": associate(APPLICATION),
}


@pytest.mark.parametrize("row", REFUSED_BEFORE)
def test_before_an_association_a_breach_is_answered_with_0_0_and_nothing_is_kept(row):
    bench = acceptor()
    bench.layer.received(REFUSED_BEFORE[row])
    assert bench.since() == ["start artim", abort(0, 0)]
    assert bench.layer.state is S.AWAITING_TRANSPORT_CLOSE
    assert bench.layer.error is not None
    bench.layer.received(bytes(100_000))
    bench.layer.received(vectors.ASSOCIATE_RQ)
    assert bench.since() == []
    assert held(bench.layer.reader) == 0
    bench.layer.artim_expired()
    assert bench.since() == ["stop artim", "close", "drop"]


LEFT_TO_THE_USER = {
    "20 unknown items": associate(
        octets("7F 00 0001 00"), ONE, vectors.item(0x50, octets("7F000000"))
    ),
    "21 protocol version without bit 0": associate(ONE, version=2),
    "21 other bits beside bit 0": associate(ONE, version=0xFFFF),
    "22 another application context": associate(vectors.item(0x10, b"1.2.3"), ONE),
    "22 no application context": associate(ONE),
    "23 a blank AE title": associate(ONE, fixed=b" " * 64),
    "23 NULs in an AE title": associate(ONE, fixed=b"A\0B".ljust(16, b"\0") * 4),
    "24 an AE title like a path": associate(ONE, fixed=b"../x".ljust(16) * 4),
    "28 a transfer syntax twice": associate(context(1, ABSTRACT, TRANSFER, TRANSFER)),
    "66 no user information": associate(APPLICATION, ONE),
    "66 empty user information": associate(APPLICATION, ONE, octets("50 00 0000")),
}


@pytest.mark.parametrize("row", LEFT_TO_THE_USER)
def test_what_can_be_read_is_left_to_the_user_who_may_refuse_it(row):
    bench, raw = acceptor(), LEFT_TO_THE_USER[row]
    bench.layer.received(raw)
    assert bench.since() == ["stop artim", ("associate?", AssociateRQ.decode(raw[6:]))]
    bench.layer.reject(REJECTION)
    assert bench.since() == ["start artim", octets("03 00 00000004 00 01 01 02")]


BROKEN_DATA = {
    "7 data longer than the maximum": pdu(4, bytes(32769)),
    "7 data of 4 GiB": octets("04 00 FFFFFFFF"),
    "8 data of length 0": pdu(4, b""),
    "8 data without a fragment": pdu(4, bytes(5)),
    "9 a fragment of length 0": pdu(4, octets("00000000 01 00")),
    "9 a fragment of length 1": pdu(4, octets("00000001 01 00")),
    "10 a fragment beyond its PDU": pdu(4, octets("00000009 01 00")),
    "11 a release request of length 3": pdu(5, bytes(3)),
    "11 a release response of length 0": pdu(6, b""),
    "11 a rejection of length 5": pdu(3, bytes(5)),
    "18 a second request, broken": associate(context(1, ABSTRACT, TRANSFER[:-1])),
}
REFUSED_WITHIN = {
    **{row: (raw, AbortReason.INVALID_PARAMETER) for row, raw in BROKEN_DATA.items()},
    "2 an unknown PDU": (pdu(9, b""), AbortReason.UNRECOGNIZED_PDU),
    "2 an HTTP request": (vectors.HTTP_REQUEST, AbortReason.UNRECOGNIZED_PDU),
    "14 a second request": (vectors.ASSOCIATE_RQ, AbortReason.UNEXPECTED_PDU),
    "14 a stray acceptance": (vectors.ASSOCIATE_AC, AbortReason.UNEXPECTED_PDU),
    "14 a stray rejection": (vectors.ASSOCIATE_RJ, AbortReason.UNEXPECTED_PDU),
    "17 data after a release request": (vectors.RELEASE_RQ + ANY_DATA, AbortReason.UNEXPECTED_PDU),
}


@pytest.mark.parametrize("row", REFUSED_WITHIN)
def test_in_an_association_a_breach_is_answered_with_2_and_its_reason(row):
    raw, reason = REFUSED_WITHIN[row]
    bench = acceptor(*ACCEPTED)
    bench.layer.received(raw)
    first, second, (lost, what) = bench.since()
    assert (first, second, lost) == ("start artim", abort(2, reason), "lost")
    assert what == f"protocol error: {bench.layer.error}"
    assert bench.layer.state is S.AWAITING_TRANSPORT_CLOSE
    bench.layer.received(bytes(100_000))
    assert bench.since() == []
    assert held(bench.layer.reader) == 0


def test_data_behind_a_release_that_was_agreed_to_is_answered_all_the_same_and_once():
    bench = acceptor(*ACCEPTED, E.RELEASE_RQ_RECEIVED, E.RELEASE_RESPONSE)
    bench.layer.received(ANY_DATA + ANY_DATA)
    bench.layer.received(ANY_DATA)
    assert bench.since() == [abort(2, 2)]
    assert bench.layer.state is S.AWAITING_TRANSPORT_CLOSE
    assert bench.artim


@pytest.mark.parametrize("event", [E.RELEASE_RQ_RECEIVED, E.ASSOCIATE_AC_RECEIVED])
def test_what_else_comes_behind_an_agreed_release_is_ignored_as_the_table_says(event):
    bench = acceptor(*ACCEPTED, E.RELEASE_RQ_RECEIVED, E.RELEASE_RESPONSE)
    DO[event](bench.layer)
    assert bench.since() == []


@pytest.mark.parametrize("side", [acceptor, requestor])
def test_data_on_its_way_to_the_one_who_asked_for_release_is_taken(side):
    made = ACCEPTED if side is acceptor else (E.ASSOCIATE_AC_RECEIVED,)
    bench = side(*made, E.RELEASE_REQUEST)
    bench.layer.received(ANY_DATA + vectors.RELEASE_RP)
    assert bench.since() == [("data", 1, True, b"COMMANDS"), ("release!",), "close"]


def test_nobody_agrees_to_a_release_before_what_came_with_it_has_been_looked_at():
    bench = acceptor(*ACCEPTED)
    bench.reactions["release?"] = bench.layer.release_response
    bench.layer.received(vectors.RELEASE_RQ + ANY_DATA)
    what = "protocol error: P_DATA_RECEIVED while AWAITING_LOCAL_RELEASE_RESPONSE"
    assert bench.since() == ["start artim", abort(2, 2), ("lost", what)]


@pytest.mark.parametrize("rest", [b"", vectors.RELEASE_RQ[:3], ANY_DATA[:11]])
def test_a_release_with_nothing_whole_behind_it_is_agreed_to(rest):
    bench = acceptor(*ACCEPTED)
    bench.reactions["release?"] = bench.layer.release_response
    bench.layer.received(vectors.RELEASE_RQ + rest)
    assert bench.since() == [("release?",), "start artim", ReleaseRP().encode()]


@pytest.mark.parametrize("side", [acceptor, requestor])
@pytest.mark.parametrize("kind", [1, 2])
def test_in_an_association_a_long_associate_pdu_is_refused_on_its_header(side, kind):
    made = ACCEPTED if side is acceptor else (E.ASSOCIATE_AC_RECEIVED,)
    bench = side(*made)
    bench.layer.received(octets(f"0{kind} 00 00010000"))
    what = f"protocol error: PDU type 0{kind}H again"
    assert bench.since() == ["start artim", abort(2, 2), ("lost", what)]


@pytest.mark.parametrize("length", [0, 3, 5, 2**32 - 1])
def test_a_malformed_abort_is_not_answered(length):
    bench = acceptor(*ACCEPTED)
    bench.layer.received(b"\x07\0" + length.to_bytes(4) + bytes(20))
    assert bench.since() == [("lost", "aborted by the peer (0,0)"), "close"]


def test_reserved_bits_of_the_message_control_header_are_not_tested():
    bench = acceptor(*ACCEPTED)
    bench.layer.received(p_data(pdv(1, 0xFF, b"COMMANDS")))
    assert bench.since() == [("data", 1, True, b"COMMANDS")]


def test_a_transport_that_closes_in_the_middle_of_a_pdu_is_a_loss():
    for half in (ANY_DATA[:14], vectors.RELEASE_RQ[:7]):
        bench = acceptor(*ACCEPTED)
        bench.layer.received(half)
        bench.since()
        bench.layer.closed()
        assert bench.since() == [("lost", "connection closed")]
        assert held(bench.layer.reader) == 0


def test_a_breach_that_the_user_finds_is_answered_with_its_reason():
    def refuse():
        raise ProtocolError("context 9 was not accepted", AbortReason.UNEXPECTED_PARAMETER)

    bench = acceptor(*ACCEPTED)
    bench.reactions["data"] = refuse
    bench.layer.received(p_data(pdv(9, 3, b"COMMANDS")) + ANY_DATA)
    assert bench.since() == [
        ("data", 9, True, b"COMMANDS"),
        "start artim",
        abort(2, 5),
        ("lost", "protocol error: context 9 was not accepted"),
    ]


def test_a_breach_does_not_say_what_was_in_it():
    bench = acceptor()
    bench.layer.received(associate(context(1, vectors.item(0x30, b"1.2.3.CANARY"))))
    assert "CANARY" not in str(bench.layer.error)


# maximum lengths


@pytest.mark.parametrize(
    ("announced", "taken"), [(None, 16384), (0, 2**32 - 1), (1, 1), (65536, 65536)]
)
def test_a_peer_that_names_no_maximum_takes_16_kib_and_0_is_no_limit(announced, taken):
    assert peer_maximum(UserInformation(maximum_length=announced)) == taken


def test_an_acceptor_writes_what_the_request_takes_and_reads_what_the_answer_announced():
    bench = acceptor(*ASKED)
    bench.layer.accept(with_maximum(ACCEPTANCE, 128), with_maximum(REQUEST, 256))
    assert bench.layer.established
    bench.since()
    bench.layer.command(1, bytes(300))
    assert bench.since() == [p_data(pdv(1, 1, bytes(250))) + p_data(pdv(1, 3, bytes(50)))]
    bench.layer.received(p_data(pdv(1, 0, bytes(122))))
    assert bench.since() == [("data", 1, False, bytes(122))]
    bench.layer.received(p_data(pdv(1, 0, bytes(123))))
    assert bench.since()[1] == abort(2, 6)


@pytest.mark.parametrize(("announced", "room"), [(128, 122), (None, 16378), (0, 20_000)])
def test_a_requestor_writes_what_the_answer_takes_and_reads_what_it_announced(announced, room):
    bench = Bench(is_requestor=True, maximum=1000)
    bench.layer.connected(REQUEST)
    bench.layer.received(with_maximum(ACCEPTANCE, announced).encode())
    assert bench.layer.established
    bench.since()
    (event,) = events([p_data(pdv(1, 2, bytes(20_000)))])
    bench.layer.fragments(3, event)
    (raw,) = bench.since()
    assert raw.startswith(p_data(pdv(3, 2 if room == 20_000 else 0, bytes(room))))
    bench.layer.received(p_data(pdv(1, 0, bytes(995))))
    assert bench.since()[1] == abort(2, 6)


@pytest.mark.parametrize("announced", [1, 6, 7, 8, 127])
def test_an_acceptance_that_takes_too_little_is_a_breach_and_no_association(announced):
    bench = requestor()
    bench.layer.received(with_maximum(ACCEPTANCE, announced).encode())
    assert bench.since() == [
        "start artim",
        abort(2, 6),
        ("lost", f"protocol error: a maximum length of {announced} bytes"),
    ]


# aborts


@pytest.mark.parametrize("state", [s for s in WAYS if s in TABLE[E.ABORT_REQUEST]])
def test_the_user_aborts_with_the_source_and_reason_that_it_gives(state):
    bench = WAYS[state]()
    bench.layer.abort(AbortSource.SERVICE_PROVIDER, AbortReason.UNEXPECTED_PARAMETER)
    assert bench.since() == ["start artim", abort(2, 5)]
    bench.layer.closed()
    assert bench.since() == ["stop artim"]


def half_sent(bench):
    """An established bench that has written the first half of a PDU."""
    (half,) = events([ANY_DATA[:15]])
    bench.layer.fragments(1, half)
    assert bench.since() == [ANY_DATA[:15]]
    return bench


def test_in_the_middle_of_an_outgoing_pdu_the_transport_is_dropped_instead_of_an_abort():
    bench = half_sent(acceptor(*ACCEPTED))
    bench.layer.abort()
    assert bench.since() == ["start artim", "drop"]
    bench.layer.closed()
    assert bench.since() == ["stop artim"]


def test_a_breach_in_the_middle_of_an_outgoing_pdu_drops_the_transport():
    bench = half_sent(acceptor(*ACCEPTED))
    bench.layer.received(vectors.HTTP_REQUEST)
    assert bench.since() == ["start artim", "drop", ("lost", "protocol error: PDU type 47H")]


def test_once_the_outgoing_pdu_is_whole_an_abort_can_be_said_again():
    bench = half_sent(acceptor(*ACCEPTED))
    _, rest = events([ANY_DATA[:15], ANY_DATA[15:]])
    bench.layer.fragments(1, rest)
    assert bench.since() == [ANY_DATA[15:]]
    bench.layer.abort()
    assert bench.since() == ["start artim", abort(0, 0)]


def test_between_two_pdus_of_a_cut_fragment_an_abort_can_be_said():
    bench = acceptor(*ASKED)
    bench.layer.accept(ACCEPTANCE, with_maximum(REQUEST, 128))
    bench.since()
    (begun,) = events([p_data(pdv(1, 2, bytes(500)))[: 12 + 122]])
    bench.layer.fragments(1, begun)
    bench.layer.abort()
    assert bench.since() == [p_data(pdv(1, 0, bytes(122))), "start artim", abort(0, 0)]


@pytest.mark.parametrize(
    "end",
    [
        lambda bench: bench.layer.abort(),
        lambda bench: bench.layer.received(vectors.HTTP_REQUEST),
        lambda bench: bench.layer.received(vectors.ABORT),
    ],
)
def test_a_transport_that_closes_before_the_call_returns_leaves_no_timer(end):
    bench = half_sent(acceptor(*ACCEPTED))
    bench.prompt = True
    end(bench)
    assert bench.layer.state is S.IDLE
    assert not bench.artim


@pytest.mark.parametrize(
    ("loss", "text"),
    [
        (Loss(), "connection closed"),
        (Loss(abort=Abort(0, 0)), "aborted by the peer (0,0)"),
        (Loss(error=ProtocolError("a PDU")), "protocol error: a PDU"),
    ],
)
def test_a_loss_says_how_it_came(loss, text):
    assert str(loss) == text


# two of them


def connected_pair():
    """An association between two benches whose users agree to everything."""
    calling, called = Bench(is_requestor=True), Bench()
    for bench in (calling, called):
        bench.reactions["release?"] = bench.layer.release_response
    called.reactions["associate?"] = lambda: called.layer.accept(ACCEPTANCE, REQUEST)
    called.layer.connected()
    calling.layer.connected(REQUEST)
    exchange(calling, called)
    return calling, called


def exchange(one, other):
    """Carry what is written, and closes, to the other side until all is quiet."""
    told = []
    while one.transcript or other.transcript:
        for here, there in ((one, other), (other, one)):
            for entry in here.since():
                if isinstance(entry, bytes):
                    there.layer.received(entry)
                elif entry in {"close", "drop"}:
                    here.layer.closed()
                    there.layer.closed()
                elif isinstance(entry, tuple):
                    told.append((here.is_requestor, entry[0]))
    return told


def test_an_association_is_made_used_and_released():
    calling, called = connected_pair()
    assert calling.layer.established and called.layer.established
    calling.layer.command(1, b"COMMANDS")
    assert exchange(calling, called) == [(False, "data")]
    calling.layer.release()
    assert exchange(calling, called) == [(False, "release?"), (True, "release!")]
    assert calling.layer.state is called.layer.state is S.IDLE
    assert not calling.artim and not called.artim


def test_two_releases_that_collide_release_and_the_acceptor_answers_second():
    calling, called = connected_pair()
    calling.layer.release()
    called.layer.release()
    told = exchange(calling, called)
    assert sorted(told) == [
        (False, "release!"),
        (False, "release?"),
        (True, "release!"),
        (True, "release?"),
    ]
    assert told.index((False, "release!")) < told.index((True, "release!"))
    assert calling.layer.state is called.layer.state is S.IDLE
    assert not calling.artim and not called.artim


def test_an_acceptor_that_answers_late_in_a_collision_is_waited_for():
    calling, called = connected_pair()
    called.reactions.clear()
    calling.layer.release()
    called.layer.release()
    exchange(calling, called)
    assert (calling.layer.state, called.layer.state) == (
        S.COLLISION_REQUESTOR_AWAITING_RELEASE_RP,
        S.COLLISION_ACCEPTOR_AWAITING_LOCAL_RELEASE_RESPONSE,
    )
    called.layer.release_response()
    assert exchange(calling, called) == [(True, "release!")]
    assert calling.layer.state is called.layer.state is S.IDLE


def test_an_answer_given_early_in_a_collision_is_kept_until_the_peers_has_come():
    bench = acceptor(*ACCEPTED, *COLLISION)
    bench.layer.release_response()
    assert bench.since() == []
    bench.layer.received(vectors.RELEASE_RP)
    assert bench.since() == ["start artim", ReleaseRP().encode(), ("release!",)]
    assert bench.layer.state is S.AWAITING_TRANSPORT_CLOSE


# anything at all

BYTES = st.one_of(
    st.sampled_from(
        [
            vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC, vectors.ASSOCIATE_RJ, vectors.P_DATA,
            vectors.P_DATA[:15], vectors.P_DATA[15:], vectors.RELEASE_RQ, vectors.RELEASE_RP,
            vectors.ABORT, vectors.RELEASE_RQ[:7], vectors.RELEASE_RQ[7:], pdu(7, b""), pdu(4, b""),
        ]
    ),
    st.binary(max_size=20),
)  # fmt: skip
STEPS = st.lists(st.tuples(st.integers(0, 15), BYTES), max_size=12)


def possible(layer):
    """What a carrier and a user that keep to the table can do now."""
    local = [*OURS, E.TRANSPORT_CLOSED, E.ARTIM_EXPIRED]
    found = [event for event in local if layer.state in TABLE[event]]
    if layer.state is S.COLLISION_ACCEPTOR_AWAITING_RELEASE_RP:
        found.append(E.RELEASE_RESPONSE)
    return [*found, E.ABORT_REQUEST]


@settings(max_examples=400)
@given(st.sampled_from(list(WAYS)), STEPS, st.booleans(), st.booleans())
def test_whatever_a_peer_sends_nothing_raises_and_everything_ends(state, steps, prompt, eager):
    bench = WAYS[state]()
    bench.prompt = prompt
    if eager:
        bench.reactions = {
            "associate?": lambda: bench.layer.accept(ACCEPTANCE, REQUEST),
            "release?": bench.layer.release_response,
            "release!": bench.layer.abort,
            "lost": bench.layer.abort,
        }
    if state is S.IDLE:
        bench.layer.connected()
    for choice, data in steps:
        bench.layer.received(data)
        if choice < 6 and bench.layer.state is not S.IDLE:
            local = possible(bench.layer)
            DO[local[choice % len(local)]](bench.layer)
        ending = {S.AWAITING_ASSOCIATE_RQ, S.AWAITING_TRANSPORT_CLOSE}
        assert bench.artim == (bench.layer.state in ending), bench.layer.state
    bench.layer.closed()
    assert bench.layer.state is S.IDLE
    assert not bench.artim
    assert held(bench.layer.reader) == 0
    check(bench.transcript)


def check(transcript):
    """Nobody is told anything twice, and nothing is said after the last word."""
    told = [entry[0] for entry in transcript if isinstance(entry, tuple)]
    assert all(told.count(name) <= 1 for name in {*told} - {"data"})
    assert "lost" not in told[:-1]
    over = False
    for entry in transcript:
        if isinstance(entry, bytes):
            assert not over or entry[0] == 7
            over = over or entry[0] == 7
        elif entry in {"close", "drop"}:
            over = True


def test_in_the_middle_of_a_pdu_a_release_is_not_agreed_to_but_ends_the_connection():
    """Ten bytes of a response would complete what was half written: a whole object, and a wrong
    one."""
    bench = half_sent(acceptor(*ACCEPTED))
    bench.reactions["release?"] = bench.layer.release_response
    bench.layer.received(vectors.RELEASE_RQ)
    assert bench.since()[-1] == "drop"


def test_what_was_received_is_read_when_nothing_of_it_is_left():
    bench = acceptor(*ACCEPTED)
    assert bench.layer.has_read_all
    bench.layer.received(ANY_DATA[:14])
    assert not bench.layer.has_read_all
    bench.layer.received(ANY_DATA[14:])
    assert bench.layer.has_read_all

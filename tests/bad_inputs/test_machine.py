"""The whole relay in memory between two hostile banks: what must hold whatever they say and when.

Callers and archives say what is right, what is wrong and what is no PDU at all, in pieces of any
size; they stop reading, hang up, fall silent; what is under way moves on by turns, or all at once,
and time passes. These hold:

- nothing is raised, and nothing is logged as an error of the relay's own;
- of each 0000 that a caller hears an archive that was asked has said it, for that very message;
- an object that an archive got whole was said so, to the end, by a caller;
- no request is answered to the end more often than it was made;
- what waits in the relay for a peer that does not read stays small;
- in the end every association upstream is back or gone, no timer and no connection is left, nothing
  is kept of any object, and a well-behaved caller is answered.

A few examples run with the other tests; tests.bad_inputs.hunt looks for longer.
"""

from __future__ import annotations

from functools import partial
from random import Random
from typing import Any, cast
from unittest.mock import patch

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
)
from twisted.logger import ILogObserver, LogEvent, LogLevel, globalLogPublisher

from relay.wire.command import CommandField
from relay.wire.pdu import Abort, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ
from tests.bad_inputs.hostile import HostileArchive, HostileArchives, HostileCaller
from tests.bed import ARCHIVE_PORT, PORT, Bed
from tests.network import HIGH_WATER, End
from tests.peers import (
    A_DATASET,
    COMMITMENT,
    ECHO,
    FIND,
    GET,
    NO_DATASET,
    PATIENT_ROOT_FIND,
    PATIENT_ROOT_GET,
    STORAGE_COMMITMENT,
    STORE,
    Archives,
    accept_all,
    acceptance,
    associate_rq,
    command_of,
    element,
    identity,
    response_of,
    said,
    store_command,
)
from tests.vectors import HTTP_REQUEST, IMPLICIT_LITTLE_ENDIAN, VERIFICATION, item, p_data, pdu, pdv

Anybody = HostileCaller | HostileArchive

PORTS = (ARCHIVE_PORT, ARCHIVE_PORT + 1)

CONFIGURATION = """
[relay]
ae_title = "RELAY"
max_memory = 0
[[listener]]
endpoint = "tcp:port=11112"
{listener}
[upstream.a]
address = "PACS@a.example.org:104"
max_associations = 2
max_waiting = 3
[upstream.b]
address = "PACS@b.example.org:105"
[pool.archive]
upstreams = ["a", "b"]
[[route]]
pool = "archive"
[failover]
memory = 200000
window = 100000
disk = 0
discard = 100000
"""

MOST_CALLERS = 5
LARGEST = 300_000
"""Bytes of the largest dataset."""

UNSENT_MAXIMUM = 3 * HIGH_WATER
"""Bytes that may wait for a peer that does not read: what fills a transport, and what came in the
one read, or is gathered in the one turn, that does."""

SUCCESS, PENDING_STATUS, OUT_OF_RESOURCES, WARNING = 0x0000, 0xFF00, 0xA700, 0xB000
STATUSES = (SUCCESS, SUCCESS, SUCCESS, PENDING_STATUS, OUT_OF_RESOURCES, WARNING, 0xC000, 0x0110)

ASYNCHRONOUS = item(0x53, bytes((0, 4, 0, 4)))
REQUESTS = {
    "plain": associate_rq(),
    "as another": associate_rq(calling=b"CT1"),
    "asynchronous": associate_rq(user_items=ASYNCHRONOUS),
    "short PDUs": associate_rq(maximum=1024),
    "no maximum": associate_rq(maximum=None),
    "as a user": associate_rq(user_items=identity(b"user", b"passcode")),
}
WRONG_REQUESTS = {
    "version": associate_rq(version=2),
    "called": associate_rq(called=b"NOBODY"),
    "contexts": associate_rq(contexts=b""),
    "maximum": associate_rq(maximum=64),
    "application context": associate_rq(application_context="1.2.3"),
}
NONSENSE = (
    HTTP_REQUEST,
    bytes(20),
    pdu(0x44, b""),
    pdu(4, b""),
    pdu(4, bytes(6)),
    b"\x01\x00\xff\xff\xff\xff",
    b"\x04\x00\x00\x00",
    p_data(pdv(99, 3, b"x")),
    p_data(pdv(STORE, 0, b"x")),
    p_data(pdv(STORE, 2, b"xy")),
    p_data(pdv(STORE, 3, b"nonsense")),
    said(STORE, command_of(0x7777, 1)),
    said(COMMITMENT, command_of(0x0100, 1, e0002=STORAGE_COMMITMENT)),
    associate_rq(),
    accept_all(AssociateRQ.decode(associate_rq()[6:])),
    AssociateRJ(2, 3, 1).encode(),
    ReleaseRQ().encode(),
    ReleaseRP().encode(),
    Abort(0, 0).encode(),
)
"""What either bank may say out of turn."""


def _refusing(request: AssociateRQ) -> bytes:
    """Takes every other context."""
    syntax = item(0x40, IMPLICIT_LITTLE_ENDIAN.encode())
    answers = (
        item(0x21, bytes((each.id, 0, 3 * (number % 2), 0)) + syntax)
        for number, each in enumerate(request.contexts)
    )
    return acceptance(request, b"".join(answers))


MOODS: tuple[Any, ...] = (
    *[accept_all] * 6,
    lambda request: accept_all(request, maximum=1024),
    lambda request: accept_all(request, maximum=0),
    _refusing,
    lambda request: AssociateRJ(1, 1, 3).encode(),
    lambda request: AssociateRJ(2, 3, 2).encode(),
    lambda request: Abort(2, 0).encode(),
    lambda request: HTTP_REQUEST,
    lambda request: None,
)

pieces = st.sampled_from([1, 2, 5, 11, 12, 13, 300, 5000, 40_000, 2**20])
sizes = st.sampled_from([0, 2, 100, 5000, 40_000, LARGEST])
choice = st.integers(0, 2**16)
haste = st.sampled_from([0, 0, 0, 3, 20, 1000, None])
"""How many bytes are said before all the others; None: it is not said yet."""


class Hostilities(RuleBasedStateMachine):
    """See the module's docstring."""

    listener = ""
    """Lines for the listener's table of the configuration."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[LogEvent] = []
        globalLogPublisher.addObserver(cast(ILogObserver, self._note))
        self.banks = {port: HostileArchives() for port in PORTS}
        self.callers: list[HostileCaller] = []
        self.messages = 0
        text = CONFIGURATION.format(listener=self.listener)
        with patch("relay.service.Random", partial(Random, 0)):
            self.bed = Bed(text, archive=self.banks[ARCHIVE_PORT])
        self.network = self.bed.network
        self.network.listening[PORTS[1]] = self.banks[PORTS[1]]
        self.budget = self.bed.service.doors[0].listener.rules.retention.budget

    def _note(self, event: LogEvent) -> None:
        if event["log_level"] >= LogLevel.error:
            self.errors.append(event)

    # who is there

    @property
    def associations(self) -> list[HostileArchive]:
        return [each for bank in self.banks.values() for each in bank.open]

    @property
    def present(self) -> list[HostileCaller]:
        return [each for each in self.callers if not each.is_closed]

    @property
    def asked(self) -> list[HostileArchive]:
        return [each for each in self.associations if each.asked]

    @property
    def eloquent(self) -> list[Anybody]:
        return [each for each in self.everybody if each.mouth.pending]

    @property
    def everybody(self) -> list[Anybody]:
        return [*self.present, *self.associations]

    def _next_id(self) -> int:
        self.messages += 1
        return self.messages

    # callers

    @precondition(lambda self: len(self.present) < MOST_CALLERS)
    @rule(how=st.sampled_from([*REQUESTS, *REQUESTS, *REQUESTS, *WRONG_REQUESTS]), haste=haste)
    def calls(self, how: str, haste: int | None) -> None:
        caller = HostileCaller()
        self.callers.append(caller)
        self.network.join(caller, PORT)
        caller.mouth.add((REQUESTS | WRONG_REQUESTS)[how])
        self._perhaps_says(caller, haste)

    def _asks(self, which: int, message: bytes, haste: int | None = None) -> None:
        caller = self.present[which % len(self.present)]
        caller.mouth.add(message)
        self._perhaps_says(caller, haste)

    def _perhaps_says(self, peer: Anybody, haste: int | None) -> None:
        """All that it has to say, the first bytes apart, or nothing yet."""
        if haste is not None:
            peer.speak(haste)
            peer.speak(2**20)
            self.network.settle()

    @precondition(lambda self: self.present)
    @rule(which=choice, haste=haste)
    def echoes(self, which: int, haste: int | None) -> None:
        request = command_of(CommandField.C_ECHO_RQ, self._next_id(), e0002=VERIFICATION)
        self._asks(which, said(ECHO, request), haste)

    @precondition(lambda self: self.present)
    @rule(which=choice, size=sizes, is_cut=st.sampled_from([False, False, True]), haste=haste)
    def stores(self, which: int, size: int, is_cut: bool, haste: int | None) -> None:
        """An object, or the beginning of one whose rest never comes."""
        number = self._next_id()
        token = f"{number:08}".encode()
        dataset = (token * (size // 8 + 1))[:size]
        command = store_command(number, instance=f"1.2.{number}")
        beginning = said(STORE, command) + p_data(pdv(STORE, 0, dataset[:5000]))
        self._asks(which, beginning if is_cut else said(STORE, command, dataset), haste)

    @precondition(lambda self: self.present)
    @rule(which=choice, is_get=st.booleans(), haste=haste)
    def finds(self, which: int, is_get: bool, haste: int | None) -> None:
        context, field, of = (
            (GET, CommandField.C_GET_RQ, PATIENT_ROOT_GET)
            if is_get
            else (FIND, CommandField.C_FIND_RQ, PATIENT_ROOT_FIND)
        )
        request = command_of(field, self._next_id(), A_DATASET, e0002=of, e0700=0)
        self._asks(which, said(context, request, element(8, 0x52, b"STUDY ")), haste)

    @precondition(lambda self: self.messages and self.present)
    @rule(which=choice, about=choice)
    def cancels(self, which: int, about: int) -> None:
        number = about % self.messages + 1
        self._asks(which, said(FIND, command_of(CommandField.C_CANCEL_RQ, 0, e0120=number)))

    @precondition(lambda self: self.present)
    @rule(which=choice, has_dataset=st.booleans(), haste=haste)
    def acts(self, which: int, has_dataset: bool, haste: int | None) -> None:
        """A storage commitment request: the association upstream is then its alone."""
        number = self._next_id()
        request = command_of(
            CommandField.N_ACTION_RQ,
            number,
            A_DATASET if has_dataset else NO_DATASET,
            e0003=STORAGE_COMMITMENT,
            e1001="1.2.840.10008.1.20.1.1",
            e1008=1,
        )
        transaction = element(8, 0x1195, f"1.9.{number:06}".encode())
        self._asks(which, said(COMMITMENT, request, transaction if has_dataset else None), haste)

    @precondition(lambda self: self.present)
    @rule(which=choice, haste=haste)
    def releases(self, which: int, haste: int | None) -> None:
        self._asks(which, ReleaseRQ().encode(), haste)

    # either bank

    @precondition(lambda self: self.everybody)
    @rule(which=choice, nonsense=st.sampled_from(NONSENSE) | st.binary(max_size=40))
    def talks_nonsense(self, which: int, nonsense: bytes) -> None:
        self.everybody[which % len(self.everybody)].mouth.add(nonsense)

    @precondition(lambda self: self.eloquent)
    @rule(which=choice, size=pieces, settle=st.booleans())
    def says(self, which: int, size: int, settle: bool) -> None:
        self.eloquent[which % len(self.eloquent)].speak(size)
        if settle:
            self.network.settle()

    @precondition(lambda self: self.eloquent)
    @rule()
    def all_is_said(self) -> None:
        for each in self.eloquent:
            each.speak(2**20)
        self.network.settle()

    @precondition(lambda self: self.everybody)
    @rule(which=choice, how=st.sampled_from(["loseConnection", "abortConnection"]))
    def hangs_up(self, which: int, how: str) -> None:
        getattr(self.everybody[which % len(self.everybody)].transport, how)()

    @precondition(lambda self: self.everybody)
    @rule(which=choice, how=st.sampled_from(["pauseProducing", "resumeProducing"]))
    def reads_or_not(self, which: int, how: str) -> None:
        getattr(self.everybody[which % len(self.everybody)].transport, how)()

    # archives

    @rule(
        port=st.sampled_from(PORTS),
        mood=st.sampled_from(MOODS),
        is_slow=st.sampled_from([False] * 4 + [True]),
    )
    def is_in_a_mood(self, port: int, mood: Any, is_slow: bool) -> None:
        self.banks[port].mood = mood
        self.banks[port].is_slow = is_slow

    @rule(port=st.sampled_from(PORTS), how=st.sampled_from(["there"] * 4 + ["gone", "silent"]))
    def comes_and_goes(self, port: int, how: str) -> None:
        self.network.silent.discard(port)
        self.network.listening[port] = self.banks[port]
        if how == "gone":
            del self.network.listening[port]
        elif how == "silent":
            self.network.silent.add(port)

    @precondition(lambda self: self.asked)
    @rule(
        which=choice,
        status=st.sampled_from(STATUSES),
        old=st.sampled_from([0, 0, 0, 1]),
        haste=haste,
    )
    def answers(self, which: int, status: int, old: int, haste: int | None) -> None:
        """What it was asked last, or before; perhaps not for the first time, or too early."""
        archive = self.asked[which % len(self.asked)]
        context, command = archive.asked[-1 - old % len(archive.asked)]
        answer = said(context, response_of(command, status))
        archive.mouth.add(answer, command.message_id if status == SUCCESS else None)
        self._perhaps_says(archive, haste)

    @precondition(lambda self: self.asked)
    @rule(status=st.sampled_from(STATUSES))
    def all_goes_on(self, status: int) -> None:
        """All is said and read, and answered so."""
        for _ in range(4):
            for each in self.everybody:
                each.transport.resumeProducing()
                each.speak(2**20)
            self.network.settle()
            for archive in self.asked:
                context, command = archive.asked.pop()
                answer = said(context, response_of(command, status))
                archive.mouth.add(answer, command.message_id if status == SUCCESS else None)

    @precondition(lambda self: self.asked)
    @rule(
        which=choice,
        status=st.sampled_from(STATUSES),
        wrong=st.sampled_from(["message", "field", "context", "dataset"]),
        another=choice,
    )
    def answers_wrong(self, which: int, status: int, wrong: str, another: int) -> None:
        """Of a message that it was not asked, or what was not asked, or elsewhere."""
        archive = self.asked[which % len(self.asked)]
        context, command = archive.asked[-1]
        other = another % (self.messages + 2)
        about = command.message_id
        if wrong == "message":
            about = other
            answer = said(context, response_of(command, status, e0120=other))
        elif wrong == "field":
            answer = said(context, response_of(command, status, e0100=0x8FFF))
        elif wrong == "context":
            answer = said((context + 2) % 16, response_of(command, status))
        else:
            answer = said(context, response_of(command, status, A_DATASET), b"an attribute")
        says_success = wrong in {"message", "dataset"} and status == SUCCESS
        archive.mouth.add(answer, about if says_success else None)

    @precondition(lambda self: self.asked)
    @rule(which=choice, size=sizes)
    def sends_an_object(self, which: int, size: int) -> None:
        """As a sub-operation of a C-GET, or out of turn."""
        request = store_command(self._next_id(), instance="1.2.3")
        self.asked[which % len(self.asked)].mouth.add(said(STORE, request, bytes(size)))

    # the world

    @precondition(lambda self: self.network.ends)
    @rule(which=choice)
    def one_end_moves(self, which: int) -> None:
        ends: list[End] = list(self.network.ends)
        ends[which % len(ends)].turn()

    @rule()
    def all_move(self) -> None:
        self.network.settle()

    @rule(seconds=st.sampled_from([0.01, 0.5, 2, 11, 31, 61]))
    def time_passes(self, seconds: float) -> None:
        self.network.wait(seconds)

    # what holds

    @invariant()
    def nothing_went_wrong_inside(self) -> None:
        assert self.errors == []

    @invariant()
    def every_success_was_said_upstream(self) -> None:
        said_upstream = set().union(*(each.successes for each in self.banks.values()))
        for caller in self.callers:
            told = {number for number, status in caller.finals if status == SUCCESS}
            assert told <= said_upstream, told - said_upstream

    @invariant()
    def what_was_delivered_was_said_to_the_end(self) -> None:
        whole = set().union(*(each.witness.objects for each in self.callers))
        for bank in self.banks.values():
            assert whole.issuperset(bank.delivered)

    @invariant()
    def no_request_has_two_answers(self) -> None:
        for caller in self.callers:
            answered = [number for number, _ in caller.finals]
            for number in answered:
                assert answered.count(number) <= caller.witness.asked.count(number), number

    @invariant()
    def little_waits_in_the_relay(self) -> None:
        for end in self.network.ends:
            is_the_relays = str(type(end.protocol).__module__).startswith("relay.")
            assert not is_the_relays or end._size <= UNSENT_MAXIMUM, end._size
        assert 0 <= self.budget.used_memory <= self.budget.memory

    def teardown(self) -> None:
        try:
            self._all_ends_well()
        finally:
            globalLogPublisher.removeObserver(cast(ILogObserver, self._note))

    def _all_ends_well(self) -> None:
        for caller in self.present:
            caller.transport.resumeProducing()
            caller.transport.loseConnection()
        for association in self.associations:
            association.transport.resumeProducing()
        self.network.silent.clear()
        behaved = Archives()
        self.network.listening |= dict.fromkeys(PORTS, behaved)
        self.network.wait(180)
        # A retrieval has no time of its own (docs/flow-control.md): its archive has the last word.
        for association in self.associations:
            assert association.asked[-1][1].field == CommandField.C_GET_RQ
            association.transport.loseConnection()
        self.network.wait(180)
        assert self.associations == []
        assert self.bed.answers_an_echo()
        assert self.bed.left() == []
        assert self.budget.used_memory == self.budget.used_disk == 0
        self.bed.service.stopService()
        self.network.wait(1)
        self.nothing_went_wrong_inside()
        self.every_success_was_said_upstream()
        self.what_was_delivered_was_said_to_the_end()


class Bounded(Hostilities):
    """The same, where some of what is said is longer than the listener takes."""

    listener = f"max_object = {LARGEST // 10}\nmax_command = 1024\nstrict = true"

    @invariant()
    def nothing_too_long_was_delivered(self) -> None:
        delivered = (dataset for bank in self.banks.values() for _, dataset in bank.delivered)
        assert all(len(each) <= LARGEST // 10 for each in delivered)


HOW = settings(
    max_examples=40,
    stateful_step_count=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


TestHostilities = Hostilities.TestCase
TestHostilities.settings = HOW
TestBounded = Bounded.TestCase
TestBounded.settings = HOW

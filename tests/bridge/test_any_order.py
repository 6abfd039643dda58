"""Whole crossings under any order of events: what must hold of every one of them.

A caller of two pools, their upstreams, the bank and the clock do whatever they may do, and now and
then what they may not, in any order. Every message has a serial number and the token of its
operation, in elements of the command set that nobody but the test reads. So it is known of each
status, and of each byte of a dataset, who said it.

Beside the doubles' own rules (messages are not interleaved, nothing is written to who is gone, a
lease ends once) these hold:
- each 0000 was said by the other side for that very operation;
- a dataset arrives as it was sent, and a whole one only if all of it was sent;
- a lease that goes back has nothing unfinished on it;
- once everybody has done what is due, every request has one final answer, and everybody is read;
- at the end of a crossing every lease has ended, and nothing is due any more.
"""

from __future__ import annotations

import struct
from itertools import count

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relay.bridge.ports import ContextRefused, Negotiated, Unavailable
from relay.bridge.pressure import HELD_MAXIMUM
from relay.policy.routing import Route
from relay.wire.command import NO_DATASET, encode
from relay.wire.command import CommandField as F
from tests.doubles import (
    COMMITMENT,
    FIND,
    GET,
    ROOMY,
    WORKLIST,
    Association,
    Crossing,
    Peer,
    accepting,
    associate,
    contexts_of,
)
from tests.vectors import CT_IMAGE_STORAGE, VERIFICATION

SOP_CLASSES = {
    1: VERIFICATION,
    3: CT_IMAGE_STORAGE,
    5: FIND,
    7: GET,
    9: COMMITMENT,
    11: WORKLIST,
}
ROUTES = (Route("ris", services=frozenset({"worklist"})), Route("archive"))

REQUESTS = [
    (F.C_ECHO_RQ, 1),
    (F.C_STORE_RQ, 3),
    (F.C_FIND_RQ, 5),
    (F.C_GET_RQ, 7),
    (F.N_ACTION_RQ, 9),
    (F.N_EVENT_REPORT_RQ, 9),
    (F.C_FIND_RQ, 11),
]
STATUSES = [0x0000, 0x0000, 0xA700, 0xFE00, 0xFF00, 0xFF00, 0xFF01]
PENDING = (0xFF00, 0xFF01)
PARTS = [b"", b"x", b"some more", bytes(HELD_MAXIMUM // 2 + 10)]

TOKEN, SERIAL = 0x1000, 0x0902
_header = struct.Struct("<HHL").unpack_from


def elements(command_set: bytes) -> dict[int, bytes]:
    """The elements of a command set that the relay wrote or passed."""
    found, at = {}, 0
    while at < len(command_set):
        _, number, length = _header(command_set, at)
        found[number] = command_set[at + 8 : at + 8 + length].rstrip(b"\0")
        at += 8 + length
    return found


@attrs.define(eq=False)
class Mouth:
    """What one peer has said and still has to: it finishes one message before the next."""

    peer: Peer
    speaking: bytes | None = None
    """The serial of the message under way."""
    asked: set[bytes] = attrs.field(factory=set)
    """Tokens of its requests that have no final answer yet."""
    unclear: bool = False
    """Whether a dataset may follow what it said last."""


class Tracked(Association):
    """An association that checks, when it goes back, that nothing is unfinished on it."""

    check = staticmethod(lambda association: None)

    def give_back(self) -> None:
        self.check(self)
        super().give_back()

    def release(self) -> None:
        self.check(self)
        super().release()


class AnyOrder(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers = count(1)
        self.calls()

    # beginning and end

    def calls(self) -> None:
        self.crossing = Crossing(ROUTES)
        self.crossing.asks(associate(contexts_of(SOP_CLASSES)))
        for pool, (asked, _) in list(self.crossing.bank.asked.items()):
            self.crossing.bank.answer(pool, Negotiated("a", accepting(asked.offer), ROOMY))
        self.caller = Mouth(self.crossing.caller)
        self.upstreams: list[Mouth] = []
        self.sent: dict[bytes, tuple[bytes, bool]] = {}
        """Dataset so far and whether that is all, by serial."""
        self.successes: set[bytes] = set()
        """Serials of the responses with 0000 that a peer said."""
        self.finals: dict[bytes, int] = {}
        """Final answers that the caller got, by token."""
        self.read: dict[Peer, int] = {}
        """Messages of each peer that have been looked at."""

    @property
    def is_over(self) -> bool:
        return self.crossing.caller.is_over

    @property
    def living(self) -> list[Mouth]:
        return [each for each in self.upstreams if not each.peer.is_over]

    def mouths(self) -> list[Mouth]:
        return [*([] if self.is_over else [self.caller]), *self.living]

    # saying

    def say(self, mouth: Mouth, command: dict[int, int | str], on: int, dataset: bool) -> None:
        serial = b"m%d" % next(self.numbers)
        command = {**command, SERIAL: serial.decode(), 0x0800: 0 if dataset else NO_DATASET}
        self.sent[serial] = b"", not dataset
        mouth.speaking = serial if dataset else None
        mouth.unclear = False
        if command.get(0x0900) == 0:
            self.successes.add(serial)
        mouth.peer.begins(encode(command), on=on)

    def go_on(self, mouth: Mouth, part: bytes, last: bool) -> None:
        assert mouth.speaking is not None
        so_far, _ = self.sent[mouth.speaking]
        self.sent[mouth.speaking] = so_far + part, last
        if last:
            mouth.speaking = None
            mouth.peer.ends(part)
        else:
            mouth.peer.goes_on(part)

    def ask(
        self, mouth: Mouth, field: int, on: int, sop_class: str, message_id: int, dataset: bool
    ):
        token = b"2.25.%d" % next(self.numbers)
        mouth.asked.add(token)
        command: dict[int, int | str] = {
            0x0002: sop_class,
            0x0100: int(field),
            0x0110: message_id,
            TOKEN: token.decode(),
        }
        self.say(mouth, command, on, dataset)

    def answer(self, mouth: Mouth, request, status: int, dataset: bool) -> None:
        self.say(
            mouth,
            {
                0x0100: request.command.field | 0x8000,
                0x0120: request.command.message_id,
                0x0900: status,
                TOKEN: elements(request.command_set)[TOKEN].decode(),
            },
            request.context_id,
            dataset,
        )
        if status not in PENDING:
            request.is_answered = True

    def due(self, mouth: Mouth) -> list:
        """Requests that this peer got and has not answered for good; the first one counts."""
        return [
            each
            for each in mouth.peer.got
            if each.command.is_request
            and not each.command.is_cancel
            and not getattr(each, "is_answered", False)
        ]

    # hearing

    @invariant()
    def hear(self) -> None:
        """Look at what everybody got since the last step."""
        for mouth in (self.caller, *self.upstreams):
            for message in mouth.peer.got[self.read.get(mouth.peer, 0) :]:
                self.heard(mouth, message)

    def heard(self, mouth: Mouth, message) -> None:
        found = elements(message.command_set)
        sent, all_of_it = self.sent.get(found.get(SERIAL, b""), (b"", True))
        if not message.ended:
            assert sent.startswith(message.dataset)
            return
        assert (message.dataset, True) == (sent, all_of_it)
        self.read[mouth.peer] = self.read.get(mouth.peer, 0) + 1
        if message.command.is_response:
            self.responded(mouth, message, found)

    def responded(self, mouth: Mouth, message, found: dict[int, bytes]) -> None:
        token = found[TOKEN]
        assert token in mouth.asked, "an answer to what was not asked, or is answered"
        if message.command.status == 0:
            assert found.get(SERIAL) in self.successes, "a success that nobody said"
        if not message.command.pending:
            mouth.asked.remove(token)
            if mouth is self.caller:
                self.finals[token] = self.finals.get(token, 0) + 1

    def check(self, association: Association) -> None:
        """A lease goes back: nothing is unfinished on it, neither way."""
        (mouth,) = (each for each in self.upstreams if each.peer is association)
        self.hear()
        assert mouth.speaking is None, "given back in the middle of what its upstream says"
        assert not mouth.unclear, "given back though a dataset may follow"
        assert not self.due(mouth), "given back with a request that is not answered"
        assert not mouth.asked, "given back while its upstream awaits an answer"

    # the caller

    @precondition(lambda self: self.is_over)
    @rule()
    def another_calls(self) -> None:
        self.is_done()
        self.calls()

    @precondition(lambda self: not self.is_over and self.caller.speaking is None)
    @rule(
        kind=st.sampled_from(REQUESTS),
        message_id=st.integers(1, 4),
        dataset=st.booleans(),
        bad=st.integers(0, 30),
    )
    def the_caller_asks(self, kind, message_id, dataset, bad) -> None:
        field, on = kind
        field = 0x0002 if bad == 1 else field
        sop_class = VERIFICATION if bad == 2 else SOP_CLASSES[on]
        self.ask(self.caller, field, 99 if bad == 3 else on, sop_class, message_id, dataset)

    @precondition(lambda self: not self.is_over and self.caller.speaking is None)
    @rule(message_id=st.integers(1, 4), on=st.sampled_from([3, 5, 7]))
    def the_caller_cancels(self, message_id, on) -> None:
        self.say(self.caller, {0x0100: int(F.C_CANCEL_RQ), 0x0120: message_id}, on, False)

    @precondition(
        lambda self: not self.is_over and self.caller.speaking is None and self.due(self.caller)
    )
    @rule(status=st.sampled_from(STATUSES), dataset=st.booleans())
    def the_caller_answers(self, status, dataset) -> None:
        self.answer(self.caller, self.due(self.caller)[0], status, dataset)

    @precondition(lambda self: not self.is_over)
    @rule()
    def the_caller_is_full(self) -> None:
        self.crossing.session.full()

    @precondition(lambda self: not self.is_over)
    @rule()
    def the_caller_drains(self) -> None:
        self.crossing.session.drained()

    @precondition(lambda self: not self.is_over)
    @rule(
        how=st.sampled_from(["release", "abort", "lose", "stop", "fail"]), really=st.integers(0, 5)
    )
    def the_caller_ends(self, how, really) -> None:
        if really:
            return
        session = self.crossing.session
        ends = {"stop": session.stop, "fail": lambda: session.fail("x")}
        ends.get(how, lambda: getattr(self.crossing, how)())()

    # either

    @precondition(lambda self: any(each.speaking for each in self.mouths()))
    @rule(data=st.data(), part=st.sampled_from(PARTS), last=st.booleans())
    def somebody_goes_on(self, data, part, last) -> None:
        mouth = data.draw(st.sampled_from([each for each in self.mouths() if each.speaking]))
        self.go_on(mouth, part, last)

    @precondition(lambda self: any(not each.speaking for each in self.mouths()))
    @rule(data=st.data())
    def somebody_is_not_understood(self, data) -> None:
        mouth = data.draw(st.sampled_from([each for each in self.mouths() if not each.speaking]))
        token = b"2.25.%d" % next(self.numbers)
        mouth.asked.add(token)
        mouth.unclear = True
        on = 3 if mouth is self.caller else self.id_of(mouth, CT_IMAGE_STORAGE)
        mouth.peer.says(encode({0x0100: 1, 0x0110: 9, TOKEN: token.decode()}), on=on)

    @rule(seconds=st.sampled_from([0.5, 2.0, 31.0, 61.0]))
    def time_passes(self, seconds) -> None:
        self.crossing.clock.advance(seconds)

    # the bank and the upstreams

    @precondition(lambda self: self.crossing.bank.wanted)
    @rule(how=st.sampled_from(["same", "same", "other ids", "least", "refused", "unavailable"]))
    def the_bank_answers(self, how) -> None:
        bank = self.crossing.bank
        if how == "refused":
            bank.grants(ContextRefused())
        elif how == "unavailable":
            bank.grants(Unavailable())
        else:
            self.lend(how)

    def lend(self, how: str) -> None:
        wanted = self.crossing.bank.wanted[0][0]
        held = dict(enumerate(sorted(self.crossing_contexts(wanted.asked.pool), key=repr), 100))
        if how == "same":
            own = self.crossing.session.party.contexts
            held = {each: context for each, context in own.items() if context in held.values()}
        elif how == "least" and wanted.exactly is None:
            held = {1: wanted.context}
        association = Tracked(f"u{next(self.numbers)}", self.crossing.out, held=held)
        association.check = self.check  # type: ignore[method-assign]
        self.upstreams.append(Mouth(association))
        self.crossing.bank.grants(association)

    def crossing_contexts(self, pool: str):
        own = self.crossing.session.party.contexts.values()
        return [each for each in own if (each.abstract_syntax == WORKLIST) == (pool == "ris")]

    def id_of(self, mouth: Mouth, sop_class: str) -> int:
        """The id under which an association holds a class; else one that it does not hold."""
        assert isinstance(mouth.peer, Association)
        held = mouth.peer.held.items()
        return next((each for each, its in held if its.abstract_syntax == sop_class), 251)

    def drawn(self, data, condition) -> Mouth:
        return data.draw(st.sampled_from([each for each in self.living if condition(each)]))

    @precondition(lambda self: any(self.due(each) and not each.speaking for each in self.living))
    @rule(
        data=st.data(),
        status=st.sampled_from(STATUSES),
        dataset=st.booleans(),
        bad=st.integers(0, 20),
    )
    def an_upstream_answers(self, data, status, dataset, bad) -> None:
        mouth = self.drawn(data, lambda each: self.due(each) and not each.speaking)
        request = self.due(mouth)[0]
        if bad == 1:
            request = attrs.evolve(request, context_id=251)
        self.answer(mouth, request, status, dataset)

    @precondition(lambda self: any(not each.speaking for each in self.living))
    @rule(
        data=st.data(),
        kind=st.sampled_from([(F.N_EVENT_REPORT_RQ, COMMITMENT), (F.C_STORE_RQ, CT_IMAGE_STORAGE)]),
        message_id=st.integers(1, 3),
        dataset=st.booleans(),
    )
    def an_upstream_asks(self, data, kind, message_id, dataset) -> None:
        mouth = self.drawn(data, lambda each: not each.speaking)
        field, sop_class = kind
        self.ask(mouth, field, self.id_of(mouth, sop_class), sop_class, message_id, dataset)

    @precondition(lambda self: self.living)
    @rule(data=st.data(), what=st.sampled_from(["fills", "fills", "drains", "drains", "falls"]))
    def an_upstream_changes(self, data, what) -> None:
        getattr(self.drawn(data, bool).peer, what)()

    # what must hold in the end

    def is_done(self) -> None:
        """The crossing has ended: so have its leases and timers, and it is told once."""
        assert self.living == []
        assert self.crossing.bank.wanted == []
        assert self.crossing.clock.getDelayedCalls() == []
        assert len(self.crossing.ended) == 1

    def settle(self) -> None:
        """Everybody does what is due of it, until nothing is."""
        for _ in range(1000):
            if self.is_over:
                return
            before = next(self.numbers)
            self.everybody_does_their_part()
            self.hear()
            self.crossing.clock.advance(0.01)
            if next(self.numbers) == before + 1 and not self.crossing.bank.wanted:
                return
        raise AssertionError("it does not settle")

    def everybody_does_their_part(self) -> None:
        self.crossing.session.drained()
        while self.crossing.bank.wanted:
            self.lend("same")
        for mouth in self.mouths():
            if isinstance(mouth.peer, Association) and not mouth.peer.is_over:
                mouth.peer.drains()
            if mouth.speaking and not mouth.peer.is_over:
                next(self.numbers)
                self.go_on(mouth, b"end", True)
            if self.due(mouth) and not mouth.peer.is_over:
                self.answer(mouth, self.due(mouth)[0], 0xA700, False)

    def teardown(self) -> None:
        self.hear()
        self.settle()
        if not self.is_over:
            assert not self.crossing.caller.is_paused, "the caller is left stopped"
            assert not any(each.peer.is_paused for each in self.living), "an upstream is"
            assert not self.caller.asked, "a request of the caller is left without an answer"
            assert set(self.finals.values()) <= {1}
            assert self.crossing.session.is_idle
            self.crossing.release()
        self.is_done()


AnyOrder.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase

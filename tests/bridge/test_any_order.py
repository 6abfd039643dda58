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
- at the end of a crossing every lease has ended, nothing is due any more, and nothing is kept.

What an upstream fails on is sent again, and so may reach several; the rules are the same.
"""

from __future__ import annotations

import struct
from itertools import count

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from relay.bridge.ports import ContextRefused, Negotiated, Unavailable
from relay.bridge.pressure import HELD_MAXIMUM
from relay.policy.routing import Route
from relay.wire.command import NO_DATASET, encode
from relay.wire.command import CommandField as F
from relay.wire.user_information import AsynchronousOperationsWindow, UserInformation
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
    some_budget,
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
FIELDS = {SOP_CLASSES[on]: field for field, on in REQUESTS}
"""What an upstream asks for on a context of that class."""

STATUSES = [0x0000, 0x0000, 0x0000, 0xA700, 0xFE00, 0xFF00, 0xFF00, 0xFF01]
ENDS = ["release", "abort", "lose", "stop", "fail"]
WRONGS = [
    *(*ENDS, "time", "refused", "unavailable", "falls", "falls"),
    *("malformed", "unknown", "other class", "out of turn"),
]
PENDING = (0xFF00, 0xFF01)
SIZES = [0, 1, 10, HELD_MAXIMUM // 2 + 10]

callers = st.tuples(
    st.sampled_from([1, 1, 2, 8]),
    st.sampled_from([2**20, 2**20, 0, 2000, HELD_MAXIMUM]),
    st.sampled_from([0.0, 0.0, 0.7, None]),
)
"""What a caller may have outstanding; bytes kept; how long a retry waits."""

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
    ids: list[int] = attrs.field(factory=list)
    """Message IDs of its requests."""
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
        self.calls(1, 2**20, 0.0)

    # beginning and end

    def calls(self, window: int, kept: int, pause: float | None) -> None:
        """A caller with this asynchronous window; `kept` bytes are kept in memory, and on disk."""
        budget = some_budget(window=kept, memory=kept, disk=kept)
        self.crossing = Crossing(ROUTES, window=window, budget=budget)
        self.crossing.bank.pause = pause
        asynchronous = AsynchronousOperationsWindow(0, 0)
        information = UserInformation(
            maximum_length=ROOMY, asynchronous_operations_window=asynchronous
        )
        self.crossing.asks(associate(contexts_of(SOP_CLASSES), information))
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
        mouth.ids.append(message_id)
        command: dict[int, int | str] = {
            0x0002: sop_class,
            0x0100: int(field),
            0x0110: message_id,
            TOKEN: token.decode(),
        }
        self.say(mouth, command, on, dataset)

    def answer(self, mouth: Mouth, request, status: int, dataset: bool) -> None:
        request.is_answered = status not in PENDING
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

    def due(self, mouth: Mouth) -> list:
        """Requests that this peer got and has not answered for good; the first one counts."""
        return [
            each
            for each in mouth.peer.got
            if each.command.is_request and not each.command.is_cancel and not each.is_answered
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

    # what the caller does

    @precondition(lambda self: self.is_over)
    @rule(kind=callers)
    def another_calls(self, kind) -> None:
        self.is_done()
        self.calls(*kind)

    @initialize(kind=callers)
    def the_first_calls(self, kind) -> None:
        self.crossing.release()
        self.calls(*kind)

    @precondition(lambda self: not self.is_over and not self.caller.speaking)
    @rule(kind=st.sampled_from(REQUESTS), message_id=st.integers(1, 20), dataset=st.booleans())
    def the_caller_asks(self, kind, message_id, dataset) -> None:
        field, on = kind
        self.ask(self.caller, field, on, SOP_CLASSES[on], message_id, dataset)

    @precondition(lambda self: not self.is_over and not self.caller.speaking and self.caller.ids)
    @rule(which=st.integers(-3, -1), on=st.sampled_from([3, 5, 7]))
    def the_caller_cancels(self, which, on) -> None:
        message_id = self.caller.ids[-3:][max(which, -len(self.caller.ids[-3:]))]
        self.say(self.caller, {0x0100: int(F.C_CANCEL_RQ), 0x0120: message_id}, on, False)

    @precondition(lambda self: not self.is_over and not self.caller.speaking)
    @precondition(lambda self: self.due(self.caller))
    @rule(status=st.sampled_from(STATUSES), dataset=st.booleans())
    def the_caller_answers(self, status, dataset) -> None:
        self.answer(self.caller, self.due(self.caller)[0], status, dataset)

    # what the bank and the upstreams do

    @precondition(lambda self: self.crossing.bank.wanted)
    @rule(how=st.sampled_from(["same", "same", "other ids", "least"]))
    def the_bank_lends(self, how) -> None:
        self.lend(how)

    def lend(self, how: str) -> None:
        wanted = self.crossing.bank.wanted[0][0]
        own = self.crossing.session.party.contexts
        ris = wanted.asked.pool == "ris"
        held = {
            each: context
            for each, context in own.items()
            if (context.abstract_syntax == WORKLIST) == ris
        }
        if how == "other ids":
            held = {each + 100: context for each, context in held.items()}
        elif how == "least" and wanted.exactly is None:
            held = {1: wanted.context}
        association = Tracked(f"u{next(self.numbers)}", self.crossing.out, held=held)
        association.check = self.check
        self.upstreams.append(Mouth(association))
        self.crossing.bank.grants(association)

    def id_of(self, mouth: Mouth, sop_class: str) -> int:
        """The id under which an association holds a class; else one that it does not hold."""
        assert isinstance(mouth.peer, Association)
        held = mouth.peer.held.items()
        return next((each for each, its in held if its.abstract_syntax == sop_class), 251)

    def drawn(self, data, condition) -> Mouth:
        return data.draw(st.sampled_from([each for each in self.living if condition(each)]))

    @precondition(lambda self: any(map(self.can_answer, self.living)))
    @rule(data=st.data(), status=st.sampled_from(STATUSES), dataset=st.booleans())
    def an_upstream_answers(self, data, status, dataset) -> None:
        mouth = self.drawn(data, self.can_answer)
        self.answer(mouth, self.due(mouth)[0], status, dataset)

    def can_answer(self, mouth: Mouth) -> bool:
        return bool(self.due(mouth)) and not mouth.speaking

    @precondition(lambda self: any(map(self.can_ask, self.living)))
    @rule(data=st.data(), message_id=st.integers(1, 20), dataset=st.booleans())
    def an_upstream_asks(self, data, message_id, dataset) -> None:
        mouth = self.drawn(data, self.can_ask)
        assert isinstance(mouth.peer, Association)
        on, context = data.draw(st.sampled_from(sorted(mouth.peer.held.items())))
        field = FIELDS[context.abstract_syntax]
        self.ask(mouth, field, on, context.abstract_syntax, message_id, dataset)

    def can_ask(self, mouth: Mouth) -> bool:
        return not mouth.speaking

    # what anybody does

    @precondition(lambda self: any(each.speaking for each in self.mouths()))
    @rule(data=st.data(), size=st.sampled_from(SIZES))
    def somebody_goes_on(self, data, size) -> None:
        mouth = data.draw(st.sampled_from([each for each in self.mouths() if each.speaking]))
        part = b"%d " % next(self.numbers)
        self.go_on(mouth, (part * size)[:size], last=False)

    @precondition(lambda self: any(each.speaking for each in self.mouths()))
    @rule(data=st.data())
    def somebody_ends_a_message(self, data) -> None:
        mouth = data.draw(st.sampled_from([each for each in self.mouths() if each.speaking]))
        self.go_on(mouth, b"end", last=True)

    @precondition(lambda self: self.mouths())
    @rule(data=st.data())
    def somebody_is_full(self, data) -> None:
        self.flow(data.draw(st.sampled_from(self.mouths())), "full")

    @precondition(lambda self: self.mouths())
    @rule(data=st.data())
    def somebody_drains(self, data) -> None:
        self.flow(data.draw(st.sampled_from(self.mouths())), "drained")

    def flow(self, mouth: Mouth, what: str) -> None:
        user = self.crossing.session if mouth is self.caller else mouth.peer
        names = {"full": "fills", "drained": "drains"} if mouth is not self.caller else {}
        getattr(user, names.get(what, what))()

    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def time_passes(self, seconds) -> None:
        self.crossing.clock.advance(seconds)

    @precondition(lambda self: self.mouths())
    @rule(data=st.data(), what=st.sampled_from(WRONGS))
    def something_goes_wrong(self, data, what) -> None:
        if data.draw(st.integers(0, 9)):
            return
        if what in ENDS:
            if not self.is_over:
                ender = self if hasattr(self, what) else self.crossing
                getattr(ender, what)()
        elif what == "time":
            self.crossing.clock.advance(61.0)
        elif what in ("refused", "unavailable"):
            if self.crossing.bank.wanted:
                result = ContextRefused() if what == "refused" else Unavailable()
                self.crossing.bank.grants(result)
        elif what == "falls":
            if self.living:
                fallen = self.drawn(data, bool).peer
                assert isinstance(fallen, Association)
                fallen.falls()
        else:
            self.misspeaks(data.draw(st.sampled_from(self.mouths())), what)

    def stop(self) -> None:
        self.crossing.session.stop()

    def fail(self) -> None:
        self.crossing.session.fail("too slow")

    def misspeaks(self, mouth: Mouth, what: str) -> None:
        """Something that breaks the rules, or is refused."""
        if mouth.speaking:
            mouth.peer.says(encode({0x0100: 1}))
            return
        on = 3 if mouth is self.caller else self.id_of(mouth, CT_IMAGE_STORAGE)
        if what == "malformed":
            token = b"2.25.%d" % next(self.numbers)
            mouth.asked.add(token)
            mouth.unclear = True
            mouth.peer.says(encode({0x0100: 1, 0x0110: 9, TOKEN: token.decode()}), on=on)
        elif what == "unknown":
            self.ask(mouth, 0x0002, on, CT_IMAGE_STORAGE, 21, True)
        elif what == "other class":
            self.ask(mouth, F.C_STORE_RQ, on, VERIFICATION, 21, True)
        else:
            self.say(mouth, {0x0100: 0x8001, 0x0120: 77, 0x0900: 0, TOKEN: "2.25.0"}, on, False)

    # what must hold in the end

    def is_done(self) -> None:
        """The crossing has ended: so have its leases and timers, and it is told once."""
        assert self.living == []
        assert self.crossing.bank.wanted == []
        assert self.crossing.clock.getDelayedCalls() == []
        assert self.crossing.budget.used_memory == self.crossing.budget.used_disk == 0
        assert len(self.crossing.ended) == 1

    def settle(self) -> None:
        """Everybody does what is due of it, until nothing is."""
        for _ in range(1000):
            if self.is_over:
                return
            before = next(self.numbers)
            self.everybody_does_their_part()
            self.hear()
            # Long enough for a retry that was put off.
            self.crossing.clock.advance(0.8)
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
    max_examples=400, stateful_step_count=80, suppress_health_check=list(HealthCheck)
)
TestAnyOrder = AnyOrder.TestCase

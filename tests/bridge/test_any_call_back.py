"""Call-backs under any order of events: what must hold of every one of them.

Modalities move and ask for storage commitment, all under the relay's AE title; the archive does and
reports it on associations of its own or theirs, or something else that it was not asked for. All
crossings share what the relay remembers of moves and transactions, whose table answers when it
likes. Every request has a token, which says to the test alone whom it is for. These hold:

- an object reaches only the destination of its own move, and names there who had asked for it;
- a request for commitment leaves only once it is written down whose it is, and a report reaches
  only that one;
- each 0000 was said by the other side for that very operation;
- once everybody has done what is due, every request has one final answer, and everybody is read;
- at the end every lease has ended, nothing is due, and no move is remembered once its time is over.
"""

from __future__ import annotations

from collections import Counter
from itertools import count

import attrs
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from relay.bridge.addressing import Registers
from relay.bridge.ports import ContextRefused, Negotiated, Requester, Terms, Unavailable
from relay.bridge.pressure import HELD_MAXIMUM
from relay.policy.affinity import by_association
from relay.policy.moves import AFTERLIFE, Moving
from relay.policy.routing import Route
from relay.policy.showing import Showing
from relay.wire.command import NO_DATASET, encode
from relay.wire.command import CommandField as F
from relay.wire.elements import (
    MOVE_DESTINATION,
    MOVE_ORIGINATOR,
    MOVE_ORIGINATOR_MESSAGE_ID,
    ae,
    text_of,
    value,
)
from relay.wire.user_information import AsynchronousOperationsWindow, UserInformation
from tests.bridge.test_any_order import PENDING, STATUSES
from tests.bridge.test_committing import Table, element
from tests.doubles import (
    COMMITMENT,
    MOVE,
    ROOMY,
    Association,
    Clock,
    Crossing,
    Message,
    Peer,
    accepting,
    associate,
    contexts_of,
    some_budget,
)
from tests.vectors import CT_IMAGE_STORAGE

POOLS = {"CT_1": "ct1", "CT_2": "ct2", "CT_3": "ct3"}
ARCHIVES = frozenset({"PACS"})
ROUTES = (
    Route("archive", "RELAY", showing=Showing("RELAY"), members=ARCHIVES),
    *(Route(pool, title, members=frozenset({title})) for title, pool in POOLS.items()),
)
TERMS = Terms(by_association, moving=Moving(title="RELAY", archives=ARCHIVES))
OF_MODALITIES = {7: MOVE, 11: COMMITMENT}
OF_ARCHIVES = {3: CT_IMAGE_STORAGE, 11: COMMITMENT}
ENDS = ["release", "abort", "lose", "stop", "fail"]
smooth = st.sampled_from([True, True, True, False])
"""Whether what is asked is said, and leaves, at once."""
rarely = st.sampled_from([False] * 5 + [True])
UIDS = [f"2.25.{each}" for each in range(4)]

TOKEN, SERIAL = 0x1000, 0x0902


def told(command_set: bytes, number: int) -> str:
    return text_of(value(command_set, number) or b"")


class Book(Table):
    """Keeps nothing that is another's already."""

    @property
    def is_asked(self):
        return bool(self._due)

    def remember(self, uid, requester, done):
        def work():
            keeps = self.keeps and self.rows.get(uid, requester) == requester
            if keeps:
                self.rows[uid] = requester
            done(keeps)

        self._later(work)


def pick(data, several):
    """One of them, by its number: they are nothing to print."""
    return several[data.draw(st.integers(0, len(several) - 1))]


@attrs.define(eq=False)
class Mouth:
    """A peer, what it is still to say of its message, and the tokens of what it asked."""

    peer: Peer
    pool: str = ""
    rest: bytes | None = None
    asked: Counter[str] = attrs.field(factory=Counter)
    looked_at: int = 0

    @property
    def can_speak(self) -> bool:
        return self.rest is None and not self.peer.is_over

    @property
    def due(self) -> list[Message]:
        """Whole requests that it has not answered for good; the first one counts."""
        requests = (each for each in self.peer.got if each.command.is_request and each.ended)
        return [each for each in requests if not (each.command.is_cancel or each.is_answered)]


@attrs.define(eq=False)
class Call:
    """An association with the relay, and those that the relay leased for it."""

    title: str
    crossing: Crossing
    caller: Mouth
    upstreams: list[Mouth] = attrs.field(factory=list)
    numbers: count = attrs.field(factory=lambda: count(1))

    @property
    def is_over(self) -> bool:
        return self.crossing.caller.is_over

    @property
    def mouths(self) -> list[Mouth]:
        return [each for each in (self.caller, *self.upstreams) if not each.peer.is_over]

    @property
    def can_ask(self) -> bool:
        return self.crossing.caller.accepted is not None and self.caller.can_speak

    def end(self, how: str) -> None:
        session = self.crossing.session
        if how == "stop":
            session.stop()
        elif how == "fail":
            session.fail("too slow")
        elif how != "release" or self.crossing.caller.accepted is not None:
            getattr(self.crossing, how)()


@attrs.define(eq=False)
class Moved:
    """A C-MOVE: who asked for what, and once the archive has got it, how that knows it."""

    destination: str
    calling: str
    message_id: int
    known_as: int | None = None
    mouth: Mouth | None = None
    is_answered: bool = False
    lost_at: float | None = None
    """When the association on which the archive had got it was first seen to be over."""


class AnyCallBack(RuleBasedStateMachine):
    """See the module's docstring."""

    def __init__(self) -> None:
        super().__init__()
        self.clock, self.table = Clock(), Book(answers=False)
        self.registers = Registers(transactions=self.table)
        self.budget = some_budget()
        self.tokens = count(1)
        self.calls: list[Call] = []
        self.moves: dict[str, Moved] = {}
        self.objects: dict[str, tuple[Moved | None, bool]] = {}
        """By token: the move, None if there is none that is meant, and whether it names it."""
        self.datasets: dict[str, bytes] = {}
        self.successes: set[str] = set()

    # who calls

    @precondition(lambda self: len(self.calls) < 5)
    @rule(
        title=st.sampled_from(["PACS", "PACS", "PACS", *POOLS]),
        window=st.sampled_from([1, 2]),
        is_smooth=smooth,
    )
    def somebody_calls(self, title, window, is_smooth) -> None:
        crossing = Crossing(
            ROUTES, registers=self.registers, clock=self.clock, window=window, budget=self.budget
        )
        crossing.bank.granted = TERMS
        call = Call(title, crossing, Mouth(crossing.caller))
        self.calls.append(call)
        offered = contexts_of(OF_ARCHIVES if title == "PACS" else OF_MODALITIES)
        asynchronous = AsynchronousOperationsWindow(0, 0)
        information = UserInformation(ROOMY, asynchronous_operations_window=asynchronous)
        crossing.asks(associate(offered, information, calling=title))
        while crossing.bank.asked and (is_smooth or title != "PACS"):
            self.negotiates(call, True)

    def drawn(self, data, condition) -> Call:
        return pick(data, [each for each in self.calls if condition(each)])

    def asks_a_pool(self, call: Call) -> bool:
        return bool(call.crossing.bank.asked)

    @precondition(lambda self: any(map(self.asks_a_pool, self.calls)))
    @rule(data=st.data(), is_up=st.sampled_from([True, True, False]))
    def a_pool_answers(self, data, is_up) -> None:
        self.negotiates(self.drawn(data, self.asks_a_pool), is_up)

    def negotiates(self, call: Call, is_up: bool) -> None:
        bank = call.crossing.bank
        pool, (asked, _) = next(iter(bank.asked.items()))
        yes = Negotiated(pool, accepting(asked.offer), ROOMY)
        bank.answer(pool, yes if is_up else Unavailable())

    # what modalities ask

    def is_modality(self, call: Call) -> bool:
        return call.title != "PACS" and call.can_ask

    @precondition(lambda self: any(map(self.is_modality, self.calls)))
    @rule(data=st.data(), destination=st.sampled_from([*POOLS, *POOLS, "X"]), is_smooth=smooth)
    def a_modality_moves(self, data, destination, is_smooth) -> None:
        call = self.drawn(data, self.is_modality)
        message_id = next(call.numbers)
        token = self.ask(
            call.caller,
            {
                0x0002: MOVE,
                0x0100: int(F.C_MOVE_RQ),
                0x0110: message_id,
                MOVE_DESTINATION: ae(destination),
            },
            7,
            b"WHAT",
        )
        self.moves[token] = Moved(destination, call.title, message_id)
        self.smoothly(call, is_smooth)

    @precondition(lambda self: any(map(self.is_modality, self.calls)))
    @rule(
        data=st.data(),
        uid=st.sampled_from(UIDS),
        size=st.sampled_from([10, HELD_MAXIMUM]),
        is_smooth=smooth,
    )
    def a_modality_wants_commitment(self, data, uid, size, is_smooth) -> None:
        call = self.drawn(data, self.is_modality)
        self.speaks_of(call, F.N_ACTION_RQ, uid, size)
        self.smoothly(call, is_smooth)

    @precondition(lambda self: any(map(self.is_modality, self.calls)))
    @rule(data=st.data(), back=st.integers(0, 2))
    def a_modality_cancels(self, data, back) -> None:
        call = self.drawn(data, self.is_modality)
        its = [each.message_id for each in self.moves.values() if each.calling == call.title]
        command = {0x0100: int(F.C_CANCEL_RQ), 0x0120: [1, *its][-1 - back :][0]}
        self.say(call.caller, command, 7, None)

    # what the archive does

    def is_archive(self, call: Call) -> bool:
        return call.title == "PACS" and call.can_ask

    def can_store(self, call: Call) -> bool:
        return self.is_archive(call) and 3 in call.crossing.session.party.contexts

    @precondition(lambda self: any(map(self.can_store, self.calls)))
    @rule(
        data=st.data(),
        how=st.sampled_from(["named", "named", "anonymous", "anonymous", "other", "unknown"]),
        size=st.sampled_from([10, HELD_MAXIMUM]),
        is_smooth=smooth,
    )
    def the_archive_stores(self, data, how, size, is_smooth) -> None:
        call = self.drawn(data, self.can_store)
        known = [each for each in self.moves.values() if each.known_as is not None]
        if how == "anonymous":
            known = list(filter(self.may_be_performed, known))
        move = pick(data, known) if known else None
        command = {0x0002: CT_IMAGE_STORAGE, 0x0100: int(F.C_STORE_RQ)}
        command[0x0110] = next(call.numbers)
        number = move.known_as if move is not None else 9
        if how == "named":
            command |= {MOVE_ORIGINATOR: ae("RELAY"), MOVE_ORIGINATOR_MESSAGE_ID: number}
        elif how == "other":
            command |= {MOVE_ORIGINATOR: ae("OTHER"), MOVE_ORIGINATOR_MESSAGE_ID: number}
            move = None
        elif how == "unknown":
            command |= {MOVE_ORIGINATOR: ae("RELAY"), MOVE_ORIGINATOR_MESSAGE_ID: 4711}
            move = None
        elif move is None:
            return
        token = self.ask(call.caller, command, 3, (b"%d " % number * size)[:size])
        self.objects[token] = move, how == "named"
        self.smoothly(call, is_smooth)

    def may_be_performed(self, move: Moved) -> bool:
        lost_at = self.clock.seconds() if move.lost_at is None else move.lost_at
        # A second less: the clock goes on by seconds before anybody looks.
        return not move.is_answered and self.clock.seconds() - lost_at < AFTERLIFE - 1

    def can_report(self, call: Call) -> bool:
        return self.is_archive(call) and 11 in call.crossing.session.party.contexts

    @precondition(lambda self: any(map(self.can_report, self.calls)))
    @rule(data=st.data(), uid=st.sampled_from([*UIDS, ""]), is_smooth=smooth)
    def the_archive_reports(self, data, uid, is_smooth) -> None:
        call = self.drawn(data, self.can_report)
        self.speaks_of(call, F.N_EVENT_REPORT_RQ, uid, 10)
        self.smoothly(call, is_smooth)

    def can_report_here(self, call: Call) -> bool:
        return any(each.can_speak for each in call.upstreams if each.pool == "archive")

    @precondition(lambda self: any(map(self.can_report_here, self.calls)))
    @rule(data=st.data(), uid=st.sampled_from([*UIDS, ""]), is_whole=smooth)
    def the_archive_reports_where_it_was_asked(self, data, uid, is_whole) -> None:
        call = self.drawn(data, self.can_report_here)
        mouth = next(each for each in call.upstreams if each.can_speak and each.pool == "archive")
        assert isinstance(mouth.peer, Association)
        held = mouth.peer.held.items()
        on = next(each for each, its in held if its.abstract_syntax == COMMITMENT)
        self.speaks_of(call, F.N_EVENT_REPORT_RQ, uid, 10, mouth, on)
        if is_whole and mouth.rest is not None and not mouth.peer.is_over:
            self.go_on(mouth, len(mouth.rest))

    def speaks_of(
        self,
        call: Call,
        field: F,
        uid: str,
        size: int,
        mouth: Mouth | None = None,
        on: int = 11,
    ) -> None:
        command = {0x0002: COMMITMENT, 0x0100: int(field), 0x0110: next(call.numbers)}
        dataset = element(8, 0x1195, uid) + element(8, 0x1199, "x" * size)
        self.ask(mouth or call.caller, command, on, dataset)

    # saying

    def say(self, mouth: Mouth, command, on: int, dataset: bytes | None) -> str:
        serial = f"m{next(self.tokens)}"
        has_none = NO_DATASET if dataset is None else 0
        self.datasets[serial] = dataset or b""
        mouth.rest = dataset
        if command.get(0x0900) == 0:
            self.successes.add(serial)
        mouth.peer.begins(encode({**command, SERIAL: serial, 0x0800: has_none}), on=on)
        return serial

    def ask(self, mouth: Mouth, command, on: int, dataset: bytes) -> str:
        token = f"2.25.9.{next(self.tokens)}"
        mouth.asked[token] += 1
        self.say(mouth, {**command, TOKEN: token}, on, dataset)
        return token

    def smoothly(self, call: Call, is_smooth: bool) -> None:
        """What has just been asked goes on its way, if it `is_smooth`."""
        if is_smooth and call.caller.rest is not None and not call.is_over:
            self.go_on(call.caller, len(call.caller.rest))
        if is_smooth:
            self.table.answer()
        while is_smooth and call.crossing.bank.wanted:
            self.lend(call)
        self.hear()

    def speaking(self) -> list[Mouth]:
        mouths = (each for call in self.calls for each in call.mouths)
        return [each for each in mouths if each.rest is not None]

    @precondition(lambda self: self.speaking())
    @rule(data=st.data(), size=st.sampled_from([0, 1, 20, HELD_MAXIMUM, 2 * HELD_MAXIMUM]))
    def somebody_goes_on(self, data, size) -> None:
        self.go_on(pick(data, self.speaking()), size)

    def go_on(self, mouth: Mouth, size: int) -> None:
        assert mouth.rest is not None
        part, mouth.rest = mouth.rest[:size], mouth.rest[size:] or None
        if mouth.rest is None:
            mouth.peer.ends(part)
        else:
            mouth.peer.goes_on(part)

    def answering(self) -> list[Mouth]:
        mouths = (each for call in self.calls for each in call.mouths)
        return [each for each in mouths if each.can_speak and each.due]

    @precondition(lambda self: self.answering())
    @rule(data=st.data(), status=st.sampled_from(STATUSES))
    def somebody_answers(self, data, status) -> None:
        self.answer(pick(data, self.answering()), status)

    def answer(self, mouth: Mouth, status: int) -> None:
        request = mouth.due[0]
        token = told(request.command_set, TOKEN)
        if token in self.moves and self.is_storing(self.moves[token]):
            status = 0xFF00
        request.is_answered = status not in PENDING
        if token in self.moves and request.is_answered:
            self.moves[token].is_answered = True
        command = {
            0x0100: request.command.field | 0x8000,
            0x0120: request.command.message_id,
            0x0900: status,
            TOKEN: token,
        }
        self.say(mouth, command, request.context_id, None)

    def is_storing(self, move: Moved) -> bool:
        """Whether the archive awaits an answer for an object that names no originator: then it is
        not done with the move."""
        its = [each for each, of in self.objects.items() if of == (move, False)]
        living = (call for call in self.calls if not call.is_over)
        return any(call.caller.asked[each] for call in living for each in its)

    # hearing

    @invariant()
    def hear(self) -> None:
        for call in self.calls:
            for mouth in (call.caller, *call.upstreams):
                for message in mouth.peer.got[mouth.looked_at :]:
                    if self.heard(call, mouth, message):
                        mouth.looked_at += 1
        for move in self.moves.values():
            if move.mouth is not None and move.mouth.peer.is_over and move.lost_at is None:
                move.lost_at = self.clock.seconds()

    def heard(self, call: Call, mouth: Mouth, message: Message) -> bool:
        """Whether it is whole, and has been looked at for good."""
        command = message.command
        token = told(message.command_set, TOKEN)
        if command.is_response:
            self.responded(mouth, message, token)
        elif command.field == F.C_STORE_RQ:
            self.stored(mouth, message, token)
        elif command.field == F.C_MOVE_RQ:
            self.asked_to_move(mouth, message, token)
        elif command.is_cancel:
            its = {each.command.message_id for each in mouth.peer.got}
            assert command.responding_to in its, "a C-CANCEL of what was not asked there"
        serial = told(message.command_set, SERIAL)
        if not message.ended:
            assert self.datasets[serial].startswith(message.dataset)
            return False
        assert message.dataset == self.datasets.get(serial, b"")
        if command.field in (F.N_ACTION_RQ, F.N_EVENT_REPORT_RQ):
            self.told_of_commitment(call, mouth, message)
        return True

    def responded(self, mouth: Mouth, message: Message, token: str) -> None:
        assert mouth.asked[token] == 1, "an answer to what was not asked, or is answered"
        if message.command.status == 0:
            serial = told(message.command_set, SERIAL)
            assert serial in self.successes, "a success that nobody said"
        if token in self.moves:
            assert message.command.responding_to == self.moves[token].message_id
        if not message.command.pending:
            mouth.asked[token] -= 1

    def asked_to_move(self, mouth: Mouth, message: Message, token: str) -> None:
        assert told(message.command_set, MOVE_DESTINATION) == "RELAY"
        # It is being said, while the first bytes of it are heard.
        move = self.moves.get(token)
        if move is not None:
            move.known_as, move.mouth = message.command.message_id, mouth

    def stored(self, mouth: Mouth, message: Message, token: str) -> None:
        if token not in self.objects:
            return  # it is being said
        move, is_named = self.objects[token]
        assert move is not None, "an object of no move"
        assert mouth.pool == POOLS[move.destination], "an object of another's move"
        if is_named:
            number = value(message.command_set, MOVE_ORIGINATOR_MESSAGE_ID)
            assert told(message.command_set, MOVE_ORIGINATOR) == move.calling
            assert number == move.message_id.to_bytes(2, "little")

    def told_of_commitment(self, call: Call, mouth: Mouth, message: Message) -> None:
        length = int.from_bytes(message.dataset[4:8], "little")
        uid = text_of(message.dataset[8 : 8 + length])
        requester = self.table.rows[uid]
        if message.command.field == F.N_ACTION_RQ:
            assert requester == Requester(call.title, "RELAY"), "it is another's"
        else:
            its = POOLS[call.title] if mouth is call.caller else mouth.pool
            assert its == POOLS[requester.calling], "a report to another"

    # what the bank, the table and the clock do

    def wants(self, call: Call) -> bool:
        return bool(call.crossing.bank.wanted)

    @precondition(lambda self: any(map(self.wants, self.calls)))
    @rule(data=st.data(), other_ids=st.booleans())
    def the_bank_lends(self, data, other_ids) -> None:
        self.lend(self.drawn(data, self.wants), 100 if other_ids else 0)

    def lend(self, call: Call, offset: int = 0) -> None:
        wanted = call.crossing.bank.wanted[0][0]
        own = call.crossing.session.party.contexts
        held = {each.id + offset: own[each.id] for each in wanted.asked.offer.contexts}
        peer = Association(f"u{next(self.tokens)}", call.crossing.out, held=held)
        call.upstreams.append(Mouth(peer, wanted.asked.pool))
        call.crossing.bank.grants(peer)

    @precondition(lambda self: any(map(self.wants, self.calls)))
    @rule(data=st.data(), result=st.sampled_from([ContextRefused(), Unavailable()]), does=rarely)
    def the_bank_has_none(self, data, result, does) -> None:
        call = self.drawn(data, self.wants)
        if does:
            call.crossing.bank.grants(result)

    @rule(keeps=st.sampled_from([True, True, False]))
    def the_table_answers(self, keeps) -> None:
        self.table.keeps = keeps
        self.table.answer()

    @rule(seconds=st.sampled_from([1, 3, 61]))
    def time_passes(self, seconds) -> None:
        for _ in range(seconds):
            self.clock.advance(1.0)
            self.hear()

    # what goes wrong

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), what=st.sampled_from(["full", "drained"]))
    def somebodys_line(self, data, what) -> None:
        mouths = [(call, each) for call in self.calls for each in call.mouths]
        if mouths:
            call, mouth = pick(data, mouths)
            self.flow(call, mouth, what)

    def flow(self, call: Call, mouth: Mouth, what: str) -> None:
        if isinstance(mouth.peer, Association):
            getattr(mouth.peer, {"full": "fills", "drained": "drains"}[what])()
        else:
            getattr(call.crossing.session, what)()

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), how=st.sampled_from([*ENDS, "falls", "falls"]), does=rarely)
    def an_association_ends(self, data, how, does) -> None:
        call = pick(data, self.calls)
        if not does:
            return
        living = [each for each in call.upstreams if not each.peer.is_over]
        if how == "falls" and living:
            fallen = pick(data, living).peer
            assert isinstance(fallen, Association)
            fallen.falls()
        elif how != "falls" and not call.is_over:
            call.end(how)

    @precondition(lambda self: any(call.is_over for call in self.calls))
    @rule()
    def who_has_gone_is_forgotten(self) -> None:
        self.hear()
        for call in [each for each in self.calls if each.is_over]:
            self.is_done(call)
            self.calls.remove(call)

    # what must hold in the end

    def is_done(self, call: Call) -> None:
        assert all(each.peer.is_over for each in call.upstreams), "a lease has not ended"
        assert call.crossing.bank.wanted == []
        assert call.crossing.bank.asked == {}
        assert len(call.crossing.ended) == 1

    def settle(self) -> None:
        for _ in range(500):
            before = next(self.tokens)
            self.table.answer()
            for call in self.calls:
                if not call.is_over:
                    self.everybody_does_their_part(call)
            self.hear()
            self.clock.advance(0.8)
            if next(self.tokens) == before + 1 and not self.table.is_asked:
                return
        raise AssertionError("it does not settle")

    def everybody_does_their_part(self, call: Call) -> None:
        while call.crossing.bank.asked:
            self.negotiates(call, True)
        call.crossing.session.drained()
        while call.crossing.bank.wanted:
            self.lend(call)
        for mouth in call.mouths:
            if isinstance(mouth.peer, Association) and not mouth.peer.is_over:
                mouth.peer.drains()
            if mouth.rest is not None and not mouth.peer.is_over:
                next(self.tokens)
                self.go_on(mouth, len(mouth.rest))
            if mouth.can_speak and mouth.due:
                self.answer(mouth, 0xA700)

    def teardown(self) -> None:
        self.hear()
        self.settle()
        for call in self.calls:
            if not call.is_over:
                assert not call.crossing.caller.is_paused, "the caller is left stopped"
                assert not any(each.peer.is_paused for each in call.mouths), "an upstream is"
                assert not +call.caller.asked, "a request is left without an answer"
                assert call.crossing.session.is_idle
                call.crossing.release()
            self.is_done(call)
        assert self.clock.getDelayedCalls() == []
        assert self.budget.used_memory == self.budget.used_disk == 0
        later = self.clock.seconds() + AFTERLIFE
        assert self.registers.moves.awaited("PACS", later) == (), "a move that never ends"


AnyCallBack.TestCase.settings = settings(
    max_examples=150, stateful_step_count=70, suppress_health_check=list(HealthCheck)
)
TestAnyCallBack = AnyCallBack.TestCase

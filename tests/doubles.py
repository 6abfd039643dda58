"""In-memory banks for one crossing: a caller, associations to lease, and the bank that lends them.

A test is a transcript: it tells what the peers do (`says`, `falls`, `grants`, ...) and compares
what the crossing did to them, one line each, in order, with what it should have done:

    crossing.caller.says(request(F.C_STORE_RQ, 7), "PIXELS", on=3)
    assert crossing.since() == ["lease archive"]
    crossing.bank.grants(a)
    assert crossing.since() == ["a 3: C-STORE-RQ 7 +", "a 3: PIXELS"]

A line about a message has the peer, the context id, and the command ("+": a dataset follows) or the
dataset's bytes ("~": more follow). The doubles hold the crossing to the rules of bridge/ports.py
by themselves: messages are never interleaved, nothing is written to who is gone, a lease ends once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import attrs
from twisted.internet.task import Clock as TwistedClock

from relay.bridge.addressing import Registers
from relay.bridge.exchange import Retention
from relay.bridge.outcome import Outcome
from relay.bridge.party import Party
from relay.bridge.ports import (
    Asked,
    DelayedCall,
    Fault,
    Identities,
    LeaseResult,
    LeaseUser,
    Manners,
    Negotiated,
    NegotiationResult,
    Terms,
    Wanted,
)
from relay.bridge.record import Budget
from relay.bridge.session import Rules, Session
from relay.policy.admission import TOO_MANY
from relay.policy.affinity import by_association
from relay.policy.allowing import Allow
from relay.policy.planning import Directory
from relay.policy.proposing import AssociationPolicy
from relay.policy.routing import Origin, Route
from relay.wire.bounds import BOUNDS, Bounds
from relay.wire.command import NO_DATASET, CommandSet, decode, encode
from relay.wire.command import CommandField as F
from relay.wire.errors import AbortReason, AbortSource
from relay.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from relay.wire.negotiation import Answer, Context, Offer
from relay.wire.pdu import (
    APPLICATION_CONTEXT,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    ae_field,
)
from relay.wire.reader import COMMAND, LAST, Buffer, Fragments, Reader
from relay.wire.upperlayer import Loss
from relay.wire.user_information import UserInformation
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    VERIFICATION,
    p_data,
    pdv,
)

ROOMY = 2**24
"""A maximum length that no test's P-DATA-TF exceeds."""

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
GET = "1.2.840.10008.5.1.4.1.2.2.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
COMMITMENT = "1.2.840.10008.1.20.1"
MPPS = "1.2.840.10008.3.1.2.3.3"

SOP_CLASSES = {
    1: VERIFICATION,
    3: CT_IMAGE_STORAGE,
    5: FIND,
    7: MOVE,
    9: GET,
    11: COMMITMENT,
    13: MPPS,
}
"""What a caller proposes unless a test says otherwise, by context id."""

MANNERS = Manners(response_timeout=60.0, stall_timeout=30.0, linger=2.0)


# command sets, and what they say


def request(
    field: int, message_id: int = 1, sop_class: str = CT_IMAGE_STORAGE, dataset: bool = True
) -> bytes:
    """A request's command set."""
    return encode(
        {
            0x0002: sop_class,
            0x0100: field,
            0x0110: message_id,
            0x0800: 0 if dataset else NO_DATASET,
        }
    )


def reply(field: int, to: int = 1, status: int = 0, dataset: bool = False) -> bytes:
    """The command set of a response to a request `field`."""
    return encode(
        {
            0x0100: field | 0x8000,
            0x0120: to,
            0x0800: 0 if dataset else NO_DATASET,
            0x0900: status,
        }
    )


def cancel(to: int = 1) -> bytes:
    """A C-CANCEL-RQ."""
    return encode({0x0100: F.C_CANCEL_RQ, 0x0120: to, 0x0800: NO_DATASET})


def described(command: CommandSet) -> str:
    """A command set in short: name, Message ID (also of the request answered), status, "+"."""
    try:
        name = F(command.field).name.replace("_", "-")
    except ValueError:
        name = f"{command.field:04X}"
    number = command.message_id if command.message_id is not None else command.responding_to
    status = "" if command.status is None else f" {command.status:04X}"
    return f"{name} {number}{status}{' +' if command.has_dataset else ''}"


def read(*reads: bytes) -> list[Fragments]:
    """The fragments in these reads of P-DATA-TF."""
    reader, found = Reader(ROOMY), []
    for data in reads:
        reader.feed(data)
        while (event := reader.next_event()) is not None:
            assert isinstance(event, Fragments), "only P-DATA-TF is meant here"
            found.append(event)
    return found


# the peers


@attrs.define
class Message:
    """A message as a peer got it."""

    context_id: int
    command: CommandSet
    command_set: bytes
    dataset: bytes = b""
    ended: bool = False
    is_answered: bool = False
    """Noted by tests whose peers answer what they got."""


@attrs.define(eq=False)
class Peer:
    """The far end of an association, with the near end's Source and Sink in between.

    `got` are the messages that the crossing wrote to it. `tell` takes what it says.
    """

    name: str
    out: list[str]
    got: list[Message] = attrs.field(factory=list)
    is_paused: bool = False
    is_over: bool = False
    tell: Callable[[Fragments], None] | None = None
    _reader: Reader = attrs.field(factory=lambda: Reader(ROOMY))
    _on: int = 1

    def note(self, what: str) -> None:
        """A line of the transcript."""
        self.out.append(f"{self.name} {what}")

    # what the peer says

    def says(self, command_set: bytes, *parts: str | bytes, on: int = 1) -> None:
        """A whole message; the dataset's parts come one by one."""
        self.begins(command_set, *parts[:-1], on=on)
        if parts:
            self.ends(parts[-1])

    def begins(self, command_set: bytes, *parts: str | bytes, on: int = 1) -> None:
        """A message whose dataset does not end with these parts."""
        self._on = on
        self.feeds(p_data(pdv(on, COMMAND | LAST, command_set)))
        self.goes_on(*parts)

    def goes_on(self, *parts: str | bytes) -> None:
        """More of the dataset."""
        for part in parts:
            self.feeds(p_data(pdv(self._on, 0, _bytes(part))))

    def ends(self, part: str | bytes = b"") -> None:
        """The last fragment of the dataset."""
        self.feeds(p_data(pdv(self._on, LAST, _bytes(part))))

    def feeds(self, data: bytes) -> None:
        """Bytes of P-DATA-TF, as one read brings them."""
        self._reader.feed(data)
        while (event := self._reader.next_event()) is not None:
            assert isinstance(event, Fragments), "a peer in these tests only sends P-DATA-TF"
            # After its end nothing is heard of an association (wire/upperlayer.py).
            if not self.is_over and self.tell is not None:
                self.tell(event)

    # Source

    def pause(self) -> None:
        """Note it."""
        assert not self.is_paused, "paused twice"
        self.is_paused = True
        self.note("paused")

    def resume(self) -> None:
        """Note it."""
        assert self.is_paused, "resumed, but not paused"
        self.is_paused = False
        self.note("resumed")

    # Sink

    def command(self, context_id: int, command_set: bytes) -> None:
        """Note it: messages are whole, one after another."""
        assert not self.is_over, "a command to who is gone"
        assert not self.got or self.got[-1].ended, "a command in the middle of a message"
        command = decode(command_set)
        self.got.append(Message(context_id, command, command_set, ended=not command.has_dataset))
        self.note(f"{context_id}: {described(command)}")

    def fragments(self, context_id: int, fragments: Fragments) -> None:
        """Note them: datasets follow their command, on its context."""
        assert not self.is_over, "fragments to who is gone"
        message = self.got[-1]
        assert not message.ended, "fragments of no message"
        assert message.context_id == context_id, "fragments on another context"
        body = b"".join(map(bytes, fragments.bodies()))
        message.dataset += body
        message.ended = fragments.ended
        self.note(f"{context_id}: {body.decode('latin-1')}{'' if fragments.ended else '~'}")

    @property
    def is_between_messages(self) -> bool:
        """Whether all that was written to it is whole."""
        return not self.got or self.got[-1].ended


def some_party(name: str = "caller", out: list[str] | None = None) -> Party:
    """A party of which nothing matters but its lane and valve."""
    peer = Peer(name, [] if out is None else out)
    return Party.of(peer, peer, in_force(SOP_CLASSES))


def _bytes(part: str | bytes) -> bytes:
    return part.encode("latin-1") if isinstance(part, str) else part


@attrs.define(eq=False)
class Caller(Peer):
    """Whoever called the relay; its near end is the crossing's Downstream."""

    accepted: AssociateAC | None = None
    origin: Origin = attrs.field(factory=Origin)

    @property
    def answer(self) -> AssociateAC:
        """What it was told when it was accepted."""
        assert self.accepted is not None, "it was not accepted"
        return self.accepted

    def _over(self, what: str) -> None:
        assert not self.is_over, "an association ends once"
        self.is_over = True
        self.note(what)

    def accept(self, answer: AssociateAC, request: AssociateRQ) -> None:
        """Note it."""
        assert not self.is_over
        assert self.accepted is None
        self.accepted = answer
        self.note("accepted")

    def reject(self, answer: AssociateRJ) -> None:
        """Note it."""
        self._over(f"rejected {answer.result},{answer.source},{answer.reason}")

    def release_response(self) -> None:
        """Note it."""
        self._over("released")

    def abort(
        self,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """Note it."""
        self._over(f"aborted {source:d},{reason:d}")


@attrs.define(eq=False)
class Association(Peer):
    """An association with an upstream; its near end is a Lease."""

    held: Mapping[int, Context] = attrs.field(factory=dict)
    manners: Manners = MANNERS
    is_stale: bool = False
    is_recalled: bool = False
    user: LeaseUser | None = None
    why: str = ""
    """Of an abort."""
    fault: Fault | None = None
    """Of an abort."""
    answers: list[tuple[int, float]] = attrs.field(factory=list)
    """Status and seconds of the operations that it has answered."""

    @property
    def upstream(self) -> str:
        """Its name."""
        return self.name

    @property
    def contexts(self) -> Mapping[Context, int]:
        """Ids by context; of equal ones the first serves."""
        return {context: each for each, context in reversed(list(self.held.items()))}

    # the far end

    def fills(self) -> None:
        """It takes no more."""
        assert self.user is not None
        self.user.lease_full()

    def drains(self) -> None:
        """It takes more."""
        assert self.user is not None
        self.user.lease_drained()

    def falls(self, loss: Loss | None = None) -> None:
        """It is gone: connection closed, aborted, or released by the upstream."""
        user = self._ended()
        user.lease_lost(loss or Loss())

    # Lease

    def use(self, user: LeaseUser) -> None:
        """Note who."""
        assert self.user is None
        assert not self.is_over
        self.user, self.tell = user, user.lease_data

    def begin(self) -> None:
        """An operation begins."""
        assert self.user is not None

    def answered(self, status: int, seconds: float) -> None:
        """Note it."""
        self.answers.append((status, seconds))

    def give_back(self) -> None:
        """Note it: it is read from, and nothing is unfinished on it."""
        self._ended()
        assert not self.is_paused, "given back while it is not read from"
        assert self.is_between_messages, "given back in the middle of a message"
        self.note("given back")

    def release(self) -> None:
        """Note it."""
        self._ended()
        assert self.is_between_messages, "released in the middle of a message"
        self.note("released")

    def abort(
        self,
        why: str,
        fault: Fault,
        source: AbortSource = AbortSource.SERVICE_USER,
        reason: AbortReason = AbortReason.NOT_SPECIFIED,
    ) -> None:
        """Note it."""
        self._ended()
        self.why, self.fault = why, fault
        self.note(f"aborted {source:d},{reason:d}")

    def _ended(self) -> LeaseUser:
        assert self.user is not None, "a lease ends once"
        user, self.user, self.tell, self.is_over = self.user, None, None, True
        return user


@attrs.define(eq=False)
class Bank:
    """The upstreams: notes what it is asked, and answers when the test says so.

    `answers` by pool are given at once, and so is `at_once` to whoever wants a lease. `pause`: how
    long an operation waits before it is sent again, None for ever.
    """

    out: list[str]
    granted: Terms = attrs.field(factory=lambda: Terms(by_association))
    pause: float | None = 0.0
    answers: dict[str, NegotiationResult] = attrs.field(factory=dict)
    asked: dict[str, tuple[Asked, Callable[[NegotiationResult], None]]] = attrs.field(factory=dict)
    wanted: list[tuple[Wanted, Callable[[LeaseResult], None]]] = attrs.field(factory=list)
    lent: list[Association] = attrs.field(factory=list)
    at_once: Callable[[], LeaseResult] | None = None

    def negotiate(
        self, asked: Asked, done: Callable[[NegotiationResult], None]
    ) -> Callable[[], None]:
        """Note it."""
        self.out.append(f"negotiate {asked.pool}")
        self.asked[asked.pool] = asked, done
        if asked.pool in self.answers:
            self.answer(asked.pool, self.answers[asked.pool])
        return partial(self._call_off_negotiation, asked.pool)

    def answer(self, pool: str, result: NegotiationResult) -> None:
        """What an upstream of `pool` says to the offer."""
        self.asked.pop(pool)[1](result)

    def _call_off_negotiation(self, pool: str) -> None:
        if self.asked.pop(pool, None) is not None:
            self.out.append(f"call off {pool}")

    def lease(self, wanted: Wanted, done: Callable[[LeaseResult], None]) -> Callable[[], None]:
        """Note it."""
        self.out.append(f"lease {wanted.asked.pool}{_wishes(wanted)}")
        wish = wanted, done
        self.wanted.append(wish)
        if self.at_once is not None:
            self.grants(self.at_once())
        return partial(self._call_off_lease, wish)

    def _call_off_lease(self, each: tuple[Wanted, Callable[[LeaseResult], None]]) -> None:
        assert each in self.wanted, "called off what was answered"
        self.wanted.remove(each)
        self.out.append("call off lease")

    def grants(self, result: LeaseResult) -> None:
        """Answer the oldest wish for a lease."""
        _, done = self.wanted.pop(0)
        if isinstance(result, Association):
            self.lent.append(result)
        done(result)

    def leave(self, private: int) -> None:
        """Note it."""
        self.out.append("leave")

    def terms(self, pool: str) -> Terms:
        """As granted."""
        return self.granted

    def pause_before_retry(self, pool: str) -> float | None:
        """As the test says."""
        return self.pause


def _wishes(wanted: Wanted) -> str:
    """What is special about a wish, in short."""
    exactly = "" if wanted.exactly is None else " exactly"
    avoid = "".join(f" not {each}" for each in sorted(wanted.avoid))
    # All prefer "a" in these tests, whose answer it was, unless something speaks against it.
    prefer = "" if wanted.prefer in (None, "a") or wanted.avoid else f" at {wanted.prefer}"
    return f"{exactly}{prefer}{avoid}{' fresh' if wanted.fresh else ''}"


@attrs.define(eq=False)
class Shelf:
    """An overflow in memory."""

    content: bytearray = attrs.field(factory=bytearray)
    is_closed: bool = False
    is_full: bool = False

    def write(self, buffers: Sequence[Buffer]) -> None:
        """Append."""
        if self.is_full:
            raise OSError("full")
        for each in buffers:
            self.content += each

    def read(self, at: int, length: int) -> bytes:
        """From there on."""
        assert not self.is_closed
        return bytes(self.content[at : at + length])

    def close(self) -> None:
        """Note it."""
        self.is_closed = True


def some_budget(window: int = 2**20, memory: int = 2**24, disk: int = 2**30) -> Budget:
    """A budget that hardly any test exceeds."""
    return Budget(window, memory, disk, Shelf)


class Clock(TwistedClock):
    """Twisted's, with the bridge's types."""

    def callLater(  # type: ignore[override]
        self, delay: float, callable: Callable[..., object], *args: object
    ) -> DelayedCall:
        """A call in `delay` seconds of this clock."""
        return super().callLater(delay, callable, *args)


# offers and answers


def contexts_of(
    sop_classes: Mapping[int, str], *syntaxes: str
) -> tuple[PresentationContextRQ, ...]:
    """Presentation contexts to propose, each with these transfer syntaxes."""
    offered = syntaxes or (IMPLICIT_LITTLE_ENDIAN, EXPLICIT_LITTLE_ENDIAN)
    return tuple(PresentationContextRQ(each, name, offered) for each, name in sop_classes.items())


def associate(
    contexts: Iterable[PresentationContextRQ] = contexts_of(SOP_CLASSES),
    information: UserInformation | None = None,
    calling: str = "MODALITY",
    called: str = "RELAY",
) -> AssociateRQ:
    """An A-ASSOCIATE-RQ."""
    return AssociateRQ(
        ae_field(called),
        ae_field(calling),
        information or UserInformation(maximum_length=16384),
        APPLICATION_CONTEXT,
        1,
        bytes(32),
        tuple(contexts),
    )


def accepting(offer: Offer, refused: Sequence[int] = ()) -> Answer:
    """All contexts accepted with the first syntax proposed, but for the ids `refused`."""
    return Answer(
        tuple(
            PresentationContextAC(each.id, ContextResult.ACCEPTANCE, each.transfer_syntaxes[0])
            if each.id not in refused
            else PresentationContextAC(
                each.id, ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, each.transfer_syntaxes[0]
            )
            for each in offer.contexts
        ),
        roles=offer.roles,
        extended=offer.extended,
    )


def in_force(sop_classes: Mapping[int, str]) -> dict[int, Context]:
    """Contexts in force as `accepting` makes them."""
    return {each: Context(name, IMPLICIT_LITTLE_ENDIAN) for each, name in sop_classes.items()}


# a crossing


def one_pool() -> tuple[Route, ...]:
    """Everything goes to the archive."""
    return (Route("archive"),)


@attrs.define(eq=False)
class Crossing:
    """A session between these banks, and the transcript of what it does."""

    routes: tuple[Route, ...] = attrs.field(factory=one_pool)
    policies: tuple[AssociationPolicy, ...] = ()
    registers: Registers = attrs.field(factory=Registers)
    identities: Identities | None = None
    allow: Allow = attrs.field(factory=Allow)
    has_room: bool = True
    maximum: int = 32768
    window: int = 1
    bounds: Bounds = BOUNDS
    discard: int = 2**20
    budget: Budget = attrs.field(factory=some_budget)
    out: list[str] = attrs.field(factory=list)
    clock: Clock = attrs.field(factory=Clock)
    ended: list[Outcome] = attrs.field(factory=list)
    caller: Caller = attrs.field(init=False)
    bank: Bank = attrs.field(init=False)
    session: Session = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self.caller = Caller("caller", self.out)
        self.bank = Bank(self.out)
        retention = Retention(self.budget, self.discard)
        directory = Directory(self.routes, self.policies, "RELAY")
        rules = Rules(
            directory,
            self.maximum,
            lambda title: None if self.has_room else TOO_MANY,
            retention,
            self.registers,
            self.window,
            self.identities,
            bounds=self.bounds,
            allow=self.allow,
        )
        self.session = Session(self.caller, self.bank, rules, self.clock, self.ended.append)
        self.caller.tell = self.session.data_indication

    def since(self) -> list[str]:
        """The lines since the last time."""
        lines = list(self.out)
        self.out.clear()
        return lines

    def asks(self, request: AssociateRQ | None = None) -> None:
        """The caller asks for an association."""
        self.session.associate_indication(request or associate())

    def association(
        self, name: str = "a", sop_classes: Mapping[int, str] = SOP_CLASSES
    ) -> Association:
        """An association with an upstream, to be lent."""
        return Association(name, self.out, held=in_force(sop_classes))

    def lends(self, name: str = "a", sop_classes: Mapping[int, str] = SOP_CLASSES) -> Association:
        """The bank grants the oldest wish with a new association."""
        association = self.association(name, sop_classes)
        self.bank.grants(association)
        return association

    # the caller's ways to end

    def release(self) -> None:
        """A-RELEASE-RQ."""
        self.session.release_indication()

    def abort(self) -> None:
        """A-ABORT."""
        self._gone(Loss(Abort()))

    def lose(self) -> None:
        """The connection is lost."""
        self._gone(Loss())

    def _gone(self, loss: Loss) -> None:
        self.caller.is_over = True
        self.session.abort_indication(loss)

    @property
    def outcome(self) -> Outcome:
        """How it ended; there is just one."""
        (outcome,) = self.ended
        return outcome


def established(
    sop_classes: Mapping[int, str] = SOP_CLASSES,
    information: UserInformation | None = None,
    routes: tuple[Route, ...] | None = None,
    **more: Any,
) -> Crossing:
    """A crossing whose association was accepted in full by upstream "a" of each pool."""
    crossing = Crossing(routes or one_pool(), **more)
    crossing.asks(associate(contexts_of(sop_classes), information))
    for pool, (asked, _) in list(crossing.bank.asked.items()):
        crossing.bank.answer(pool, Negotiated("a", accepting(asked.offer), ROOMY))
    crossing.since()
    return crossing


# where a crossing may be when something ends


def _before_the_lease(crossing: Crossing) -> None:
    crossing.caller.says(request(F.C_STORE_RQ), "PIXELS", on=3)


def _inside_the_command(crossing: Crossing) -> None:
    crossing.caller.feeds(p_data(pdv(3, COMMAND, request(F.C_STORE_RQ)[:20])))


def _inside_the_dataset(crossing: Crossing) -> None:
    crossing.caller.begins(request(F.C_STORE_RQ), "PIX", on=3)
    crossing.lends()


def _before_the_response(crossing: Crossing) -> None:
    _before_the_lease(crossing)
    crossing.lends()


def _inside_the_response(crossing: Crossing) -> None:
    _before_the_response(crossing)
    half = reply(F.C_STORE_RQ)[:20]
    crossing.bank.lent[0].feeds(p_data(pdv(3, COMMAND, half)))


def _between_responses(crossing: Crossing) -> None:
    crossing.caller.says(request(F.C_FIND_RQ, 1, FIND), "QUERY", on=5)
    crossing.lends().says(reply(F.C_FIND_RQ, 1, 0xFF00, dataset=True), "MATCH", on=5)


def _inside_the_responses_dataset(crossing: Crossing) -> None:
    _between_responses(crossing)
    crossing.bank.lent[0].begins(reply(F.C_FIND_RQ, 1, 0xFF00, dataset=True), "MAT", on=5)


def _between_operations(crossing: Crossing) -> None:
    crossing.caller.says(request(F.C_ECHO_RQ, 1, VERIFICATION, dataset=False))
    crossing.lends().says(reply(F.C_ECHO_RQ))


def _while_lingering(crossing: Crossing) -> None:
    _before_the_response(crossing)
    crossing.bank.lent[0].says(reply(F.C_STORE_RQ), on=3)


def _inside_a_command_while_lingering(crossing: Crossing) -> None:
    _while_lingering(crossing)
    _inside_the_command(crossing)


def _while_kept(crossing: Crossing) -> None:
    crossing.caller.says(request(F.N_ACTION_RQ, 1, COMMITMENT), "INSTANCES", on=11)
    crossing.lends().says(reply(F.N_ACTION_RQ), on=11)


def _inside_the_upstreams_request(crossing: Crossing) -> None:
    _while_kept(crossing)
    crossing.bank.lent[0].begins(request(F.N_EVENT_REPORT_RQ, 9, COMMITMENT), "REP", on=11)


def _before_the_callers_response(crossing: Crossing) -> None:
    _inside_the_upstreams_request(crossing)
    crossing.bank.lent[0].ends("ORT")


def _inside_the_callers_response(crossing: Crossing) -> None:
    _before_the_callers_response(crossing)
    crossing.caller.begins(reply(F.N_EVENT_REPORT_RQ, 9, dataset=True), "TAK", on=11)


POINTS: dict[str, Callable[[Crossing], None]] = {
    "before the lease": _before_the_lease,
    "inside the command": _inside_the_command,
    "inside the dataset": _inside_the_dataset,
    "before the response": _before_the_response,
    "inside the response": _inside_the_response,
    "between responses": _between_responses,
    "inside the response's dataset": _inside_the_responses_dataset,
    "between operations": _between_operations,
    "while lingering": _while_lingering,
    "inside a command while lingering": _inside_a_command_while_lingering,
    "while kept": _while_kept,
    "inside the upstream's request": _inside_the_upstreams_request,
    "before the caller's response": _before_the_callers_response,
    "inside the caller's response": _inside_the_callers_response,
}
"""Where an established crossing may be: a way to get there, by name."""


def at(point: str) -> Crossing:
    """An established crossing that is there; its transcript is empty."""
    crossing = established()
    POINTS[point](crossing)
    crossing.since()
    return crossing

"""A keeper with an archive that may do anything, and callers that may, too. Nothing leaks."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum, auto
from functools import partial
from typing import Any

import attrs
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from twisted.internet.defer import CancelledError, Deferred

from relay.bridge.ports import Fault
from relay.policy.health import Judgement
from relay.policy.leasing import Reuse
from relay.policy.showing import Titles
from relay.upstream.ends import NotAccepted, Unreachable
from relay.upstream.limits import Limits
from relay.upstream.pool import Key, Request
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.pdu import Abort, AssociateRJ, AssociateRQ, ReleaseRQ
from tests.peers import Archive, Message, Script, accept_all, response_of, said
from tests.upstream.rig import (
    CALLING,
    CONGESTED,
    CT,
    ECHO,
    ECHO_RQ,
    IDENTIFIED,
    OFFER,
    UNKNOWN_AE,
    Lessee,
    Rig,
)

KEYS = [Key(CALLING), Key(Titles(b"OTHER".ljust(16))), Key(CALLING, private=7)]
KEEPS_NOTHING = "<Keeper pacs: 0 opening, 0 idle, 0 leased, 0 waiting>"

limits = st.builds(
    Limits,
    maximum=st.integers(1, 4),
    max_idle=st.integers(0, 4),
    idle_timeout=st.sampled_from([0.0, 5.0, 30.0]),
    warm=st.integers(0, 2),
    max_age=st.sampled_from([0.0, 20.0, 3600.0]),
    max_waiting=st.integers(0, 3),
    echo_after=st.sampled_from([0.0, 0.5]),
    reuse=st.sampled_from([Reuse.ALWAYS, *Reuse]),
    probe_interval=st.sampled_from([0.0, 7.0]),
    # As the configuration has it: what is kept warm may rest.
).map(lambda its: attrs.evolve(its, warm=min(its.warm, its.maximum, its.max_idle)))
# Most of them could use the same associations: else hardly any would be used twice.
requests = st.builds(
    Request,
    st.sampled_from([*KEYS[:1] * 4, *KEYS]),
    st.sampled_from([frozenset({CT}), frozenset({CT, ECHO})]),
    exactly=st.booleans(),
    fresh=st.sampled_from([False, False, False, True]),
)
picks = st.integers(0, 7)
pauses = st.sampled_from([0.0, 0.1, 1.0, 3.0, 12.0, 40.0])


class Trouble(Enum):
    """What an archive may do wrong until it is well again."""

    NOBODY_LISTENS = auto()
    NOBODY_ANSWERS_THE_TELEPHONE = auto()
    ABORTS = auto()
    DOES_NOT_ANSWER_REQUESTS = auto()
    DOES_NOT_ANSWER_OPERATIONS = auto()
    DOES_NOT_ANSWER_RELEASES = auto()
    FAILS_AT_OPERATIONS = auto()
    BEARS_ONE = auto()
    IS_CONGESTED = auto()
    REJECTS = auto()
    REJECTS_FOR_NOW = auto()


REJECTIONS = {
    Trouble.IS_CONGESTED: CONGESTED,
    Trouble.REJECTS: UNKNOWN_AE,
    Trouble.REJECTS_FOR_NOW: AssociateRJ(2, 1, 1),
}

ENDS: dict[str, Callable[[UpstreamAssociation], None]] = {
    "given back": UpstreamAssociation.give_back,
    "released": UpstreamAssociation.release,
    "aborted for its caller": partial(
        UpstreamAssociation.abort, why="the caller has gone", fault=Fault.ELSEWHERE
    ),
    "aborted for its upstream": partial(
        UpstreamAssociation.abort, why="nonsense", fault=Fault.UPSTREAM
    ),
}
"""How whoever has a lease ends it."""

FALLS: dict[str, Callable[[Archive], None]] = {
    "aborted": lambda archive: archive.say(Abort().encode()),
    "released": lambda archive: archive.say(ReleaseRQ().encode()),
    "closed": lambda archive: archive.transport.loseConnection(),
    "reset": lambda archive: archive.transport.abortConnection(),
    "nonsense": lambda archive: archive.say(b"HTTP/1.1 400 Bad"),
}
"""How an archive ends an association."""


@attrs.define(eq=False)
class Ask:
    """Somebody who asked: `results` has what came of it, which is one thing in the end."""

    request: Request
    deferred: Deferred[Any]
    results: list[Any]


@attrs.define(eq=False)
class Held:
    """A lease, and who has it."""

    association: UpstreamAssociation
    lessee: Lessee

    @property
    def is_lost(self) -> bool:
        return any(str(each).startswith("lost") for each in self.lessee.heard)


class World(RuleBasedStateMachine):
    """One archive, its keeper, and who asks for associations."""

    rig: Rig | None = None

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[Ask] = []
        self.held: list[Held] = []

    @initialize(limits=limits)
    def configured(self, limits: Limits) -> None:
        judgement = Judgement(failures=2, shortest=1.0, longest=8.0)
        self.rig = Rig(limits, judgement=judgement)
        self.network, self.keeper = self.rig.network, self.rig.keeper
        self.script = self.rig.archive.script
        self.keeper.start()

    # callers

    @rule(request=requests, timeout=st.sampled_from([0.5, 3.0, 10.0]))
    def somebody_asks(self, request: Request, timeout: float = 10.0) -> None:
        assert self.rig is not None
        results: list[Any] = []
        offer = IDENTIFIED if request.key.private is not None else OFFER
        deferred = self.rig.ask(request, offer, timeout, results)
        self.asked.append(Ask(request, deferred, results))
        self.settle()

    @rule(request=requests, times=st.integers(1, 4), is_learnt=st.booleans(), pause=pauses)
    def somebody_is_served(
        self, request: Request, times: int, is_learnt: bool, pause: float
    ) -> None:
        """If there is an association: an operation, and the association goes back."""
        for _ in range(times):
            self.somebody_asks(attrs.evolve(request))
            if self.held:
                self.is_served(self.held[-1], is_learnt)
            self.time_passes(pause)

    def is_served(self, held: Held, is_learnt: bool) -> None:
        association = held.association
        if is_learnt and association.offer.user_identity is None:
            assert association.answer is not None
            self.keeper.answers.put(CALLING, association.offer, association.answer)
        self.an_operation(self.held.index(held), 0x0000)
        if held in self.held:
            self.a_lease_ends(self.held.index(held), "given back")

    @precondition(lambda self: self.asked)
    @rule(pick=picks)
    def somebody_gives_up(self, pick: int) -> None:
        self.asked[pick % len(self.asked)].deferred.cancel()
        self.settle()

    @precondition(lambda self: self.held)
    @rule(pick=picks, status=st.sampled_from([0x0000, 0xA700]))
    def an_operation(self, pick: int, status: int) -> None:
        held = self.held[pick % len(self.held)]
        held.lessee.heard.clear()
        held.association.begin()
        held.association.command(held.association.contexts[ECHO], ECHO_RQ)
        self.settle()
        if held in self.held and held.lessee.heard:
            held.association.answered(status, 0.1)
            self.settle()

    @precondition(lambda self: self.held)
    @rule(pick=picks, how=st.sampled_from(sorted(ENDS)))
    def a_lease_ends(self, pick: int, how: str) -> None:
        ENDS[how](self.held.pop(pick % len(self.held)).association)
        self.settle()

    # the archive

    @rule()
    def it_is_well(self) -> None:
        assert self.rig is not None
        self.rig.comes_back()
        self.network.silent.clear()
        well = Script()
        for each in attrs.fields(Script):
            setattr(self.script, each.name, getattr(well, each.name))

    @rule(trouble=st.sampled_from(Trouble))
    def it_is_in_trouble(self, trouble: Trouble) -> None:
        assert self.rig is not None
        if trouble is Trouble.NOBODY_LISTENS:
            self.network.listening.pop(self.rig.port, None)
        elif trouble is Trouble.NOBODY_ANSWERS_THE_TELEPHONE:
            self.network.silent.add(self.rig.port)
        elif trouble is Trouble.ABORTS:
            self.script.associate = lambda request: Abort(2, 0).encode()
        elif trouble is Trouble.DOES_NOT_ANSWER_REQUESTS:
            self.script.associate = lambda request: None
        elif trouble is Trouble.DOES_NOT_ANSWER_OPERATIONS:
            self.script.answer = lambda message: None
        elif trouble is Trouble.DOES_NOT_ANSWER_RELEASES:
            self.script.release = None
        elif trouble is Trouble.FAILS_AT_OPERATIONS:
            self.script.answer = self.fails
        elif trouble is Trouble.BEARS_ONE:
            self.script.associate = self.bears_one
        else:
            self.script.associate = lambda request: REJECTIONS[trouble].encode()

    def fails(self, message: Message) -> bytes:
        return said(message.context_id, response_of(message.command, 0x0110))

    def bears_one(self, request: AssociateRQ) -> bytes:
        return accept_all(request) if len(self.open) == 1 else CONGESTED.encode()

    @precondition(lambda self: self.open)
    @rule(pick=picks, how=st.sampled_from(sorted(FALLS)))
    def it_ends_one(self, pick: int, how: str) -> None:
        FALLS[how](self.open[pick % len(self.open)])
        self.settle()

    @rule()
    def it_dies(self) -> None:
        self.it_is_in_trouble(Trouble.NOBODY_LISTENS)
        for each in self.open:
            each.transport.abortConnection()
        self.settle()

    @property
    def open(self) -> list[Archive]:
        return [] if self.rig is None else list(self.rig.archive.open)

    # time, and the house

    @rule(seconds=pauses)
    def time_passes(self, seconds: float) -> None:
        self.network.wait(seconds)
        self.look()

    @rule(seconds=pauses)
    def it_is_taken_out_for_a_while(self, seconds: float) -> None:
        self.keeper.drain()
        self.time_passes(seconds)
        self.keeper.resume()
        self.settle()

    @rule()
    def a_crossing_ends(self) -> None:
        self.keeper.leave(7)
        self.settle()

    def settle(self) -> None:
        self.network.settle()
        self.look()

    def look(self) -> None:
        """Take what was given, and let go of what was lost."""
        self.held = [each for each in self.held if not each.is_lost]
        for ask in [each for each in self.asked if each.results]:
            self.asked.remove(ask)
            (result,) = ask.results
            if isinstance(result, UpstreamAssociation):
                self.is_given(ask.request, result)
            else:
                assert isinstance(result, Unreachable | NotAccepted | CancelledError), result

    def is_given(self, request: Request, association: UpstreamAssociation) -> None:
        assert self.rig is not None
        if not association.layer.established:
            # Lost, or dropped by a stop, between being given and being looked at.
            return
        assert not any(each.association is association for each in self.held), "leased twice"
        assert not (request.fresh and association.is_reused)
        assert request.is_met_by(association.contexts.keys()) or not association.is_reused
        assert not (association.is_used and self.rig.limits.reuse is not Reuse.ALWAYS)
        assert association.is_idle, "there is something on it that is nobody's"
        lessee = Lessee()
        association.use(lessee)
        self.held.append(Held(association, lessee))

    @rule(trouble=st.sampled_from(Trouble), request=requests, seconds=pauses)
    def somebody_asks_again_as_it_gets_into_trouble(
        self, trouble: Trouble, request: Request, seconds: float
    ) -> None:
        self.somebody_is_served(request, times=1, is_learnt=False, pause=1.0)
        self.it_is_in_trouble(trouble)
        self.somebody_asks(attrs.evolve(request))
        self.time_passes(seconds)
        self.it_is_well()

    # what holds

    @invariant()
    def there_are_no_more_than_may_be(self) -> None:
        if self.rig is not None:
            assert self.rig.archive.most <= self.rig.limits.maximum
            assert 1 <= self.keeper.maximum <= self.rig.limits.maximum

    @invariant()
    def whoever_holds_one_or_waits_for_one_is_load(self) -> None:
        if self.rig is not None:
            asking = sum(each.is_asking for each in self.keeper._line)
            assert self.keeper.busy >= len(self.held) + len(self.asked) - asking

    @invariant()
    def what_was_asked_for_is_being_waited_for(self) -> None:
        if self.rig is not None:
            known = {each.request for each in self.keeper._line}
            assert {each.request for each in self.asked} <= known

    def teardown(self) -> None:
        """All is well again, and every lease ends: who asks then is served, and nothing stays."""
        if self.rig is None:
            return
        self.it_is_well()
        for _ in range(20):
            while self.held:
                self.a_lease_ends(0, "given back")
            self.time_passes(5)
        assert not self.asked, "somebody was never answered"
        assert not self.keeper.condition.is_out, "it is well and nobody noticed"
        self.somebody_asks(Request(KEYS[0], frozenset({CT})))
        self.time_passes(5)
        assert self.held, "it is well and serves nobody"
        self.a_lease_ends(0, "released")
        self.nothing_stays(self.rig.limits)

    def nothing_stays(self, limits: Limits) -> None:
        if limits.warm and limits.idle_timeout and self.keeper.answers._known:
            self.network.wait(60)
            assert self.keeper._members.all, "none is kept warm"
        if not limits.warm and not limits.probe_interval:
            self.network.wait(60)
            assert repr(self.keeper) == KEEPS_NOTHING
            assert not self.network.getDelayedCalls()
        self.keeper.stop()
        self.network.wait(60)
        assert repr(self.keeper) == KEEPS_NOTHING
        assert not self.network.getDelayedCalls()
        assert not self.network.ends
        assert not self.open


TestWorld = World.TestCase
TestWorld.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)

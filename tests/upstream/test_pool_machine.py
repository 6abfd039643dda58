"""The pool's decisions, carried out one by one in a world where anything may happen between them.

The world plays the keeper and the archive: it knows which associations are dead or dirty, which the
pool cannot see, and does nothing with them but what the pool decides.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from relay.policy.leasing import Reuse
from relay.policy.showing import Titles
from relay.upstream.pool import (
    HandOut,
    Key,
    Kind,
    Member,
    Open,
    Phase,
    Request,
    assign,
    lacking,
    rests,
    surplus,
)
from relay.wire.negotiation import Context

CT, MR = (Context(name, "1.2.840.10008.1.2") for name in ("ct", "mr"))
MODALITY, OTHER = Titles(b"MODALITY".ljust(16)), Titles(b"OTHER".ljust(16))
KEYS = [Key(MODALITY), Key(OTHER), Key(MODALITY, private=7)]
KINDS = [Kind(KEYS[0], frozenset({CT})), Kind(KEYS[1], frozenset({CT, MR}))]

requests = st.builds(
    Request,
    st.sampled_from(KEYS),
    st.sampled_from([frozenset({CT}), frozenset({MR}), frozenset({CT, MR})]),
    st.booleans(),
    st.booleans(),
)
picks = st.integers(0, 7)


class Pool(RuleBasedStateMachine):
    """An upstream's associations, and who waits for one."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.line: list[Request] = []
        self.members: list[Member] = []
        self.opening: dict[int, Request | None] = {}
        self.leases: dict[int, Request] = {}
        self.dead: set[int] = set()
        self.served: list[Request] = []

    asked = Bundle("asked")

    @initialize(
        most=st.integers(1, 5),
        max_idle=st.integers(0, 5),
        warm=st.integers(0, 3),
        reuse=st.sampled_from(Reuse),
    )
    def configured(self, most: int, max_idle: int, warm: int, reuse: Reuse) -> None:
        self.most = self.maximum = most
        self.reuse = reuse
        # As the configuration has it: what is kept warm may rest.
        self.max_idle = max_idle if reuse is Reuse.ALWAYS else most
        self.warm = min(warm, most, self.max_idle)

    # what the keeper does

    def settle(self) -> None:
        """Carry out the first step, and ask again, until there is none."""
        while self.step() or self.open_for_nobody():
            pass

    def step(self) -> bool:
        called = {each for each in self.opening.values() if each is not None}
        steps = assign(self.line, self.members, self.maximum, called)
        if not steps:
            return False
        step = steps[0]
        if isinstance(step, HandOut):
            self.hand_out(step.request, step.member)
        elif isinstance(step, Open):
            self.open(step.request.key, step.request)
        else:
            assert step.member.phase is Phase.IDLE
            self.remove(step.member)
        return True

    def open_for_nobody(self) -> bool:
        called = set(self.opening.values())
        if any(each not in called for each in self.line) or None in called:
            return False
        kind = lacking(KINDS, self.members, self.warm, self.maximum)
        if kind is None:
            return False
        self.open(kind.key, None)
        return True

    def open(self, key: Key, request: Request | None) -> None:
        assert len(self.members) < self.maximum, "one too many"
        assert request not in self.opening.values() or request is None, "two for one request"
        member = Member(key)
        self.members.append(member)
        self.opening[id(member)] = request

    def hand_out(self, request: Request, member: Member) -> None:
        assert member in self.members
        assert member.phase is Phase.IDLE, "it is leased already"
        assert request.is_met_by(member.contexts)
        assert member.key == request.key
        assert not request.fresh
        assert self.reuse is Reuse.ALWAYS or not member.is_used, "it is used up"
        if id(member) in self.dead:
            # The keeper looks before it lends: the request keeps its place.
            self.remove(member)
            return
        self.lend(request, member)

    def lend(self, request: Request, member: Member) -> None:
        assert id(member) not in self.dead
        member.phase = Phase.LEASED
        self.leases[id(member)] = request
        self.line.remove(request)
        self.served.append(request)
        for key, waiter in self.opening.items():
            if waiter is request:
                self.opening[key] = None

    def rest(self, member: Member) -> None:
        if not rests(member, self.reuse, self.now):
            self.remove(member)
            return
        member.phase, member.since = Phase.IDLE, self.now
        self.settle()
        for each in surplus(self.members, self.max_idle):
            self.remove(each)

    def remove(self, member: Member) -> None:
        self.members.remove(member)
        for known in (self.opening, self.leases):
            known.pop(id(member), None)
        self.dead.discard(id(member))

    def those(self, phase: Phase) -> list[Member]:
        return [each for each in self.members if each.phase is phase]

    def some(self, phase: Phase, pick: int) -> Member:
        some = self.those(phase)
        return some[pick % len(some)]

    # what happens

    @rule(target=asked, request=requests)
    def somebody_asks(self, request: Request) -> Request:
        self.line.append(request)
        self.settle()
        return request

    @rule(request=consumes(asked))
    def somebody_gives_up(self, request: Request) -> None:
        if request in self.line:
            self.line.remove(request)
            for member in self.those(Phase.OPENING):
                if self.opening[id(member)] is request:
                    self.remove(member)
            self.settle()

    @precondition(lambda self: self.those(Phase.OPENING))
    @rule(pick=picks, more=st.booleans())
    def one_opens(self, pick: int, more: bool) -> None:
        member = self.some(Phase.OPENING, pick)
        request = self.opening.pop(id(member))
        wanted = KINDS[KEYS.index(member.key) % 2].contexts if request is None else request.contexts
        member.contexts = wanted | {MR} if more else wanted
        member.until = self.now + 50.0
        if request is None:
            self.rest(member)
        else:
            self.lend(request, member)
        self.settle()

    @precondition(lambda self: self.those(Phase.OPENING))
    @rule(pick=picks)
    def one_is_rejected(self, pick: int) -> None:
        member = self.some(Phase.OPENING, pick)
        request = self.opening[id(member)]
        self.remove(member)
        living = len(self.members) - len(self.those(Phase.OPENING))
        if living:
            self.maximum = max(1, min(self.maximum, living))
        elif request is not None:
            self.line.remove(request)
        # That one is opened for nobody again may wait.
        while self.step():
            pass

    @precondition(lambda self: self.those(Phase.LEASED))
    @rule(pick=picks, is_clean=st.booleans())
    def a_lease_ends(self, pick: int, is_clean: bool) -> None:
        member = self.some(Phase.LEASED, pick)
        del self.leases[id(member)]
        member.is_used = True
        if is_clean:
            self.rest(member)
        else:
            self.remove(member)
        self.settle()

    @precondition(lambda self: self.those(Phase.LEASED))
    @rule(pick=picks)
    def an_answer_is_passed_on(self, pick: int) -> None:
        """It was opened for its answer alone, and has served nobody."""
        member = self.some(Phase.LEASED, pick)
        if not member.is_used:
            del self.leases[id(member)]
            self.rest(member)
            self.settle()

    @precondition(lambda self: self.those(Phase.IDLE))
    @rule(pick=picks)
    def an_idle_one_dies_unseen(self, pick: int) -> None:
        self.dead.add(id(self.some(Phase.IDLE, pick)))

    @rule()
    def all_goes_well(self) -> None:
        self.maximum = min(self.most, self.maximum + 1)
        self.settle()

    @rule(seconds=st.floats(1, 40))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds
        for member in self.those(Phase.IDLE):
            if self.now - member.since >= 30 or self.now >= member.until:
                self.remove(member)
        self.settle()

    # what holds

    @invariant()
    def nobody_waits_for_what_is_there(self) -> None:
        called = set(self.opening.values())
        waiting = [each for each in self.line if each not in called]
        for request in self.line:
            assert not any(request.suits(each) for each in self.members)
        if waiting:
            assert not self.those(Phase.IDLE), "what suits nobody makes room"
            assert len(self.members) >= self.maximum

    @invariant()
    def there_are_no_more_than_may_be(self) -> None:
        assert len(self.members) <= self.most
        assert len(self.those(Phase.IDLE)) <= self.max_idle

    @invariant()
    def everything_is_accounted_for(self) -> None:
        assert set(self.opening) == {id(each) for each in self.those(Phase.OPENING)}
        assert set(self.leases) == {id(each) for each in self.those(Phase.LEASED)}
        assert len(self.served) == len(set(self.served)), "one was served twice"

    def teardown(self) -> None:
        """All goes well from now on: everybody is served, and in the end nothing is left."""
        if not hasattr(self, "most"):
            return
        self.maximum, warm = self.most, self.warm
        self.settle()
        for _ in range(3 * len(self.line) + 3):
            while self.those(Phase.OPENING):
                self.one_opens(0, more=False)
            if not self.line:
                break
            for member in self.those(Phase.LEASED):
                del self.leases[id(member)]
                self.rest(member)
            self.settle()
        assert not self.line, "somebody starved"
        self.is_kept_warm()
        self.warm = 0
        for member in self.those(Phase.LEASED):
            del self.leases[id(member)]
            self.rest(member)
        self.time_passes(100.0)
        assert not self.members
        assert not self.opening
        assert not self.leases
        assert not self.dead
        self.warm = warm

    def is_kept_warm(self) -> None:
        shared = [each for each in self.members if each.key.private is None]
        assert len(shared) >= self.warm or len(self.members) >= self.maximum


TestPool = Pool.TestCase
TestPool.settings = settings(max_examples=200, stateful_step_count=40, deadline=None)

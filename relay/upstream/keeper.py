"""One upstream's associations: carries out what pool.assign decides.

The keeper knows every association with its upstream, from dialling to the end, and everybody who
waits for one. Whenever either changes it asks `assign` again. What it sees of the upstream it tells
condition.py; warming.py and probing.py have it open associations that no caller has asked for.
"""

from __future__ import annotations

from random import Random

from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.interfaces import IReactorTime

from relay.policy.health import Judgement
from relay.policy.showing import Titles
from relay.sparing import Sparing
from relay.upstream.allowance import Allowance, Whole
from relay.upstream.answers import Answers
from relay.upstream.condition import Condition
from relay.upstream.dialer import Dialer
from relay.upstream.ends import End, NotAccepted, Unreachable
from relay.upstream.lending import Lender
from relay.upstream.limits import Limits
from relay.upstream.line import Line, Waiter
from relay.upstream.members import Members
from relay.upstream.opening import Openings
from relay.upstream.pool import HandOut, Open, Phase, Request, assign, rests
from relay.upstream.probing import Prober
from relay.upstream.protocol import Implementation, UpstreamAssociation
from relay.upstream.warming import Warmth
from relay.wire.negotiation import Offer

WARMING_TIMEOUT = 10.0
"""Seconds that an upstream has to answer a request for an association that nobody waits for."""

TURN = 1.0
"""Seconds that a lease may last, from one operation to the next, while others wait whom another
association would have to be opened for: opening one for each object of two would serve nobody."""

_GOING = "it is being taken out"


class Keeper:
    """Keeps the associations with one upstream.

    `calling_field` is the AE title that the relay shows on its own behalf. Without an `allowance`
    it has all that the upstream bears.
    """

    def __init__(
        self,
        name: str,
        clock: IReactorTime,
        dialer: Dialer,
        limits: Limits,
        calling_field: bytes,
        judgement: Judgement,
        random: Random,
        allowance: Allowance | None = None,
        sparing: Sparing | None = None,
    ) -> None:
        self.name, self.clock, self.limits = name, clock, limits
        self.answers = Answers(clock)
        self.condition = Condition(name, clock, judgement, limits.maximum, sparing)
        self.peer_maximum: int | None = None
        self.implementation: Implementation | None = None
        self.is_draining = False
        self._line = line = Line()
        self._members = members = Members(clock, limits, random, self._release, self._assign)
        self._warmth = warmth = Warmth(clock, self.answers, limits.warm, self._assign)
        self._openings = openings = Openings(
            clock, dialer, members, line, self.condition, warmth, self._assign
        )
        self._lender = Lender(clock, members, line, openings, warmth, self._assign)
        every, within = limits.probe_interval, limits.probe_timeout
        self._prober = Prober(
            clock, self.condition, self.acquire, Titles(calling_field), every, within
        )
        self._is_assigning = False
        self._is_stopped = False
        self._allowance = allowance or Whole(limits.maximum)
        self._allowance.hold(self)

    def __repr__(self) -> str:
        counts = [f"{self._members.count(phase)} {phase.name.lower()}" for phase in Phase]
        counts.append(f"{len(self._line.waiting)} waiting")
        states = {"out": self.condition.is_out, "draining": self.is_draining}
        counts += [state for state, is_so in states.items() if is_so]
        return f"<Keeper {self.name}: {', '.join(counts)}>"

    @property
    def busy(self) -> int:
        """Associations at work, or being waited for."""
        waiting = sum(not each.is_asking for each in self._line)
        return self._members.count(Phase.LEASED) + waiting

    @property
    def outstanding(self) -> int:
        """Bytes sent whose operations are not answered yet."""
        return sum(each.outstanding for each in self._members)

    @property
    def maximum(self) -> int:
        """Associations that there may be now."""
        return min(self._borne, self._allowance.most)

    @property
    def _borne(self) -> int:
        """Associations that it bears, as far as is known now.

        In doubt there is room for one more, a probe: silence may have passed for congestion.
        """
        room = self.condition.room
        return min(room.maximum + self.condition.is_in_doubt, room.most)

    @property
    def is_reachable(self) -> bool:
        """Whether it is well, and nothing spoke against it since an association was opened."""
        return self.condition.is_reachable and not self.condition.is_out

    # from the bank

    def acquire(
        self, request: Request, offer: Offer, timeout: float, *, is_probe: bool = False
    ) -> Deferred[UpstreamAssociation]:
        """An association for `request`, in `timeout` seconds; cancel to give up.

        Fails with `Unreachable`, or `NotAccepted`. A new association may hold less than what was
        requested: the upstream decides.
        """
        result: Deferred[UpstreamAssociation] = Deferred(lambda _: self._call_off(waiter))
        waiter = Waiter(request, offer, timeout, result, is_probe)
        if self._is_going:
            result.errback(Unreachable(_GOING))
            return result
        waiter.timer = self.clock.callLater(timeout, self._openings.time_is_up, waiter)
        self._line.join(waiter)
        self._assign()
        return result

    def at_hand(self, request: Request) -> UpstreamAssociation | None:
        """One that rests and serves `request`, leased; None where it takes any more than a look."""
        if self._is_going or len(self._line):
            return None
        step = next(iter(assign([request], self._members.all, self.maximum)), None)
        if not isinstance(step, HandOut):
            return None
        association = self._members.of(step.member)
        return association if self._lender.lend_at_once(association) else None

    def leave(self, private: int) -> None:
        """Release what was made for the crossing `private` alone."""
        for association in self._members.idle(private):
            self._release(association)

    # from the service

    def start(self) -> None:
        """From now on look after the upstream, where that is wanted."""
        self._prober.start()

    def drain(self) -> None:
        """Take the upstream out: leases end as they will, and nothing else is begun."""
        self.is_draining = True
        self._wind_down()
        for waiter in self._line:
            self._line.turn_away(waiter, Unreachable(_GOING))

    def resume(self) -> None:
        """Have it back."""
        self.is_draining, self._prober.is_allowed = False, True
        self._assign()

    def stop(self) -> Deferred[list[tuple[bool, None]]]:
        """Release what is idle, drop the rest; fires when all connections are closed."""
        self._is_stopped = True
        closed = [association.closed for association in self._members.connections]
        self._wind_down()
        for waiter in self._line:
            waiter.result.cancel()
        for association in self._members:
            association.drop()
        return DeferredList(closed)

    def _wind_down(self) -> None:
        """Call off what is being opened, release what is idle, look no more."""
        self._prober.is_allowed = False
        self._prober.tend()
        self._warmth.stop()
        self._openings.call_all_off()
        for association in self._members.idle():
            self._release(association)

    # from the associations

    def wants_back(self, association: UpstreamAssociation) -> bool:
        """Whether its lease is to end with the operation under way: someone waits who can use it,
        or who has to have another one in its place, and it has had its turn."""
        if self.is_draining:
            return True
        if not len(self._line):
            return False
        member = self._members[association]
        waiting = self._line.waiting
        has_had_its_turn = self.clock.seconds() - member.since >= TURN
        return any(has_had_its_turn or each.request.fits(member) for each in waiting)

    def opened(self, association: UpstreamAssociation) -> None:
        """It is established."""
        assert association.answer is not None
        self.peer_maximum = association.answer.maximum
        self.implementation = association.implementation
        member = self._members.opened(association)
        waiter = self._openings.opened(association)
        if waiter is not None:
            self._line.serve(waiter, association)
            self._assign()
        elif member.key.private is None:
            self.returned(association)
        else:
            # Its crossing has got another one since.
            self._release(association)

    def refused(self, association: UpstreamAssociation, why: Unreachable | NotAccepted) -> None:
        """It did not come to be."""
        self._openings.refused(association, why)

    def returned(self, association: UpstreamAssociation) -> None:
        """Its lease is over; others may use it."""
        member = self._members[association]
        member.is_used = association.is_used
        may_rest = rests(member, self.limits.reuse, self.clock.seconds())
        if self._is_going or not may_rest or (self._allowance.is_due and not self._ends):
            self._release(association)
            return
        self._members.rest(association)
        self._assign()
        for each in self._members.surplus():
            self._release(each)

    def answered(self, association: UpstreamAssociation, status: int, seconds: float) -> None:
        """An operation on it is complete."""
        if self.condition.answered(status, seconds):
            self._assign()

    def aborted(self, why: str) -> None:
        """One is aborted, and not for any fault of its own."""
        self.condition.aborted(why)

    def gone(self, association: UpstreamAssociation, end: End, why: str) -> None:
        """It is no more."""
        self._members.remove(association)
        self._warmth.lost(association)
        if end is End.FAILED:
            self.condition.failed(why)
        elif end is End.STALE:
            self.condition.stale(why)
        self._assign()

    # from its allowance

    @property
    def held(self) -> int:
        """Associations that there are for the upstream."""
        return len(self._members.connections)

    @property
    def wanted(self) -> int:
        """How many could be used now if it were not for the allowance."""
        used = len(self._members.all) - self._members.count(Phase.IDLE)
        return min(self._borne, used + len(self._line.waiting))

    def let_go(self) -> bool:
        """Release the one that has rested longest, unless one is ending anyway."""
        if self._ends:
            return True
        resting = self._members.longest_idle
        if resting is None:
            return False
        self._release(resting)
        return True

    def look_again(self) -> None:
        """There is another allowance."""
        self._assign()

    # within

    @property
    def _ends(self) -> bool:
        """Whether one is just ending."""
        return len(self._members.connections) > len(self._members.all)

    @property
    def _is_going(self) -> bool:
        return self.is_draining or self._is_stopped

    def _assign(self) -> None:
        """Carry out steps until there is none; what one causes waits for the next round."""
        if self._is_assigning:
            return
        if not self._is_going:
            self._carry_all_out()
            self._prober.tend()
        self._allowance.tend()

    def _carry_all_out(self) -> None:
        self._is_assigning = True
        try:
            while self._carry_out() or self._turn_away() or self._warm():
                pass
        finally:
            self._is_assigning = False

    def _carry_out(self) -> bool:
        """Carry out the first step that can be, which may change everything; whether one could."""
        if not len(self._line):
            return False
        requests, called = self._line.requests, self._line.called
        steps = assign(requests, self._members.all, self.maximum, called)
        step = next((each for each in steps if not isinstance(each, Open) or self._has_room), None)
        if step is None:
            return False
        if isinstance(step, HandOut):
            self._lender.hand_out(requests[step.request], self._members.of(step.member))
        elif isinstance(step, Open):
            waiter = requests[step.request]
            key, offer = waiter.request.key, waiter.offer
            self._openings.open(self, key, offer, waiter.timeout, waiter)
        else:
            self._release(self._members.of(step.member))
        return True

    @property
    def _has_room(self) -> bool:
        """Whether one more can be opened: to the upstream those that are just ending count, too."""
        return self.held < self.maximum

    def _turn_away(self) -> bool:
        """Turn away the last who came, where more wait than may; whether there was one."""
        waiting = self._line.waiting
        if not waiting:
            self.condition.not_crowded()
        if len(waiting) <= self.limits.max_waiting:
            return False
        why = Unreachable(f"{self.limits.max_waiting} wait already")
        self.condition.crowded(why)
        self._line.turn_away(waiting[-1], why)
        return True

    def _warm(self) -> bool:
        """Open an association that nobody has asked for, where one is wanted; whether it was."""
        if self._line.waiting or self.condition.is_out or not self._has_room:
            return False
        wanted = self._warmth.wanted(self._members.all, self.maximum)
        if wanted is not None:
            kind, offer = wanted
            self._openings.open(self, kind.key, offer, WARMING_TIMEOUT, kind=kind)
        return wanted is not None

    def _call_off(self, waiter: Waiter) -> None:
        """Whoever waited does not any more."""
        self._line.leave(waiter)
        if waiter.opening is not None:
            self._openings.call_off(waiter.opening)
            self._assign()

    def _release(self, association: UpstreamAssociation) -> None:
        self._warmth.released(association)
        association.release()

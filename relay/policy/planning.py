"""What becomes of the presentation contexts of a request: which pools are to answer for which.

Most contexts have one way, and its pool answers. But an archive that calls back the relay itself
does not say, when it asks for the association, whom it will have something for:

- C-STORE sub-operations of a C-MOVE whose destination the relay had replaced (moves.py) may go to
  any of several modalities: all of them are to answer, and what holds with all of them holds. What
  the archive sends of its own accord meanwhile goes where a route has it, which is to answer, too.
- A storage commitment report comes for whoever has asked for the commitment, maybe days ago, under
  an AE title that the relay showed in its place. That one is known by the Transaction UID in the
  report, so the relay answers itself: with what every requester of storage commitment has to take.

Such contexts are late: each of their messages finds its own way.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from fnmatch import fnmatchcase

import attrs

from relay.policy.admission import CALLING_NOT_RECOGNIZED
from relay.policy.proposing import AssociationPolicy, Permitted, permit
from relay.policy.routing import Caller, Route, Routed, Way, route
from relay.policy.services import service_of
from relay.wire.items import ContextResult, PresentationContextRQ
from relay.wire.pdu import AssociateRJ

STORAGE = "storage"
COMMITMENT = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model SOP Class (PS3.4 J.3)."""

MOST_ASKED = 16
"""Destinations that are asked for what an archive may send them. They answer one after another, and
whoever moves says how many there are; the others find out with their first object."""


@attrs.frozen
class Plan:
    """What becomes of presentation contexts, by id.

    `contexts` are those left, as they may be proposed; `ways` of those that have one, and of the
    `late` ones the ways of which each has to answer, none where the relay does; `refused` the
    results of the others, save for those that nobody serves.
    """

    contexts: tuple[PresentationContextRQ, ...]
    ways: Mapping[Way, Sequence[int]]
    refused: Mapping[int, ContextResult] = attrs.field(factory=dict)
    late: Mapping[int, tuple[Way, ...]] = attrs.field(factory=dict)

    def ways_of(self, context_id: int) -> tuple[Way, ...] | None:
        """The ways of which each has to answer for a context; None where it has none at all."""
        if context_id in self.late:
            return self.late[context_id]
        return next(((way,) for way, ids in self.ways.items() if context_id in ids), None)


@attrs.frozen(eq=False)
class Directory:
    """Who may call whom, with what, and where that leads. `title` is the relay's own AE title."""

    routes: Sequence[Route]
    policies: Sequence[AssociationPolicy] = ()
    title: str = ""
    _masks: frozenset[str] = attrs.field(init=False)

    @_masks.default
    def _shown_for_others(self) -> frozenset[str]:
        return frozenset().union(*(each.showing.masks for each in self.routes))

    def plan(
        self,
        caller: Caller,
        contexts: tuple[PresentationContextRQ, ...],
        reports: bool = False,
        awaited: Sequence[str] = (),
    ) -> Plan | AssociateRJ:
        """What is to become of `contexts`, or the rejection that the request deserves.

        `reports`: the caller proposes to be an SCP of storage commitment, and nothing else.
        `awaited` are the destinations to which it may be moving.
        """
        permitted = permit(self.policies, caller.calling, caller.called, contexts)
        routed = route(self.routes, caller, permitted.contexts)
        found = Routed({}) if isinstance(routed, AssociateRJ) else routed
        late: dict[int, tuple[Way, ...]] = {}
        if caller.called in self._masks:
            late |= self._reports(caller, permitted.contexts, found, reports)
        if awaited and caller.called == self.title:
            late |= self._moved(caller, permitted.contexts, found, awaited)
        if late or found.loops:
            return _sorted_out(permitted, found, late)
        if isinstance(routed, AssociateRJ):
            return routed
        return Plan(permitted.contexts, routed.ways, permitted.refused)

    def way_to(self, caller: Caller, title: str, abstract_syntax: str) -> Way | None:
        """Where a message of `caller` for the AE title `title` goes; None: nowhere."""
        context = PresentationContextRQ(1, abstract_syntax, ())
        routed = route(self.routes, caller.calls(title), (context,))
        return None if isinstance(routed, AssociateRJ) else next(iter(routed.ways), None)

    def leads_to(self, destination: str, archives: Collection[str]) -> bool:
        """Whether a route may take objects from one of `archives` to `destination`."""
        return any(
            fnmatchcase(destination, each.called) and takes_objects(each, archives)
            for each in self.routes
        )

    def _reports(
        self,
        caller: Caller,
        contexts: Sequence[PresentationContextRQ],
        found: Routed,
        reports: bool,
    ) -> dict[int, tuple[Way, ...]]:
        """The contexts on which reports are made for whoever asked. What has a way is for asking,
        unless the caller `reports`; without one, or with one that leads back, nobody can ask."""
        if not self._may_report(caller):
            return {}
        its = [each.id for each in contexts if each.abstract_syntax == COMMITMENT]
        return {each: () for each in its if reports or found.way_of(each) is None}

    def _may_report(self, caller: Caller) -> bool:
        """Whether there is anybody for whom a report of this caller's could be."""
        anybody = (attrs.evolve(each, called="*") for each in self.routes)
        return any(
            each.obstacle(caller) is None
            and each.serves(COMMITMENT)
            and not each.leads_back(caller, COMMITMENT)
            for each in anybody
        )

    def _moved(
        self,
        caller: Caller,
        contexts: Sequence[PresentationContextRQ],
        found: Routed,
        awaited: Sequence[str],
    ) -> dict[int, tuple[Way, ...]]:
        """The contexts on which objects of moves may come, and objects of its own accord."""
        moved: dict[int, tuple[Way, ...]] = {}
        # The last ones: an archive calls for what it has been asked just now.
        titles = awaited[-MOST_ASKED:]
        for each in contexts:
            if service_of(each.abstract_syntax) == STORAGE:
                ways = [self.way_to(caller, title, each.abstract_syntax) for title in titles]
                if any(ways):
                    ways.append(found.way_of(each.id))
                    moved[each.id] = tuple(dict.fromkeys(way for way in ways if way is not None))
        return moved


def _sorted_out(
    permitted: Permitted, routed: Routed, late: Mapping[int, tuple[Way, ...]]
) -> Plan | AssociateRJ:
    """The plan where some contexts are late, or lead back to the caller."""
    if routed.loops and not routed.ways and not late:
        return CALLING_NOT_RECOGNIZED
    ways = {way: [each for each in ids if each not in late] for way, ids in routed.ways.items()}
    ways = {way: ids for way, ids in ways.items() if ids}
    loops = dict.fromkeys(routed.loops - late.keys(), ContextResult.USER_REJECTION)
    return Plan(permitted.contexts, ways, {**permitted.refused, **loops}, late)


def takes_objects(route: Route, archives: Collection[str]) -> bool:
    """Whether `route` may take objects from one of `archives` to anybody else."""
    others = (each for each in archives if each not in route.members)
    return route.stores and any(fnmatchcase(each, route.calling) for each in others)

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
from relay.policy.proposing import AssociationPolicy, permit
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
    """Per presentation context id: the ways of which each has to answer, none where the relay does;
    the results of those refused; `late` ones. `contexts` are those left, as they may be proposed.
    """

    contexts: tuple[PresentationContextRQ, ...]
    ways: Mapping[int, tuple[Way, ...]]
    refused: Mapping[int, ContextResult] = attrs.field(factory=dict)
    late: frozenset[int] = frozenset()


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
        reporting: Collection[str] = (),
        awaited: Sequence[str] = (),
        asking: Collection[str] = (),
    ) -> Plan | AssociateRJ:
        """What is to become of `contexts`, or the rejection that the request deserves.

        `reporting` are the abstract syntaxes for which the caller proposes to be the SCP, `asking`
        those for which it says to be the SCU; `awaited` the destinations to which it may be moving.
        """
        permitted = permit(self.policies, caller.calling, caller.called, contexts)
        routed = route(self.routes, caller, permitted.contexts)
        found = Routed({}) if isinstance(routed, AssociateRJ) else routed
        late = self._reports(caller, permitted.contexts, reporting, found)
        if COMMITMENT in asking:
            # Who may be either is a modality, if there is an archive for it to ask.
            late = {each: its for each, its in late.items() if each not in found.ways}
        late |= self._moved(caller, permitted.contexts, awaited, found.ways)
        if not late and isinstance(routed, AssociateRJ):
            return routed
        if not late and not found.ways and found.loops:
            return CALLING_NOT_RECOGNIZED
        ways = {each: (its,) for each, its in found.ways.items()} | late
        loops = dict.fromkeys(found.loops - late.keys(), ContextResult.USER_REJECTION)
        return Plan(permitted.contexts, ways, {**permitted.refused, **loops}, frozenset(late))

    def way_to(self, caller: Caller, title: str, abstract_syntax: str) -> Way | None:
        """Where a message of `caller` for the AE title `title` goes; None: nowhere."""
        context = PresentationContextRQ(1, abstract_syntax, ())
        routed = route(self.routes, caller.calls(title), (context,))
        return None if isinstance(routed, AssociateRJ) else routed.ways.get(1)

    def leads_to(self, destination: str, archives: Collection[str]) -> bool:
        """Whether a route may take objects from one of `archives` to `destination`."""
        return any(
            fnmatchcase(destination, each.called) and each.stores and _serves_any(each, archives)
            for each in self.routes
        )

    def _reports(
        self,
        caller: Caller,
        contexts: Sequence[PresentationContextRQ],
        reporting: Collection[str],
        found: Routed,
    ) -> dict[int, tuple[Way, ...]]:
        if caller.called not in self._masks or not self._may_report(caller):
            return {}
        its = [each.id for each in contexts if each.abstract_syntax == COMMITMENT]
        # Who forgets to propose the role can only mean it, if it has nobody but itself to ask.
        return {each: () for each in its if COMMITMENT in reporting or each in found.loops}

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
        awaited: Sequence[str],
        own: Mapping[int, Way],
    ) -> dict[int, tuple[Way, ...]]:
        if not awaited or caller.called != self.title:
            return {}
        moved: dict[int, tuple[Way, ...]] = {}
        for each in contexts:
            if service_of(each.abstract_syntax) != STORAGE:
                continue
            ways = (self.way_to(caller, title, each.abstract_syntax) for title in awaited)
            # The last ones: an archive calls for what it has been asked just now.
            its = tuple(dict.fromkeys(way for way in ways if way is not None))[-MOST_ASKED:]
            if its:
                mine = (own[each.id],) if each.id in own else ()
                moved[each.id] = tuple(dict.fromkeys((*its, *mine)))
        return moved


def _serves_any(route: Route, archives: Collection[str]) -> bool:
    return any(fnmatchcase(each, route.calling) and each not in route.members for each in archives)

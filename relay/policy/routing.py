"""Which way each presentation context takes: the first route that fits.

A route looks at who calls whom, from where, at which listener and with which certificate, and at
the service that a context's abstract syntax belongs to; so one association may be served by several
pools. Verification needs no route of its own: where none names it, it goes with the first route for
this caller, so that a C-ECHO answers whoever may come in at all.

Nobody is sent back to itself: a caller that is a member of the pool that a route leads to would get
its own objects, and might send them again. Its contexts are refused, save for Verification, which
ends there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from fnmatch import fnmatchcase

import attrs

from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.patterns import Network, any_fits, is_in
from relay.policy.services import is_among, service_of
from relay.policy.showing import Showing, Titles
from relay.wire.items import PresentationContextRQ
from relay.wire.pdu import AssociateRJ, AssociateRQ, ae_field

VERIFICATION = "verification"


@attrs.frozen
class Origin:
    """Where a connection comes from.

    `address` is an IP address, or empty for a socket that has none; `listener` the name of the one
    that took it, if it has one; `certificate_names` the subject alternative names of the
    certificate that was shown.
    """

    address: str = ""
    listener: str | None = None
    certificate_names: tuple[str, ...] = ()


@attrs.frozen
class Caller:
    """Who calls whom, and from where. Fields are those of A-ASSOCIATE-RQ, as they came."""

    calling: str
    called: str
    calling_field: bytes
    called_field: bytes
    origin: Origin = Origin()

    @classmethod
    def of(cls, request: AssociateRQ, origin: Origin) -> Caller:
        """Who asks by `request`."""
        fields = request.calling_field, request.called_field
        return cls(request.calling, request.called, *fields, origin)

    def calls(self, title: str) -> Caller:
        """The same, had it called `title`."""
        return attrs.evolve(self, called=title, called_field=ae_field(title))


class Criterion(Enum):
    """What a route, or an allow list, looks at; the values are keys of a configuration."""

    CALLED = "called"
    CALLING = "calling"
    NETWORKS = "networks"
    LISTENERS = "listeners"
    CERTIFICATES = "certificates"


@attrs.frozen
class Way:
    """Where messages go: the pool that serves, and the AE titles that it is shown."""

    pool: str
    titles: Titles


@attrs.frozen(eq=False)
class Route:
    """What has to fit, and the pool that serves; None: anything fits.

    `called` and `calling` are patterns (`*`, `?`, `[...]`) on AE titles, `certificates` on subject
    alternative names, of which one has to fit. A service is one of
    `relay.policy.services.SERVICES`, or the UID of an abstract syntax. `members` are the AE titles
    of the pool's upstreams.
    """

    pool: str
    called: str = "*"
    calling: str = "*"
    services: frozenset[str] | None = None
    networks: tuple[Network, ...] | None = None
    listeners: frozenset[str] | None = None
    certificates: tuple[str, ...] | None = None
    showing: Showing = attrs.field(factory=Showing)
    members: frozenset[str] = frozenset()

    def obstacle(self, caller: Caller) -> Criterion | None:
        """The first of what does not fit, None where all does."""
        origin = caller.origin
        if not fnmatchcase(caller.called, self.called):
            return Criterion.CALLED
        if not fnmatchcase(caller.calling, self.calling):
            return Criterion.CALLING
        if self.networks is not None and not is_in(origin.address, self.networks):
            return Criterion.NETWORKS
        if self.listeners is not None and origin.listener not in self.listeners:
            return Criterion.LISTENERS
        names = origin.certificate_names
        if self.certificates is not None and not any_fits(names, self.certificates):
            return Criterion.CERTIFICATES
        return None

    def serves(self, abstract_syntax: str) -> bool:
        """Whether the service of `abstract_syntax` takes this route."""
        return is_among(abstract_syntax, self.services)

    @property
    def stores(self) -> bool:
        """Whether it serves storage, be it of one SOP class."""
        its = self.services
        return its is None or any("storage" in (each, service_of(each)) for each in its)

    def leads_back(self, caller: Caller, abstract_syntax: str) -> bool:
        """Whether the caller would get back what it sends; a C-ECHO goes no further anyway."""
        return caller.calling in self.members and not _is_verification(abstract_syntax)

    def way(self, caller: Caller) -> Way:
        """Where it leads."""
        fields = caller.calling_field, caller.called_field
        return Way(self.pool, self.showing.titles(caller.calling, *fields))


@attrs.frozen
class Routed:
    """The ids of the presentation contexts that have a way, by ways; and of those in `loops`, which
    would have led back to the caller."""

    ways: Mapping[Way, Sequence[int]]
    loops: frozenset[int] = frozenset()

    def way_of(self, context_id: int) -> Way | None:
        """The way of a context; None where it has none."""
        return next((way for way, ids in self.ways.items() if context_id in ids), None)


@attrs.frozen
class Fit:
    """What becomes of each of `routes`, in their order, for one caller: what does not fit of it,
    None where all does."""

    routes: Sequence[Route]
    obstacles: tuple[Criterion | None, ...]

    @classmethod
    def of(cls, routes: Sequence[Route], caller: Caller) -> Fit:
        """How the routes fit this caller."""
        return cls(routes, tuple(each.obstacle(caller) for each in routes))

    @property
    def fitting(self) -> list[Route]:
        """Those that are for this caller."""
        pairs = zip(self.routes, self.obstacles, strict=True)
        return [each for each, obstacle in pairs if obstacle is None]

    @property
    def rejection(self) -> AssociateRJ | None:
        """The one that the caller deserves if no route is for it at all."""
        return None if None in self.obstacles else rejection(self.obstacles)


def rejection(obstacles: Iterable[Criterion | None]) -> AssociateRJ:
    """What a caller is told for whom each route has one of these obstacles."""
    unknown = all(each is Criterion.CALLED for each in obstacles)
    return CALLED_NOT_RECOGNIZED if unknown else CALLING_NOT_RECOGNIZED


def route(
    routes: Sequence[Route], caller: Caller, contexts: Iterable[PresentationContextRQ]
) -> Routed | AssociateRJ:
    """The way of each context; those that no route serves are left out.

    A rejection where no route is for this caller at all.
    """
    fitting = [each for each in routes if each.obstacle(caller) is None]
    if not fitting:
        return rejection(each.obstacle(caller) for each in routes)
    served: dict[Route, list[int]] = {}
    loops: set[int] = set()
    for each in contexts:
        chosen = choice(fitting, each.abstract_syntax)
        if chosen is None:
            continue
        if chosen.leads_back(caller, each.abstract_syntax):
            loops.add(each.id)
        else:
            served.setdefault(chosen, []).append(each.id)
    ways: dict[Way, list[int]] = {}
    for each_route, its in served.items():
        ways.setdefault(each_route.way(caller), []).extend(its)
    return Routed(ways, frozenset(loops))


def choice(fitting: Sequence[Route], abstract_syntax: str) -> Route | None:
    """The one of these routes that serves an abstract syntax."""
    for each in fitting:
        if each.serves(abstract_syntax):
            return each
    return fitting[0] if fitting and _is_verification(abstract_syntax) else None


def _is_verification(abstract_syntax: str) -> bool:
    return service_of(abstract_syntax) == VERIFICATION

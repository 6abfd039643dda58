"""What is doubtful in a configuration that can be used, as far as the file alone can tell.

A mistake keeps the relay from starting; what is said here does not, for there may be a reason. So
it is little, and only what nearly always turns out to have been meant otherwise.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from fnmatch import fnmatchcase

import attrs

from relay.bindings import allow, directory, pool_rules
from relay.config import Configuration, Upstream
from relay.config.mistakes import path_of
from relay.config.values import LEAST_MEMORY
from relay.journal.identities import Shown
from relay.policy.allowing import Allow
from relay.policy.leasing import Reuse
from relay.policy.patterns import WILD, may_meet, overlap
from relay.policy.planning import Directory, takes_objects
from relay.policy.proposing import AssociationPolicy
from relay.policy.routing import VERIFICATION, Route
from relay.policy.services import is_among
from relay.upstream.kinship import SCATTERING


@attrs.frozen
class Doubt:
    """Something that was maybe not meant: the key's path as in a mistake, and what about it."""

    key: str
    what: str

    def __str__(self) -> str:
        """One line, for whoever wrote the file."""
        return f"{self.key}: {self.what}"


def doubts(configuration: Configuration) -> list[Doubt]:
    """All that is doubtful, in the order in which the manual has its tables."""
    its = directory(configuration)
    return [
        *_memory(configuration),
        *_identities(configuration),
        *_allow_lists(configuration, its),
        *_modalities(configuration, its),
        *_scattering(configuration),
        *_moving_nowhere(configuration, its),
        *_routes(its.routes),
        *_kept_out(configuration, its),
        *_policies(its.policies),
    ]


def _memory(configuration: Configuration) -> Iterator[Doubt]:
    """What may be kept of objects, and the relay itself, in a process that may not have as much."""
    its, kept = configuration.relay, configuration.failover.memory
    needed = kept // max(1, its.workers) + LEAST_MEMORY
    if 0 < its.max_memory < needed:
        what = (
            f"with what failover.memory lets each process keep of objects, and {LEAST_MEMORY} bytes"
            f" for the relay itself, it should be {needed} or more, or callers are turned away"
            " while there is nothing wrong"
        )
        yield Doubt(path_of(("relay", "max_memory")), what)


def _identities(configuration: Configuration) -> Iterator[Doubt]:
    """A log that leads to patients."""
    if configuration.log.identities == Shown.PLAIN.value:
        what = "UIDs and user names are in the log as they are: it has to be kept as patients' data"
        yield Doubt(path_of(("log", "identities")), what)


def _allow_lists(configuration: Configuration, its: Directory) -> Iterator[Doubt]:
    """What a listener lets in, and nothing is for it."""
    shown = [title for each in its.routes for title in each.showing.masks]
    for index, listener in enumerate(configuration.listeners):
        lets_in, at = allow(listener), ("listener", index, "allow")
        routes = [each for each in its.routes if _is_by(each, listener.name)]
        for title in _unmet(lets_in.called, [*shown, *(each.called for each in routes)]):
            yield Doubt(path_of((*at, "called")), f'no route is for who calls "{title}"')
        for title in _unmet(lets_in.calling, [each.calling for each in routes]):
            yield Doubt(path_of((*at, "calling")), f'no route is for "{title}"')
        for network in lets_in.networks or ():
            if not any(overlap(each.networks, (network,)) for each in routes):
                yield Doubt(path_of((*at, "networks")), f"no route is for callers from {network}")
        yield from _bound(lets_in, at)


def _bound(lets_in: Allow, at: tuple[str | int, ...]) -> Iterator[Doubt]:
    """AE titles that may come in, and have no certificates, and the other way round."""
    if lets_in.certificates is None or lets_in.calling is None:
        return
    for title in _unmet(lets_in.calling, lets_in.certificates):
        what = f'"{title}" stays outside: certificates has no pattern for it'
        yield Doubt(path_of((*at, "calling")), what)
    for title in _unmet(lets_in.certificates, lets_in.calling):
        what = "never decides: calling lets nobody of that AE title in"
        yield Doubt(path_of((*at, "certificates", title)), what)


def _kept_out(configuration: Configuration, its: Directory) -> Iterator[Doubt]:
    """Routes all of whose callers are kept out, by each listener that they are for."""
    # Of these what is called is not what the route is for.
    moving = (pool_rules(name, configuration).moving for name in configuration.pools)
    is_indirect = any(each.showing.masks for each in its.routes) or any(
        each is not None and each.title is not None for each in moving
    )
    listeners = [(each.name, allow(each)) for each in configuration.listeners]
    for index, each in enumerate(its.routes):
        those = [lets_in for name, lets_in in listeners if _is_by(each, name)]
        if those and all(_keeps_out(lets_in, each, is_indirect) for lets_in in those):
            what = "is never reached: no listener lets any of its callers in"
            yield Doubt(path_of(("route", index)), what)


def _is_by(route: Route, listener: str | None) -> bool:
    return route.listeners is None or listener in route.listeners


def _keeps_out(lets_in: Allow, route: Route, is_indirect: bool) -> bool:
    called = None if is_indirect else lets_in.called
    return (
        (called is not None and not may_meet(route.called, called))
        or (lets_in.calling is not None and not may_meet(route.calling, lets_in.calling))
        or not overlap(lets_in.networks, route.networks)
    )


def _unmet(patterns: Iterable[str] | None, others: Collection[str]) -> list[str]:
    """The patterns that have nothing in common with any of the others."""
    return [each for each in patterns or () if not may_meet(each, others)]


def _modalities(configuration: Configuration, its: Directory) -> Iterator[Doubt]:
    """Upstreams that are called by their own AE titles through the relay, as modalities are."""
    for name, upstream in configuration.upstreams.items():
        routes = [each for each in its.routes if _is_alone(name, configuration, each.pool)]
        called = _first_called(upstream, routes, its.title)
        if upstream.reuse is Reuse.ALWAYS and called is not None:
            what = (
                f'is called "{called}" through the relay; if it is a modality, it wants '
                'reuse = "never", or it sees idle associations'
            )
            yield Doubt(path_of(("upstream", name)), what)


def _is_alone(upstream: str, configuration: Configuration, pool: str) -> bool:
    return configuration.pools[pool].upstreams == (upstream,)


def _first_called(upstream: Upstream, routes: Sequence[Route], own: str) -> str | None:
    """The AE title of this upstream, if one of these routes is for it in particular: "*" is not,
    and whoever calls the relay's own title means the relay."""
    title = upstream.address.ae_title
    particular = (each.called for each in routes if each.called not in {"*", own})
    return title if any(fnmatchcase(title, each) for each in particular) else None


def _scattering(configuration: Configuration) -> Iterator[Doubt]:
    """Pools whose upstreams share neither AE title nor host, where one caller gets to several."""
    for name, pool in configuration.pools.items():
        addresses = [configuration.upstreams[each].address for each in pool.upstreams]
        titles, hosts = {each.ae_title for each in addresses}, {each.host for each in addresses}
        if pool.balance in SCATTERING and len(titles) > 1 and len(hosts) > 1:
            what = (
                f"are {_all(pool.upstreams)} doors of one archive? If not, "
                f'balance = "{pool.balance}" scatters studies: "primary-backup" or "hash" do not'
            )
            yield Doubt(path_of(("pool", name)), what)


def _moving_nowhere(configuration: Configuration, its: Directory) -> Iterator[Doubt]:
    """Pools whose archives are told to move to the relay, from where no route leads on."""
    for name in configuration.pools:
        moving = pool_rules(name, configuration).moving
        if moving is None or moving.title is None:
            continue
        onwards = (each for each in its.routes if each.called != its.title)
        if not any(takes_objects(each, moving.archives) for each in onwards):
            what = (
                "every C-MOVE is answered A801 (move destination unknown): no route takes "
                f"objects from {_all(sorted(moving.archives))} to another AE title than the relay's"
            )
            yield Doubt(path_of(("pool", name, "move_destination")), what)


def _routes(routes: Sequence[Route]) -> Iterator[Doubt]:
    for index, each in enumerate(routes):
        at = ("route", index)
        earlier = [place for place in range(index) if _covers(routes[place], each)]
        if earlier:
            what = f"is never reached: route[{earlier[0]}] takes all that it would take"
            yield Doubt(path_of(at), what)
        elif each.calling in each.members and each.services != frozenset({VERIFICATION}):
            what = (
                f'"{each.calling}" is an upstream of pool {each.pool} itself: all but '
                "Verification is refused, so that nobody gets back what it sends"
            )
            yield Doubt(path_of((*at, "calling")), what)
        for shown in sorted(each.showing.masks & each.members):
            what = f'an upstream of pool {each.pool} is shown its own AE title, "{shown}"'
            yield Doubt(path_of((*at, "show_calling")), what)


def _policies(policies: Sequence[AssociationPolicy]) -> Iterator[Doubt]:
    for index, each in enumerate(policies):
        earlier = [place for place in range(index) if _is_for_all(policies[place], each)]
        if earlier:
            what = f"never decides: association_policy[{earlier[0]}] is for all that it is for"
            yield Doubt(path_of(("association_policy", index)), what)


def _is_for_all(policy: AssociationPolicy, other: AssociationPolicy) -> bool:
    return _fits_all(policy.called, other.called) and _fits_all(policy.calling, other.calling)


def _covers(route: Route, other: Route) -> bool:
    """Whether `route` takes all that `other` would, as far as that is easy to tell."""
    return (
        _fits_all(route.called, other.called)
        and _fits_all(route.calling, other.calling)
        and _has_all(route.networks, other.networks)
        and _has_all(route.listeners, other.listeners)
        and _has_all(route.certificates, other.certificates)
        and _serves_all(route, other)
    )


def _fits_all(pattern: str, other: str) -> bool:
    """Whether what fits the other pattern fits this one, too."""
    return pattern in {"*", other} or (not WILD & set(other) and fnmatchcase(other, pattern))


def _has_all(those: Collection[object] | None, others: Collection[object] | None) -> bool:
    return those is None or (others is not None and set(others) <= set(those))


def _serves_all(route: Route, other: Route) -> bool:
    if route.services is None or other.services is None:
        return route.services is None
    return all(_serves(route.services, each) for each in other.services)


def _serves(services: Collection[str], service: str) -> bool:
    return service in services or ("." in service and is_among(service, services))


def _all(names: Sequence[str]) -> str:
    """The names as a phrase."""
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))

"""What would become of an association, and why: what policy decides, put into lines of text.

Nothing is decided here. Policy is asked as a session asks it, by a request with a presentation
context for each service, and the routes one by one in the way of `relay.policy.routing.route`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence

import attrs

from relay import bindings, config
from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.allowing import refusal
from relay.policy.moves import Moving
from relay.policy.planning import COMMITMENT, STORAGE, Directory, Plan
from relay.policy.proposing import deciding, permit
from relay.policy.routing import VERIFICATION, Caller, Criterion, Fit, Origin, Route, Way, choice
from relay.policy.services import SERVICES, example_of, service_of
from relay.wire.items import ContextResult, PresentationContextRQ
from relay.wire.pdu import AssociateRJ, ae_field, ae_title
from relay.wording import Row, columns, indented, keys, listed, toml

MOVING = "query-retrieve"
COMMITTING = "storage-commitment"
USUAL = (VERIFICATION, STORAGE, MOVING, COMMITTING, "worklist", "mpps")
"""Services that are told about in any case, unless only some are asked about."""
ANY_OTHER = "any other service"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"

_REJECTIONS = {
    CALLED_NOT_RECOGNIZED: "called AE title not recognised",
    CALLING_NOT_RECOGNIZED: "calling AE title not recognised",
}
_RESULTS = {
    ContextResult.USER_REJECTION: "user rejection",
    ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED: "abstract syntax not supported",
}


@attrs.frozen
class Question:
    """Who would call whom, from where; `services`, names or UIDs, are those to be proposed, empty:
    all. `listeners` are places in the file; an empty `address` is not known."""

    calling: str
    called: str
    listeners: Sequence[int]
    address: str = ""
    certificates: tuple[str, ...] = ()
    services: tuple[str, ...] = ()

    def asked_at(self, listener: config.Listener) -> Caller:
        """The caller as this listener sees it: no certificate unless it asks for one, no address by
        a socket of Unix."""
        asks = listener.tls is not None and listener.tls.asks
        address = "" if listener.endpoint.startswith("unix:") else self.address
        origin = Origin(address, listener.name, self.certificates if asks else ())
        fields = ae_field(self.calling), ae_field(self.called)
        return Caller(self.calling, self.called, *fields, origin)


def explain(configuration: config.Configuration, question: Question) -> list[str]:
    """The lines that answer it; where several listeners do the same, it is said once."""
    directory = bindings.directory(configuration)
    asked = {each: _syntax_of(each) for each in question.services} or _all_services(configuration)
    alike: dict[tuple[str, ...], list[Row]] = {}
    for index in question.listeners:
        listener = configuration.listeners[index]
        caller = question.asked_at(listener)
        told = tuple(_refused_at_once(listener, caller))
        told = told or tuple(Case.of(configuration, directory, caller, asked).lines())
        alike.setdefault(told, []).append(_door(index, listener))
    lines = [*columns(_who(configuration, directory, question))]
    for those, doors in alike.items():
        lines += ["", *columns(doors), *indented(those)]
    return lines


def _all_services(configuration: config.Configuration) -> dict[str, str]:
    """What to call each service that makes a difference, and an abstract syntax of it."""
    named = [each.services for each in configuration.routes]
    named += [each.services for each in configuration.association_policies]
    known = [*USUAL, *(name for names in named for name in names or ())]
    asked = {each: _syntax_of(each) for each in known}
    others = sorted(SERVICES - asked.keys(), key=lambda name: (name != "other", name))
    return asked | dict(zip([ANY_OTHER], map(_syntax_of, others), strict=False))


def _syntax_of(service: str) -> str:
    if service == COMMITTING:
        return COMMITMENT
    return example_of(service) if service in SERVICES else service


# who asks, and where


def _who(
    configuration: config.Configuration, directory: Directory, question: Question
) -> Iterator[Row]:
    yield "calling", question.calling
    yield "called", question.called
    yield "from", question.address or "not said (--from): in no network"
    names = ", ".join(question.certificates)
    yield "certificate", names or "not said (--certificate): without names"
    policy = deciding(directory.policies, question.calling, question.called)
    if policy is None:
        yield "policy", "none for these AE titles: all may be proposed"
        return
    index = directory.policies.index(policy)
    its = configuration.association_policies[index]
    yield "policy", f"association_policy[{index}], where {keys(its, 'calling', 'called')}"
    for allowed in filter(None, (keys(its, "services"), keys(its, "transfer_syntaxes"))):
        yield "", allowed


def _door(index: int, listener: config.Listener) -> Row:
    about = [listener.endpoint]
    if listener.name is not None:
        about.insert(0, toml(listener.name))
    if listener.tls is not None:
        about.append("TLS")
        about += _asked(listener.tls)
    return f"listener[{index}]", ", ".join(about)


def _asked(tls: config.ServerTLS) -> Iterator[str]:
    """What a caller has to show, or may."""
    if tls.client_ca is not None and tls.asks:
        may = "certificate" if tls.client_certificates == "required" else "certificate, if any,"
        yield f"{may} signed by {tls.client_ca.name}"


# what becomes of it


def _refused_at_once(listener: config.Listener, caller: Caller) -> Iterator[str]:
    """What a listener tells a caller that is not in its allow list; nothing where it is."""
    allow = bindings.allow(listener)
    obstacle = allow.obstacle(caller)
    rejection = refusal(obstacle)
    if obstacle is None or rejection is None:
        return
    if obstacle is Criterion.NETWORKS:
        yield "closed when it is accepted, before anything is read"
    else:
        yield _rejected(rejection)
    yield "allow"
    demands = allow.demands(caller.calling)
    if obstacle is not Criterion.CERTIFICATES:
        unmet = keys(listener.allow, obstacle.value)
    elif demands:
        unmet = f"certificates = {toml(demands)}"
    else:
        unmet = f"certificates has no pattern for {toml(caller.calling)}"
    yield f"  not for this caller: {unmet}"


@attrs.frozen
class Case:
    """One caller at one listener, with what it proposes: `contexts`, and what to call each."""

    configuration: config.Configuration
    directory: Directory
    caller: Caller
    names: tuple[str, ...]
    contexts: tuple[PresentationContextRQ, ...]
    fit: Fit

    @classmethod
    def of(
        cls,
        configuration: config.Configuration,
        directory: Directory,
        caller: Caller,
        asked: dict[str, str],
    ) -> Case:
        """That of a caller who proposes these abstract syntaxes, given by what to call them, with
        transfer syntaxes that it may propose."""
        policy = deciding(directory.policies, caller.calling, caller.called)
        allowed = None if policy is None else policy.transfer_syntaxes
        syntaxes = tuple(sorted(allowed or {IMPLICIT_LITTLE_ENDIAN}))
        contexts = tuple(
            PresentationContextRQ(2 * place + 1, each, syntaxes)
            for place, each in enumerate(asked.values())
        )
        fit = Fit.of(directory.routes, caller)
        return cls(configuration, directory, caller, tuple(asked), contexts, fit)

    def lines(self) -> Iterator[str]:
        """What becomes of the association."""
        plan = self.directory.plan(self.caller, self.contexts)
        if isinstance(plan, AssociateRJ):
            yield _rejected(plan)
        else:
            yield from self._services(plan)
        yield "routes"
        late = frozenset[int]() if isinstance(plan, AssociateRJ) else frozenset(plan.late)
        yield from indented(columns(self._routes(late)))
        if notes := [*self._reports(late), *self._moved()]:
            yield "beside that"
            yield from indented(notes)

    def _named(self, contexts: Iterable[PresentationContextRQ]) -> list[str]:
        names = {each.id: name for each, name in zip(self.contexts, self.names, strict=True)}
        return [_label(names[each.id]) for each in contexts]

    # service by service

    def _services(self, plan: Plan) -> Iterator[str]:
        alike: dict[tuple[Row, ...], list[PresentationContextRQ]] = {}
        for each in self.contexts:
            alike.setdefault(tuple(self.fate(each, plan)), []).append(each)
        for fate, those in alike.items():
            yield from listed("", self._named(those))
            moves = any(service_of(each.abstract_syntax) == MOVING for each in those)
            rows = [each for each in fate if moves or each[0] != "C-MOVE"]
            yield from indented(columns(rows))

    def fate(self, context: PresentationContextRQ, plan: Plan) -> Iterator[Row]:
        """What becomes of one of the contexts."""
        ways, result = plan.ways_of(context.id), plan.refused.get(context.id)
        if result is ContextResult.USER_REJECTION:
            yield _refused(result, "the caller would get back what it sends")
        elif result is not None:
            yield _refused(result, "the association policy leaves it out")
        elif ways is None:
            # As negotiation.merged answers what nobody was asked about.
            yield _refused(ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED, "no route takes it")
        elif not ways:
            yield "reports", "to whoever asked for the commitment, by its Transaction UID"
        else:
            yield from self._way(context, ways[0])

    def _way(self, context: PresentationContextRQ, way: Way) -> Iterator[Row]:
        chosen = choice(self.fit.fitting, context.abstract_syntax)
        assert chosen is not None, "it has a way"
        pool = self.configuration.pools[way.pool]
        yield "route", self._place(chosen)
        yield "pool", f"{way.pool}, {pool.balance}"
        for each in columns(self._upstream(name, way) for name in pool.upstreams):
            yield "upstream", each
        for line in _moves(bindings.pool_rules(way.pool, self.configuration).moving):
            yield "C-MOVE", line

    def _place(self, route: Route) -> str:
        return f"route[{self.directory.routes.index(route)}]"

    def _upstream(self, name: str, way: Way) -> Row:
        upstream, called = self.configuration.upstreams[name], way.titles.called
        shown = upstream.address.ae_title if called is None else ae_title(called)
        titles = f"shown {ae_title(way.titles.calling)} calling {shown}"
        return name, str(upstream.address), titles + "; drain" * upstream.drain

    # route by route

    def _routes(self, late: Collection[int]) -> Iterator[Row]:
        """What each takes of the contexts that are left for routes."""
        titles = self.caller.calling, self.caller.called
        permitted = permit(self.directory.policies, *titles, self.contexts).contexts
        left = [each for each in permitted if each.id not in late]
        for index, obstacle in enumerate(self.fit.obstacles):
            told = self._obstacle(index, obstacle) if obstacle else self._shares(index, left)
            yield f"route[{index}]", told[0]
            yield from (("", each) for each in told[1:])

    def _obstacle(self, index: int, obstacle: Criterion) -> list[str]:
        called = self.directory.routes[index].called  # not left out, as it may be in the file
        its = attrs.evolve(self.configuration.routes[index], called=called)
        return [f"not for this caller: {keys(its, obstacle.value)}"]

    def _shares(self, index: int, contexts: Iterable[PresentationContextRQ]) -> list[str]:
        """What a route that fits the caller takes of the contexts, and why not the rest."""
        route = self.directory.routes[index]
        alike: dict[tuple[int, str], list[PresentationContextRQ]] = {}
        for each in contexts:
            alike.setdefault(self._share(route, each.abstract_syntax), []).append(each)
        told = [
            line
            for rank, what in sorted(alike)
            for line in listed(f"{what}: ", self._named(alike[rank, what]))
        ]
        return told or ["takes nothing: nothing is left for routes"]

    def _share(self, route: Route, abstract_syntax: str) -> tuple[int, str]:
        chosen = choice(self.fit.fitting, abstract_syntax)
        if chosen is route and route.leads_back(self.caller, abstract_syntax):
            return 2, f"refused, since {self.caller.calling} is in pool {route.pool} itself"
        if chosen is route:
            names_it = route.serves(abstract_syntax)
            return (0, "takes") if names_it else (1, "takes, as the first that fits")
        if chosen is not None and route.serves(abstract_syntax):
            return 3, f"served by {self._place(chosen)}, which is earlier"
        return 4, "not its services"

    # associations of archives

    def _reports(self, late: frozenset[int]) -> Iterator[str]:
        """Whether it would be otherwise for who reports on storage commitment."""
        reporting = self.directory.plan(self.caller, self.contexts, reports=True)
        if isinstance(reporting, Plan) and reporting.late.keys() - late:
            yield "reports of storage commitment, if it proposes to be their SCP: to whoever asked"

    def _moved(self) -> Iterator[str]:
        """Whether it would be otherwise while it is moving objects to the relay."""
        for name in self.configuration.pools:
            moving = bindings.pool_rules(name, self.configuration).moving
            if moving is None or moving.title != self.caller.called:
                continue
            if self.caller.calling in moving.archives:
                yield f"objects of a C-MOVE that pool {name} was asked for: to its destination"


def _label(name: str) -> str:
    """What a service is called; a UID with its service."""
    return f"{name} ({service_of(name)})" if "." in name else name


def _rejected(rejection: AssociateRJ) -> str:
    numbers = f"({rejection.result},{rejection.source},{rejection.reason})"
    return f"rejected {numbers}: {_REJECTIONS[rejection]}"


def _refused(result: ContextResult, why: str) -> Row:
    return "refused", f"result {result} ({_RESULTS[result]}): {why}"


def _moves(moving: Moving | None) -> Iterator[str]:
    """How a C-MOVE leaves."""
    if moving is None:
        yield "to the destination that the caller names"
        return
    if moving.aliases is not None:
        yield from (f"to {alias} instead of {each}" for each, alias in moving.aliases.items())
        unknown = "any other destination"
    else:
        yield f"to {moving.title}, from where objects go on to the destination of their move"
        unknown = "a destination without a route"
    yield f"{unknown} is answered A801 (move destination unknown)"

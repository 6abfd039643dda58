"""Which pool serves which presentation context: the first route that matches.

A route matches on the AE titles of the association and on the service that a context's abstract
syntax belongs to, so one association may be served by several pools. Verification needs no route
of its own: where none names it, it goes with the first route for these AE titles, so that a C-ECHO
answers whoever may come in at all.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase

import attrs

from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.services import service_of
from relay.wire.items import PresentationContextRQ
from relay.wire.pdu import AssociateRJ

VERIFICATION = "verification"


@attrs.frozen
class Route:
    """Patterns (`*`, `?`, `[...]`) on AE titles, services (None: all), and the pool that serves.

    A service is one of `relay.policy.services.SERVICES`, or the UID of an abstract syntax.
    """

    pool: str
    called: str = "*"
    calling: str = "*"
    services: frozenset[str] | None = None

    def serves(self, abstract_syntax: str) -> bool:
        """Whether the service of `abstract_syntax` takes this route."""
        return (
            self.services is None
            or service_of(abstract_syntax) in self.services
            or abstract_syntax in self.services
        )


def route(
    routes: Sequence[Route], calling: str, called: str, contexts: Iterable[PresentationContextRQ]
) -> dict[int, str] | AssociateRJ:
    """The pool by context id; contexts that no route serves are left out.

    A rejection where no route is for these AE titles at all.
    """
    for_called = [each for each in routes if fnmatchcase(called, each.called)]
    if not for_called:
        return CALLED_NOT_RECOGNIZED
    matching = [each for each in for_called if fnmatchcase(calling, each.calling)]
    if not matching:
        return CALLING_NOT_RECOGNIZED
    pools = ((each.id, _pool(matching, each.abstract_syntax)) for each in contexts)
    return {context_id: pool for context_id, pool in pools if pool is not None}


def _pool(matching: Sequence[Route], abstract_syntax: str) -> str | None:
    for each in matching:
        if each.serves(abstract_syntax):
            return each.pool
    return matching[0].pool if service_of(abstract_syntax) == VERIFICATION else None

"""Who may come in by a listener at all: its allow list. Facts in, a rejection or None out.

Each list is about one thing that a caller shows, and who is not in it is refused; a list that is
not there asks for nothing. Networks are known before anything is read, so a caller from elsewhere
is refused when it is accepted. The others are judged by the request for an association.

A certificate says more than an AE title, which anybody may write. `certificates` binds the one to
the other: each pattern for AE titles is a demand on those who call themselves so, and where several
patterns fit all of them have to be met. So no line, wherever it stands, makes another one weaker.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

import attrs

from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.patterns import Network, any_fits, fits, is_in
from relay.policy.routing import Caller, Criterion
from relay.wire.pdu import AssociateRJ


@attrs.frozen
class Allow:
    """The lists of one listener; None: no restriction.

    `calling` and `called` are patterns for AE titles; `certificates` are patterns for subject
    alternative names, of which one has to fit, by patterns for calling AE titles.
    """

    calling: tuple[str, ...] | None = None
    called: tuple[str, ...] | None = None
    networks: tuple[Network, ...] | None = None
    certificates: Mapping[str, tuple[str, ...]] | None = None

    def lets_connect(self, address: str) -> bool:
        """Whether a connection from this IP address, empty where it has none, is to be served."""
        return self.networks is None or is_in(address, self.networks)

    def obstacle(self, caller: Caller) -> Criterion | None:
        """The first list that the caller is not in, None where it is in all."""
        if not self.lets_connect(caller.origin.address):
            return Criterion.NETWORKS
        if self.called is not None and not fits(caller.called, self.called):
            return Criterion.CALLED
        if self.calling is not None and not fits(caller.calling, self.calling):
            return Criterion.CALLING
        if not self._shows_enough(caller.calling, caller.origin.certificate_names):
            return Criterion.CERTIFICATES
        return None

    def demands(self, calling: str) -> Mapping[str, tuple[str, ...]]:
        """What is demanded of the certificate of this AE title, by pattern."""
        its = self.certificates or {}
        return {title: names for title, names in its.items() if fnmatchcase(calling, title)}

    def _shows_enough(self, calling: str, names: Iterable[str]) -> bool:
        if self.certificates is None:
            return True
        demands = self.demands(calling)
        return bool(demands) and all(any_fits(names, each) for each in demands.values())


def refusal(obstacle: Criterion | None) -> AssociateRJ | None:
    """The rejection that a caller deserves who has this obstacle (PS3.8 9.3.4)."""
    if obstacle is None:
        return None
    return CALLED_NOT_RECOGNIZED if obstacle is Criterion.CALLED else CALLING_NOT_RECOGNIZED

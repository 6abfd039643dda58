"""What a pair of AE titles may propose; everything else is refused per presentation context.

An abstract syntax that is not in the policy is refused as one (result 3). Transfer syntaxes that
are not are taken out of the proposal, as if they had not been in it; where none is left, that is
the reason (result 4, PS3.8 table 9-18).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

import attrs

from relay.policy.services import is_among
from relay.wire.items import ContextResult, PresentationContextRQ


@attrs.frozen
class AssociationPolicy:
    """For callers whose AE titles fit the patterns: the services (relay.policy.services.SERVICES,
    or UIDs of abstract syntaxes) and transfer syntaxes that they may propose; None: all."""

    calling: str = "*"
    called: str = "*"
    services: frozenset[str] | None = None
    transfer_syntaxes: frozenset[str] | None = None

    def is_for(self, calling: str, called: str) -> bool:
        """Whether it is about these AE titles."""
        return fnmatchcase(calling, self.calling) and fnmatchcase(called, self.called)


@attrs.frozen
class Permitted:
    """The contexts that may be proposed, as they may be, and the results of those that may not."""

    contexts: tuple[PresentationContextRQ, ...]
    refused: Mapping[int, ContextResult] = attrs.field(factory=dict)


def deciding(
    policies: Sequence[AssociationPolicy], calling: str, called: str
) -> AssociationPolicy | None:
    """The policy that decides for these AE titles: the first that is for them."""
    return next((each for each in policies if each.is_for(calling, called)), None)


def permit(
    policies: Sequence[AssociationPolicy],
    calling: str,
    called: str,
    contexts: tuple[PresentationContextRQ, ...],
) -> Permitted:
    """What the first policy for these AE titles leaves of a proposal; without one: all of it."""
    policy = deciding(policies, calling, called) if policies else None
    if policy is None:
        return Permitted(contexts)
    permitted: list[PresentationContextRQ] = []
    refused: dict[int, ContextResult] = {}
    for each in contexts:
        left = _permitted_syntaxes(policy, each)
        if not is_among(each.abstract_syntax, policy.services):
            refused[each.id] = ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED
        elif not left:
            refused[each.id] = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
        else:
            permitted.append(attrs.evolve(each, transfer_syntaxes=left))
    return Permitted(tuple(permitted), refused)


def _permitted_syntaxes(
    policy: AssociationPolicy, context: PresentationContextRQ
) -> tuple[str, ...]:
    allowed = policy.transfer_syntaxes
    if allowed is None:
        return context.transfer_syntaxes
    return tuple(each for each in context.transfer_syntaxes if each in allowed)

"""Which operations of a crossing keep to one upstream of a pool.

An affinity gives the key of an operation: those with equal keys keep to the upstream that served
the last of them, as long as it is well. None keeps to nothing. Another policy, by study for one,
is another function here and a name for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import TypeAlias

from relay.wire.command import CommandSet

Affinity: TypeAlias = Callable[[CommandSet], Hashable | None]


def by_association(command: CommandSet) -> Hashable:
    """All operations of an association: a study that arrives in one stays together."""
    return "association"


def by_operation(command: CommandSet) -> None:
    """Each operation goes where balancing sends it."""


AFFINITIES: Mapping[str, Affinity] = {
    "association": by_association,
    "operation": by_operation,
}
"""By the names that a configuration uses."""

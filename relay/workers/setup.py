"""What a worker is told at its start, before anything else."""

from __future__ import annotations

import pickle
from collections.abc import Mapping, Sequence
from io import BytesIO
from types import MappingProxyType
from typing import Any

import attrs

from relay.config import Configuration
from relay.policy.moves import Move
from relay.workers.moving import How


@attrs.frozen
class Setup:
    """For the worker of that number.

    The configuration is as it was read, whatever its file says by now, so that all workers have the
    same. `shares` says how many associations with each upstream it may have for a start, `moves`
    which C-MOVEs there are, and how those are over that are. `log_key` is for what stands in the
    log for identities.
    """

    number: int
    configuration: Configuration
    shares: Mapping[str, int] = attrs.field(factory=dict)
    moves: Sequence[tuple[Move, How | None]] = ()
    log_key: bytes = attrs.field(default=b"", repr=False)

    def encode(self) -> bytes:
        """As bytes."""
        out = BytesIO()
        _Pickler(out).dump(self)
        return out.getvalue()

    @classmethod
    def decode(cls, data: bytes) -> Setup:
        """From bytes of the process that started this one, and of nobody else."""
        setup = pickle.loads(data)
        assert isinstance(setup, cls)
        return setup


class _Pickler(pickle.Pickler):
    """Knows what the tables of a configuration are."""

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, MappingProxyType):
            return _table, (dict(obj),)
        return NotImplemented


def _table(items: dict[Any, Any]) -> MappingProxyType[Any, Any]:
    return MappingProxyType(items)

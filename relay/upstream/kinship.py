"""Members of a pool ought to be doors of one archive: what enters by one is found by any.

Where load is balanced over several archives instead, a study is scattered over them, and nobody
notices before somebody looks for it. Archives name their implementation when they accept an
association (PS3.7 D.3.3.2): two that name different ones are hardly one archive.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import attrs
from twisted.logger import Logger

from relay.upstream.protocol import Implementation

SCATTERING = frozenset({"least-loaded", "round-robin"})
"""Ways to balance that send one caller here and there."""


@attrs.define(eq=False)
class Kinship:
    """Warns, once, of a pool whose members are not alike."""

    log = Logger()

    pool: str
    balance: str
    _is_said: bool = False

    def look(self, implementations: Mapping[str, Implementation | None]) -> None:
        """Compare what the upstreams have shown; None has shown nothing yet."""
        if self._is_said or self.balance not in SCATTERING:
            return
        shown = {name: its for name, its in implementations.items() if its is not None}
        for one, other in combinations(shown, 2):
            if shown[one] != shown[other]:
                self._warn(one, other)
                return

    def _warn(self, one: str, other: str) -> None:
        self._is_said = True
        text = (
            "pool {pool}: upstreams {one} and {other} do not seem to be one archive; balance = "
            '"{balance}" scatters studies over both. Use "primary-backup" or "hash"'
        )
        its = {"event": "pool_scattered", "pool": self.pool, "balance": self.balance}
        self.log.warn(text, **its, one=one, other=other)

"""A case of a bad input: the row that it is of, and what happens."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import attrs

from tests.bad_inputs.by_number.loopback import Loopback


@attrs.frozen
class Case:
    """What `act` does to a relay, and asserts of it, is of this row of docs/bad-inputs.md.

    It may be done again and again. `relay` and `listener` are lines of these tables, `count`
    archives are behind it, the first with a certificate as `shown`, and `tls` says on which
    transport it makes sense: None on both.
    """

    row: int
    what: str
    act: Callable[[Loopback], None]
    relay: str = ""
    count: int = 1
    tls: bool | None = None
    shown: Mapping[str, Any] = attrs.field(factory=dict)
    listener: str = ""

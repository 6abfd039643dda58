"""What an upstream bears, and how its associations are kept."""

from __future__ import annotations

import attrs

from relay.policy.leasing import Reuse


@attrs.frozen
class Limits:
    """The limits of one upstream; times in seconds.

    `maximum` associations at most, `max_idle` idle ones, each idle for `idle_timeout`. There should
    always be `warm` of them. None is leased again that is older than `max_age` (0: any age).
    `max_waiting` may wait for one. One that has rested for `echo_after` is asked by C-ECHO before
    it is leased (0: never). `reuse` says who may have one after the crossing for which it was
    opened. An upstream that is well is probed every `probe_interval` (0: never). `probe_timeout` is
    for the answer to a C-ECHO.
    """

    maximum: int
    max_idle: int
    idle_timeout: float
    warm: int = 0
    max_age: float = 3600.0
    max_waiting: int = 64
    echo_after: float = 10.0
    reuse: Reuse = Reuse.ALWAYS
    probe_interval: float = 0.0
    probe_timeout: float = 1.5

"""An archive that ends associations on which nothing comes costs a modality nothing.

However it does so, at once after its response or after a second, and whether the relay is just
about to use the association again, or has begun to. It is the only one of its pool.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.sender import Address
from tests.interop.pki import Pki
from tests.interop.pooled import IMPATIENT, PooledRelay
from tests.interop.relay_process import AE_TITLE
from tests.interop.stores import Idling, Leaving, Store
from tests.interop.storing import CheapModalities, instance

SMALL = 3000
"""Bytes."""

BUSY: dict[str, Any] = {"most": 2000, "width": 8, "batch": (20, 60)}
RARE: dict[str, Any] = {"most": 600, "width": 100, "batch": (6, 6), "pause": (0.95, 1.05)}
"""A store about every second on each of many associations, so that many leases meet the end."""


def store_all(folder: Path, pki: Pki, idling: Idling, habits: Mapping, linger: float) -> Store:
    """Store objects in an archive that is idling, and judge what came of it."""
    settings = {**IMPATIENT, "max_associations": 300, "max_idle": 300, "linger": linger}
    with (
        Store(idling=idling) as store,
        PooledRelay(folder, pki, (), members={"pacs": store.port}, upstream=settings) as relay,
    ):
        modalities = CheapModalities(
            **habits,
            backed=lambda stored: store.has(instance(stored.number), stored.digest),
            address=Address(relay.port, AE_TITLE),
            sizes=lambda _: SMALL,
        )
        with modalities:
            modalities.wait_until_over()
    modalities.check()
    assert "is out" not in relay.log.read_text("utf-8")
    return store


@pytest.mark.parametrize("linger", [0.0, 2.0], ids=["rested", "held by the caller"])
def test_nobody_notices_an_archive_that_leaves_at_once(
    tmp_path: Path, pki: Pki, linger: float, figure: Callable[[str], None]
):
    store = store_all(tmp_path, pki, Idling(list(Leaving), 0.0), BUSY, linger)
    figure(f"{BUSY['most']} objects stored in an archive that left {store.left} times at once")
    assert store.left > BUSY["most"] / 2


@pytest.mark.parametrize("linger", [0.0, 2.0], ids=["rested", "held by the caller"])
def test_nobody_notices_an_archive_that_leaves_after_a_second(
    tmp_path: Path, pki: Pki, linger: float, figure: Callable[[str], None]
):
    store = store_all(tmp_path, pki, Idling(list(Leaving), 1.0), RARE, linger)
    figure(f"{RARE['most']} objects stored in an archive that left {store.left} times after 1 s")
    assert store.left > RARE["most"] / 4

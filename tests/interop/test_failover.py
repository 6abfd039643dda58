"""Three archives of which one at a time is failing: a modality that stores never knows.

Every kind of fault at every class of position in an association comes up, each with the archive
whose turn it is. What the archives have is known by SHA-256 and SOP Instance UID.
"""

from __future__ import annotations

import itertools
import os
import random
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Self

import attrs
import pytest

from benchmarks.sender import Address
from tests.interop.crowd import Modalities, Stored
from tests.interop.faults import FATAL, Fault, Kind, Position
from tests.interop.pki import Pki
from tests.interop.pooled import FORGIVING, IMPATIENT, STUBBORN, PooledRelay
from tests.interop.proxy import Proxy
from tests.interop.relay_process import AE_TITLE
from tests.interop.stores import Store
from tests.interop.storing import CheapModalities, instance

COUNT = int(os.environ.get("RELAY_FAULT_OBJECTS", 10_000))
"""How many objects are stored."""

POSITIONS = [each for each in Position if each not in (Position.ANYWHERE, Position.BYTES)]
SLOW = (Kind.DELAY, Kind.TRICKLE)
NOTHING_TO_SLOW = (Position.CONNECTING, Position.AFTER_DATASET)
PAIRS = [
    *itertools.product(FATAL, POSITIONS),
    *itertools.product(SLOW, (each for each in POSITIONS if each not in NOTHING_TO_SLOW)),
    (Kind.DELAY, Position.CONNECTING),
    (Kind.REFUSE, Position.CONNECTING),
]
"""Each kind of fault with each class of position at which there is such a thing."""


def faults() -> list[Fault]:
    """Each of PAIRS, in an order and with numbers of bytes that are the same in every run."""
    chance = random.Random(1)
    pairs = chance.sample(PAIRS, len(PAIRS))
    return [Fault(*pair, chance.choice((0, 3, 6, 9, 12, 40, 90, 1000, 10**5))) for pair in pairs]


def cuts() -> list[Fault]:
    """Each kind of fault after some bytes, again the same in every run."""
    chance = random.Random(2)
    kinds = (*FATAL, *SLOW, *FATAL)
    return [Fault(each, Position.BYTES, round(10 ** chance.uniform(0, 5.5))) for each in kinds]


@attrs.define(eq=False)
class Archives:
    """Three of them, each behind a proxy of its own."""

    stores: Sequence[Store]
    proxies: Sequence[Proxy]

    @classmethod
    @contextmanager
    def open(
        cls, changed: threading.Condition, tls: ssl.SSLContext | None = None
    ) -> Iterator[Self]:
        """For as long as the context lasts; the proxies do not see into TLS."""
        with ExitStack() as stack:
            stores = [stack.enter_context(Store(tls)) for _ in range(3)]
            proxies = [Proxy(each.port, tls is not None, changed) for each in stores]
            yield cls(stores, [stack.enter_context(each) for each in proxies])

    @property
    def members(self) -> dict[str, int]:
        """Ports by name, as the relay is told of them."""
        return {f"pacs-{name}": each.port for name, each in zip("abc", self.proxies, strict=True)}

    def have(self, stored: Stored) -> bool:
        """Whether any of them has an object that a modality was told is stored."""
        return any(each.has(instance(stored.number), stored.digest) for each in self.stores)

    def failing(self) -> list[str]:
        """What each of them suffers from."""
        return [str(each.fault) for each in self.proxies]

    def check(self, modalities: Modalities) -> None:
        """None has anything but what was sent, whole."""
        digests = {instance(each.number): {each.digest} for each in modalities.stored}
        for store in self.stores:
            assert {uid: set(kept) for uid, kept in store.kept.items()}.items() <= digests.items()

    def fail_in_turn(
        self, faults: Sequence[Fault], modalities: Modalities, count: int
    ) -> Iterator[int]:
        """Let one fail after the other until `count` objects are stored; yield how often each did.

        Each fails for a share of these, and until its fault has struck. The next one fails when
        all has been answered that had to do with it: no object finds two archives failing.
        """
        for turn, fault in enumerate(itertools.cycle(faults)):
            if turn >= len(faults) and len(modalities.stored) >= count:
                return
            proxy = self.proxies[turn % len(self.proxies)]
            proxy.suffer(fault)
            enough = len(modalities.stored) + count // (2 * len(faults))
            modalities.wait_until(partial(had_its_share, proxy, modalities, enough))
            yield proxy.struck
            proxy.heal()
            modalities.wait_until_all_moved_on()


def had_its_share(proxy: Proxy, modalities: Modalities, enough: int) -> bool:
    return proxy.struck > 0 and len(modalities.stored) >= enough


def run(
    relay: PooledRelay,
    archives: Archives,
    changed: threading.Condition,
    faults: Sequence[Fault],
    count: int,
) -> str:
    """Store objects while the archives fail in turn, judge what came of it, and say it."""
    modalities = CheapModalities(
        backed=archives.have,
        circumstances=archives.failing,
        changed=changed,
        address=Address(relay.port, AE_TITLE),
    )
    began = time.monotonic()
    with modalities:
        struck = list(archives.fail_in_turn(faults, modalities, count))
    modalities.check_complaints()
    archives.check(modalities)
    assert all(struck)
    assert len(modalities.stored) >= count
    seconds = time.monotonic() - began
    times = f"{sum(struck)} strikes of {len(faults)} kinds of faults"
    return f"{len(modalities.stored)} objects stored in {seconds:.0f} s in spite of {times}"


RELAYS = {
    "that soon looks elsewhere": {"upstream": FORGIVING},
    "that keeps asking and keeps little in memory": {
        "upstream": STUBBORN,
        "pool": {"affinity": "operation", "retries_per_second": 1000},
        "failover": {"window": 4 * 1024},
    },
}


@pytest.mark.parametrize(("which", "settings"), RELAYS.items(), ids=RELAYS)
def test_objects_arrive_whole_whatever_fails_wherever_it_does(
    tmp_path: Path, pki: Pki, which: str, settings: Mapping, figure: Callable[[str], None]
):
    changed = threading.Condition()
    with (
        Archives.open(changed) as archives,
        PooledRelay(tmp_path, pki, (), members=archives.members, **settings) as relay,
    ):
        figure(f"a relay {which}: {run(relay, archives, changed, faults(), COUNT // len(RELAYS))}")


def test_objects_arrive_whole_when_tls_is_cut_at_any_byte(
    tmp_path: Path, pki: Pki, figure: Callable[[str], None]
):
    changed = threading.Condition()
    with (
        Archives.open(changed, pki.server_context()) as archives,
        PooledRelay(
            tmp_path, pki, (), members=archives.members, upstream=FORGIVING, tls=True
        ) as relay,
    ):
        figure(f"TLS cut anywhere: {run(relay, archives, changed, cuts(), COUNT // 10)}")


@pytest.mark.parametrize(
    "fault",
    [Fault(Kind.RESET, Position.IN_DATASET), Fault(Kind.STALL, Position.ASSOCIATING)],
    ids=str,
)
def test_archives_that_were_out_are_asked_when_the_last_one_that_was_well_fails(
    tmp_path: Path, pki: Pki, fault: Fault
):
    """They have come back meanwhile, which nobody has noticed yet."""
    changed = threading.Condition()
    patient = {"eject_shortest": 60.0, "eject_longest": 60.0, "max_idle": 0, "linger": 0.0}
    members = {**IMPATIENT, **patient}
    with (
        Archives.open(changed) as archives,
        PooledRelay(tmp_path, pki, (), members=archives.members, upstream=members) as relay,
        CheapModalities(changed=changed, address=Address(relay.port, AE_TITLE)) as modalities,
    ):
        last, *others = archives.proxies
        for other in others:
            other.suffer(Fault(Kind.REFUSE, Position.CONNECTING))
        for name in list(archives.members)[1:]:
            relay.wait_until_it_says(f"{name} is out")
        modalities.wait_until_all_moved_on()
        for other in others:
            other.heal()
        last.suffer(fault)
        enough = len(modalities.stored) + 100
        modalities.wait_until(partial(had_its_share, last, modalities, enough))
    modalities.check_complaints()

"""DCMTK's storescp, three of them, killed one after the other, again and again: nothing is lost.

Real objects are sent as their bytes are in their files, each time under another SOP Instance UID.
"""

from __future__ import annotations

import random
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest
from pydicom.errors import InvalidDicomError
from pydicom.uid import HTJ2KLossless
from pynetdicom import _config, build_context

from benchmarks.sender import Refused
from tests.interop.caller import associate
from tests.interop.crowd import Modalities, Stored
from tests.interop.doors import Door
from tests.interop.objects import Part10, bundled, dataset_bytes, fingerprint, shared
from tests.interop.peers import StoreScp
from tests.interop.pki import Pki
from tests.interop.pooled import FORGIVING, PooledRelay
from tests.interop.relay_process import AE_TITLE

pytestmark = pytest.mark.peers("dcmtk")

KILLS = 12
LIFE_S = 0.3
"""How long all three live, and how long one is dead, on average."""

UNKNOWN_TO_DCMTK = (HTJ2KLossless,)
LARGEST = 3_000_000
"""Bytes; there are larger objects, which would take most of the time."""


def objects() -> list[Part10]:
    """Those that storescp takes as they are."""
    return [
        each
        for each in (*shared(), *bundled())
        if each.sop_class
        and each.transfer_syntax not in UNKNOWN_TO_DCMTK
        and len(each.dataset) % 2 == 0
        and len(each.dataset) < LARGEST
    ]


@attrs.define(eq=False, kw_only=True)
class RealModalities(Modalities):
    """pynetdicom, with `objects` in turn; their files are made in `folder`."""

    door: Door
    folder: Path
    objects: Sequence[Part10]

    def store(self, who: int, numbers: Sequence[int], chance: random.Random) -> None:
        pairs = {(each.sop_class, each.transfer_syntax) for each in self.objects}
        contexts = [build_context(*pair) for pair in sorted(pairs)]
        association = associate(self.door, contexts=contexts)
        if not association.is_established:
            raise Refused("no association")
        for number in numbers:
            if self.stopping.is_set():
                break
            sent = self.numbered(number)
            began = time.monotonic()
            status = association.send_c_store(sent.path).get("Status")
            if status != 0x0000:
                association.abort()
                raise Refused(f"object {number} was answered with {status}")
            self.confirmed(who, number, fingerprint(sent.dataset), began)
            sent.path.unlink()
        association.release()

    def numbered(self, number: int) -> Part10:
        """An object as a file, under a UID that tells its number."""
        found = self.objects[number % len(self.objects)]
        uid = f"2.25.{number + 10**12}"
        path = self.folder / f"{number}.dcm"
        return attrs.evolve(found, path=path, sop_instance=uid).written(found.dataset)


@pytest.fixture(autouse=True)
def bytes_as_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)


@pytest.fixture
def archives(tmp_path: Path) -> Iterator[list[StoreScp]]:
    with ExitStack() as stack:
        yield [stack.enter_context(StoreScp(tmp_path / f"pacs-{each}")) for each in "abc"]


@pytest.fixture
def relay(tmp_path: Path, pki: Pki, archives: list[StoreScp]) -> Iterator[PooledRelay]:
    members = {each.folder.name: each.port for each in archives}
    with PooledRelay(tmp_path / "relay", pki, (), members=members, upstream=FORGIVING) as running:
        yield running


def unless_cut(path: Path) -> str | None:
    """The fingerprint of a dataset; None where storescp died in the file meta group."""
    try:
        return fingerprint(dataset_bytes(path))
    except (InvalidDicomError, struct.error):
        return None


def has(archive: StoreScp, stored: Stored) -> bool:
    """Whether it has a file with the very bytes of the dataset."""
    found = archive.inbox.glob(f"*.2.25.{stored.number + 10**12}")
    return any(unless_cut(path) == stored.digest for path in found)


def kill_in_turn(archives: Sequence[StoreScp], modalities: Modalities) -> None:
    """Kill each again and again; the next one when nothing has to do with the last any more."""
    chance, never = random.Random(3), threading.Event()
    for turn in range(KILLS):
        victim = archives[turn % len(archives)]
        never.wait(chance.uniform(0, 2 * LIFE_S))
        victim.kill()
        never.wait(chance.uniform(0, 2 * LIFE_S))
        modalities.wait_until_all_moved_on()
        victim.restart()


def test_killed_archives_lose_nothing(
    tmp_path: Path,
    archives: list[StoreScp],
    relay: PooledRelay,
    figure: Callable[[str], None],
):
    modalities = RealModalities(
        width=6,
        backed=lambda stored: any(has(each, stored) for each in archives),
        circumstances=lambda: [each.process.poll() for each in archives],
        door=Door(relay.port, AE_TITLE),
        folder=tmp_path,
        objects=objects(),
    )
    with modalities:
        kill_in_turn(archives, modalities)
    modalities.check_complaints()
    assert len(modalities.stored) > 10 * KILLS
    assert all(any(each.inbox.iterdir()) for each in archives)
    figure(f"{len(modalities.stored)} objects stored while storescp was killed {KILLS} times")

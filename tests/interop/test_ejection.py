"""One of three archives dies: nobody asks it any more, and the others are as fast as before."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import attrs
import pytest

from benchmarks.sender import Address
from tests.interop.crowd import Stored
from tests.interop.faults import Fault, Kind, Position
from tests.interop.pki import Pki
from tests.interop.pooled import PooledRelay
from tests.interop.proxy import Proxy
from tests.interop.relay_process import AE_TITLE
from tests.interop.stores import StoreProcess
from tests.interop.storing import CheapModalities

EJECTED_S = 2.0
"""How long after the first failure it may take."""

SLOWER = 3.0
"""How many times as long as before half of all operations may take."""

BEFORE_S, AFTER_S = 2.0, 4.0
"""How long objects are stored while all is well, and after one of the archives is out."""

IS_OUT = "upstream pacs-a is out"


@attrs.define(eq=False)
class Scene:
    """Modalities, the relay, and three archives; the first of these is behind a proxy."""

    archives: Sequence[StoreProcess]
    proxy: Proxy
    relay: PooledRelay
    modalities: CheapModalities
    died: float = 0.0
    out: float = 0.0

    @classmethod
    def enter(cls, stack: ExitStack, folder: Path, pki: Pki, by_proxy: bool) -> Scene:
        """Start it all, to be ended with the stack."""
        archives = [stack.enter_context(StoreProcess(folder / each)) for each in "abc"]
        proxy = stack.enter_context(Proxy(archives[0].port))
        members = {f"pacs-{each.folder.name}": each.port for each in archives}
        if by_proxy:
            members["pacs-a"] = proxy.port
        relay = PooledRelay(folder / "relay", pki, (), members=members)
        address = Address(stack.enter_context(relay).port, AE_TITLE)
        modalities = CheapModalities(width=6, batch=(1, 5), address=address, pause=(0.0, 0.01))
        return cls(archives, proxy, relay, stack.enter_context(modalities))

    def play(self, die: Callable[[], None]) -> None:
        """Store objects before and after the first archive dies."""
        self._store_for(BEFORE_S)
        self.died = time.monotonic()
        die()
        self.relay.wait_until_it_says(IS_OUT)
        self.out = time.monotonic()
        self._store_for(AFTER_S)

    def _store_for(self, seconds: float) -> None:
        enough = time.monotonic() + seconds
        stored = self.modalities.stored
        self.modalities.wait_until(lambda: bool(stored) and stored[-1].at > enough)

    def latencies(self) -> str:
        """Check that others are as fast as before; what there is to say of it."""
        stored = self.modalities.stored
        before = [each for each in stored if each.at < self.died]
        after = [each for each in stored if each.at - each.seconds > self.died]
        assert median(after) < SLOWER * median(before)
        return (
            f"half of {len(before)} objects were stored in {1000 * median(before):.1f} ms before,"
            f" half of {len(after)} in {1000 * median(after):.1f} ms after"
        )


def median(stored: Sequence[Stored]) -> float:
    return statistics.median(each.seconds for each in stored)


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


def test_a_killed_archive_is_ejected(
    stack: ExitStack, tmp_path: Path, pki: Pki, figure: Callable[[str], None]
):
    scene = Scene.enter(stack, tmp_path, pki, by_proxy=False)
    scene.play(scene.archives[0].kill)
    scene.modalities.check_complaints()
    assert scene.out - scene.died < EJECTED_S
    figure(f"killed: out in {scene.out - scene.died:.2f} s; {scene.latencies()}")


def test_an_archive_that_falls_silent_is_ejected_and_asked_no_more(
    stack: ExitStack, tmp_path: Path, pki: Pki, figure: Callable[[str], None]
):
    scene = Scene.enter(stack, tmp_path, pki, by_proxy=True)
    scene.play(lambda: scene.proxy.suffer(Fault(Kind.STALL, Position.ANYWHERE)))
    # Nobody has to wait for its farewell.
    scene.proxy.suffer(Fault(Kind.REFUSE, Position.CONNECTING))
    scene.modalities.check_complaints()
    asked = min(each for each in scene.proxy.asked if each > scene.died)
    failed = asked + scene.relay.upstream["response_timeout"]
    assert scene.out - failed < EJECTED_S
    assert max(scene.proxy.asked) - failed < EJECTED_S
    figure(
        f"silent: out in {scene.out - failed:.2f} s, asked for the last time"
        f" {max(scene.proxy.asked) - failed:+.2f} s after its first failure; {scene.latencies()}"
    )

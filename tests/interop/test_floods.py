"""Floods of a real relay: it stays within its memory, and whoever behaves is served meanwhile.

The figures that these print are in docs/security.md.
"""

from __future__ import annotations

import itertools
import os
import resource
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from benchmarks.archive import Archive
from benchmarks.usage import family, memory
from relay.transport.sockets import MOST_AT_ONCE
from relay.wire.pdu import ReleaseRQ
from tests.interop.flood import DeafArchive, Pushing, call, heard, is_over, sources
from tests.interop.hurry import BEGUN, CLOSED, SERVED, TOLD, Hurry
from tests.interop.pki import Pki
from tests.interop.relay_process import Relay, Route, Upstream, table
from tests.interop.server import LOOPBACK, PATIENCE_S, POLL_S, answers, held_port
from tests.peers import associate_rq, echo
from tests.vectors import TLS_CLIENT_HELLO

MIB = 2**20

IDLE, HALF = 1000, 500
"""Sockets on which nothing is said, and TLS handshakes that stop half way."""

HALVES = (b"", TLS_CLIENT_HELLO[:20], TLS_CLIENT_HELLO)
"""As far as they go."""

ECHOES = 200
P99_S = 0.25

ROUNDS = 20_000
GROWTH = 5 * MIB
"""Bytes by which the relay may grow over so many associations that it rejects."""

DESCRIPTORS, LINE = 200, 100
"""What a process may have, and sockets that are more than all of them."""

MOMENT_S = 0.05

RUNNING_OUT = "descriptors are running out"

RATE = 20
"""How often an address may call in a second."""

Figure = Callable[[str], None]


class OpenRelay(Relay):
    """A relay before an archive that may answer nothing: it serves once its port is open."""

    def serves(self) -> bool:
        return answers(self.port)


@pytest.fixture
def deaf() -> Iterator[DeafArchive]:
    with DeafArchive() as archive:
        yield archive


def before(archive: DeafArchive, **keys: Any) -> Route:
    patient = {"response_timeout": 300, "stall_timeout": 300, "connect_timeout": 60}
    return Route(Upstream("ARCHIVE", archive.port, tls=False, keys={**patient, **keys}))


def echoed(port: int, source: str) -> float:
    """Return the seconds that a C-ECHO took, from connecting to the end of its association."""
    began = time.monotonic()
    with call(port, source) as caller:
        caller.sendall(associate_rq())
        assert heard(caller)[0] == 2
        caller.sendall(echo())
        assert heard(caller)[0] == 4
        caller.sendall(ReleaseRQ().encode())
        assert heard(caller)[0] == 6
    return time.monotonic() - began


def begun(port: int, source: str) -> socket.socket:
    """Return a connection from there that is waited for a moment only. Where all come at once those
    for whom the port's own line has no room come again at once, too, and again."""
    connection = socket.socket()
    connection.bind((source, 0))
    connection.settimeout(MOMENT_S)
    with suppress(TimeoutError):
        connection.connect((LOOPBACK, port))
    return connection


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until it is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(POLL_S)


def p99(seconds: list[float]) -> float:
    """Return what 99 of a hundred do not exceed."""
    return sorted(seconds)[len(seconds) * 99 // 100]


@pytest.mark.row(63)
def test_a_thousand_idle_sockets_and_half_handshakes_keep_nobody_waiting(
    tmp_path: Path, pki: Pki, figure: Figure
):
    certificate = {"certificate": str(pki.certificate), "key": str(pki.key)}
    with ExitStack() as stack:
        archive = stack.enter_context(Archive())
        clear, secure = (stack.enter_context(held_port()) for _ in range(2))
        plain = {"endpoint": f"tcp:port={clear}:interface={LOOPBACK}", "artim": 10}
        tls = {"endpoint": f"tcp:port={secure}:interface={LOOPBACK}", "tls": certificate}
        tables = [*table("[[listener]]", plain), *table("[[listener]]", tls)]
        route = Route(Upstream("ARCHIVE", archive.port, tls=False))
        keys = {"max_associations": 1000, "shutdown_grace": 0.5}
        relay = Relay(tmp_path, pki, [route], tables="\n".join(tables), keys=keys)
        stack.enter_context(relay)
        places = sources()
        idle = [stack.enter_context(call(clear, next(places))) for _ in range(IDLE)]
        half = [stack.enter_context(call(secure, next(places))) for _ in range(HALF)]
        for each, said in zip(half, itertools.cycle(HALVES), strict=False):
            each.sendall(said)

        took = [echoed(clear, LOOPBACK) for _ in range(ECHOES)]
        figure(f"C-ECHO beside {IDLE} idle sockets, {HALF} half handshakes: p99 {p99(took):.3f} s")
        assert p99(took) <= P99_S
        assert all(map(is_over, half))
        assert all(map(is_over, idle))


@pytest.mark.row(33)
def test_very_many_associations_that_are_rejected_leave_nothing_behind(
    tmp_path: Path, pki: Pki, deaf: DeafArchive, figure: Figure
):
    keys = {"shutdown_grace": 0.5}
    request = associate_rq(called=b"SOMEBODY_ELSE")
    with OpenRelay(tmp_path, pki, [before(deaf)], keys=keys) as relay:
        places = sources()
        # What is made once for all is made by the first ones.
        for number in range(ROUNDS + ROUNDS // 10):
            if number == ROUNDS // 10:
                at_first = memory(relay.process.pid)
            with call(relay.port, next(places)) as caller:
                caller.sendall(request)
                assert heard(caller)[0] == 3
        grown = memory(relay.process.pid) - at_first
        figure(f"{ROUNDS} associations rejected: grown by {grown / MIB:.1f} MiB")
        assert grown <= GROWTH


@pytest.mark.row(5, 33)
@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "by workers"])
def test_an_address_in_a_hurry_is_told_so_and_keeps_nobody_else_waiting(
    tmp_path: Path, pki: Pki, figure: Figure, workers: int
):
    keys = {"workers": workers, "associations_per_second": RATE, "handshakes_per_second": RATE}
    with ExitStack() as stack:
        archive = stack.enter_context(Archive())
        secure = stack.enter_context(held_port())
        route = Route(Upstream("ARCHIVE", archive.port, tls=False))
        relay = Relay(tmp_path, pki, [route], keys={**keys, "shutdown_grace": 0.5}, secure=secure)
        stack.enter_context(relay)
        wait_until(lambda: relay.log.read_text("utf-8").count("is ready") == workers)
        echoed(relay.port, LOOPBACK)
        hurry = stack.enter_context(Hurry(relay.port, secure))
        took = []
        for _ in range(ECHOES):
            time.sleep(1 / RATE)
            took.append(echoed(relay.port, LOOPBACK))
        most = RATE * (time.monotonic() - hurry.began + 1) + 1
        answers = dict(hurry.answers)
        figure(f"C-ECHO beside a hurry, {workers} workers: p99 {p99(took):.3f} s; {answers}")
        assert p99(took) <= P99_S
        assert 0 < answers[SERVED] <= most
        assert 0 < answers[BEGUN] <= most
        assert answers[TOLD] > 0
        assert answers[CLOSED] > 0


@contextmanager
def few_descriptors() -> Iterator[tuple[int, int]]:
    """Give what is started in here few descriptors from the first on; yield the limits as they
    were. A limit that changes later is seen at the relay's next look."""
    usual = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, usual[1]))
    try:
        yield usual
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, usual)


@pytest.mark.row(34)
@pytest.mark.parametrize("workers", [0, 2], ids=["alone", "by workers"])
def test_descriptors_that_run_out_cost_nobody_who_is_connected(
    tmp_path: Path, pki: Pki, figure: Figure, workers: int
):
    keys = {"workers": workers, "max_associations": 1000, "shutdown_grace": 0.5}
    with ExitStack() as stack:
        archive = stack.enter_context(Archive())
        route = Route(Upstream("ARCHIVE", archive.port, tls=False))
        with few_descriptors() as enough:
            relay = stack.enter_context(Relay(tmp_path, pki, [route], keys=keys))
            wait_until(lambda: relay.log.read_text("utf-8").count("is ready") == workers)
        relaying = [*family(relay.process.pid)][min(workers, 1) :]
        assert len(relaying) == max(workers, 1)
        if workers:
            # It is about those who relay.
            resource.prlimit(relay.process.pid, resource.RLIMIT_NOFILE, enough)
        known = stack.enter_context(call(relay.port, LOOPBACK))
        known.sendall(associate_rq())
        assert heard(known)[0] == 2

        crowd = DESCRIPTORS * len(relaying) + LINE
        flood = [
            stack.enter_context(begun(relay.port, each))
            for each in itertools.islice(sources(), crowd)
        ]
        wait_until(lambda: relay.log.read_text("utf-8").count(RUNNING_OUT) == len(relaying))
        newcomer = stack.enter_context(begun(relay.port, LOOPBACK))
        for number in range(1, 11):
            known.sendall(echo(number))
            assert heard(known)[0] == 4
        opened = [len(os.listdir(f"/proc/{process}/fd")) for process in relaying]
        figure(f"{crowd} sockets, {DESCRIPTORS} descriptors: {opened} open, {workers} workers")
        assert max(opened) <= DESCRIPTORS * 3 // 4 + MOST_AT_ONCE

        for each in flood:
            each.close()
        newcomer.settimeout(PATIENCE_S)
        newcomer.sendall(associate_rq())
        assert heard(newcomer)[0] == 2
        assert relay.log.read_text("utf-8").count(RUNNING_OUT) == len(relaying)


@pytest.mark.row(58, 64)
@pytest.mark.parametrize(
    ("callers", "upstream", "failover", "bound"),
    [
        (500, {"max_waiting": 1000}, {}, 256 * MIB),
        (500, {"max_associations": 500}, {"memory": 64 * MIB}, 256 * MIB),
        (1000, {"max_associations": 1000}, {}, 512 * MIB),
    ],
    ids=["500", "500, each with an association of the upstream's", "1000, likewise"],
)
def test_a_stalled_upstream_leaves_the_relay_within_bounds(
    tmp_path: Path,
    pki: Pki,
    deaf: DeafArchive,
    figure: Figure,
    callers: int,
    upstream: dict[str, int],
    failover: dict[str, int],
    bound: int,
):
    tables = "\n".join(table("[failover]", failover)) if failover else ""
    keys = {"max_associations": 1000, "max_per_ae_title": 0, "shutdown_grace": 0.5}
    route = before(deaf, **upstream)
    with (
        OpenRelay(tmp_path, pki, [route], keys=keys, tables=tables) as relay,
        Pushing(relay.port, callers) as pushing,
    ):
        seen: list[int] = []
        pushing.push(lambda: seen.append(memory(relay.process.pid)))
        most = upstream.get("max_associations", 16)
        figure(
            f"{callers} associations, {most} of a stalled upstream's, {pushing.sent / MIB:.0f} MiB"
            f" taken: {max(seen) / MIB:.0f} MiB resident"
        )
        assert max(seen) <= bound

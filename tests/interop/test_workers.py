"""Several processes behind one port: to modalities and archives they are one relay."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    StudyRootQueryRetrieveInformationModelMove,
    Verification,
)

from benchmarks.archive import Archive as Cheap
from benchmarks.objects import Objects
from benchmarks.sender import Address, Sender
from tests.interop.archive import Archive, Script
from tests.interop.caller import (
    QUERY,
    associate,
    associated,
    ct_image,
    encoded,
    rejection,
    statuses,
)
from tests.interop.doors import Door, run_tool
from tests.interop.many import WORKERS, ManyRelay, parent_of
from tests.interop.objects import ct_slices
from tests.interop.peers import StoreScp
from tests.interop.pki import Pki
from tests.interop.relay_process import AE_TITLE, UNASKED, Relay, Route, Upstream, modality
from tests.interop.turnstile import Turnstile

MOVE = StudyRootQueryRetrieveInformationModelMove
TOO_MANY = (2, 3, 2)
"""Result, source and reason of a rejection: transient, local limit exceeded (PS3.8 9.3.4)."""

REWRITE = {"move_destination": "rewrite"}
COMMITMENT = """
[commitment]
database = "commitment.sqlite"
"""

KIB = 1024
OBJECTS = Objects(64 * KIB, 16 * KIB)


@pytest.fixture
def archive() -> Iterator[Cheap]:
    with Cheap() as archive:
        yield archive


def sender(relay: Relay, who: str) -> Sender:
    """An association that stores objects."""
    return Sender(Address(relay.port, AE_TITLE), 16 * KIB, who)


def at_once(count: int, what: Callable[[int], Any]) -> list[Any]:
    """What comes of doing this with each number from 1 on, all at the same time."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(what, range(1, count + 1)))


def all_workers(relay: ManyRelay, callers: int) -> bool:
    """Tell whether each worker had some of the callers CT1, CT2 and so on."""
    told = {worker for each in range(1, callers + 1) for worker in relay.told_by(f"CT{each}")}
    return told == set(range(1, WORKERS + 1))


@pytest.mark.peers("dcmtk")
def test_objects_of_many_callers_arrive_as_they_were_sent_and_all_workers_take_part(
    tmp_path: Path, pki: Pki
):
    callers = 6
    files = tuple(ct_slices(tmp_path / "slices", 4 * callers))
    with StoreScp(tmp_path / "archive", "ARCHIVE", pki) as store:
        with ManyRelay(tmp_path / "relay", pki, [Route(Upstream("ARCHIVE", store.port))]) as relay:
            door = Door(relay.port, AE_TITLE)

            def send(number: int) -> int:
                its = files[number - 1 :: callers]
                return run_tool(door, "dcmsend", files=its, calling=f"CT{number}").status

            assert at_once(callers, send) == [0] * callers
            assert all_workers(relay, callers)
        stored = store.take()
    with StoreScp(tmp_path / "without", "ARCHIVE") as store:
        assert run_tool(Door(store.port, "ARCHIVE"), "dcmsend", files=files).status == 0
        assert store.take() == stored


def test_of_a_worker_that_is_killed_the_others_know_nothing_and_another_one_starts(
    tmp_path: Path, pki: Pki, archive: Cheap
):
    with ManyRelay.before(archive.port, tmp_path, pki) as relay:
        senders = [sender(relay, f"CT{each}") for each in range(1, WORKERS + 1)]
        for number, each in enumerate(senders, 1):
            each.store(OBJECTS, number)
        before = relay.workers
        os.kill(before[0], signal.SIGKILL)
        relay.wait_until(lambda: relay.said("was ended by signal 9; the next one starts in 1 s"))
        going_on = [each for each in senders if goes_on(each, 4)]
        assert len(going_on) == WORKERS - 1
        with sender(relay, "AGAIN") as again:
            again.store(OBJECTS, 5)
        relay.wait_until(lambda: relay.said("is ready") == WORKERS + 1)
        assert len(set(before) & set(relay.workers)) == WORKERS - 1
        # The others have callers, so the next one is for it.
        with sender(relay, "NEXT") as following:
            following.store(OBJECTS, 6)
        relay.wait_until(lambda: relay.told_by("NEXT"))
        assert relay.told_by("NEXT") != relay.told_by("AGAIN")
        for each in going_on:
            with each:
                each.store(OBJECTS, 7)
    assert {each.digest for each in archive.stored} == {OBJECTS.digest(n) for n in range(1, 8)}


def goes_on(association: Sender, number: int) -> bool:
    """Tell whether an association is still there, by storing an object on it."""
    try:
        association.store(OBJECTS, number)
    except OSError:
        association.connection.close()
        return False
    return True


def test_an_upstream_never_has_more_associations_than_it_bears_and_nobody_starves(
    tmp_path: Path, pki: Pki, archive: Cheap
):
    most, callers, rounds = 2, 8, 4
    upstream = {"max_associations": most, "linger": 0.05, "connect_timeout": 60.0}
    with (
        Turnstile(archive.port) as turnstile,
        ManyRelay.before(turnstile.port, tmp_path, pki, upstream=upstream) as relay,
    ):

        def store(number: int) -> int:
            objects = Objects(64 * KIB, 16 * KIB)
            for turn in range(rounds):
                with sender(relay, f"CT{number}") as association:
                    for each in range(2):
                        association.store(objects, turn * 2 + each)
            return number

        assert at_once(callers, store) == list(range(1, callers + 1))
        assert all_workers(relay, callers)
        assert turnstile.most == most
    assert len(archive.stored) == callers * rounds * 2


def test_what_a_killed_worker_had_of_an_upstream_others_may_have(
    tmp_path: Path, pki: Pki, archive: Cheap
):
    upstream = {"max_associations": 1, "linger": 60.0, "connect_timeout": 60.0}
    with (
        Turnstile(archive.port) as turnstile,
        ManyRelay.before(turnstile.port, tmp_path, pki, upstream=upstream) as relay,
    ):
        holder = sender(relay, "HOLDER")
        holder.store(OBJECTS, 1)
        (killed,) = relay.connected_to(turnstile.port)
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(store_once, relay, "WAITING", 2)
            os.kill(killed, signal.SIGKILL)
            waiting.result()
        holder.connection.close()
        assert killed not in relay.connected_to(turnstile.port)
        assert turnstile.most == 1


def store_once(relay: Relay, who: str, number: int) -> None:
    """Store an object on an association of its own."""
    with sender(relay, who) as association:
        association.store(Objects(64 * KIB, 16 * KIB), number)


def test_the_association_that_is_one_too_many_is_rejected_wherever_the_others_are(
    tmp_path: Path, pki: Pki, archive: Cheap
):
    with ManyRelay.before(archive.port, tmp_path, pki, max_associations=4) as relay:
        door = Door(relay.port, AE_TITLE)
        with ExitStack() as stack:
            for each in range(4):
                calling = f"CT{each}"
                stack.enter_context(associated(door, [Verification], calling=calling))
            for _ in range(WORKERS):
                assert rejection(associate(door, [Verification])) == TOO_MANY
        relay.wait_until(lambda: relay.said("released") >= 4)
        with associated(door, [Verification]) as again:
            assert again.send_c_echo().Status == 0


def test_what_is_moved_finds_its_destination_though_another_worker_is_called_back(
    tmp_path: Path, pki: Pki
):
    images = [ct_image(1000) for _ in range(3)]
    with Archive(pki) as archive, Archive(ae_title="SCANNER") as scanner:
        routes = [
            Route(
                Upstream("ARCHIVE", archive.port, keys=UNASKED, pool=REWRITE),
                "ARCHIVE",
                keys={"show_calling": AE_TITLE},
            ),
            Route(modality("SCANNER", scanner.port), "SCANNER"),
        ]
        with ManyRelay(tmp_path / "relay", pki, routes, tables=COMMITMENT) as relay:
            back = Door(relay.port, AE_TITLE)
            archive.script = Script(holdings=images, destinations={AE_TITLE: back})

            def move(number: int) -> list[int]:
                inward = Door(relay.port, "ARCHIVE")
                with associated(inward, [MOVE], calling=f"CT{number}") as association:
                    return statuses(association.send_c_move(QUERY, "SCANNER", MOVE, number))

            assert at_once(4, move) == [[0xFF00] * 3 + [0x0000]] * 4
            assert all_workers(relay, 4)
            relay.wait_until(lambda: len(relay.told_by("ARCHIVE")) == 4)
            by_number = sorted(each.fields["MoveOriginatorMessageID"] for each in scanner.heard)
    assert by_number == sorted(str(number) for number in range(1, 5) for _ in images)
    wanted = sorted(encoded(each, implicit=True) for each in images * 4)
    assert sorted(each.dataset for each in scanner.heard) == wanted


def test_a_stop_ends_all_processes_when_their_operations_have_ended(
    tmp_path: Path, pki: Pki, archive: Cheap
):
    with ManyRelay.before(archive.port, tmp_path, pki) as relay:
        workers = relay.workers
        association = sender(relay, "CT1")
        half, *rest = OBJECTS.message(1)
        association.connection.sendall(half)
        os.kill(relay.first, signal.SIGTERM)
        relay.wait_until(lambda: relay.said("Closed)"))
        for each in rest:
            association.connection.sendall(each)
        association.confirm(1)
        association.connection.close()
        assert relay.process.wait(30) == -signal.SIGTERM
        assert [each for each in workers if parent_of(each) is not None] == []
        relay.restart()
    assert [each.digest for each in archive.stored] == [OBJECTS.digest(1)]


def test_workers_end_when_the_first_process_is_gone(tmp_path: Path, pki: Pki, archive: Cheap):
    with ManyRelay.before(archive.port, tmp_path, pki) as relay:
        workers = relay.workers
        os.kill(relay.first, signal.SIGKILL)
        relay.process.wait(30)
        relay.wait_until_gone(workers)
        relay.restart()


def test_an_upstream_is_taken_out_for_all_workers_and_for_those_that_start_later(
    tmp_path: Path, pki: Pki, archive: Cheap
):
    with ManyRelay.before(archive.port, tmp_path, pki) as relay:
        config = relay.config.read_text()
        relay.config.write_text(config.replace("[pool.", "drain = true\n[pool.", 1))
        os.kill(relay.first, signal.SIGHUP)
        relay.wait_until(lambda: relay.said("upstream archive is being taken out"))
        door = Door(relay.port, AE_TITLE)
        for _ in range(WORKERS):
            assert rejection(associate(door, [Verification])) == (2, 3, 1)
        os.kill(relay.workers[0], signal.SIGKILL)
        relay.wait_until(lambda: relay.said("is ready") == WORKERS + 1)
        for _ in range(WORKERS):
            assert rejection(associate(door, [Verification])) == (2, 3, 1)
        assert relay.said("upstream archive is being taken out") == 1

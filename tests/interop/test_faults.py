"""The bed of the fault tests: faults strike where they should, archives know what they have."""

from __future__ import annotations

import itertools
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from benchmarks import pdus
from benchmarks.objects import Objects
from benchmarks.sender import Address, Refused, Sender
from tests.interop.faults import COUNTED, FATAL, Fault, Kind, Position
from tests.interop.places import Place, Walker
from tests.interop.proxy import Proxy
from tests.interop.stores import Idling, Leaving, Store
from tests.interop.storing import CheapModalities, instance

OBJECTS = Objects(100_000, 16 * 1024)
INSTANCE = instance(1).encode("ascii") + b"\0"
RELEASE_RQ = bytes((5, 0, 0, 0, 0, 4, 0, 0, 0, 0))
A_ABORT = bytes((7, 0, 0, 0, 0, 4, 0, 0, 0, 0))
LOST = (Refused, OSError)
AT = (0, 5, 11, 50, 10**9)
"""Bytes into a part: its beginning, in the headers of PDU and PDV, in the body, before its end."""

BEFORE_THE_END = [
    (Position.CONNECTING, 0),
    (Position.BEFORE_COMMAND, 0),
    (Position.ANYWHERE, 0),
    *itertools.product((Position.ASSOCIATING, Position.IN_COMMAND, Position.IN_DATASET), AT),
]
IN_RESPONSE = [(Position.IN_RESPONSE, at) for at in AT]


@pytest.fixture
def store() -> Iterator[Store]:
    with Store() as store:
        yield store


@pytest.fixture
def proxy(store: Store) -> Iterator[Proxy]:
    with Proxy(store.port) as proxy:
        yield proxy


def send(port: int) -> None:
    """Store an object; raises one of LOST where that fails."""
    with Sender(Address(port, "STORE"), OBJECTS.maximum) as sender:
        sender.store(OBJECTS, 1)


def loses(proxy: Proxy, fault: Fault) -> None:
    """Store an object while the proxy suffers from `fault`, which is to be its end."""
    proxy.suffer(fault)
    with ThreadPoolExecutor(1) as pool:
        sending = pool.submit(send, proxy.port)
        proxy.wait_for_a_strike()
        if fault.kind is Kind.STALL:
            assert not sending.done()
            proxy.suffer(Fault(Kind.REFUSE, Position.CONNECTING))
        with pytest.raises(LOST):
            sending.result()


def kept(store: Store) -> bool:
    return store.has(instance(1), OBJECTS.digest(1))


def pieces(data: bytes, step: int) -> list[tuple[Place, bytes]]:
    """The parts that data consist of, read in steps of so many bytes."""
    walker, parts = Walker(), [bytearray()]
    places = []
    for at in range(0, len(data), step):
        for piece in walker.pieces(data[at : at + step]):
            assert piece.is_first == (not parts[-1])
            parts[-1] += piece.data
            if piece.is_last:
                places.append(piece.place)
                parts.append(bytearray())
    assert not parts.pop()
    return list(zip(places, map(bytes, parts), strict=True))


@pytest.mark.parametrize("step", [1, 7, 6 * 1024, 10**6])
def test_a_walker_finds_the_parts_of_a_stream_however_it_is_cut(step: int):
    request = pdus.associate_rq(b"A", b"B", 1024)
    command = pdus.p_data(pdus.COMMAND, b"ab") + pdus.p_data(pdus.COMMAND | pdus.LAST, b"cd")
    dataset = pdus.p_data(0, b"x" * 5000) + pdus.p_data(pdus.LAST, b"")
    release = pdus.PDU_HEADER.pack(pdus.RELEASE_RQ, 4) + bytes(4)
    assert pieces(request + command + dataset + release, step) == [
        (Place.ASSOCIATION, request),
        (Place.COMMAND, command),
        (Place.DATASET, dataset),
        (Place.ASSOCIATION, release),
    ]


def test_a_walker_parts_what_shares_a_pdu():
    command, dataset = (pdus.PDV_HEADER.pack(4, 1, control) + b"ab" for control in (3, 2))
    header = pdus.PDU_HEADER.pack(pdus.P_DATA, len(command + dataset))
    assert pieces(header + command + dataset, 5) == [
        (Place.COMMAND, header + command),
        (Place.DATASET, dataset),
    ]


def test_without_a_fault_all_passes(proxy: Proxy, store: Store):
    send(proxy.port)
    assert kept(store)
    assert len(proxy.asked) == 2


@pytest.mark.parametrize(("position", "at"), BEFORE_THE_END)
@pytest.mark.parametrize("kind", FATAL)
def test_the_archive_does_not_have_what_was_cut_before_its_end(
    proxy: Proxy, store: Store, kind: Kind, position: Position, at: int
):
    loses(proxy, Fault(kind, position, at))
    assert not store.kept


@pytest.mark.parametrize(("position", "at"), [(Position.AFTER_DATASET, 0), *IN_RESPONSE])
@pytest.mark.parametrize("kind", FATAL)
def test_the_archive_has_what_nobody_was_told_of(
    proxy: Proxy, store: Store, kind: Kind, position: Position, at: int
):
    loses(proxy, Fault(kind, position, at))
    assert store.wait_for(instance(1), OBJECTS.digest(1))


@pytest.mark.parametrize("position", [*COUNTED, Position.CONNECTING, Position.BEFORE_COMMAND])
@pytest.mark.parametrize("kind", [Kind.DELAY, Kind.TRICKLE])
def test_what_is_late_arrives(proxy: Proxy, store: Store, kind: Kind, position: Position):
    proxy.suffer(Fault(kind, position, 20))
    send(proxy.port)
    assert proxy.struck
    assert kept(store)


@pytest.mark.parametrize("kind", FATAL)
def test_bytes_that_nobody_understands_are_cut_by_their_number(store: Store, kind: Kind):
    with Proxy(store.port, opaque=True) as proxy:
        proxy.suffer(Fault(kind, Position.BYTES, 200_000))
        send(proxy.port)
        assert not proxy.struck
        loses(proxy, Fault(kind, Position.BYTES, 50_000))
    assert kept(store)


def test_a_closed_port_is_opened_again(proxy: Proxy, store: Store):
    sender = Sender(Address(proxy.port, "STORE"), OBJECTS.maximum)
    proxy.suffer(Fault(Kind.REFUSE, Position.CONNECTING))
    with sender.connection, pytest.raises(LOST):
        sender.store(OBJECTS, 1)
    with pytest.raises(ConnectionRefusedError):
        send(proxy.port)
    assert not store.kept
    proxy.heal()
    send(proxy.port)
    assert kept(store)


def last_words(connection: socket.socket) -> bytes:
    """What comes after the response to an object, until the peer has gone, or wants to."""
    said = b""
    while not said.endswith(RELEASE_RQ) and (data := connection.recv(1000)):
        said += data
    return said[said.index(INSTANCE) + len(INSTANCE) :]


@pytest.mark.parametrize("way", Leaving)
def test_an_archive_leaves_who_lets_it_wait(way: Leaving):
    words = {Leaving.RELEASE: RELEASE_RQ, Leaving.ABORT: A_ABORT, Leaving.FIN: b""}
    with (
        Store(idling=Idling([way], 0.0)) as store,
        Address(store.port, "STORE").connect() as connection,
    ):
        connection.sendall(pdus.associate_rq(b"A", b"B", OBJECTS.maximum))
        connection.sendall(b"".join(OBJECTS.message(1)))
        if way is Leaving.RST:
            with pytest.raises(ConnectionResetError):
                last_words(connection)
        else:
            assert last_words(connection) == words[way]
        assert store.left == 1


def test_modalities_complain_of_what_is_not_backed(store: Store):
    modalities = CheapModalities(
        6,
        width=2,
        batch=(3, 3),
        backed=lambda stored: store.has(instance(stored.number % 2 + 1), stored.digest),
        address=Address(store.port, "STORE"),
    )
    with modalities:
        modalities.wait_until_over()
    modalities.complaints.sort()
    assert [each.split()[1] for each in modalities.complaints] == ["1", "2", "3", "4", "5", "6"]
    assert {instance(each.number): [each.digest] for each in modalities.stored} == store.kept


def test_modalities_complain_of_a_failure_and_go_on(proxy: Proxy, store: Store):
    proxy.suffer(Fault(Kind.RESET, Position.IN_DATASET))
    modalities = CheapModalities(
        6, width=1, batch=(2, 2), circumstances=proxy.heal, address=Address(proxy.port, "STORE")
    )
    with modalities:
        modalities.wait_until_over()
    assert [each.split(":")[0] for each in modalities.complaints] == ["in objects 1 to 2"]
    assert [each.number for each in modalities.stored] == [3, 4, 5, 6]
    assert list(store.kept) == [instance(each) for each in (3, 4, 5, 6)]
    with pytest.raises(AssertionError, match="in objects 1 to 2"):
        modalities.check()

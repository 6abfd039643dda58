"""The line that is long: late is all that it may be."""

from __future__ import annotations

import random
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from benchmarks.delay import LOOPBACK, READ_SIZE, Delay

PATIENCE_S = 30.0
A_LOT = random.Random(1).randbytes(40 * READ_SIZE + 1)
LITTLE = 0.005
"""Seconds each way."""


@pytest.fixture
def far() -> Iterator[socket.socket]:
    with socket.create_server((LOOPBACK, 0)) as server:
        server.settimeout(PATIENCE_S)
        yield server


def port(server: socket.socket) -> int:
    return server.getsockname()[1]


def call(delay: Delay) -> socket.socket:
    return socket.create_connection((LOOPBACK, delay.port), PATIENCE_S)


def answer(server: socket.socket) -> socket.socket:
    connection, _ = server.accept()
    connection.settimeout(PATIENCE_S)
    return connection


def say(connection: socket.socket, data: bytes) -> None:
    connection.sendall(data)
    connection.shutdown(socket.SHUT_WR)


def heard(connection: socket.socket) -> bytes:
    """Everything up to the end."""
    return b"".join(iter(lambda: connection.recv(READ_SIZE), b""))


def test_every_byte_and_the_end_arrive_both_ways_at_once(far):
    with Delay(port(far), 0.0) as delay, call(delay) as caller, answer(far) as called:
        talking = [
            threading.Thread(target=say, args=each)
            for each in ((caller, A_LOT), (called, A_LOT[::-1]))
        ]
        for each in talking:
            each.start()
        listening = threading.Thread(target=lambda: came.append(heard(called)))
        came: list[bytes] = []
        listening.start()
        assert heard(caller) == A_LOT[::-1]
        listening.join()
        assert came == [A_LOT]
        for each in talking:
            each.join()


def test_one_direction_may_end_before_the_other(far):
    with Delay(port(far), 0.0) as delay, call(delay) as caller, answer(far) as called:
        say(caller, b"question")
        assert heard(called) == b"question"
        say(called, b"answer")
        assert heard(caller) == b"answer"


def test_nothing_arrives_before_its_time(far):
    began = time.monotonic()
    with Delay(port(far), LITTLE) as delay, call(delay) as caller, answer(far) as called:
        caller.sendall(b"?")
        called.recv(1)
        # A round trip to connect, and one way.
        assert time.monotonic() - began >= 3 * LITTLE
        began = time.monotonic()
        called.sendall(b"!")
        caller.recv(1)
        assert time.monotonic() - began >= LITTLE
        began = time.monotonic()
        caller.close()
        assert called.recv(1) == b""
        assert time.monotonic() - began >= LITTLE


def test_where_nobody_answers_the_connection_ends():
    with socket.create_server((LOOPBACK, 0)) as server:
        nobody = port(server)
    with Delay(nobody, 0.0) as delay, call(delay) as caller:
        assert heard(caller) == b""


def test_a_peer_that_breaks_off_is_an_end_for_the_other(far):
    with Delay(port(far), 0.0) as delay, call(delay) as caller, answer(far) as called:
        caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        caller.close()
        assert heard(called) == b""

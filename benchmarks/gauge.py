"""What a delay is in truth: measured, so that a figure taken across it can be believed."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from statistics import median

from benchmarks.delay import LOOPBACK
from benchmarks.processes import DelayProcess
from benchmarks.stream import Stream

TIMES = 20
BULK = 128 * 1024 * 1024
"""Bytes that are sent to measure the rate: each passes twice."""


def gauge(one_way: float) -> str:
    """Measure a delay of `one_way` seconds each way; a line about it."""
    with _echoing() as target, DelayProcess(target, one_way) as delay:
        first = [_round_trips(delay.port, 1) for _ in range(TIMES)]
        with socket.create_connection((LOOPBACK, delay.port)) as connection:
            rate = BULK / _bulk(connection) / 1e6
        later = [_round_trips(delay.port, 2) for _ in range(TIMES)]
        return (
            f"the delay as measured: round trip {_milliseconds(later)},"
            f" on a new connection {_milliseconds(first)}, {rate:.0f} MB/s each way"
        )


def _milliseconds(figures: Sequence[float]) -> str:
    middle, least, most = (of(figures) * 1e3 for of in (median, min, max))
    return f"{middle:.1f} ms ({least:.1f}-{most:.1f})"


def _round_trips(port: int, count: int) -> float:
    """Connect and have a byte come back `count` times; the seconds that the last one took."""
    began = time.perf_counter()
    with socket.create_connection((LOOPBACK, port)) as connection:
        for _ in range(count - 1):
            _exchange(connection)
            began = time.perf_counter()
        _exchange(connection)
        return time.perf_counter() - began


def _exchange(connection: socket.socket) -> None:
    connection.sendall(b"?")
    connection.recv(1)


def _bulk(connection: socket.socket) -> float:
    """Send a lot, have it all come back, and return the seconds that it took."""
    began = time.perf_counter()
    sender = threading.Thread(target=connection.sendall, args=(bytes(BULK),))
    sender.start()
    stream, left = Stream(connection), BULK
    while left:
        left -= len(stream.some(left))
    sender.join()
    return time.perf_counter() - began


@contextmanager
def _echoing() -> Iterator[int]:
    """Somebody on a port of loopback who sends back what comes, one connection after another."""
    with socket.create_server((LOOPBACK, 0)) as server:
        thread = threading.Thread(target=_echo, args=(server,))
        thread.start()
        yield int(server.getsockname()[1])
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


def _echo(server: socket.socket) -> None:
    with suppress(OSError):
        while True:
            with server.accept()[0] as connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                while data := connection.recv(256 * 1024):
                    connection.sendall(data)

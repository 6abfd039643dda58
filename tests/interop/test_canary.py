"""No patient in the log of a relay that runs for real, at any level: text, JSON, with workers."""

from __future__ import annotations

import json
import re
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import bcrypt
import pytest

from relay.wire.pdu import ReleaseRQ
from tests.bad_inputs.canary import CANARY as PATIENT
from tests.bad_inputs.canary import (
    SECRET,
    SERVICES,
    Always,
    Answering,
    acceptance,
    asked,
    found_in,
    request,
)
from tests.interop.flood import call, heard, is_over
from tests.interop.pki import Pki
from tests.interop.relay_process import Relay, Route, Upstream, table
from tests.interop.server import LOOPBACK, PATIENCE_S, answers, held_port
from tests.interop.talker import Talker
from tests.peers import STORE, associate_rq, identity, said
from tests.vectors import HTTP_REQUEST, p_data, pdu, pdv

EVENT = re.compile(r"\d{4}-\d\d-\d\dT[0-9:+]+ \[[^]]+\] ")
"""How a line of text begins. There is none that is the rest of another."""

ACCEPTED, DATA, ABORTED = 2, 4, 7
"""Types of PDUs."""

STRANGERS, AT_ONCE = 1000, 60

BRIEFLY_S = 0.1
"""How long it is listened to what comes of it, where nobody need hang up."""


class Talking(Relay):
    """A relay whose archive need not answer: it serves once its port is open."""

    def serves(self) -> bool:
        return answers(self.port)

    def logs(self, words: str, times: int = 1) -> str:
        """Wait until the log holds these words, so often; return all of it."""
        deadline = time.monotonic() + PATIENCE_S
        while (text := self.log.read_text("utf-8", "replace")).count(words) < times:
            assert time.monotonic() < deadline, text[-5000:]
            assert not self.ends_within(0.05)
        return text


def before(archive: Talker) -> list[Route]:
    """A route for storage commitment that is written down, and C-MOVEs that are read."""
    upstream = Upstream(
        "ARCHIVE",
        archive.port,
        tls=False,
        keys={"eject_shortest": 0.1, "eject_longest": 0.1},
        pool={"move_destination": "rewrite"},
    )
    return [Route(upstream, keys={"show_calling": "RELAY"})]


def tables(folder: Path, users: int, log: dict[str, object]) -> str:
    """A listener with credentials at that port, a database, and how the log is written."""
    file = folder / "users"
    file.write_bytes(b"ct1:" + bcrypt.hashpw(b"passcode", bcrypt.gensalt(4)) + b"\n")
    port = {"endpoint": f"tcp:port={users}:interface={LOOPBACK}", "credentials": str(file)}
    return "\n".join(
        [
            *table("[[listener]]", port),
            *table("[commitment]", {"database": "commitment.sqlite"}),
            *table("[log]", log),
        ]
    )


@pytest.fixture
def archive() -> Iterator[Talker]:
    with Talker() as talker:
        talker.script.associate = acceptance
        yield talker


def associated(port: int, said_first: bytes) -> socket.socket:
    caller = call(port, LOOPBACK)
    caller.sendall(said_first)
    assert heard(caller)[0] == ACCEPTED
    return caller


def say(port: int, data: bytes, first: bytes | None = None) -> None:
    """Say this, behind a request where there is one, and wait until somebody hangs up."""
    with call(port, LOOPBACK) if first is None else associated(port, first) as caller:
        caller.sendall(data)
        caller.settimeout(BRIEFLY_S)
        with suppress(TimeoutError):
            assert is_over(caller)


def all_services(port: int, archive: Talker, status: int) -> None:
    """Each service once, all on one association."""
    archive.script.answer = Answering(status)
    with associated(port, request()) as caller:
        for message_id, field in enumerate(SERVICES, 1):
            caller.sendall(asked(field, message_id))
            caller.settimeout(PATIENCE_S)
            assert heard(caller)[0] == DATA
            caller.settimeout(BRIEFLY_S)
            with suppress(TimeoutError):
                while caller.recv(65536):
                    pass
        caller.sendall(ReleaseRQ().encode())
        caller.settimeout(PATIENCE_S)
        assert is_over(caller)


def everything(relay: Talking, users: int, archive: Talker) -> None:
    """All that callers and archives may do, one after the other."""
    for status in (0x0000, 0xC123):
        all_services(relay.port, archive, status)
    for wrong in (
        SECRET,
        said(STORE, SECRET),
        p_data(pdv(STORE, 2, SECRET)),
        pdu(0x43, SECRET),
        pdu(7, SECRET[:4]),
    ):
        archive.script.answer = Always(wrong)
        for field in SERVICES:
            say(relay.port, asked(field), first=request())
    archive.script.answer = Answering(0x0000)
    for field in SERVICES:
        say(relay.port, asked(field)[:-10], first=request())
    for data in (SECRET, HTTP_REQUEST, pdu(1, SECRET * 20), b"", request(called=b"\r\n\x1b[2J")):
        say(relay.port, data)
    for shown in (identity(SECRET, SECRET), identity(b"ct1", SECRET), identity(SECRET, b"", 1)):
        say(users, associate_rq(user_items=shown))
    for refusal in (SECRET, pdu(3, SECRET[:4]), pdu(2, SECRET * 20)):
        archive.script.associate = Always(refusal)
        say(relay.port, request())


@pytest.mark.parametrize(("form", "workers"), [("text", 0), ("json", 1)], ids=str)
def test_no_patient_is_in_the_log_whoever_says_what(
    tmp_path: Path, pki: Pki, archive: Talker, form: str, workers: int
):
    with held_port() as users:
        log: dict[str, object] = {"format": form, "lines_at_once": 10_000}
        keys = {"workers": workers, "shutdown_grace": 0.5}
        written = tables(tmp_path, users, log)
        with Talking(tmp_path, pki, before(archive), tables=written, keys=keys) as relay:
            everything(relay, users, archive)
            with call(relay.port, LOOPBACK):
                pass
            relay.logs("connected and left")
        text = relay.log.read_text("utf-8")
    assert found_in(text) == []
    assert PATIENT not in text
    lines = text.splitlines()
    assert len(lines) > len(SERVICES)
    for line in lines:
        assert line.isprintable()
        assert json.loads(line) if form == "json" else EVENT.match(line)


@pytest.mark.row(1)
def test_a_thousand_strangers_of_one_address_are_a_few_lines(
    tmp_path: Path, pki: Pki, archive: Talker, figure: Callable[[str], None]
):
    keys = {"shutdown_grace": 0.5}
    route = Route(Upstream("ARCHIVE", archive.port, tls=False))
    with Talking(tmp_path, pki, [route], keys=keys) as relay:
        began = time.monotonic()
        for _ in range(STRANGERS):
            with call(relay.port, LOOPBACK) as caller:
                caller.sendall(HTTP_REQUEST)
                assert heard(caller)[0] == ABORTED
        took = time.monotonic() - began
    text = relay.log.read_text("utf-8")
    told = text.count("not an association")
    (left_out,) = re.findall(rf"(\d+) more lines about {LOOPBACK} were left out", text)
    figure(f"{STRANGERS} strangers in {took:.1f} s: {told} lines, {left_out} counted")
    assert told <= AT_ONCE + took + 2
    assert told + int(left_out) == STRANGERS

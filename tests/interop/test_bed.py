"""The bed itself: a relay that gives cause for complaint fails, and so does a dead peer."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.interop.pki import Pki
from tests.interop.relay_process import CANARY, Relay, RelayComplained
from tests.interop.server import PeerFailed, Server, answers

LISTEN = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1])));"


class Pretender(Relay):
    """A program that prints `words` and listens, for good or until its second caller."""

    words = ""
    lasts = True

    def command(self) -> Sequence[str]:
        last = "[s.accept() for _ in iter(int, 1)]" if self.lasts else "s.accept(); s.accept()"
        script = f"{LISTEN} print({self.words!r}, flush=True); {last}"
        return [sys.executable, "-c", script, str(self.port)]


def pretend(folder: Path, pki: Pki, words: str, lasts: bool = True) -> Pretender:
    pretender = Pretender(folder, pki, ())
    pretender.words, pretender.lasts = words, lasts
    return pretender


def test_a_relay_without_complaint_passes_and_no_longer_answers(tmp_path: Path, pki: Pki):
    with pretend(tmp_path, pki, "all is well") as relay:
        assert answers(relay.port)
    assert not answers(relay.port)


@pytest.mark.parametrize(
    "words", ["Traceback (most recent call last):", "Unhandled error in Deferred", f"id {CANARY}"]
)
def test_a_relay_whose_log_holds_what_it_never_should_fails(tmp_path: Path, pki: Pki, words: str):
    with pytest.raises(RelayComplained), pretend(tmp_path, pki, words):
        pass


def test_a_relay_that_ends_by_itself_fails(tmp_path: Path, pki: Pki):
    with pytest.raises(RelayComplained), pretend(tmp_path, pki, "bye", lasts=False) as relay:
        assert answers(relay.port)
        assert relay.process.wait(30) == 0


def test_a_peer_that_never_serves_is_reported_with_its_last_words(tmp_path: Path):
    class Dying(Server):
        def command(self) -> Sequence[str]:
            return [sys.executable, "-c", "print('no such option')"]

    with pytest.raises(PeerFailed, match="no such option"), Dying(tmp_path):
        pass

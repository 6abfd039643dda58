"""A worker as a process of its own, which cannot start."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from twisted.logger import formatEvent

from relay.config import parse
from relay.workers.setup import Setup
from relay.workers.telling import Teller
from tests.bed import NO_FOLDER, configured
from tests.transport.tls_bed import Pki

STDOUT = 1


def test_a_worker_that_cannot_read_its_key_says_so_in_a_line_and_ends(tmp_path: Path):
    # Most often a key that only the user can read that the first process was started as.
    tls = Pki(tmp_path).server()
    files = f'certificate = "{tls.certificate}", key = "{tls.key}"'
    text = configured("workers = 2", f"tls = {{ {files} }}")
    configuration = parse(text, NO_FOLDER)
    tls.key.unlink()
    done = subprocess.run(
        [sys.executable, "-m", "relay.workers", "twisted.internet.epollreactor"],
        input=Setup(1, configuration, {"pacs": 1}).encode(),
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    told: list[Any] = []
    Teller(1, told.append).came(STDOUT, done.stdout)
    said = f"worker 1: cannot start: {tls.key} cannot be read (No such file or directory)"
    assert [formatEvent(each) for each in told] == [said]
    assert done.stderr == b""

"""The log of a relay that is run for real: JSON from all its processes, and nobody's name in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.pdu_primitives import UserIdentityNegotiation
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

from benchmarks.archive import Archive
from tests.interop.caller import associated
from tests.interop.doors import Door
from tests.interop.many import WORKERS, ManyRelay
from tests.interop.pki import Pki
from tests.interop.relay_process import AE_TITLE, CANARY, Route, Upstream

JSON = '[log]\nformat = "json"\n'


@pytest.fixture
def archive() -> Iterator[Archive]:
    with Archive() as archive:
        yield archive


def user(name: str) -> UserIdentityNegotiation:
    """A user without a passcode."""
    item = UserIdentityNegotiation()
    item.user_identity_type, item.primary_field = 1, name.encode()
    return item


def test_each_line_is_json_and_all_workers_hash_alike(tmp_path: Path, pki: Pki, archive: Archive):
    upstream = Upstream("ARCHIVE", archive.port, tls=False)
    relay = ManyRelay(tmp_path / "relay", pki, [Route(upstream)], tables=JSON)
    with relay, ExitStack() as callers:
        door = Door(relay.port, AE_TITLE)
        for number in range(2 * WORKERS):
            how: dict[str, Any] = {"calling": f"CT{number}", "items": [user(CANARY)]}
            caller = callers.enter_context(associated(door, [Verification], **how))
            assert caller.send_c_echo().Status == 0
    lines = [json.loads(each) for each in relay.log.read_text("ascii").splitlines()]
    crossings = [each for each in lines if each.get("event") == "crossing" and each["operations"]]
    assert {each["calling"] for each in crossings} == {f"CT{n}" for n in range(2 * WORKERS)}
    assert {each["worker"] for each in crossings} == set(range(1, WORKERS + 1))
    assert {each["end"] for each in crossings} == {"released"}
    assert all(each["statuses"] == {"0000": 1} for each in crossings)
    assert len({each["user"] for each in crossings}) == 1
    assert lines[-1]["message"] == "Server Shut Down."

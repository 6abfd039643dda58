"""Files with secrets: users that may call, the passcode that the relay shows, the log's key."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from .mistakes import Unexpected

_HASH = re.compile(rb"\$2[aby]\$[0-9]{2}\$[./A-Za-z0-9]{53}")
LONGEST_PASSCODE = 1024
"""Bytes: more than anybody has, and no more than there is room for beside what a caller proposes
(wire/negotiation.py)."""

SHORTEST_SECRET = 16
"""Bytes of a secret that is to be a key."""


def read_users(path: Path) -> Mapping[bytes, bytes]:
    """Bcrypt hashes by user name. OSError, or `Unexpected` that names the line and no secret."""
    users: dict[bytes, bytes] = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        if not line.strip() or line.startswith(b"#"):
            continue
        user, colon, its = line.partition(b":")
        if not colon or not user or not _HASH.fullmatch(its.strip()):
            expected = "a user name, a colon and a bcrypt hash, as htpasswd -B makes them"
            raise Unexpected(f"line {number}, which is none", expected)
        users[user] = its.strip()
    if not users:
        raise Unexpected("no user", "at least one line, as htpasswd -B makes it")
    return users


def read_passcode(path: Path) -> bytes:
    """The first line. OSError, or `Unexpected`."""
    lines = path.read_bytes().splitlines()
    if not lines or not 0 < len(lines[0]) <= LONGEST_PASSCODE:
        raise Unexpected("no passcode", f"a first line of 1 to {LONGEST_PASSCODE} bytes")
    return lines[0]


def read_secret(path: Path) -> bytes:
    """All of it, without the space around it. OSError, or `Unexpected`."""
    secret = path.read_bytes().strip()
    if len(secret) < SHORTEST_SECRET:
        expected = f"{SHORTEST_SECRET} bytes or more, such as openssl rand -hex 32 prints"
        raise Unexpected(f"{len(secret)} bytes", expected)
    return secret

"""What stands in the log for what identifies somebody: of UIDs and user names a keyed hash.

A UID leads to a patient for whoever can ask an archive. Lines about the same object have to be
found all the same, so what is logged is a hash, and with a key: UIDs can be guessed, and without
one a guess could be checked. Whoever has the key and a UID finds its lines; nobody gets a UID out
of the log.
"""

from __future__ import annotations

import hashlib
from enum import Enum

import attrs

from relay.journal.plain import printable

DIGEST_SIZE = 8
"""Bytes of a hash: no two of a hospital's objects share one by chance."""

SHORTEST_KEY = 16
LONGEST_KEY = hashlib.blake2b.MAX_KEY_SIZE
"""Bytes of a key."""

LONGEST_IDENTITY = 128
"""Characters of one that is shown as it is."""


class Shown(Enum):
    """How identities are shown in the log."""

    HASHED = "hashed"
    PLAIN = "plain"
    NONE = "none"


@attrs.frozen
class Identities:
    """Shows identities; called with one, as it came, it gives what may be logged, or None."""

    shown: Shown
    key: bytes = attrs.field(repr=False)

    def __call__(self, identity: bytes) -> str | None:
        """Without padding, so that what is the same object has the same name."""
        if self.shown is Shown.NONE:
            return None
        identity = identity.strip(b"\0 ")
        if self.shown is Shown.PLAIN:
            return printable(identity.decode("utf-8", "backslashreplace"), LONGEST_IDENTITY)
        return hashlib.blake2b(identity, key=self.key, digest_size=DIGEST_SIZE).hexdigest()


def key_of(secret: bytes) -> bytes:
    """A key for the hash, out of a secret of any length; the end of a line is no part of it."""
    secret = secret.strip()
    return secret if len(secret) <= LONGEST_KEY else hashlib.blake2b(secret).digest()

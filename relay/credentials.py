"""User names and passcodes that callers may show (PS3.7 D.3.3.7), as htpasswd -B keeps them.

A line of the file is a user name, a colon and a bcrypt hash. What is shown is compared in a thread,
because a good hash takes its time. For a user who is not in the file another one's is compared, of
the cost that hashes have there: nobody can tell the two apart. Nothing of it is ever logged.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs
import bcrypt
from twisted.internet.threads import deferToThreadPool
from twisted.logger import Logger
from twisted.python.failure import Failure

from relay.config.secret_files import read_users
from relay.wire.user_information import UserIdentityRQ

USERNAME_AND_PASSCODE = 2
"""User-Identity-Type; the others are not for a file to judge."""

LONGEST_PASSCODE = 72  # bytes: bcrypt looks at no more


@attrs.define(eq=False)
class Credentials:
    """The `Identities` of relay.bridge.ports: hashes by user name. `reactor` has threads."""

    users: Mapping[bytes, bytes] = attrs.field(repr=False)
    reactor: Any

    log = Logger()

    @classmethod
    def of(cls, path: Path, reactor: Any) -> Credentials:
        """Those in that file, as it is now."""
        return cls(read_users(path), reactor)

    def check(self, identity: UserIdentityRQ | None, done: Callable[[bool], None]) -> None:
        """Whether it is a user of the file, with the right passcode."""
        if identity is None or identity.identity_type != USERNAME_AND_PASSCODE:
            done(False)
            return
        user, passcode = identity.primary_field, identity.secondary_field
        is_user = user in self.users
        its = self.users[user] if is_user else next(iter(self.users.values()))
        pool = self.reactor.getThreadPool()
        checked = deferToThreadPool(self.reactor, pool, _matches, passcode, its, is_user)
        checked.addErrback(self._failed)
        checked.addCallback(done)
        checked.addErrback(lambda failure: self.log.failure("a crossing failed", failure))

    def _failed(self, failure: Failure) -> bool:
        # Of another's words nobody knows whom they name.
        why = type(failure.value).__name__
        self.log.error("credentials: {why}", event="credentials_failed", why=why)
        return False


def _matches(passcode: bytes, its: bytes, is_user: bool) -> bool:
    if len(passcode) > LONGEST_PASSCODE or b"\0" in passcode:
        return False
    return bcrypt.checkpw(passcode, its) and is_user

"""Users that callers may show."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import cast

import bcrypt
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, eventAsText, globalLogPublisher
from twisted.trial.unittest import TestCase

from relay.config.mistakes import Unexpected
from relay.config.secret_files import read_passcode, read_users
from relay.credentials import Credentials
from relay.wire.user_information import UserIdentityRQ

HASH = bcrypt.hashpw(b"secret", bcrypt.gensalt(4))


def shown(user=b"ct1", passcode=b"secret", kind=2):
    return UserIdentityRQ(kind, True, user, passcode)


class Checking(TestCase):
    def setUp(self):
        self.credentials = Credentials({b"ct1": HASH}, reactor)

    async def holds(self, identity):
        told: Deferred[bool] = Deferred()
        self.credentials.check(identity, told.callback)
        return await told

    async def test_a_user_with_the_right_passcode_is_known(self):
        self.assertTrue(await self.holds(shown()))

    async def test_a_wrong_passcode_an_unknown_user_and_no_identity_are_not(self):
        for each in (shown(passcode=b"other"), shown(user=b"ct2"), None):
            self.assertFalse(await self.holds(each))

    async def test_other_kinds_of_identity_are_not_for_a_file_to_judge(self):
        for kind in (1, 3, 4, 5):
            self.assertFalse(await self.holds(shown(kind=kind)))

    async def test_what_bcrypt_would_cut_off_is_no_passcode(self):
        self.assertFalse(await self.holds(shown(passcode=b"secret\0")))
        self.assertFalse(await self.holds(shown(passcode=b"x" * 73)))

    async def test_a_user_who_is_not_in_the_file_takes_a_hash_all_the_same(self):
        asked: list[object] = []

        def matches(*args):
            asked.append(args)
            return True

        self.patch(bcrypt, "checkpw", matches)
        self.assertFalse(await self.holds(shown(user=b"nobody")))
        # htpasswd -B has a cost of 5 where others have 12: a hash of another cost would tell.
        self.assertEqual(asked, [(b"secret", HASH)])

    async def test_another_users_passcode_is_nobodys(self):
        self.assertFalse(await self.holds(shown(user=b"nobody")))

    async def test_what_goes_wrong_is_a_line_without_a_name(self):
        def fails(*args):
            raise RuntimeError("ct1 has the passcode secret")

        self.patch(bcrypt, "checkpw", fails)
        said: list[LogEvent] = []
        observer = cast(ILogObserver, said.append)
        globalLogPublisher.addObserver(observer)
        self.addCleanup(globalLogPublisher.removeObserver, observer)
        self.assertFalse(await self.holds(shown()))
        (line,) = [each for each in map(eventAsText, said) if "credentials" in each]
        self.assertNotIn("ct1", line)
        self.assertNotIn("secret", line)

    def test_no_hash_is_in_its_repr(self):
        self.assertNotIn("$2b$", repr(self.credentials))


class Files(TestCase):
    def file(self, text):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        path = Path(folder.name) / "secrets"
        path.write_bytes(text)
        return path

    def test_users_are_read_as_htpasswd_writes_them(self):
        by_htpasswd = HASH.replace(b"$2b$", b"$2y$")
        path = self.file(b"# ward\n\nct1:" + HASH + b"\nct2:" + by_htpasswd + b"\n")
        self.assertEqual(read_users(path).keys(), {b"ct1", b"ct2"})
        self.assertEqual(Credentials.of(path, reactor).users[b"ct1"], HASH)

    def test_what_is_no_line_of_users_is_named_by_its_number_and_not_quoted(self):
        for line in (b"ct1", b":" + HASH, b"ct1:plain", b"ct1:$apr1$x$y"):
            with self.assertRaises(Unexpected) as caught:
                read_users(self.file(b"# users\n" + line + b"\n"))
            self.assertEqual(caught.exception.found, "line 2, which is none")

    def test_a_file_without_users_lets_nobody_in_and_is_a_mistake(self):
        with self.assertRaises(Unexpected):
            read_users(self.file(b"# nobody\n"))

    def test_a_passcode_is_the_first_line(self):
        self.assertEqual(read_passcode(self.file(b"secret\nmore")), b"secret")
        for text in (b"", b"\nsecret", b"x" * 65536):
            with self.assertRaises(Unexpected):
                read_passcode(self.file(text))

"""What identifies an object or a user stands in the log as the configuration wants it: "PHI"."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from relay.journal.identities import Identities, Shown
from tests.bad_inputs.case import BadInputs
from tests.bed import NO_FOLDER, Bed
from tests.peers import associate_rq, identity, response_of, said, store

UID = "2.25.1234567890"
USER = b"ann"
KEY = b"0123456789abcdef"


class HowTheyAreShown(BadInputs):
    """A C-STORE fails, on an association that shows a user."""

    def shown(self, log: str = "", folder: Path = NO_FOLDER) -> dict[str, Any]:
        """What its line says, with this in the configuration."""
        bed = Bed(f"{self.configuration()}[log]\n{log}", folder)
        bed.archive.script.answer = lambda message: said(
            message.context_id, response_of(message.command, 0xC000)
        )
        self.events.clear()
        caller = bed.associate(associate_rq(user_items=identity(USER, b"secret")))
        bed.say(caller, store(b"", instance=UID))
        self.assertEqual(caller.messages(), [("C_STORE_RSP", 1, 0xC000)])
        bed.release(caller)
        (event,) = (each for each in self.events if each.get("event") == "crossing")
        self.assertEqual(event["statuses"], {"C000": 1})
        return event

    def test_as_a_hash_by_the_key_of_the_file(self):
        with TemporaryDirectory() as folder:
            (Path(folder) / "log-key").write_bytes(KEY + b"\n")
            event = self.shown('key_file = "log-key"', Path(folder))
        its = Identities(Shown.HASHED, KEY)
        self.assertEqual((event["user"], event["objects"]), (its(USER), [its(UID.encode())]))
        self.assertIn(f"with {its(UID.encode())}; ", event["line"])
        self.assertIn(f"; by pacs for user {its(USER)}; ", event["line"])

    def test_as_a_hash_by_a_key_of_each_start_without_one(self):
        one, other = self.shown(), self.shown()
        self.assertEqual({len(one["user"]), len(one["objects"][0])}, {16})
        self.assertNotEqual(one["user"], other["user"])
        self.assertNotEqual(one["objects"], other["objects"])

    def test_as_they_are(self):
        event = self.shown('identities = "plain"')
        self.assertEqual((event["user"], event["objects"]), ("ann", [UID]))

    def test_not_at_all(self):
        event = self.shown('identities = "none"')
        self.assertEqual((event["user"], event["objects"]), (None, []))
        self.assertNotIn("user", event["line"])

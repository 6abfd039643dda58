"""What a peer does is a line at most, and what a peer chose never breaks it: "PHI"."""

from __future__ import annotations

import os

import pytest
from twisted.logger import eventAsText

from relay.wire.pdu import Abort, AssociateRJ
from tests.bad_inputs.case import BadInputs
from tests.peers import associate_rq, store
from tests.vectors import HTTP_REQUEST, pdu

GARBAGE = 2**20
LONGEST = 400
"""Characters of a line of which a peer chose something."""

BYTES = [bytes(range(first, first + 8)) for first in range(0, 256, 8)]
"""All that there are, a part of an AE title each."""

NASTY = (
    b"\r\nfake: line",
    b"\x1b[2J\x1b]0;x\x07",
    b"\x9b2J\x85\xad",
    b"{log_format}",
    b"{0} %s %(x)s",
    b"'\" \\' \\n",
    b"../../etc",
    b"$(reboot)`id`",
)
"""What would break a line, change its colours, or be taken for a place to fill in."""


class OneLine(BadInputs):
    """Behind each test all lines of the log are such as any terminal and any reader can bear."""

    def tearDown(self) -> None:
        super().tearDown()
        for event in self.events:
            line = eventAsText(event, includeTimestamp=False)
            self.assertTrue(line.isprintable(), repr(line))
            self.assertLessEqual(len(line), LONGEST)

    def since(self) -> list[str]:
        """What was logged since the last time, above debug."""
        lines = self.lines("info") + self.lines("warn") + self.lines("error")
        self.events.clear()
        return lines

    @pytest.mark.row(23)
    def test_whatever_bytes_an_ae_title_has(self):
        for title in (*BYTES, *NASTY):
            for which in ("calling", "called"):
                self.asked(**{which: title})
                (line,) = self.since()
                self.assertIn(repr(title.decode("latin-1").strip(" \0"))[1:-1], line)

    @pytest.mark.row(24)
    def test_an_ae_title_of_an_association_that_is_accepted(self):
        for title in (b"../x", b"{line}", b"a'b\"c"):
            self.assertAccepted(calling=title)
            (line,) = self.since()
            self.assertIn(repr(title.decode()), line)

    @pytest.mark.row(1)
    def test_a_megabyte_of_garbage(self):
        garbage = os.urandom(GARBAGE)
        for first in (0x00, 0x01, 0x02, 0x04, 0x07, 0x47, 0xFF):
            self.stranger(bytes((first,)) + garbage)
            self.network.wait(60)
            self.assertLessEqual(len(self.since()), 1, f"{first:02X}")
            self.hurt(bytes((first,)) + garbage).transport.abortConnection()
            self.network.wait(60)
            self.assertEqual(len(self.since()), 1, f"{first:02X}")

    def test_a_megabyte_of_garbage_in_very_many_reads(self):
        caller = self.hurt(*(HTTP_REQUEST for _ in range(1000)))
        self.assertEqual(caller.since(), [Abort(2, 1)])
        self.assertEqual(len(self.since()), 1)

    def test_a_thousand_requests_that_are_refused_on_one_association(self):
        caller = self.bed.associate()
        for message_id in range(1, 1001):
            self.bed.say(caller, store(b"", message_id, e0002="1.2.3"))
        self.assertEqual({status for _, _, status in caller.messages()}, {0x0122})
        self.bed.release(caller)
        self.assertEqual(len(self.since()), 1)

    def test_three_hundred_answers_of_an_archive_that_fails(self):
        self.archive.script.answer = lambda message: pdu(0x44, b"")
        caller = self.bed.associate()
        for message_id in range(1, 301):
            self.bed.say(caller, store(b"", message_id))
        self.network.wait(60)
        self.assertNotIn(0, {status for _, _, status in caller.messages()})
        self.bed.release(caller)
        self.assertLessEqual(len(self.since()), 60)

    def test_three_hundred_rejections_of_an_archive(self):
        self.archive.script.associate = lambda request: AssociateRJ(2, 1, 1).encode()
        for _ in range(300):
            self.bed.call(associate_rq())
        self.assertLessEqual(len(self.lines("warn")), 1)

"""What a peer does is a line at most, and what a peer chose never breaks it: "PHI"."""

from __future__ import annotations

import itertools
import os

import pytest
from twisted.logger import eventAsText

from relay.wire.pdu import Abort, AssociateRJ
from tests.bad_inputs.case import ECHOED, BadInputs
from tests.bed import Bed
from tests.network import CALLER_HOST
from tests.peers import STORE, associate_rq, echo, said, store, store_command
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
                self.network.wait(1)
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


AT_ONCE, A_MINUTE = 60, 60


class ManyLines(BadInputs):
    """Somebody does the same a thousand times: it is told a few times, and counted."""

    times = 1000

    def assertCounted(self, left_out: int, whom: str = CALLER_HOST) -> None:
        """So many were left out of all lines above debug; the others are in the log."""
        told = len(self.lines("info")) + len(self.lines("warn"))
        self.assertEqual(told, AT_ONCE)
        self.network.wait(A_MINUTE)
        text = f"{left_out} more lines about {whom} were left out"
        self.assertEqual(self.lines("warn")[-1:], [text])

    @pytest.mark.row(1)
    def test_who_is_no_dicom_at_all(self):
        for _ in range(self.times):
            self.stranger(HTTP_REQUEST)
        self.assertCounted(self.times - AT_ONCE)

    @pytest.mark.row(3)
    def test_who_connects_and_leaves(self):
        for _ in range(self.times):
            self.stranger().transport.loseConnection()
            self.network.settle()
        self.assertEqual(len(self.lines("debug")), AT_ONCE)
        self.network.wait(A_MINUTE)
        text = f"{self.times - AT_ONCE} more lines about {CALLER_HOST} were left out"
        self.assertEqual(self.lines("debug")[-1:], [text])
        self.assertEqual(self.lines("info") + self.lines("warn"), [])

    def test_who_is_rejected(self):
        for _ in range(self.times):
            self.bed.call(associate_rq(called=b"NOBODY"))
        self.assertCounted(self.times - AT_ONCE)

    def test_who_is_accepted_and_does_nothing(self):
        for _ in range(self.times):
            self.bed.associate().transport.loseConnection()
            self.network.settle()
        self.assertCounted(self.times - AT_ONCE)

    def test_who_is_aborted_before_anything_is_performed(self):
        for _ in range(self.times):
            self.hurt(pdu(0x44, b""))
        self.assertCounted(self.times - AT_ONCE)

    def test_who_takes_an_archive_along(self):
        begun = said(STORE, store_command())
        for _ in range(self.times // 10):
            self.hurt(begun).transport.abortConnection()
            self.network.settle()
        self.assertEqual((len(self.lines("info")), len(self.lines("warn"))), (AT_ONCE, AT_ONCE))
        self.network.wait(A_MINUTE)
        left_out = self.times // 10 - AT_ONCE
        text = f"{left_out} more lines about {{}} were left out"
        expected = {text.format(whom) for whom in (CALLER_HOST, "upstream pacs")}
        self.assertEqual(set(self.lines("warn")[AT_ONCE:]), expected)

    def test_whose_operations_are_performed_is_told_of_each_time(self):
        for _ in range(self.times // 5):
            caller = self.bed.say(self.bed.associate(), echo())
            self.assertEqual(caller.messages(), [ECHOED])
            self.bed.release(caller)
        self.assertEqual(len(self.lines("info")), self.times // 5)
        self.network.wait(A_MINUTE)
        self.assertEqual(self.lines("warn"), [])

    def test_an_archive_whose_rejections_are_never_twice_the_same(self):
        answers = itertools.cycle(AssociateRJ(1, 1, why).encode() for why in (1, 2, 3, 7))
        self.archive.script.associate = lambda request: next(answers)
        for _ in range(self.times // 10):
            self.bed.call(associate_rq())
        of_it = [line for line in self.lines("warn") if line.startswith("upstream pacs: rejected")]
        self.assertEqual(len(of_it), AT_ONCE)
        self.network.wait(A_MINUTE)
        left_out = self.times // 10 - AT_ONCE
        text = f"{left_out} more lines about upstream pacs were left out"
        self.assertIn(text, self.lines("warn"))


class AsConfigured(BadInputs):
    """Where the configuration wants other numbers."""

    def configuration(self) -> str:
        return super().configuration() + "[log]\nlines_at_once = 3\nlines_per_second = 0.5\n"

    def test_so_many_are_told_at_once_and_then_so_many_a_second(self):
        for _ in range(10):
            self.stranger(HTTP_REQUEST)
        self.assertEqual(len(self.lines()), 3)
        for _ in range(4):
            self.network.wait(1)
            self.stranger(HTTP_REQUEST)
        self.assertEqual(len(self.lines()), 5)

    def test_at_a_stop_it_is_told_how_many_were_left_out(self):
        for _ in range(10):
            self.stranger(HTTP_REQUEST)
        stopped = self.bed.service.stopService()
        self.network.wait(3)
        self.successResultOf(stopped)
        self.assertEqual(self.lines("warn"), [f"7 more lines about {CALLER_HOST} were left out"])
        self.assertEqual(self.network.getDelayedCalls(), [])
        # Another relay, for what is asked of it behind each test.
        self.bed = Bed(self.configuration())
        self.network, self.archive = self.bed.network, self.bed.archive

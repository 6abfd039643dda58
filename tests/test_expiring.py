"""A line a day for each file of TLS that is about to expire, or has."""

from __future__ import annotations

import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from twisted.internet.task import Clock

from relay.config import Configuration, parse
from relay.expiring import DAY, Expiring
from tests.bed import configured
from tests.logs import LogCase
from tests.transport.tls_bed import Pki, put

A_DAY = timedelta(days=1)


class Expires(LogCase):
    def setUp(self) -> None:
        super().setUp()
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.pki = Pki(Path(folder.name))
        self.tls = self.pki.server(ends=32 * A_DAY)
        self.clock, self.started = Clock(), datetime.now(UTC)
        self.expiring = Expiring(self.clock, self.configuration(), self.now)

    def now(self) -> datetime:
        return self.started + timedelta(seconds=self.clock.seconds())

    def configuration(self) -> Configuration:
        files = f'certificate = "{self.tls.certificate}", key = "{self.tls.key}"'
        return parse(configured(listener=f"tls = {{ {files} }}"), self.pki.folder)

    def start(self) -> None:
        self.expiring.startService()
        self.addCleanup(self.expiring.stopService)

    def told(self) -> list[tuple[str, str]]:
        """The level, and the first words about the certificate, of all lines since."""
        told = [
            (level, line.partition(" in ")[2].partition(" ")[2].partition(",")[0])
            for level in ("warn", "error")
            for line in self.lines(level)
        ]
        self.events.clear()
        return told

    def test_it_is_said_at_the_start_and_then_once_a_day(self) -> None:
        self.clock.advance(10 * DAY)
        self.start()
        self.assertEqual(self.told(), [("warn", "expires in 21 days")])
        self.clock.advance(DAY - 1)
        self.assertEqual(self.told(), [])
        self.clock.advance(1)
        self.assertEqual(self.told(), [("warn", "expires in 20 days")])

    def test_what_is_good_for_long_is_not_spoken_of_until_the_time_comes(self) -> None:
        self.start()
        self.clock.advance(DAY)
        self.assertEqual(self.told(), [])
        self.clock.advance(DAY)
        self.assertEqual(self.told(), [("warn", "expires in 29 days")])

    def test_a_file_that_is_renewed_counts_once_the_relay_has_read_it(self) -> None:
        self.clock.advance(10 * DAY)
        self.start()
        put(self.pki.server(ends=400 * A_DAY), self.tls)
        self.told()
        self.clock.advance(DAY)
        self.assertEqual(self.told(), [("warn", "expires in 20 days")])
        self.expiring.renewed()
        self.clock.pump([DAY] * 3)
        self.assertEqual(self.told(), [])

    @pytest.mark.row(62)
    def test_an_expired_certificate_of_the_relays_own_is_one_line_with_its_cure(self) -> None:
        self.clock.advance(40 * DAY)
        self.start()
        (line,) = self.lines("error")
        self.assertIn(f"TLS: the certificate in {self.tls.certificate} has expired on ", line)
        self.assertIn(": peers refuse it until it is renewed, and SIGHUP sent", line)
        self.assertEqual(self.lines("warn"), [])

    def test_a_file_that_is_gone_by_then_is_named_and_what_was_known_stays(self) -> None:
        self.clock.advance(10 * DAY)
        self.start()
        self.told()
        self.tls.certificate.unlink()
        self.expiring.renewed()
        first, second = self.lines("warn")
        self.assertEqual(first, f"TLS: nobody looks at when files expire: {self.tls.certificate}")
        self.assertIn("expires in 21 days", second)
        self.events.clear()
        self.tls.certificate.write_text("SECRET")
        self.expiring.renewed()
        first, second = self.lines("warn")
        self.assertNotIn("SECRET", first)

    def test_when_the_service_has_stopped_nobody_looks(self) -> None:
        self.expiring.startService()
        self.expiring.stopService()
        self.assertEqual(self.clock.getDelayedCalls(), [])

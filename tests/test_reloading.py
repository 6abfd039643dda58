"""SIGHUP: what is read again, what is taken over, and what is only said."""

from __future__ import annotations

import signal
from types import SimpleNamespace

from relay.config import Configuration, ConfigurationError, Mistake, parse
from relay.reloading import Reloading
from relay.transport.tls import Unusable
from tests.bed import NO_FOLDER, Bed, LogCase, configured


def with_drain(wanted: bool, **more: str) -> Configuration:
    return parse(configured(upstream=f"drain = {str(wanted).lower()}", **more), NO_FOLDER)


class Reloads(LogCase):
    def setUp(self) -> None:
        super().setUp()
        self.bed = Bed()
        self.keeper = self.bed.service.keepers["pacs"]
        self.renewals: list[int] = []
        self.found: Configuration | ConfigurationError = with_drain(False)
        reactor = SimpleNamespace(callFromThread=lambda call: call())
        self.reloading = Reloading(reactor, self.bed.service, with_drain(False), self.read)

    def read(self) -> Configuration:
        if isinstance(self.found, ConfigurationError):
            raise self.found
        return self.found

    def test_an_upstream_is_taken_out_and_had_back(self) -> None:
        self.found = with_drain(True)
        self.reloading.reload()
        self.assertTrue(self.keeper.is_draining)
        self.found = with_drain(False)
        self.reloading.reload()
        self.assertFalse(self.keeper.is_draining)
        self.assertEqual(
            self.lines("info")[-2:],
            ["upstream pacs is being taken out", "upstream pacs is in use again"],
        )
        self.assertTrue(self.bed.answers_an_echo())

    def test_what_has_not_changed_is_left_alone_and_not_spoken_of(self) -> None:
        before = len(self.events)
        self.reloading.reload()
        self.assertEqual(self.events[before:], [])

    def test_what_else_has_changed_is_said_and_not_done(self) -> None:
        self.found = with_drain(True, relay="max_associations = 7")
        self.reloading.reload()
        self.assertTrue(self.keeper.is_draining)
        self.assertEqual(len(self.lines("warn")), 1)

    def test_an_upstream_that_is_new_or_gone_is_left_to_a_restart(self) -> None:
        text = configured(upstream="drain = true")
        self.found = parse(
            text.replace("upstream.pacs", "upstream.x").replace('"pacs"', '"x"'), NO_FOLDER
        )
        self.reloading.reload()
        self.assertFalse(self.keeper.is_draining)

    def test_with_mistakes_nothing_changes(self) -> None:
        keys = ("relay.ae_title", "relay.workers")
        self.found = ConfigurationError([Mistake(key, "nothing", "something") for key in keys])
        self.reloading.reload()
        self.assertFalse(self.keeper.is_draining)
        said = "; ".join(f"{key}: found nothing, expected something" for key in keys)
        self.assertEqual(
            self.lines("error"), [f"the configuration cannot be used, nothing changes: {said}"]
        )

    def with_tls(self, renewed: int | Unusable) -> None:
        """From now on files of TLS are read, with this for a result."""

        def renew() -> int:
            if isinstance(renewed, Unusable):
                raise renewed
            return renewed

        self.bed.service.renew_tls = renew  # type: ignore[method-assign]

    def test_the_files_of_tls_are_read_again(self) -> None:
        self.with_tls(3)
        self.reloading.renewed = lambda: self.renewals.append(1)
        self.reloading.reload()
        self.assertEqual(self.renewals, [1])
        self.assertEqual(
            self.lines()[-1],
            "TLS: files are read again, for new connections of 3 listeners and upstreams",
        )

    def test_files_that_cannot_be_used_are_one_line_and_upstreams_are_taken_out(self) -> None:
        self.with_tls(Unusable("relay.key cannot be read (Permission denied)"))
        self.reloading.renewed = lambda: self.renewals.append(1)
        self.found = with_drain(True)
        self.reloading.reload()
        self.assertTrue(self.keeper.is_draining)
        self.assertEqual(
            self.lines("error"),
            ["TLS stays as it is: relay.key cannot be read (Permission denied)"],
        )
        self.assertEqual(self.renewals, [])

    def test_with_mistakes_the_files_of_tls_are_not_read(self) -> None:
        self.with_tls(Unusable("never"))
        self.found = ConfigurationError([Mistake("relay.ae_title", "nothing", "an AE title")])
        self.reloading.reload()
        self.assertEqual(len(self.lines("error")), 1)

    def test_the_signal_is_heeded_by_the_reactor_while_the_service_runs(self) -> None:
        before = signal.getsignal(signal.SIGHUP)
        self.reloading.startService()
        self.found = with_drain(True)
        signal.raise_signal(signal.SIGHUP)
        self.assertTrue(self.keeper.is_draining)
        self.reloading.stopService()
        self.assertEqual(signal.getsignal(signal.SIGHUP), before)

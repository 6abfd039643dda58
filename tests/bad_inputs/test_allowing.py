"""Who is not in an allow list: over a network in memory. Row 25 of "Association"."""

from __future__ import annotations

import pytest

from tests.bad_inputs.case import CALLED_UNKNOWN, CALLING_UNKNOWN, TOO_MANY, BadInputs

ELSEWHERE_PORT = 11113
ELSEWHERE = """
[[listener]]
endpoint = "tcp:port=11113"
allow = { networks = ["198.51.100.0/24", "2001:db8::/32"] }
"""


class Lists(BadInputs):
    listener = """
    allow = { calling = ["MOD*", "../?"], called = ["RELAY"], networks = ["192.0.2.0/24"] }
    """

    @pytest.mark.row(25)
    def test_a_calling_title_that_is_not_listed(self):
        for title in (b"VISITOR", b"modality", b"AMODALITY"):
            self.assertEqual(self.asked(calling=title), CALLING_UNKNOWN)
        self.assertAccepted(calling=b"MODALITY2")
        self.assertEqual(len(self.archive.heard), 1)

    @pytest.mark.row(25)
    def test_a_called_title_that_is_not_listed(self):
        for title in (b"PACS", b"RELAY2", b"relay"):
            self.assertEqual(self.asked(called=title), CALLED_UNKNOWN)
        self.assertEqual(self.archive.heard, [])

    @pytest.mark.row(24)
    def test_a_title_that_looks_like_a_path_is_judged_by_the_list_alone(self):
        self.assertAccepted(calling=b"../x")
        self.assertEqual(self.asked(calling=b"../xy"), CALLING_UNKNOWN)
        self.assertEqual(self.asked(called=b"../x"), CALLED_UNKNOWN)

    @pytest.mark.row(25)
    def test_the_log_says_in_a_line_which_list_it_was(self):
        self.asked(calling=b"VISITOR")
        self.asked(called=b"PACS")
        self.asked(called=b"PACS", calling=b"VISITOR")
        ends = [line.partition(": ")[2].partition(";")[0] for line in self.lines()]
        by = {"calling": "rejected: (1,1,3), allow.calling"}
        by["called"] = "rejected: (1,1,7), allow.called"
        self.assertEqual(ends, [by["calling"], by["called"], by["called"]])


class FullHouse(BadInputs):
    relay = "max_associations = 1"
    listener = 'allow = { calling = ["MODALITY"] }'

    @pytest.mark.row(25, 32)
    def test_who_may_not_come_in_is_not_told_to_try_again(self):
        caller = self.bed.associate()
        self.assertEqual(self.asked(), TOO_MANY)
        self.assertEqual(self.asked(calling=b"VISITOR"), CALLING_UNKNOWN)
        self.bed.release(caller)

    @pytest.mark.row(25)
    def test_who_may_not_come_in_takes_nobodys_place(self):
        for _ in range(5):
            self.asked(calling=b"VISITOR")
        self.assertAccepted()


class Elsewhere(BadInputs):
    def configuration(self) -> str:
        return super().configuration() + ELSEWHERE

    @pytest.mark.row(25)
    def test_a_network_that_is_not_listed(self):
        caller = self.bed.call(port=ELSEWHERE_PORT)
        self.assertAnswered(caller)
        self.assertEqual(self.lines(), ["192.0.2.7: closed: no network that is allowed"])
        listener = self.bed.service.doors[1].listener
        self.assertEqual((listener.connections, listener.census.count), (set(), 0))

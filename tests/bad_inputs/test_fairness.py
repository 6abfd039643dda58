"""One caller with very many associations, and another one with a single one."""

from __future__ import annotations

from tests.bad_inputs.case import STORED, BadInputs
from tests.peers import associate_rq, store, succeed

MANY = 64
LINGER = 2
"""Seconds."""


class Fairness(BadInputs):
    upstream = "max_associations = 1"

    def test_one_association_is_served_next_beside_sixty_four_of_another_caller(self):
        one = self.bed.associate(associate_rq(calling=b"ONE"))
        self.archive.script.answer = lambda message: None
        many = [self.bed.associate(associate_rq(calling=b"MANY")) for _ in range(MANY)]
        for number, each in enumerate(many):
            self.bed.say(each, store(b"theirs", instance=f"1.2.{number}"))
        self.bed.say(one, store(b"ours"))
        (under_way,) = self.archive.messages
        self.archive.script.answer = succeed
        (archive,) = self.archive.open
        answer = succeed(under_way)
        assert answer is not None
        archive.say(answer)
        self.network.settle()
        self.assertTold(one, STORED)
        self.network.wait(LINGER)
        self.assertEqual(len(self.archive.messages), MANY + 1)
        self.assertEqual(self.archive.messages[1].dataset, b"ours")
        for each in many:
            self.assertTold(each, STORED)
        for each in (one, *many):
            self.bed.release(each)

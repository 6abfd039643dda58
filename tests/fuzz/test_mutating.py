"""Inputs are changed within their frames."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutating import ELEMENTS, FRAMES, ITEMS, LINES, PDUS, PDVS, Mutator
from tests.fuzz.targets import Target, seeds
from tests.vectors import ASSOCIATE_RQ, octets, p_data, pdv

EVERY_FRAME = pytest.mark.parametrize("frame", [ELEMENTS, ITEMS, LINES, PDUS, PDVS])
ECHO = octets("0000 0001 02000000 3000 0000 1001 02000000 0700")


@EVERY_FRAME
@given(data=st.binary(max_size=60))
def test_what_was_taken_apart_is_put_together_as_it_was(frame, data):
    assert frame.together(frame.taken_apart(data)) == data


def test_lengths_are_made_to_fit():
    (first, second) = ELEMENTS.taken_apart(ECHO)
    assert first == (octets("00000001"), octets("3000"))
    assert ELEMENTS.together([(first[0], b"longer"), second]) == (
        octets("0000 0001 06000000 'longer' 0000 1001 02000000 0700")
    )


def test_a_length_that_does_not_fit_its_field_is_the_most_that_does():
    assert ITEMS.together([(b"\x10\0", bytes(70_000))]).startswith(b"\x10\0\xff\xff")


@given(seed=st.integers(0, 2**32))
def test_what_is_inside_is_changed_with_all_that_is_around_it(seed):
    data = p_data(pdv(1, 2, b"here"), pdv(1, 2, b"there"))
    changed = Mutator(0, PDUS, lambda body: body + b"!", Random(seed)).mutated(data)
    assert PDUS.together(PDUS.taken_apart(changed)) == changed
    assert all(front is not None for front, _ in PDUS.taken_apart(changed))


@pytest.mark.parametrize("name", FRAMES)
def test_targets_cope_with_what_becomes_of_their_corpus(name):
    target, random = Target.named(name), Random(1)
    mutator = Mutator(*FRAMES[name], lambda body: body[::-1], random)
    for path in seeds(name):
        data = path.read_bytes()
        for _ in range(20):
            data = mutator.mutated(data)
            target.check(data)


def test_another_sub_item_is_changed_each_time():
    found = set()
    for seed in range(300):
        changed = Mutator(0, PDUS, lambda body: body[:-1], Random(seed)).mutated(ASSOCIATE_RQ)
        found.add(changed)
    assert len(found) > 40

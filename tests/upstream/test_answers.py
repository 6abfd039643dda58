"""What an upstream answered is known to whoever offers the same, for a while."""

from __future__ import annotations

import attrs
import pytest
from twisted.internet.task import Clock

import relay.upstream.answers as answers_module
from relay.policy.showing import Titles
from relay.upstream.answers import ANSWER_LIFETIME, Answers
from relay.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from relay.wire.negotiation import Answer, Offer
from relay.wire.user_information import (
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
)
from tests.vectors import CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN, VERIFICATION

CALLING = Titles(b"MODALITY".ljust(16))
OTHER = Titles(b"OTHER".ljust(16))


def offer(*contexts: tuple[int, str]) -> Offer:
    return Offer(
        tuple(
            PresentationContextRQ(each, name, (IMPLICIT_LITTLE_ENDIAN,)) for each, name in contexts
        )
    )


def answer(*ids: int) -> Answer:
    return Answer(
        tuple(
            PresentationContextAC(each, ContextResult.ACCEPTANCE, IMPLICIT_LITTLE_ENDIAN)
            for each in ids
        )
    )


OFFER = offer((1, VERIFICATION), (3, CT_IMAGE_STORAGE))
ANSWER = answer(1, 3)


def knowing() -> Answers:
    answers = Answers(Clock())
    answers.put(CALLING, OFFER, ANSWER)
    return answers


def test_nothing_is_known_at_first():
    assert Answers(Clock()).get(CALLING, OFFER) is None


def test_the_same_offer_has_the_same_answer():
    assert knowing().get(CALLING, OFFER) == ANSWER


def test_an_offer_with_other_ids_has_the_answer_with_its_own_ids():
    renumbered = offer((7, VERIFICATION), (5, CT_IMAGE_STORAGE))
    assert knowing().get(CALLING, renumbered) == answer(7, 5)


def test_an_offer_in_another_order_is_another_offer():
    assert knowing().get(CALLING, offer((1, CT_IMAGE_STORAGE), (3, VERIFICATION))) is None


def test_what_is_offered_beside_contexts_counts():
    with_role = attrs.evolve(OFFER, roles=(RoleSelection(CT_IMAGE_STORAGE, False, True),))
    assert knowing().get(CALLING, with_role) is None


def test_another_ae_title_has_no_answer():
    assert knowing().get(OTHER, OFFER) is None


def test_an_offer_with_a_user_identity_is_not_remembered():
    with_identity = attrs.evolve(OFFER, user_identity=UserIdentityRQ(1, False, b"someone"))
    answers = Answers(Clock())
    answers.put(CALLING, with_identity, attrs.evolve(ANSWER))
    assert answers.get(CALLING, with_identity) is None
    assert answers.get(CALLING, OFFER) is None


def test_an_answer_holds_for_its_lifetime_and_no_longer():
    clock = Clock()
    answers = Answers(clock)
    answers.put(CALLING, OFFER, ANSWER)
    clock.advance(ANSWER_LIFETIME)
    assert answers.get(CALLING, OFFER) == ANSWER
    clock.advance(1)
    assert answers.get(CALLING, OFFER) is None


def test_an_answer_is_not_renewed_by_being_used():
    clock = Clock()
    answers = Answers(clock)
    answers.put(CALLING, OFFER, ANSWER)
    for _ in range(3):
        clock.advance(ANSWER_LIFETIME / 2)
        known = answers.get(CALLING, OFFER)
    assert known is None


def test_a_later_answer_replaces_an_earlier_one():
    answers = knowing()
    later = attrs.evolve(ANSWER, maximum=4096, user_identity_response=UserIdentityAC(b"x"))
    answers.put(CALLING, OFFER, later)
    assert answers.get(CALLING, OFFER) == later


def test_after_a_contradiction_nothing_is_known():
    answers = knowing()
    answers.clear()
    assert answers.get(CALLING, OFFER) is None


@pytest.fixture
def three(monkeypatch):
    """Room for three answers to offers like OTHERS."""
    monkeypatch.setattr(answers_module, "MOST_BYTES", 3 * answers_module.size_of(OTHERS[0]))


OTHERS = [offer((1, f"2.25.{number}")) for number in range(4)]


def kept(answers: Answers) -> list[bool]:
    return [answers.get(CALLING, each) is not None for each in OTHERS]


def test_the_answers_used_longest_ago_give_way_to_more_than_are_kept(three):
    answers = Answers(Clock())
    for each in OTHERS[:3]:
        answers.put(CALLING, each, answer(1))
    assert answers.get(CALLING, OTHERS[0]) is not None
    answers.put(CALLING, OTHERS[3], answer(1))
    assert kept(answers) == [True, False, True, True]


def test_an_answer_that_is_renewed_counts_once(three):
    answers = Answers(Clock())
    for each in (*OTHERS[:3], OTHERS[0], OTHERS[0]):
        answers.put(CALLING, each, answer(1))
    assert kept(answers) == [True, True, True, False]


def test_what_is_forgotten_makes_room(three):
    answers = Answers(clock := Clock())
    for each in OTHERS[:3]:
        answers.put(CALLING, each, answer(1))
    answers.clear()
    for each in OTHERS[:3]:
        answers.put(CALLING, each, answer(1))
    assert kept(answers) == [True, True, True, False]
    clock.advance(ANSWER_LIFETIME + 1)
    assert kept(answers) == [False] * 4
    for each in OTHERS[1:]:
        answers.put(CALLING, each, answer(1))
    assert kept(answers) == [False, True, True, True]


def test_an_offer_longer_than_all_that_is_kept_is_not_kept(three):
    answers = Answers(Clock())
    long = offer(*((each, "2.25.1") for each in (1, 3, 5, 7)))
    answers.put(CALLING, long, answer(1, 3, 5, 7))
    assert answers.get(CALLING, long) is None
    answers.put(CALLING, OTHERS[0], answer(1))
    assert answers.get(CALLING, OTHERS[0]) is not None


MANY = ("1.2",) * 1000


@pytest.mark.parametrize(
    "more",
    [
        {"contexts": (PresentationContextRQ(1, VERIFICATION, MANY),)},
        {"contexts": (PresentationContextRQ(1, "1" * 60_000, ("1.2",)),)},
        {"roles": (RoleSelection("1.2", True, True),) * 1000},
        {"extended": (SOPClassExtendedNegotiation("1.2", bytes(60_000)),)},
        {"common_extended": (SOPClassCommonExtendedNegotiation("1.2", "1.2", MANY),)},
    ],
    ids=["syntaxes", "a long name", "roles", "extended", "common extended"],
)
def test_whatever_an_offer_is_long_of_counts(more):
    assert answers_module.size_of(attrs.evolve(OFFER, **more)) > 60_000

"""Offers, answers and contexts: taken apart by pool, remembered, and put together again."""

from __future__ import annotations

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from relay.wire.negotiation import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    Answer,
    Context,
    Offer,
    acceptance,
    merged,
    window,
)
from relay.wire.pdu import (
    APPLICATION_CONTEXT,
    DEFAULT_MAXIMUM_LENGTH,
    LARGEST_MAXIMUM_LENGTH,
    AssociateAC,
    AssociateRQ,
    ae_field,
)
from relay.wire.user_information import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from tests import vectors
from tests.doubles import FIND, WORKLIST, accepting, associate
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_LOSSLESS,
    STORAGE_SERVICE,
    VERIFICATION,
)

ACCEPTANCE, USER_REJECTION, NO_REASON, NO_ABSTRACT, NO_TRANSFER = ContextResult

CT = PresentationContextRQ(3, CT_IMAGE_STORAGE, (JPEG_LOSSLESS, EXPLICIT_LITTLE_ENDIAN))
QUERY = PresentationContextRQ(7, FIND, (IMPLICIT_LITTLE_ENDIAN,))
LIST = PresentationContextRQ(9, WORKLIST, (IMPLICIT_LITTLE_ENDIAN,))

CT_ROLE = RoleSelection(CT_IMAGE_STORAGE, scu=False, scp=True)
FIND_ROLE = RoleSelection(FIND, scu=True, scp=False)
CT_EXTENDED = SOPClassExtendedNegotiation(CT_IMAGE_STORAGE, b"\x02\0\x03\0\x01\0")
FIND_EXTENDED = SOPClassExtendedNegotiation(FIND, b"\x01\x01")
CT_COMMON = SOPClassCommonExtendedNegotiation(CT_IMAGE_STORAGE, STORAGE_SERVICE)
IDENTITY = UserIdentityRQ(2, True, b"someone", b"secret")

OFFER = Offer(
    (CT, QUERY, LIST),
    (CT_ROLE, FIND_ROLE),
    (CT_EXTENDED, FIND_EXTENDED),
    (CT_COMMON,),
    IDENTITY,
)


def accepted(context_id, syntax=IMPLICIT_LITTLE_ENDIAN):
    return PresentationContextAC(context_id, ACCEPTANCE, syntax)


def refused(context_id, result=NO_ABSTRACT, syntax=IMPLICIT_LITTLE_ENDIAN):
    return PresentationContextAC(context_id, result, syntax)


def ac(contexts, **information):
    return AssociateAC(
        ae_field("RELAY"),
        ae_field("MODALITY"),
        UserInformation(**information),
        APPLICATION_CONTEXT,
        1,
        bytes(32),
        tuple(contexts),
    )


# offers


def test_an_offer_is_what_a_request_proposes():
    request = AssociateRQ.decode(vectors.ASSOCIATE_RQ[6:])
    information = request.user_information
    offer = Offer.of(request)
    assert offer.contexts == request.contexts
    assert (offer.roles, offer.extended) == (information.roles, information.extended)
    assert offer.common_extended == information.common_extended != ()
    assert offer.user_identity == information.user_identity is not None


def test_who_calls_is_no_part_of_an_offer():
    assert Offer.of(associate(calling="ONE")) == Offer.of(associate(calling="OTHER"))


def test_a_part_of_an_offer_has_the_items_of_its_sop_classes_and_the_user_identity():
    part = OFFER.only({3})
    assert part == Offer((CT,), (CT_ROLE,), (CT_EXTENDED,), (CT_COMMON,), IDENTITY)
    assert OFFER.only({9}) == Offer((LIST,), user_identity=IDENTITY)


def test_an_offer_may_leave_roles_and_extended_items_of_some_contexts_to_the_defaults():
    without = OFFER.without_items({3})
    assert without.contexts == OFFER.contexts
    assert (without.roles, without.extended) == ((FIND_ROLE,), (FIND_EXTENDED,))
    assert OFFER.without_items(set()) == OFFER


def test_parts_keep_the_order_of_the_contexts():
    assert OFFER.only([9, 3]).contexts == (CT, LIST)


def test_a_normalised_offer_has_the_ids_1_3_5_in_the_order_of_the_contexts():
    normalised = OFFER.normalised()
    assert [each.id for each in normalised.contexts] == [1, 3, 5]
    assert [each.abstract_syntax for each in normalised.contexts] == [
        CT_IMAGE_STORAGE,
        FIND,
        WORKLIST,
    ]
    assert attrs.evolve(normalised, contexts=OFFER.contexts) == OFFER


def test_a_normalised_offer_is_its_own_normal_form():
    normalised = OFFER.normalised()
    assert normalised.normalised() is normalised


def test_offers_that_differ_in_ids_only_are_equal_when_normalised():
    other = attrs.evolve(
        OFFER, contexts=tuple(attrs.evolve(each, id=each.id + 10) for each in OFFER.contexts)
    )
    assert other != OFFER
    assert other.normalised() == OFFER.normalised()


def test_an_offer_is_narrowed_to_what_was_accepted_with_its_one_syntax():
    answer = Answer((accepted(3, EXPLICIT_LITTLE_ENDIAN), refused(7), accepted(9)))
    narrow = OFFER.narrowed(answer)
    assert narrow.contexts == (
        PresentationContextRQ(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE_ENDIAN,)),
        LIST,
    )
    assert narrow.roles == (CT_ROLE,)
    assert (narrow.extended, narrow.common_extended) == ((CT_EXTENDED,), (CT_COMMON,))
    assert narrow.user_identity == IDENTITY


def test_a_request_proposes_the_offer_under_the_relays_own_name():
    request = OFFER.request(ae_field("MODALITY"), ae_field("PACS"), 65536)
    information = request.user_information
    assert Offer.of(request) == OFFER
    assert (request.calling, request.called) == ("MODALITY", "PACS")
    assert request.application_context == APPLICATION_CONTEXT
    assert request.protocol_version == 1
    assert information.maximum_length == 65536
    assert information.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert information.implementation_version_name == IMPLEMENTATION_VERSION_NAME


def test_a_request_proposes_no_asynchronous_window():  # which means one operation each way
    request = OFFER.request(ae_field("A"), ae_field("B"), 16384)
    assert request.user_information.asynchronous_operations_window is None


def test_a_request_is_read_as_it_was_written():
    request = OFFER.request(ae_field("MODALITY"), ae_field("PACS"), 65536)
    assert AssociateRQ.decode(request.encode()[6:]) == request


def test_no_secret_of_a_user_shows_in_the_repr_of_an_offer():
    assert "secret" not in repr(OFFER)
    assert "someone" not in repr(OFFER)


# answers


def test_an_answer_has_what_was_answered():
    said = ac(
        [accepted(3, JPEG_LOSSLESS), accepted(7), refused(9, NO_TRANSFER)],
        maximum_length=32768,
        roles=(CT_ROLE,),
        extended=(CT_EXTENDED,),
        user_identity_response=UserIdentityAC(b"ticket"),
    )
    answer = Answer.of(OFFER, said)
    assert answer.contexts == said.contexts
    assert (answer.roles, answer.extended) == ((CT_ROLE,), (CT_EXTENDED,))
    assert answer.user_identity_response == UserIdentityAC(b"ticket")
    assert answer.maximum == 32768
    assert answer.accepted == {3: JPEG_LOSSLESS, 7: IMPLICIT_LITTLE_ENDIAN}


def test_an_answer_has_its_contexts_in_the_order_of_the_offer():
    answer = Answer.of(OFFER, ac([accepted(9), accepted(3, JPEG_LOSSLESS), accepted(7)]))
    assert [each.id for each in answer.contexts] == [3, 7, 9]


def test_a_context_that_an_acceptor_leaves_out_is_refused():
    answer = Answer.of(OFFER, ac([accepted(7)]))
    assert [each.result for each in answer.contexts] == [NO_REASON, ACCEPTANCE, NO_REASON]


def test_a_context_accepted_with_a_syntax_that_was_not_proposed_is_refused():
    answer = Answer.of(OFFER, ac([accepted(7, JPEG_LOSSLESS)]))
    assert answer.contexts[1] == refused(7, NO_REASON)
    assert 7 not in answer.accepted


def test_a_context_that_was_not_proposed_is_of_no_account():
    answer = Answer.of(OFFER, ac([accepted(7), accepted(99)]))
    assert [each.id for each in answer.contexts] == [3, 7, 9]


@pytest.mark.parametrize("result", [USER_REJECTION, NO_REASON, NO_ABSTRACT, NO_TRANSFER])
def test_a_refusal_keeps_its_result(result):
    answer = Answer.of(OFFER, ac([refused(3, result, ""), accepted(7), accepted(9)]))
    assert answer.contexts[0] == refused(3, result, "")


@pytest.mark.parametrize(
    ("announced", "maximum"),
    [(None, DEFAULT_MAXIMUM_LENGTH), (0, LARGEST_MAXIMUM_LENGTH), (4096, 4096)],
)
def test_the_maximum_of_an_answer_is_what_was_announced(announced, maximum):
    assert Answer.of(OFFER, ac([], maximum_length=announced)).maximum == maximum


def test_all_contexts_can_be_accepted_in_what_everybody_takes_or_else_the_first_syntax():
    accepting = Answer.accepting(OFFER)
    assert accepting.accepted == {
        3: JPEG_LOSSLESS,
        7: IMPLICIT_LITTLE_ENDIAN,
        9: IMPLICIT_LITTLE_ENDIAN,
    }
    assert accepting.roles == OFFER.roles


def test_all_contexts_can_be_refused_alike():
    answer = Answer.refusing(OFFER, NO_REASON)
    assert [(each.id, each.result) for each in answer.contexts] == [
        (3, NO_REASON),
        (7, NO_REASON),
        (9, NO_REASON),
    ]
    assert answer.accepted == {}
    assert answer.in_force(OFFER) == {}


def test_an_answer_can_be_told_with_the_ids_of_another_offer():
    answer = accepting(OFFER, refused=[7])
    normalised = answer.renumbered(OFFER.normalised())
    assert [each.id for each in normalised.contexts] == [1, 3, 5]
    assert normalised.renumbered(OFFER) == answer


def test_an_answer_told_with_other_ids_is_the_same_in_all_else():
    answer = Answer(
        (accepted(3), refused(7), accepted(9)),
        (CT_ROLE,),
        (FIND_EXTENDED,),
        UserIdentityAC(b"you"),
        4096,
    )
    normalised = answer.renumbered(OFFER.normalised())
    assert attrs.evolve(normalised, contexts=answer.contexts) == answer
    assert [(each.result, each.transfer_syntax) for each in normalised.contexts] == [
        (each.result, each.transfer_syntax) for each in answer.contexts
    ]


def test_an_answer_to_another_number_of_contexts_cannot_be_renumbered():
    with pytest.raises(ValueError, match="zip"):
        accepting(OFFER).renumbered(OFFER.only({3}))


# contexts in force


def test_contexts_in_force_have_what_was_answered_for_their_sop_class():
    answer = Answer(
        (accepted(3, JPEG_LOSSLESS), accepted(7), refused(9)), (CT_ROLE,), (FIND_EXTENDED,)
    )
    assert answer.in_force(OFFER) == {
        3: Context(CT_IMAGE_STORAGE, JPEG_LOSSLESS, roles=(False, True)),
        7: Context(FIND, IMPLICIT_LITTLE_ENDIAN, extended=b"\x01\x01"),
    }


def test_what_was_proposed_and_not_answered_is_not_in_force():
    answer = Answer((accepted(3, JPEG_LOSSLESS),))
    assert answer.in_force(OFFER.only({3}))[3] == Context(CT_IMAGE_STORAGE, JPEG_LOSSLESS)


@pytest.mark.parametrize(
    "other",
    [
        Context(VERIFICATION, IMPLICIT_LITTLE_ENDIAN),
        Context(FIND, EXPLICIT_LITTLE_ENDIAN),
        Context(FIND, IMPLICIT_LITTLE_ENDIAN, roles=(True, False)),
        Context(FIND, IMPLICIT_LITTLE_ENDIAN, extended=b""),
    ],
)
def test_contexts_that_differ_in_anything_answered_are_not_equal(other):
    assert Context(FIND, IMPLICIT_LITTLE_ENDIAN) != other


# merging


def test_the_parts_of_an_offer_are_answered_as_one_in_its_order():
    archive, ris = OFFER.only({3, 7}), OFFER.only({9})
    answer = merged(OFFER, [accepting(ris), accepting(archive, refused=[7])])
    assert [(each.id, each.result) for each in answer.contexts] == [
        (3, ACCEPTANCE),
        (7, NO_ABSTRACT),
        (9, ACCEPTANCE),
    ]


def test_what_no_part_answers_is_refused_as_not_supported():
    answer = merged(OFFER, [accepting(OFFER.only({7}))])
    assert answer.contexts == (refused(3, syntax=JPEG_LOSSLESS), accepted(7), refused(9))


@pytest.mark.row(29)
def test_nothing_answered_is_all_refused():
    answer = merged(OFFER, [])
    assert {each.result for each in answer.contexts} == {NO_ABSTRACT}
    assert answer.maximum == LARGEST_MAXIMUM_LENGTH
    assert answer.user_identity_response is None


def test_roles_and_extended_items_of_all_parts_are_answered():
    one = Answer((), (CT_ROLE,), (CT_EXTENDED,), maximum=100)
    other = Answer((), (FIND_ROLE,), (FIND_EXTENDED,), maximum=50)
    answer = merged(OFFER, iter([one, other]))
    assert answer.roles == (CT_ROLE, FIND_ROLE)
    assert answer.extended == (CT_EXTENDED, FIND_EXTENDED)
    assert answer.maximum == 50


def test_the_first_answer_to_the_user_identity_is_passed_back():
    none = Answer(())
    first = Answer((), user_identity_response=UserIdentityAC(b"first"))
    second = Answer((), user_identity_response=UserIdentityAC(b"second"))
    assert merged(OFFER, [none, first, second]).user_identity_response == UserIdentityAC(b"first")


@given(st.sets(st.sampled_from([3, 7, 9])), st.sets(st.sampled_from([3, 7, 9])))
def test_taking_apart_and_merging_changes_no_answer(ids, refusals):
    whole = accepting(OFFER, refused=sorted(refusals))
    parts = [OFFER.only(ids), OFFER.only({3, 7, 9} - ids)]
    answers = [accepting(part, refused=sorted(refusals)) for part in parts]
    again = merged(OFFER, answers)
    assert again.contexts == whole.contexts
    assert again.in_force(OFFER) == whole.in_force(OFFER)


# acceptance


def test_an_acceptance_echoes_the_fields_of_the_request_as_they_came():
    request = attrs.evolve(
        associate(), called_field=b"RELAY\0          ", reserved=bytes(range(32))
    )
    said = acceptance(request, accepting(Offer.of(request)), 32768)
    assert said.called_field == b"RELAY\0          "
    assert (said.calling_field, said.reserved) == (request.calling_field, request.reserved)
    assert said.application_context == APPLICATION_CONTEXT
    assert said.protocol_version == 1


def test_an_acceptance_has_the_answer_and_the_relays_own_name():
    request = associate()
    answer = attrs.evolve(
        accepting(Offer.of(request)),
        roles=(CT_ROLE,),
        extended=(CT_EXTENDED,),
        user_identity_response=UserIdentityAC(b"ticket"),
    )
    said = acceptance(request, answer, 32768)
    information = said.user_information
    assert said.contexts == answer.contexts
    assert (information.roles, information.extended) == ((CT_ROLE,), (CT_EXTENDED,))
    assert information.user_identity_response == UserIdentityAC(b"ticket")
    assert information.maximum_length == 32768
    assert information.implementation_class_uid == IMPLEMENTATION_CLASS_UID
    assert information.implementation_version_name == IMPLEMENTATION_VERSION_NAME
    assert AssociateAC.decode(said.encode()[6:]) == said


def proposing(*window: int) -> AssociateRQ:
    information = UserInformation(
        asynchronous_operations_window=AsynchronousOperationsWindow(*window)
    )
    return associate(information=information)


@pytest.mark.parametrize(
    ("proposed", "most", "answered"),
    [((1, 1), 8, 1), ((0, 0), 8, 8), ((3, 5), 8, 3), ((20, 1), 8, 8), ((4, 4), 1, 1)],
)
def test_a_requestor_may_invoke_what_it_proposed_up_to_the_most_and_performs_one(
    proposed, most, answered
):
    assert window(proposing(*proposed), most) == AsynchronousOperationsWindow(answered, 1)


def test_a_window_that_was_not_proposed_is_not_answered():
    assert window(associate(), 8) is None


def test_an_acceptance_bears_the_window_that_is_granted():
    request = proposing(0, 0)
    granted = AsynchronousOperationsWindow(8, 1)
    said = acceptance(request, accepting(Offer.of(request)), 16384, granted)
    assert said.user_information.asynchronous_operations_window == granted


def test_the_implementation_class_uid_is_a_uid_derived_from_a_uuid():
    assert IMPLEMENTATION_CLASS_UID.startswith("2.25.")
    assert 0 < int(IMPLEMENTATION_CLASS_UID[5:]) < 2**128
    assert len(IMPLEMENTATION_VERSION_NAME) <= 16


# answers of the relay's own


def test_the_relay_accepts_with_the_syntax_that_everybody_takes_or_else_the_first():
    offer = Offer(
        (
            PresentationContextRQ(1, "1.2.3", ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")),
            PresentationContextRQ(3, "1.2.3", ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")),
        ),
        (RoleSelection("1.2.3", False, True),),
    )
    answer = Answer.accepting(offer)
    assert answer.accepted == {1: "1.2.840.10008.1.2", 3: "1.2.840.10008.1.2.1"}
    assert answer.roles == offer.roles


def test_what_holds_with_two_is_what_the_second_has_left_of_the_first():
    contexts = tuple(PresentationContextRQ(each, "1.2.3", ("1.2",)) for each in (1, 3, 5))
    offer = Offer(contexts)
    first = merged(offer, [Answer.accepting(offer.only({1, 3}))])
    second = merged(offer.only({1, 3}), [Answer.accepting(offer.only({3}))])
    both = first.narrowed(attrs.evolve(second, maximum=4096))
    assert (both.accepted, both.maximum) == ({3: "1.2"}, 4096)
    assert [each.id for each in both.contexts] == [1, 3, 5]

"""What a pair of AE titles may propose."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from relay.policy.proposing import AssociationPolicy, Permitted, deciding, permit
from relay.wire.items import ContextResult, PresentationContextRQ
from tests.doubles import FIND, WORKLIST
from tests.vectors import CT_IMAGE_STORAGE

IMPLICIT, EXPLICIT, JPEG = "1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.50"
CT = PresentationContextRQ(1, CT_IMAGE_STORAGE, (JPEG, EXPLICIT, IMPLICIT))
QUERY = PresentationContextRQ(3, FIND, (IMPLICIT,))
BOTH = (CT, QUERY)


def permitted(*policies, calling="CT_1", called="RELAY", contexts=BOTH):
    return permit(policies, calling, called, contexts)


def test_without_a_policy_all_may_be_proposed():
    assert permitted() == Permitted(BOTH)


def test_a_policy_for_others_is_no_policy():
    others = AssociationPolicy(calling="MR_*", services=frozenset({"worklist"}))
    elsewhere = AssociationPolicy(called="OTHER", services=frozenset({"worklist"}))
    assert permitted(others, elsewhere) == Permitted(BOTH)


def test_a_service_that_is_not_in_it_is_refused_as_an_abstract_syntax():
    only = AssociationPolicy(services=frozenset({"storage"}))
    assert permitted(only) == Permitted((CT,), {3: ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED})


def test_an_abstract_syntax_may_be_named_by_its_uid():
    assert permitted(AssociationPolicy(services=frozenset({FIND}))).contexts == (QUERY,)


def test_a_transfer_syntax_that_is_not_in_it_is_taken_out():
    only = AssociationPolicy(transfer_syntaxes=frozenset({IMPLICIT, EXPLICIT}))
    left = PresentationContextRQ(1, CT_IMAGE_STORAGE, (EXPLICIT, IMPLICIT))
    assert permitted(only) == Permitted((left, QUERY))


def test_a_context_without_a_transfer_syntax_left_is_refused_for_that():
    only = AssociationPolicy(transfer_syntaxes=frozenset({JPEG}))
    assert permitted(only).refused == {3: ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED}


def test_the_first_policy_for_the_titles_decides():
    first = AssociationPolicy("CT_*", services=frozenset({"storage"}))
    last = AssociationPolicy(services=frozenset({"worklist"}))
    assert permitted(first, last).contexts == (CT,)
    assert permitted(first, last, calling="MR_1").contexts == ()


@given(
    st.none() | st.frozensets(st.sampled_from(["storage", "query-retrieve", "worklist"])),
    st.none() | st.frozensets(st.sampled_from([IMPLICIT, EXPLICIT, JPEG])),
)
def test_each_context_is_permitted_or_refused_and_nothing_is_added(services, syntaxes):
    offered = (*BOTH, PresentationContextRQ(5, WORKLIST, (IMPLICIT, EXPLICIT)))
    its = permitted(AssociationPolicy("*", "*", services, syntaxes), contexts=offered)
    left = {each.id: each for each in its.contexts}
    assert left.keys() | its.refused.keys() == {1, 3, 5}
    assert not left.keys() & its.refused.keys()
    for each in offered:
        if each.id in left:
            now = left[each.id].transfer_syntaxes
            assert now
            assert now == tuple(one for one in each.transfer_syntaxes if one in now)
            assert syntaxes is None or set(now) <= syntaxes


def test_the_first_policy_for_both_titles_decides():
    others, ours, rest = map(AssociationPolicy, ("MR_*", "CT_*", "*"))
    assert deciding((others, ours, rest), "CT_1", "RELAY") is ours
    assert deciding((others,), "CT_1", "RELAY") is None

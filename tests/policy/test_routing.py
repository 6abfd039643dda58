"""Routing: the first route that matches decides, per presentation context."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.routing import Route, route
from tests.doubles import COMMITMENT, FIND, MPPS, WORKLIST, contexts_of
from tests.vectors import CT_IMAGE_STORAGE, VERIFICATION

ARCHIVE = Route("archive", services=frozenset({"storage", "query-retrieve"}))
RIS = Route("ris", services=frozenset({"worklist", "mpps"}))


def routed(routes, sop_classes, calling="CT_1", called="RELAY"):
    return route(routes, calling, called, contexts_of(sop_classes))


def test_each_context_goes_to_the_pool_of_its_service():
    offered = {1: CT_IMAGE_STORAGE, 3: WORKLIST, 5: FIND, 7: MPPS}
    expected = {1: "archive", 3: "ris", 5: "archive", 7: "ris"}
    assert routed([ARCHIVE, RIS], offered) == expected


def test_a_context_that_no_route_serves_is_left_out():
    assert routed([RIS], {1: CT_IMAGE_STORAGE, 3: WORKLIST}) == {3: "ris"}


def test_a_request_of_which_no_context_is_served_is_no_reason_to_reject():
    assert routed([RIS], {1: CT_IMAGE_STORAGE}) == {}


def test_the_first_route_that_matches_wins():
    routes = [Route("special", calling="CT_*"), Route("rest")]
    assert routed(routes, {1: CT_IMAGE_STORAGE}) == {1: "special"}
    assert routed(routes, {1: CT_IMAGE_STORAGE}, calling="MR_1") == {1: "rest"}


def test_a_route_without_services_serves_all():
    offered = {1: CT_IMAGE_STORAGE, 3: WORKLIST, 5: "1.2.3.4"}
    assert routed([Route("all")], offered) == dict.fromkeys((1, 3, 5), "all")


def test_a_service_may_be_named_by_the_uid_of_an_abstract_syntax():
    only = Route("commitment", services=frozenset({COMMITMENT}))
    assert routed([only], {1: COMMITMENT, 3: "1.2.840.10008.1.20.2"}) == {1: "commitment"}


@pytest.mark.parametrize(
    ("pattern", "called"),
    [("RELAY", "RELAY"), ("RE*", "RELAY"), ("R?LAY", "RELAY"), ("[RS]*", "S")],
)
def test_patterns_are_those_of_fnmatch(pattern, called):
    assert routed([Route("pool", called=pattern)], {1: FIND}, called=called) == {1: "pool"}


def test_case_matters_in_ae_titles():
    assert routed([Route("pool", called="relay")], {1: FIND}) is CALLED_NOT_RECOGNIZED


def test_nobody_is_called_that():
    assert routed([Route("pool", called="OTHER")], {1: FIND}) is CALLED_NOT_RECOGNIZED
    assert routed([], {1: FIND}) is CALLED_NOT_RECOGNIZED


def test_nobody_of_that_title_may_call():
    routes = [Route("pool", called="RELAY", calling="MR_*"), Route("pool", called="OTHER")]
    assert routed(routes, {1: FIND}) is CALLING_NOT_RECOGNIZED


def test_verification_goes_with_the_first_route_for_these_titles():
    routes = [Route("others", calling="MR_*"), RIS, ARCHIVE]
    assert routed(routes, {1: VERIFICATION}) == {1: "ris"}


def test_verification_goes_where_a_route_names_it():
    named = Route("archive", services=frozenset({"verification"}))
    assert routed([RIS, named], {1: VERIFICATION}) == {1: "archive"}


@given(
    st.lists(
        st.builds(
            Route,
            st.sampled_from(["a", "b"]),
            st.sampled_from(["*", "RELAY", "OTHER"]),
            st.sampled_from(["*", "CT_1", "MR_1"]),
            st.none() | st.frozensets(st.sampled_from(["storage", "worklist", "verification"])),
        ),
        max_size=5,
    )
)
def test_a_context_is_given_only_to_a_pool_whose_route_matches(routes):
    offered = {1: CT_IMAGE_STORAGE, 3: WORKLIST, 5: VERIFICATION}
    pools = routed(routes, offered)
    matching = [
        each for each in routes if each.called in ("*", "RELAY") and each.calling in ("*", "CT_1")
    ]
    if not matching:
        assert pools in (CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED)
        return
    for each, sop_class in offered.items():
        serving = [its.pool for its in matching if its.serves(sop_class)]
        fallback = matching[0].pool if sop_class == VERIFICATION else None
        assert pools.get(each) == (serving[0] if serving else fallback)

"""Routing: the first route that matches decides, per presentation context."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.routing import Caller, Criterion, Fit, Origin, Route, Routed, Way, route
from relay.policy.showing import ShowCalled, Showing, Titles
from relay.wire.pdu import ae_field
from tests.doubles import COMMITMENT, FIND, MPPS, WORKLIST, associate, contexts_of
from tests.vectors import CT_IMAGE_STORAGE, VERIFICATION

ARCHIVE = Route("archive", services=frozenset({"storage", "query-retrieve"}))
RIS = Route("ris", services=frozenset({"worklist", "mpps"}))


def caller(calling="CT_1", called="RELAY", **origin):
    return Caller(calling, called, ae_field(calling), ae_field(called), Origin(**origin))


def routed(routes, sop_classes, calling="CT_1", called="RELAY", **origin):
    """The pools by context id, or the rejection."""
    found = route(routes, caller(calling, called, **origin), contexts_of(sop_classes))
    if not isinstance(found, Routed):
        return found
    return {each: way.pool for way, its in found.ways.items() for each in its}


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


# where a caller comes from


def lets_in(route_, **origin):
    return routed([route_], {1: FIND}, **origin) == {1: "pool"}


def networks(*texts):
    return Route("pool", networks=tuple(map(ip_network, texts)))


@pytest.mark.parametrize(
    "address", ["10.1.2.3", "192.0.2.7", "2001:db8::1%eth0", "::ffff:10.1.9.9"]
)
def test_a_caller_from_one_of_the_networks_fits(address):
    assert lets_in(networks("10.1.0.0/16", "192.0.2.7", "2001:db8::/32"), address=address)


@pytest.mark.parametrize("address", ["10.2.2.3", "2001:db9::1", "local", ""])
def test_a_caller_from_elsewhere_does_not(address):
    here = networks("10.1.0.0/16", "2001:db8::/32")
    assert routed([here], {1: FIND}, address=address) is CALLING_NOT_RECOGNIZED


def test_a_route_may_be_for_some_listeners_only():
    ward = Route("pool", listeners=frozenset({"ward"}))
    assert lets_in(ward, listener="ward")
    assert not lets_in(ward, listener="other")
    assert not lets_in(ward)


def test_one_name_of_the_certificate_has_to_fit_one_pattern():
    ours = Route("pool", certificates=("ct1.example.org", "*.mr.example.org"))
    assert lets_in(ours, certificate_names=("x.example.org", "1.mr.example.org"))
    assert not lets_in(ours, certificate_names=("ct1.example.com",))
    assert not lets_in(ours)


def test_a_route_says_what_does_not_fit_the_ae_titles_first():
    strict = Route("pool", "RELAY", "CT_*", None, (), frozenset(), ())
    assert strict.obstacle(caller(called="OTHER")) is Criterion.CALLED
    assert strict.obstacle(caller(calling="MR_1")) is Criterion.CALLING
    assert strict.obstacle(caller()) is Criterion.NETWORKS
    assert Route("pool", listeners=frozenset()).obstacle(caller()) is Criterion.LISTENERS
    assert Route("pool", certificates=()).obstacle(caller()) is Criterion.CERTIFICATES
    assert Route("pool").obstacle(caller()) is None


def test_the_fit_of_routes_says_of_each_what_is_in_its_way():
    routes = (Route("a", called="OTHER"), Route("b"), Route("c", calling="MR_*"), RIS)
    fit = Fit.of(routes, caller())
    assert fit.obstacles == (Criterion.CALLED, None, Criterion.CALLING, None)
    assert fit.fitting == [routes[1], RIS]
    assert fit.rejection is None


# what is shown


def test_each_context_is_shown_what_its_route_shows():
    fixed = Route("a", services=frozenset({"storage"}), showing=Showing("RELAY"))
    rest = Route("b", showing=Showing(called=ShowCalled.CALLER))
    found = route([fixed, rest], caller(), contexts_of({1: CT_IMAGE_STORAGE, 3: FIND}))
    fixed_way = Way("a", Titles(ae_field("RELAY")))
    other_way = Way("b", Titles(ae_field("CT_1"), ae_field("RELAY")))
    assert found == Routed({fixed_way: [1], other_way: [3]})


def test_routes_that_lead_the_same_way_are_one():
    images, queries = (Route("a", services=frozenset({each})) for each in ("storage", FIND))
    found = route([images, queries], caller(), contexts_of({1: CT_IMAGE_STORAGE, 3: FIND}))
    assert found == Routed({Way("a", Titles(ae_field("CT_1"))): [1, 3]})


def test_a_caller_is_who_asks_from_where_it_does():
    request, origin = associate(calling="CT_1", called="RELAY"), Origin("192.0.2.7")
    assert Caller.of(request, origin) == caller(address="192.0.2.7")


def test_a_caller_may_be_taken_for_one_who_calls_another_title():
    other = caller().calls("CT_2")
    assert (other.called, other.called_field) == ("CT_2", ae_field("CT_2"))
    assert (other.calling, other.calling_field) == ("CT_1", ae_field("CT_1"))


# loops

HOME = Route("archive", members=frozenset({"PACS"}))


def test_nobody_is_sent_back_to_itself():
    offered = contexts_of({1: CT_IMAGE_STORAGE, 3: WORKLIST})
    found = route([RIS, HOME], caller("PACS"), offered)
    assert isinstance(found, Routed)
    assert found.loops == {1}
    assert [*found.ways.values()] == [[3]]


def test_a_c_echo_goes_no_further_and_may_come_back():
    assert routed([HOME], {1: VERIFICATION}, calling="PACS") == {1: "archive"}


@pytest.mark.parametrize(
    ("services", "stores"),
    [(None, True), ({"storage"}, True), ({CT_IMAGE_STORAGE}, True), ({"worklist"}, False)],
)
def test_a_route_stores_if_it_serves_any_storage(services, stores):
    its = None if services is None else frozenset(services)
    assert Route("pool", services=its).stores is stores


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

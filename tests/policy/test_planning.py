"""What becomes of the presentation contexts of a request."""

from __future__ import annotations

import attrs
import pytest

from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.planning import MOST_ASKED, Directory, Plan
from relay.policy.proposing import AssociationPolicy
from relay.policy.routing import Caller, Route, Way
from relay.policy.showing import ShowCalled, Showing, Titles
from relay.wire.items import ContextResult
from relay.wire.pdu import AssociateRJ, ae_field
from tests.doubles import COMMITMENT, FIND, WORKLIST, contexts_of
from tests.vectors import CT_IMAGE_STORAGE, VERIFICATION

ARCHIVE = Route("archive", "RELAY", showing=Showing("RELAY"), members=frozenset({"PACS"}))
CT_1 = Route("ct1", "CT_1", showing=Showing("PACS_OF_CT1"), members=frozenset({"CT_1"}))
CT_2 = Route("ct2", "CT_2", members=frozenset({"CT_2"}))
DIRECTORY = Directory((ARCHIVE, CT_1, CT_2), title="RELAY")
TO_CT_1 = Way("ct1", Titles(ae_field("PACS_OF_CT1")))
TO_CT_2 = Way("ct2", Titles(ae_field("PACS")))


def who(calling="WS", called="RELAY"):
    return Caller(calling, called, ae_field(calling), ae_field(called))


def planned(
    sop_classes, directory=DIRECTORY, calling="WS", called="RELAY", reports=False, awaited=()
):
    contexts = tuple(contexts_of(sop_classes))
    return directory.plan(who(calling, called), contexts, reports, awaited)


def plan(*args, **more):
    found = planned(*args, **more)
    assert isinstance(found, Plan)
    return found


def pools(found):
    """The pools that are to answer, by context id."""
    its = {each: [way.pool] for way, ids in found.ways.items() for each in ids}
    return its | {each: [way.pool for way in ways] for each, ways in found.late.items()}


def test_a_context_has_the_way_of_its_route():
    found = plan({1: CT_IMAGE_STORAGE, 3: FIND})
    way = Way("archive", Titles(ae_field("RELAY")))
    assert found.ways == {way: [1, 3]}
    assert (found.late, found.refused) == ({}, {})


def test_who_has_no_route_is_rejected_for_its_reason():
    assert planned({1: FIND}, called="NOBODY") is CALLED_NOT_RECOGNIZED


def test_what_a_policy_does_not_permit_has_no_way():
    only = AssociationPolicy(services=frozenset({"storage"}))
    found = plan({1: CT_IMAGE_STORAGE, 3: FIND}, Directory((ARCHIVE,), (only,)))
    assert pools(found) == {1: ["archive"]}
    assert [each.id for each in found.contexts] == [1]
    assert found.refused == {3: ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED}


def test_what_leads_back_is_refused_and_alone_is_rejected():
    assert planned({1: CT_IMAGE_STORAGE}, calling="PACS") is CALLING_NOT_RECOGNIZED
    found = plan({1: CT_IMAGE_STORAGE, 3: VERIFICATION}, calling="PACS")
    assert found.refused == {1: ContextResult.USER_REJECTION}
    assert pools(found) == {3: ["archive"]}


# sub-operations of moves


def test_what_an_archive_moves_may_go_to_each_destination_that_it_is_moving_to():
    found = plan({1: CT_IMAGE_STORAGE}, calling="PACS", awaited=("CT_1", "CT_2"))
    assert (found.ways, found.late) == ({}, {1: (TO_CT_1, TO_CT_2)})
    assert found.refused == {}


def test_a_destination_without_a_route_is_none():
    assert pools(plan({1: CT_IMAGE_STORAGE}, calling="PACS", awaited=("X", "CT_2"))) == {1: ["ct2"]}
    assert isinstance(planned({1: CT_IMAGE_STORAGE}, calling="PACS", awaited=("X",)), AssociateRJ)


def test_what_an_archive_sends_of_its_own_accord_has_its_way_beside_them():
    vna = Route("vna", "RELAY", calling="PACS", services=frozenset({"storage"}))
    directory = Directory((vna, ARCHIVE, CT_1), title="RELAY")
    found = plan({1: CT_IMAGE_STORAGE}, directory, "PACS", awaited=("CT_1",))
    assert (pools(found), found.late) == ({1: ["ct1", "vna"]}, {1: found.ways_of(1)})
    found = plan({1: CT_IMAGE_STORAGE}, directory, "PACS", awaited=("X",))
    assert (pools(found), found.late) == ({1: ["vna"]}, {})


def test_so_many_destinations_are_asked_and_no_more_those_of_the_last_moves():
    anybody = Route("any", "*", showing=Showing(called=ShowCalled.CALLER))
    awaited = [f"WS_{each}" for each in range(1000)]
    found = plan({1: CT_IMAGE_STORAGE}, Directory((anybody,), title="RELAY"), awaited=awaited)
    called = [way.titles.called for way in found.late[1]]
    assert called == [*map(ae_field, awaited[-MOST_ASKED:]), ae_field("RELAY")]


def test_only_storage_is_moved():
    found = plan({1: CT_IMAGE_STORAGE, 3: WORKLIST}, calling="PACS", awaited=("CT_1",))
    assert found.late.keys() == {1}
    assert found.refused == {3: ContextResult.USER_REJECTION}


def test_an_archive_that_calls_somebody_else_is_moving_nothing():
    found = plan({1: CT_IMAGE_STORAGE}, calling="PACS", called="CT_2", awaited=("CT_1",))
    assert (found.ways, found.late) == ({TO_CT_2: [1]}, {})


def test_moves_come_in_although_no_route_is_for_the_relays_own_title():
    alone = Directory((CT_1,), title="RELAY")
    assert pools(plan({1: CT_IMAGE_STORAGE}, alone, "PACS", awaited=("CT_1",))) == {1: ["ct1"]}


@pytest.mark.parametrize(
    ("destination", "archives", "leads"),
    [("CT_1", {"PACS"}, True), ("X", {"PACS"}, False), ("CT_1", {"CT_1"}, False)],
)
def test_a_destination_is_known_if_a_route_takes_objects_there(destination, archives, leads):
    assert DIRECTORY.leads_to(destination, archives) is leads


def test_a_route_that_does_not_store_is_no_way_to_a_destination():
    worklist = Route("ris", "CT_1", services=frozenset({"worklist"}))
    others = Route("ct1", "CT_1", calling="PACS_B")
    assert not Directory((worklist, others)).leads_to("CT_1", {"PACS"})


def test_the_way_to_a_title_is_that_of_who_calls_it():
    assert DIRECTORY.way_to(who("PACS"), "CT_1", CT_IMAGE_STORAGE) == TO_CT_1
    assert DIRECTORY.way_to(who("PACS"), "X", CT_IMAGE_STORAGE) is None
    assert DIRECTORY.way_to(who("PACS"), "RELAY", CT_IMAGE_STORAGE) is None


# storage commitment reports


def test_a_report_to_a_title_that_is_shown_for_others_is_for_whoever_asked():
    found = plan({1: COMMITMENT}, calling="PACS", reports=True)
    assert (found.ways, found.late) == ({}, {1: ()})


def test_who_could_only_ask_itself_reports_also_without_saying_so():
    found = plan({1: COMMITMENT, 3: FIND}, calling="PACS")
    assert found.late.keys() == {1}
    assert found.refused == {3: ContextResult.USER_REJECTION}


def test_who_has_nobody_to_ask_reports_also_without_saying_so():
    masked = Directory((Route("archive", "RELAY", showing=Showing("MASK")),), title="RELAY")
    found = plan({1: COMMITMENT}, masked, calling="PACS", called="MASK")
    assert (found.ways, found.late) == ({}, {1: ()})
    assert planned({1: FIND}, masked, calling="PACS", called="MASK") is CALLED_NOT_RECOGNIZED


def test_the_ways_of_a_context_are_found_by_its_id():
    found = plan(
        {1: CT_IMAGE_STORAGE, 3: COMMITMENT, 5: WORKLIST}, Directory((CT_2,)), called="CT_2"
    )
    assert found.ways_of(1) == (Way("ct2", Titles(ae_field("WS"))),)
    moved = plan({1: CT_IMAGE_STORAGE}, calling="PACS", awaited=("CT_1",))
    assert (moved.ways_of(1), moved.ways_of(3)) == ((TO_CT_1,), None)


def test_who_asks_for_commitment_does_not_report():
    found = plan({1: COMMITMENT})
    assert (pools(found), found.late) == ({1: ["archive"]}, {})


def test_who_may_be_either_asks_if_there_is_an_archive_and_else_reports():
    found = plan({1: COMMITMENT})
    assert (pools(found), found.late) == ({1: ["archive"]}, {})
    assert plan({1: COMMITMENT}, calling="PACS").late == {1: ()}
    others = Route("archive", "RELAY", calling="CT*", showing=Showing("RELAY"))
    assert plan({1: COMMITMENT}, Directory((others, CT_1))).late == {1: ()}


def test_who_has_no_way_to_any_modality_does_not_report():
    own = Route("ct1", "CT_1", calling="PACS")
    directory = Directory((attrs.evolve(ARCHIVE, calling="CT*"), own), title="RELAY")
    assert plan({1: COMMITMENT}, directory, "PACS", reports=True).late == {1: ()}
    stranger = planned({1: COMMITMENT}, directory, "X", reports=True)
    assert stranger is CALLING_NOT_RECOGNIZED


def test_a_report_to_a_modalitys_own_title_goes_there():
    found = plan({1: COMMITMENT}, calling="PACS", called="CT_1", reports=True)
    assert (found.ways, found.late) == ({TO_CT_1: [1]}, {})


def test_a_report_beside_something_else_is_found_by_itself():
    other = Route("ris", "RELAY")
    found = plan(
        {1: COMMITMENT, 3: FIND},
        Directory((other, CT_1, Route("x", "X", showing=Showing("RELAY")))),
        calling="PACS",
        reports=True,
    )
    assert pools(found) == {1: [], 3: ["ris"]}

"""The session: how associations come to be, which pools serve them, and each way they can end."""

from __future__ import annotations

import attrs
import pytest

from relay.bridge.outcome import End
from relay.bridge.ports import Negotiated, Rejected, Unavailable
from relay.bridge.pressure import HELD_MAXIMUM
from relay.policy.allowing import Allow
from relay.policy.routing import Route
from relay.wire.command import CommandField as F
from relay.wire.errors import ProtocolError
from relay.wire.items import ContextResult, PresentationContextRQ
from relay.wire.negotiation import Answer, Offer
from relay.wire.pdu import Abort, AssociateRJ
from relay.wire.reader import COMMAND, LAST
from relay.wire.upperlayer import Loss
from relay.wire.user_information import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from tests.doubles import (
    FIND,
    GET,
    MPPS,
    POINTS,
    ROOMY,
    SOP_CLASSES,
    WORKLIST,
    Bank,
    Crossing,
    accepting,
    associate,
    at,
    contexts_of,
    established,
    reply,
    request,
)
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_LOSSLESS,
    STORAGE_SERVICE,
    VERIFICATION,
    p_data,
    pdv,
)

ACCEPTANCE, USER_REJECTION, NO_REASON, NO_ABSTRACT, NO_TRANSFER = ContextResult

IMAGES = Route("archive", services=frozenset({"storage", "query-retrieve"}))
LISTS = Route("ris", services=frozenset({"worklist", "mpps"}))
BOTH = {1: CT_IMAGE_STORAGE, 3: WORKLIST, 5: FIND, 7: MPPS}

CONGESTED = Rejected(AssociateRJ(2, 3, 2))
NOT_KNOWN = Rejected(AssociateRJ(1, 1, 3))


def asked(crossing, pool="archive"):
    """What a pool was asked."""
    return crossing.bank.asked[pool][0]


def accepts(crossing, pool="archive", upstream="a", maximum=ROOMY, refused=(), **answer):
    """An upstream of `pool` accepts what it is asked, but for the ids `refused`."""
    accepted = accepting(asked(crossing, pool).offer, refused)
    answered = attrs.evolve(accepted, **answer)
    crossing.bank.answer(pool, Negotiated(upstream, answered, maximum))


def results(crossing):
    """What the caller was told of each context."""
    return {each.id: each.result for each in crossing.caller.answer.contexts}


def two_pools(sop_classes=BOTH, **information):
    """A caller that has asked for an association that two pools serve."""
    crossing = Crossing(routes=(IMAGES, LISTS))
    crossing.asks(associate(contexts_of(sop_classes), UserInformation(**information)))
    crossing.since()
    return crossing


# admission and routing


GOOD = associate()


@pytest.mark.parametrize(
    ("request_", "answer"),
    [
        (attrs.evolve(GOOD, protocol_version=2), "1,2,2"),  # 21
        (attrs.evolve(GOOD, application_context="1.2.3"), "1,1,2"),  # 22
        (attrs.evolve(GOOD, calling_field=bytes(16)), "1,1,3"),  # 23
        (attrs.evolve(GOOD, called_field=b"A\0B             "), "1,1,7"),  # 23
        (associate(information=UserInformation(maximum_length=64)), "1,2,1"),  # 30
        (associate(called="NOBODY"), "1,1,7"),
        (associate(calling="STRANGER"), "1,1,3"),
    ],
)
def test_what_is_not_admitted_is_rejected_and_no_upstream_is_asked(request_, answer):
    crossing = Crossing(routes=(Route("archive", "RELAY", "MOD*"),))
    crossing.asks(request_)
    assert crossing.since() == [f"caller rejected {answer}"]
    assert (crossing.outcome.end, crossing.outcome.why) == (End.REJECTED, f"({answer})")


def test_more_associations_than_allowed_are_to_try_again():  # 32
    crossing = Crossing(has_room=False)
    crossing.asks()
    assert crossing.since() == ["caller rejected 2,3,2"]


@pytest.mark.parametrize(
    ("allow", "answer", "by"),
    [
        (Allow(calling=("CT_*",)), "1,1,3", "calling"),
        (Allow(called=("PACS",)), "1,1,7", "called"),
        (Allow(certificates={"*": ("*",)}), "1,1,3", "certificates"),
        (Allow(networks=()), "1,1,3", "networks"),
    ],
)
def test_who_is_not_in_an_allow_list_is_rejected_whether_or_not_there_is_room(allow, answer, by):
    for has_room in (True, False):
        crossing = Crossing(allow=allow, has_room=has_room)
        crossing.asks()
        assert crossing.since() == [f"caller rejected {answer}"]
        assert crossing.outcome.why == f"({answer}), allow.{by}"


def test_what_is_wrong_beside_an_allow_list_is_not_laid_to_it():
    crossing = Crossing(allow=Allow(calling=("CT_*",)))
    crossing.asks(attrs.evolve(GOOD, protocol_version=2))
    assert crossing.outcome.why == "(1,2,2)"


def test_who_is_in_an_allow_list_goes_on_to_routing():
    crossing = Crossing(allow=Allow(calling=("MOD*",)))
    crossing.asks()
    assert crossing.since() == ["negotiate archive"]


def test_a_rejection_names_who_called_whom_in_the_outcome():
    crossing = Crossing(has_room=False)
    crossing.asks(associate(calling="CT_1", called="RELAY"))
    assert (crossing.outcome.calling, crossing.outcome.called) == ("CT_1", "RELAY")


def test_an_upstream_is_asked_with_the_callers_title_and_offer():
    crossing = Crossing()
    crossing.asks()
    assert crossing.since() == ["negotiate archive"]
    asking = asked(crossing)
    assert asking.titles.calling == GOOD.calling_field
    assert asking.offer == Offer.of(GOOD)
    assert asking.private is None


def test_each_pool_is_asked_for_its_own_contexts_at_the_same_time():
    crossing = Crossing(routes=(IMAGES, LISTS))
    crossing.asks(associate(contexts_of(BOTH)))
    assert crossing.since() == ["negotiate archive", "negotiate ris"]
    assert [each.id for each in asked(crossing, "archive").offer.contexts] == [1, 5]
    assert [each.id for each in asked(crossing, "ris").offer.contexts] == [3, 7]


def test_contexts_that_no_route_serves_are_refused_and_the_rest_is_negotiated():
    crossing = Crossing(routes=(LISTS,))
    crossing.asks(associate(contexts_of(BOTH)))
    accepts(crossing, "ris")
    assert crossing.since() == ["negotiate ris", "caller accepted"]
    assert results(crossing) == {1: NO_ABSTRACT, 3: ACCEPTANCE, 5: NO_ABSTRACT, 7: ACCEPTANCE}


def test_a_caller_of_whom_no_context_is_served_is_accepted_with_none():  # 29
    crossing = Crossing(routes=(LISTS,))
    crossing.asks(associate(contexts_of({1: CT_IMAGE_STORAGE, 3: FIND})))
    assert crossing.since() == ["caller accepted"]
    assert results(crossing) == {1: NO_ABSTRACT, 3: NO_ABSTRACT}
    crossing.caller.says(request(F.C_STORE_RQ), "X", on=1)
    assert crossing.since() == ["caller aborted 2,5"]


# the upstream's answer is the caller's


def test_the_answer_of_an_upstream_is_given_to_the_caller():
    crossing = Crossing()
    crossing.asks(associate(contexts_of(BOTH, JPEG_LOSSLESS, EXPLICIT_LITTLE_ENDIAN)))
    accepts(crossing, refused=[3])
    contexts = crossing.caller.answer.contexts
    assert [(each.id, each.result, each.transfer_syntax) for each in contexts] == [
        (1, ACCEPTANCE, JPEG_LOSSLESS),
        (3, NO_ABSTRACT, JPEG_LOSSLESS),
        (5, ACCEPTANCE, JPEG_LOSSLESS),
        (7, ACCEPTANCE, JPEG_LOSSLESS),
    ]


def test_an_upstream_that_accepts_nothing_is_no_reason_to_abort():  # 29
    crossing = Crossing()
    crossing.asks(associate(contexts_of(BOTH)))
    refusal = Answer.refusing(asked(crossing).offer, NO_TRANSFER)
    crossing.bank.answer("archive", Negotiated("a", refusal, ROOMY))
    assert crossing.since() == ["negotiate archive", "caller accepted"]
    assert set(results(crossing).values()) == {NO_TRANSFER}


def test_an_answer_from_memory_is_given_before_the_call_returns():
    crossing = Crossing()
    answer = accepting(Offer.of(GOOD))
    crossing.bank.answers["archive"] = Negotiated("a", answer, ROOMY)
    crossing.asks()
    assert crossing.since() == ["negotiate archive", "caller accepted"]


CT_ROLE = RoleSelection(CT_IMAGE_STORAGE, scu=False, scp=True)
CT_EXTENDED = SOPClassExtendedNegotiation(CT_IMAGE_STORAGE, b"\x02\x00")
LIST_EXTENDED = SOPClassExtendedNegotiation(WORKLIST, b"\x01")
CT_COMMON = SOPClassCommonExtendedNegotiation(CT_IMAGE_STORAGE, STORAGE_SERVICE)


def test_items_of_a_sop_class_go_to_its_pool_and_its_answers_come_back():
    crossing = two_pools(
        roles=(CT_ROLE,), extended=(CT_EXTENDED, LIST_EXTENDED), common_extended=(CT_COMMON,)
    )
    archive, ris = asked(crossing, "archive").offer, asked(crossing, "ris").offer
    assert (archive.roles, archive.extended) == ((CT_ROLE,), (CT_EXTENDED,))
    assert archive.common_extended == (CT_COMMON,)
    assert (ris.roles, ris.extended, ris.common_extended) == ((), (LIST_EXTENDED,), ())
    accepts(crossing, "ris")
    accepts(crossing, "archive")
    information = crossing.caller.answer.user_information
    assert information.roles == (CT_ROLE,)
    assert set(information.extended) == {CT_EXTENDED, LIST_EXTENDED}
    assert information.common_extended == ()


def test_leases_hold_the_roles_and_extended_items_that_were_answered():
    crossing = Crossing()
    information = UserInformation(roles=(CT_ROLE,), extended=(CT_EXTENDED,))
    crossing.asks(associate(contexts_of({3: CT_IMAGE_STORAGE}), information))
    accepts(crossing, extended=())
    crossing.caller.says(request(F.C_STORE_RQ), "X", on=3)
    ((wanted, _),) = crossing.bank.wanted
    assert wanted.context.roles == (False, True)
    assert wanted.context.extended is None


WHO = UserIdentityRQ(2, True, b"someone", b"secret")


@attrs.define
class Doorman:
    """Judges user identities when the test says so."""

    asked: list = attrs.field(factory=list)

    def check(self, identity, done):
        self.asked.append((identity, done))

    def says(self, is_known):
        self.asked.pop()[1](is_known)


def shown(identity):
    """A crossing whose caller shows this where the relay judges it."""
    crossing = Crossing(identities=Doorman())
    information = UserInformation(16384, user_identity=identity)
    crossing.asks(associate(contexts_of({1: VERIFICATION}), information))
    return crossing


@pytest.mark.parametrize("identity", [WHO, attrs.evolve(WHO, positive_response_requested=False)])
def test_a_user_that_the_relay_knows_is_let_in_and_not_passed_on(identity):
    crossing = shown(identity)
    assert (crossing.since(), crossing.identities.asked[0][0]) == ([], identity)
    crossing.identities.says(True)
    assert asked(crossing, "archive").offer.user_identity is None
    assert asked(crossing, "archive").private is None
    accepts(crossing, "archive")
    said = crossing.caller.answer.user_information.user_identity_response
    assert said == (UserIdentityAC(b"") if identity.positive_response_requested else None)


@pytest.mark.parametrize("identity", [WHO, None])
def test_a_user_that_the_relay_does_not_know_is_rejected(identity):  # 31
    crossing = shown(identity)
    crossing.identities.says(False)
    assert crossing.since() == ["caller rejected 2,2,1"]


def test_a_caller_without_a_user_may_be_let_in():
    crossing = shown(None)
    crossing.identities.says(True)
    accepts(crossing, "archive")
    assert crossing.caller.answer.user_information.user_identity_response is None


def test_a_caller_that_has_gone_meanwhile_is_told_nothing():
    crossing = shown(WHO)
    crossing.lose()
    crossing.identities.says(True)
    assert crossing.since() == []


def test_an_answer_to_the_user_identity_is_passed_back():
    crossing = two_pools(user_identity=WHO)
    assert asked(crossing, "archive").offer.user_identity == WHO
    assert asked(crossing, "ris").offer.user_identity == WHO
    accepts(crossing, "archive", user_identity_response=UserIdentityAC(b"ticket"))
    accepts(crossing, "ris")
    information = crossing.caller.answer.user_information
    assert information.user_identity_response == UserIdentityAC(b"ticket")


def test_associations_of_a_user_are_its_crossings_own_and_left_at_the_end():
    one, other = two_pools(user_identity=WHO), two_pools(user_identity=WHO)
    private = asked(one, "archive").private
    assert private is not None
    assert asked(one, "ris").private == private
    assert asked(other, "archive").private != private
    accepts(one, "archive")
    accepts(one, "ris")
    one.caller.says(request(F.C_STORE_RQ), "X", on=1)
    assert one.bank.wanted[0][0].asked.private == private
    assert one.bank.wanted[0][0].asked.offer.user_identity == WHO
    one.since()
    one.release()
    assert one.since() == ["caller released", "call off lease", "leave"]


def test_associations_of_nobody_in_particular_are_not_left():
    crossing = established()
    crossing.release()
    assert crossing.since() == ["caller released"]


@pytest.mark.parametrize(("own", "pool", "said"), [(32768, 16384, 16384), (16384, 32768, 16384)])
def test_the_maximum_length_announced_is_the_smaller_of_the_relays_and_the_pools(own, pool, said):
    crossing = Crossing(maximum=own)
    crossing.asks()
    accepts(crossing, maximum=pool)
    assert crossing.caller.answer.user_information.maximum_length == said


def test_the_maximum_length_announced_is_the_smallest_of_all_pools():
    crossing = two_pools()
    accepts(crossing, "archive", maximum=16384)
    accepts(crossing, "ris", maximum=4096)
    assert crossing.caller.answer.user_information.maximum_length == 4096


def test_a_caller_without_a_limit_is_announced_the_relays_own():  # 30
    crossing = Crossing()
    crossing.asks(associate(information=UserInformation(maximum_length=0)))
    accepts(crossing)
    assert crossing.caller.answer.user_information.maximum_length == crossing.maximum


def test_a_caller_that_says_nothing_about_itself_is_accepted():  # 66
    crossing = established(information=UserInformation())
    assert set(results(crossing).values()) == {ACCEPTANCE}


@pytest.mark.parametrize("most", [1, 8])
def test_an_asynchronous_window_is_answered_with_what_the_listener_allows(most):
    window = AsynchronousOperationsWindow(0, 0)
    information = UserInformation(asynchronous_operations_window=window)
    crossing = established(information=information, window=most)
    answered = crossing.caller.answer.user_information.asynchronous_operations_window
    assert answered == AsynchronousOperationsWindow(most, 1)


def test_further_associations_are_offered_what_was_accepted_with_its_one_syntax():
    crossing = Crossing()
    crossing.asks(associate(contexts_of(BOTH)))
    accepts(crossing, refused=[3, 7])
    crossing.caller.says(request(F.C_STORE_RQ), "X", on=1)
    assert crossing.bank.wanted[0][0].asked.offer.contexts == (
        PresentationContextRQ(1, CT_IMAGE_STORAGE, (IMPLICIT_LITTLE_ENDIAN,)),
        PresentationContextRQ(5, FIND, (IMPLICIT_LITTLE_ENDIAN,)),
    )


def test_c_get_wants_the_accepted_contexts_of_its_own_pool():
    sop_classes = {**BOTH, 9: GET}
    crossing = two_pools(sop_classes)
    accepts(crossing, "ris")
    accepts(crossing, "archive", refused=[5])
    crossing.caller.says(request(F.C_GET_RQ, 1, GET), "STUDY", on=9)
    exactly = crossing.bank.wanted[0][0].exactly
    assert {each.abstract_syntax for each in exactly} == {CT_IMAGE_STORAGE, GET}


# pools that are down


def test_with_one_pool_down_its_contexts_are_refused_for_now_and_the_rest_works():
    crossing = two_pools()
    crossing.bank.answer("ris", Unavailable())
    assert crossing.since() == []
    accepts(crossing, "archive")
    assert crossing.since() == ["caller accepted"]
    assert results(crossing) == {1: ACCEPTANCE, 3: NO_REASON, 5: ACCEPTANCE, 7: NO_REASON}
    crossing.caller.says(request(F.C_STORE_RQ), "X", on=1)
    crossing.lends("a", BOTH).says(reply(F.C_STORE_RQ), on=1)
    assert crossing.since()[-1] == "caller 1: C-STORE-RSP 1 0000"
    crossing.caller.says(request(F.C_FIND_RQ, 2, WORKLIST), "LIST", on=3)
    assert "caller aborted 2,5" in crossing.since()


def test_a_pool_that_rejects_is_as_one_that_is_down_where_another_answers():
    crossing = two_pools()
    accepts(crossing, "archive")
    crossing.bank.answer("ris", NOT_KNOWN)
    assert results(crossing) == {1: ACCEPTANCE, 3: NO_REASON, 5: ACCEPTANCE, 7: NO_REASON}


def test_with_all_pools_down_the_caller_is_to_try_again():
    crossing = two_pools()
    crossing.bank.answer("ris", Unavailable())
    crossing.bank.answer("archive", Unavailable())
    assert crossing.since() == ["caller rejected 2,3,1"]
    assert crossing.outcome.end is End.REJECTED


@pytest.mark.parametrize("rejection", [(1, 1, 3), (1, 1, 7), (2, 3, 2), (1, 2, 1), (9, 9, 9)])
def test_an_upstreams_own_rejection_is_passed_on_unchanged(rejection):
    crossing = Crossing()
    crossing.asks()
    crossing.bank.answer("archive", Rejected(AssociateRJ(*rejection)))
    numbers = ",".join(map(str, rejection))
    assert crossing.since() == ["negotiate archive", f"caller rejected {numbers}"]


@pytest.mark.parametrize("order", [("ris", "archive"), ("archive", "ris")])
def test_a_rejection_says_more_than_that_a_pool_is_down(order):
    crossing = two_pools()
    results_ = {"ris": Unavailable(), "archive": CONGESTED}
    for pool in order:
        crossing.bank.answer(pool, results_[pool])
    assert crossing.since() == ["caller rejected 2,3,2"]


def test_an_answer_too_long_for_its_item_is_no_answer():
    # Two upstreams, each within bounds, may have more to say together than an item's length holds.
    crossing = two_pools()
    for pool, each in (("archive", CT_EXTENDED), ("ris", LIST_EXTENDED)):
        accepts(crossing, pool, extended=(attrs.evolve(each, information=bytes(40_000)),))
    assert crossing.since() == ["caller rejected 2,3,1"]
    assert crossing.outcome.end is End.REJECTED


def test_pools_that_are_down_at_once_end_the_crossing_at_once():
    crossing = Crossing(routes=(IMAGES, LISTS))
    crossing.bank.answers = {"archive": Unavailable(), "ris": Unavailable()}
    crossing.asks(associate(contexts_of(BOTH)))
    assert crossing.since() == ["negotiate archive", "negotiate ris", "caller rejected 2,3,1"]


# the end, before there is an association


BEFORE = {
    "abort": Crossing.abort,
    "lose": Crossing.lose,
    "stop": lambda crossing: crossing.session.stop(),
    "fail": lambda crossing: crossing.session.fail("too slow"),
}


@pytest.mark.parametrize("end", BEFORE)
def test_a_negotiation_is_called_off_when_its_caller_goes(end):
    crossing = two_pools()
    accepts(crossing, "ris")
    BEFORE[end](crossing)
    expected = {"stop": ["caller aborted 2,0"], "fail": ["caller aborted 0,0"]}.get(end, [])
    assert crossing.since() == ["call off archive", *expected]
    assert len(crossing.ended) == 1


def test_an_answer_that_comes_when_the_caller_has_gone_is_of_no_use():
    crossing = Crossing()
    crossing.asks()
    _, done = crossing.bank.asked["archive"]
    crossing.lose()
    crossing.since()
    done(Negotiated("a", accepting(Offer.of(GOOD)), ROOMY))
    assert crossing.since() == []


def test_a_caller_that_goes_while_the_pools_are_asked_leaves_the_rest_unasked():
    crossing = Crossing(routes=(IMAGES, LISTS))

    class Slow(Bank):
        def negotiate(self, asked, done):
            crossing.lose()
            return super().negotiate(asked, done)

    crossing.session.upstreams = Slow(crossing.out)
    crossing.asks(associate(contexts_of(BOTH)))
    assert crossing.since() == ["negotiate archive"]


def test_a_connection_on_which_nothing_was_asked_has_no_outcome():
    crossing = Crossing()
    assert not crossing.session.is_asked
    crossing.session.stop()
    assert crossing.since() == ["caller aborted 2,0"]
    assert crossing.ended == []


def test_a_crossing_is_asked_for_once_there_is_a_request():
    crossing = Crossing()
    assert crossing.session.is_idle
    crossing.asks()
    assert crossing.session.is_asked
    assert crossing.session.is_idle


def test_confirmations_are_none_of_an_acceptors_business():
    crossing = established()
    crossing.session.associate_confirmation(AssociateRJ(1, 1, 1))
    crossing.session.release_confirmation()
    assert crossing.since() == []


# the end of an association, at each point


ENDS = {
    "release": (Crossing.release, End.RELEASED, "caller released"),
    "abort": (Crossing.abort, End.ABORTED, None),
    "lose": (Crossing.lose, End.LOST, None),
    "stop": (lambda crossing: crossing.session.stop(), End.STOPPED, "caller aborted 2,0"),
    "fail": (
        lambda crossing: crossing.session.fail("x"),
        End.ABORTED_BY_RELAY,
        "caller aborted 0,0",
    ),
    "break": (
        lambda crossing: crossing.caller.feeds(p_data(pdv(99, COMMAND, b"X"))),
        End.ABORTED_BY_RELAY,
        "caller aborted 2,5",
    ),
}

LEASES = {
    "before the lease": ["call off lease"],
    "inside the command": [],
    "inside the dataset": ["a aborted 0,0"],
    "before the response": ["a aborted 0,0"],
    "inside the response": ["a aborted 0,0"],
    "between responses": ["a aborted 0,0"],
    "inside the response's dataset": ["a aborted 0,0"],
    "between operations": [],
    "while lingering": ["a given back"],
    "inside a command while lingering": ["a given back"],
    "while kept": ["a released"],
    "inside the upstream's request": ["a aborted 0,0"],
    "before the caller's response": ["a aborted 0,0"],
    "inside the caller's response": ["a aborted 0,0"],
}
"""What becomes of the lease when the caller's association ends there, in whatever way (55)."""


def test_every_point_is_covered():
    assert set(LEASES) == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
@pytest.mark.parametrize("how", ENDS)
def test_however_a_caller_ends_its_lease_is_dealt_with_once(how, point):
    end, ended, line = ENDS[how]
    crossing = at(point)
    end(crossing)
    said = crossing.since()
    assert [each for each in said if each != line] == LEASES[point]
    assert line is None or said.count(line) == 1
    assert crossing.outcome.end is ended
    # Nothing is due any more, and nothing that still comes does anything.
    assert crossing.clock.getDelayedCalls() == []
    crossing.caller.says(request(F.C_STORE_RQ, 2), "X", on=3)
    crossing.session.full()
    crossing.session.drained()
    crossing.session.stop()
    assert crossing.since() == []
    assert len(crossing.ended) == 1


@pytest.mark.parametrize("point", POINTS)
def test_after_the_end_data_is_not_even_looked_at(point):
    crossing = at(point)
    crossing.session.stop()
    crossing.since()
    crossing.caller.is_over = False  # the transport may have read more before it was closed
    crossing.caller.feeds(p_data(pdv(99, COMMAND | LAST, b"rubbish")))
    crossing.caller.says(request(F.C_STORE_RQ, 9), bytes(2 * HELD_MAXIMUM), on=3)
    assert crossing.since() == []


def test_a_caller_that_was_stopped_is_read_from_when_the_crossing_ends():
    crossing = at("inside the dataset")
    (a,) = crossing.bank.lent
    a.fills()
    crossing.since()
    crossing.session.stop()
    assert crossing.since() == ["caller resumed", "a aborted 0,0", "caller aborted 2,0"]


def test_a_caller_that_was_stopped_for_what_is_held_is_read_from_when_the_crossing_ends():
    crossing = established()
    crossing.caller.says(request(F.C_STORE_RQ), bytes(2 * HELD_MAXIMUM), on=3)
    crossing.since()
    crossing.session.stop()
    assert crossing.since() == ["call off lease", "caller resumed", "caller aborted 2,0"]


def test_what_waited_for_a_full_caller_does_not_start_when_the_crossing_has_ended():
    crossing = at("between responses")
    (a,) = crossing.bank.lent
    crossing.caller.says(request(F.C_STORE_RQ, 2), "X", on=3)
    crossing.session.full()
    a.says(reply(F.C_FIND_RQ), on=5)
    crossing.lose()
    crossing.since()
    crossing.session.drained()
    assert crossing.since() == []


def test_an_upstream_that_a_full_caller_had_stopped_is_read_from_when_the_crossing_ends():
    crossing = at("inside the response's dataset")
    (a,) = crossing.bank.lent
    crossing.session.full()
    crossing.since()
    crossing.lose()
    assert crossing.since() == ["a resumed", "a aborted 0,0"]
    assert not a.is_paused


@pytest.mark.parametrize(
    ("loss", "end", "why"),
    [
        (Loss(), End.LOST, "connection closed"),
        (Loss(Abort(0, 0)), End.ABORTED, "aborted by the peer (0,0)"),
        (Loss(error=ProtocolError("a PDU")), End.ABORTED_BY_RELAY, "protocol error: a PDU"),
    ],
)
def test_the_outcome_says_how_the_caller_was_lost(loss, end, why):
    crossing = established()
    crossing.session.abort_indication(loss)
    assert (crossing.outcome.end, crossing.outcome.why) == (end, why)


def test_the_first_end_is_the_one_that_counts():
    crossing = established()
    crossing.session.fail("too slow")
    crossing.session.abort_indication(Loss())
    assert crossing.outcome.end is End.ABORTED_BY_RELAY
    assert crossing.outcome.why == "too slow"


# pressure


def test_a_caller_that_is_full_before_there_is_an_association_drains_like_any_other():
    crossing = Crossing()
    crossing.session.full()
    crossing.session.drained()
    crossing.asks()
    accepts(crossing)
    crossing.caller.says(request(F.C_ECHO_RQ, 1, VERIFICATION, dataset=False))
    assert crossing.since()[-1] == "lease archive"


def test_all_contexts_of_the_usual_caller_are_accepted():
    crossing = established()
    assert results(crossing) == dict.fromkeys(SOP_CLASSES, ACCEPTANCE)
    assert USER_REJECTION not in results(crossing).values()

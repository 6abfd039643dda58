"""C-MOVE for archives that know only the relay, and what comes of it."""

from __future__ import annotations

import pytest

from relay.bridge.addressing import Registers
from relay.bridge.ports import ContextRefused, Negotiated, Terms, Unavailable
from relay.policy.affinity import by_association
from relay.policy.moves import AFTERLIFE, MOST_MOVES, Moving
from relay.policy.routing import Route
from relay.policy.showing import Showing
from relay.wire.command import CommandField as F
from relay.wire.command import encode
from relay.wire.elements import MOVE_DESTINATION, MOVE_ORIGINATOR, ae, text_of, value
from relay.wire.items import ContextResult
from relay.wire.negotiation import Answer, merged
from relay.wire.pdu import ae_field
from relay.wire.user_information import (
    RoleSelection,
    SOPClassExtendedNegotiation,
    UserInformation,
)
from tests.doubles import (
    MOVE,
    ROOMY,
    Crossing,
    accepting,
    associate,
    cancel,
    contexts_of,
    reply,
)
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    VERIFICATION,
)

ARCHIVES = frozenset({"PACS"})
ROUTES = (
    Route("archive", "RELAY", showing=Showing("RELAY"), members=ARCHIVES),
    Route("ct1", "CT_1", showing=Showing("PACS_OF_CT1")),
    Route("ct2", "CT_2"),
)
REWRITE = Moving(title="RELAY", archives=ARCHIVES)
ALIASES = Moving(aliases={"CT_1": "R_CT1"}, archives=ARCHIVES)


def move(destination, message_id=7):
    return encode(
        {
            0x0002: MOVE,
            0x0100: F.C_MOVE_RQ,
            0x0110: message_id,
            MOVE_DESTINATION: ae(destination),
            0x0800: 0,
        }
    )


def store(originator=None, number=None, message_id=1):
    """A sub-operation, as an archive sends it."""
    elements = {0x0002: CT_IMAGE_STORAGE, 0x0100: F.C_STORE_RQ, 0x0110: message_id, 0x0800: 0}
    if originator is not None:
        elements[MOVE_ORIGINATOR] = ae(originator)
    if number is not None:
        elements[0x1031] = number
    return encode(elements)


class Scene:
    """Workstations move by way of the relay, and the archive calls back; they share registers."""

    def __init__(self, moving=REWRITE):
        self.registers = Registers()
        self.moving = moving

    def crossing(self, **more):
        more = {"routes": ROUTES, "registers": self.registers, **more}
        crossing = Crossing(**more)
        crossing.bank.granted = Terms(by_association, moving=self.moving)
        return crossing

    def workstation(self, calling="WS"):
        """A crossing with a lease of an archive's association, where a C-MOVE may leave."""
        crossing = self.crossing()
        crossing.asks(associate(contexts_of({7: MOVE}), calling=calling))
        answers(crossing, "archive")
        return crossing

    def archive(self, *pools):
        """The archive calls back, and these pools accept what it proposes."""
        crossing = self.crossing()
        crossing.asks(associate(contexts_of({3: CT_IMAGE_STORAGE}), calling="PACS"))
        for pool in pools:
            answers(crossing, pool)
        return crossing

    def moves(self, destination, calling="WS", message_id=7):
        """A move under way: its crossing, the archive's association, and the request as sent."""
        crossing = self.workstation(calling)
        crossing.caller.says(move(destination, message_id), "STUDY", on=7)
        a = crossing.lends("a", {7: MOVE})
        crossing.since()
        return crossing, a, a.got[-1]


def answers(crossing, pool):
    asked, _ = crossing.bank.asked[pool]
    crossing.bank.answer(pool, Negotiated("a", accepting(asked.offer), ROOMY))


def text(message, element):
    found = value(message.command_set, element)
    assert found is not None
    return text_of(found)


def statuses(crossing):
    return [each.command.status for each in crossing.caller.got if each.command.is_response]


@pytest.fixture
def scene():
    return Scene()


# on the way to the archive


def test_the_archive_is_told_to_move_to_the_relay_under_an_id_of_its_own(scene):
    _, _, first = scene.moves("CT_1")
    _, _, second = scene.moves("CT_2")
    for each in (first, second):
        assert text(each, MOVE_DESTINATION) == "RELAY"
        assert each.dataset == b"STUDY"
    assert first.command.message_id != second.command.message_id


def test_responses_have_the_callers_own_message_id(scene):
    crossing, a, sent = scene.moves("CT_1", message_id=99)
    its = sent.command.message_id
    a.says(reply(F.C_MOVE_RQ, its, 0xFF00), on=7)
    a.says(reply(F.C_MOVE_RQ, its, 0xB000, dataset=True), "FAILED", on=7)
    assert crossing.since() == [
        "caller 7: C-MOVE-RSP 99 FF00",
        "caller 7: C-MOVE-RSP 99 B000 +",
        "caller 7: FAILED",
        "a given back",
    ]


def test_a_response_to_the_callers_own_id_is_to_no_request_of_the_archives(scene):
    crossing, a, sent = scene.moves("CT_1", message_id=99)
    assert sent.command.message_id != 99
    a.says(reply(F.C_MOVE_RQ, 99, 0xFF00), on=7)
    assert crossing.since() == ["a aborted 2,5", "caller 7: C-MOVE-RSP 99 A702"]


def test_c_cancel_has_the_id_that_the_archive_knows(scene):
    crossing, _, sent = scene.moves("CT_1", message_id=99)
    crossing.caller.says(cancel(99), on=7)
    assert crossing.since() == [f"a 7: C-CANCEL-RQ {sent.command.message_id}"]


def test_c_cancel_that_comes_before_the_lease_has_it_too(scene):
    crossing = scene.workstation()
    crossing.caller.says(move("CT_1", 99), "STUDY", on=7)
    crossing.caller.says(cancel(99), on=7)
    a = crossing.lends("a", {7: MOVE})
    assert a.got[1].command.responding_to == a.got[0].command.message_id


@pytest.mark.parametrize("moving", [REWRITE, ALIASES])
def test_a_destination_that_nobody_leads_to_is_answered_a801(moving):
    crossing = Scene(moving).workstation()
    crossing.caller.says(move("NOBODY"), "STUDY", on=7)
    assert crossing.since()[-1] == "caller 7: C-MOVE-RSP 7 A801"
    crossing.release()
    assert crossing.outcome.notes == {"no way to the move destination": None}


def test_an_alias_replaces_the_destination_and_nothing_else():
    crossing, a, sent = Scene(ALIASES).moves("CT_1", message_id=99)
    assert text(sent, MOVE_DESTINATION) == "R_CT1"
    a.says(reply(F.C_MOVE_RQ, 99), on=7)
    assert statuses(crossing) == [0]


@pytest.mark.parametrize("destination", ["", "C" * 17, "C" * 60_000, "CT\n1"])
def test_what_is_no_ae_title_is_no_destination_whatever_the_routes_say(scene, destination):
    crossing = scene.crossing(routes=(ROUTES[0], Route("any", "*")))
    crossing.asks(associate(contexts_of({7: MOVE}), calling="WS"))
    answers(crossing, "archive")
    crossing.caller.says(move(destination), "STUDY", on=7)
    assert statuses(crossing) == [0xA801]
    assert scene.registers.moves.awaited("PACS", 0.0) == ()


def test_without_anything_to_replace_a_move_passes_as_it_is():
    _, _, sent = Scene(None).moves("ANYBODY")
    assert sent.command_set == move("ANYBODY")


def test_when_there_is_no_message_id_left_resources_are_out(scene):
    for _ in range(MOST_MOVES):
        scene.registers.moves.begin("CT_1", "WS", 1, "RELAY", ARCHIVES, 0.0)
    crossing = scene.workstation()
    crossing.caller.says(move("CT_1"), "STUDY", on=7)
    assert statuses(crossing) == [0xA702]


def test_a_failure_has_the_callers_own_message_id(scene):
    crossing = scene.workstation()
    crossing.caller.says(move("CT_1", 99), "STUDY", on=7)
    crossing.bank.grants(Unavailable())
    assert crossing.since()[-1] == "caller 7: C-MOVE-RSP 99 A702"


# back from the archive


def test_what_comes_back_goes_to_the_real_destination_from_the_real_originator(scene):
    _, _, sent = scene.moves("CT_1", calling="WS", message_id=99)
    crossing = scene.archive("ct1")
    crossing.caller.says(store("RELAY", sent.command.message_id), "PIXELS", on=3)
    wanted = crossing.bank.wanted[0][0]
    assert (wanted.asked.pool, wanted.asked.titles.calling) == ("ct1", ae_field("PACS_OF_CT1"))
    ct = crossing.lends("ct", {3: CT_IMAGE_STORAGE})
    (got,) = ct.got
    assert got.command_set == store("WS", 99)
    assert got.dataset == b"PIXELS"
    ct.says(reply(F.C_STORE_RQ), on=3)
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0000"


def test_moves_to_several_destinations_come_back_on_one_association_in_any_order(scene):
    _, _, first = scene.moves("CT_1")
    _, _, second = scene.moves("CT_2", calling="OTHER")
    crossing = scene.archive("ct1", "ct2")
    for sent, pool, originator in ((second, "ct2", "OTHER"), (first, "ct1", "WS")):
        crossing.caller.says(store("RELAY", sent.command.message_id), "PIXELS", on=3)
        assert crossing.bank.wanted[0][0].asked.pool == pool
        its = crossing.lends(pool, {3: CT_IMAGE_STORAGE})
        assert text(its.got[0], MOVE_ORIGINATOR) == originator
        its.says(reply(F.C_STORE_RQ), on=3)
    assert statuses(crossing) == [0, 0]


def test_a_move_that_begins_later_may_use_the_association_too(scene):
    scene.moves("CT_1")
    crossing = scene.archive("ct1")
    _, _, later = scene.moves("CT_2")
    crossing.caller.says(store("RELAY", later.command.message_id), "PIXELS", on=3)
    assert crossing.bank.wanted[0][0].asked.pool == "ct2"
    crossing.bank.grants(ContextRefused())
    assert statuses(crossing) == [0x0122]


def test_an_archive_that_names_no_originator_is_known_by_its_only_destination(scene):
    scene.moves("CT_2")
    crossing = scene.archive("ct2")
    crossing.caller.says(store(), "PIXELS", on=3)
    ct = crossing.lends("ct", {3: CT_IMAGE_STORAGE})
    assert ct.got[0].command_set == store()


def test_an_archive_that_names_no_originator_of_several_moves_is_not_understood(scene):
    scene.moves("CT_1")
    scene.moves("CT_2")
    crossing = scene.archive("ct1", "ct2")
    crossing.caller.says(store(), "PIXELS", on=3)
    assert statuses(crossing) == [0x0110]
    assert crossing.since()[-1] == "caller 3: C-STORE-RSP 1 0110"
    crossing.release()
    assert list(crossing.outcome.notes) == ["an object of no move that is known"]


@pytest.mark.parametrize("end", ["release", "abort", "lose"])
def test_objects_of_a_move_that_was_given_up_go_to_no_other_moves_destination(scene, end):
    given_up, _, _ = scene.moves("CT_1")
    getattr(given_up, end)()
    scene.moves("CT_2")
    crossing = scene.archive("ct1", "ct2")
    crossing.caller.says(store(), "PIXELS", on=3)
    assert statuses(crossing) == [0x0110]


def test_a_move_that_never_left_is_nobodys(scene):
    never_left = scene.workstation()
    never_left.caller.says(move("CT_1"), "STUDY", on=7)
    never_left.bank.grants(Unavailable())
    assert statuses(never_left) == [0xA702]
    assert scene.registers.moves.awaited("PACS", 0.0) == ()


def test_who_names_another_originator_and_no_message_id_means_another_move(scene):
    scene.moves("CT_1")
    crossing = scene.archive("ct1")
    crossing.caller.says(store("OTHER"), "PIXELS", on=3)
    assert statuses(crossing) == [0x0110]


def test_an_object_of_an_unknown_move_is_taken_and_refused(scene):
    scene.moves("CT_1")
    crossing = scene.archive("ct1")
    crossing.caller.says(store("RELAY", 4711), "PIXELS", on=3)
    assert statuses(crossing) == [0x0110]


def test_objects_may_come_behind_the_final_response_for_a_while(scene):
    _, a, sent = scene.moves("CT_1")
    a.says(reply(F.C_MOVE_RQ, sent.command.message_id), on=7)
    assert scene.archive("ct1").caller.accepted
    scene.registers.moves.awaited("PACS", AFTERLIFE)
    late = scene.crossing()
    late.asks(associate(contexts_of({3: CT_IMAGE_STORAGE}), calling="PACS"))
    assert late.since() == ["caller rejected 1,1,3"]


@pytest.mark.parametrize("end", ["release", "abort", "lose"])
def test_a_move_is_over_with_the_crossing_that_asked_for_it(scene, end):
    asking, _, _ = scene.moves("CT_1")
    getattr(asking, end)()
    assert scene.registers.moves.awaited("PACS", AFTERLIFE - 1) == ("CT_1",)
    assert scene.registers.moves.awaited("PACS", AFTERLIFE) == ()


VNA = Route("vna", "RELAY", calling="PACS", members=frozenset({"VNA"}))


def test_what_an_archive_sends_of_its_own_accord_goes_to_no_moves_destination(scene):
    scene.moves("CT_1")
    crossing = scene.crossing(routes=(VNA, *ROUTES))
    crossing.asks(associate(contexts_of({3: CT_IMAGE_STORAGE}), calling="PACS"))
    answers(crossing, "ct1")
    answers(crossing, "vna")
    crossing.caller.says(store(), "PIXELS", on=3)
    assert crossing.bank.wanted[0][0].asked.pool == "vna"
    crossing.lends("v", {3: CT_IMAGE_STORAGE}).says(reply(F.C_STORE_RQ), on=3)
    crossing.caller.says(store("RELAY", 1), "PIXELS", on=3)
    assert crossing.bank.wanted[0][0].asked.pool == "ct1"
    crossing.lends("ct", {3: CT_IMAGE_STORAGE}).says(reply(F.C_STORE_RQ), on=3)
    crossing.caller.says(store("RELAY", 4711), "PIXELS", on=3)
    assert statuses(crossing) == [0, 0, 0x0110]


# what is accepted


def test_what_all_destinations_accept_is_accepted(scene):
    scene.moves("CT_1")
    scene.moves("CT_2")
    crossing = scene.crossing()
    offered = contexts_of({3: CT_IMAGE_STORAGE, 5: "1.2.840.10008.5.1.4.1.1.4"})
    crossing.asks(associate(offered, calling="PACS"))
    answers(crossing, "ct1")
    asked, _ = crossing.bank.asked["ct2"]
    assert all(len(each.transfer_syntaxes) == 1 for each in asked.offer.contexts)
    only_ct = merged(asked.offer, [accepting(asked.offer.only({3}))])
    crossing.bank.answer("ct2", Negotiated("b", only_ct, ROOMY))
    assert {each.id: each.result for each in crossing.caller.answer.contexts} == {3: 0, 5: 3}
    assert crossing.session.party.contexts.keys() == {3}


def test_no_destination_is_asked_for_what_another_might_answer_differently(scene):
    scene.moves("CT_1")
    scene.moves("CT_2")
    crossing = scene.crossing()
    roles = RoleSelection(CT_IMAGE_STORAGE, True, False), RoleSelection(VERIFICATION, True, False)
    extended = (SOPClassExtendedNegotiation(CT_IMAGE_STORAGE, b"\1"),)
    information = UserInformation(16384, roles=roles, extended=extended)
    offered = contexts_of({1: VERIFICATION, 3: CT_IMAGE_STORAGE})
    crossing.asks(associate(offered, information, calling="PACS"))
    for pool in ("archive", "ct1", "ct2"):
        answers(crossing, pool)
    assert crossing.caller.answer.user_information.roles == roles[1:]
    assert crossing.caller.answer.user_information.extended == ()
    crossing.caller.says(store("RELAY", 1), "PIXELS", on=3)
    wanted = crossing.bank.wanted[0][0]
    assert (wanted.context.roles, wanted.context.extended) == (None, None)
    assert wanted.asked.offer.roles == wanted.asked.offer.extended == ()


def explicit_first(scene):
    """An archive calls back that would rather not use the default transfer syntax."""
    scene.moves("CT_1")
    scene.moves("CT_2")
    crossing = scene.crossing()
    offered = contexts_of({3: CT_IMAGE_STORAGE}, EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
    crossing.asks(associate(offered, calling="PACS"))
    answers(crossing, "ct1")
    return crossing


def test_what_only_one_would_have_in_its_own_syntax_is_accepted_in_the_default_one(scene):
    crossing = explicit_first(scene)
    asked, _ = crossing.bank.asked["ct2"]
    refusing = Answer.refusing(asked.offer, ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED)
    crossing.bank.answer("ct2", Negotiated("b", refusing, ROOMY))
    answers(crossing, "ct1")
    answers(crossing, "ct2")
    (accepted,) = crossing.caller.answer.contexts
    assert (accepted.result, accepted.transfer_syntax) == (0, IMPLICIT_LITTLE_ENDIAN)


def test_what_one_takes_in_no_syntax_is_not_asked_for_again(scene):
    crossing = explicit_first(scene)
    asked, _ = crossing.bank.asked["ct2"]
    crossing.bank.answer("ct2", Negotiated("b", accepting(asked.offer, [3]), ROOMY))
    (refused,) = crossing.caller.answer.contexts
    assert refused.result == ContextResult.ABSTRACT_SYNTAX_NOT_SUPPORTED


def test_what_one_takes_in_neither_syntax_is_refused(scene):
    crossing = explicit_first(scene)
    result = ContextResult.TRANSFER_SYNTAXES_NOT_SUPPORTED
    for pool in ("ct2", "ct1"):
        asked, _ = crossing.bank.asked[pool]
        refusing = Answer.refusing(asked.offer, result)
        crossing.bank.answer(pool, Negotiated("b", refusing, ROOMY))
    (refused,) = crossing.caller.answer.contexts
    assert refused.result == result


def test_a_destination_that_is_down_has_no_say(scene):
    scene.moves("CT_1")
    scene.moves("CT_2")
    crossing = scene.archive("ct1")
    crossing.bank.answer("ct2", Unavailable())
    assert crossing.session.party.contexts.keys() == {3}


def test_where_all_are_down_the_archive_is_to_try_again(scene):
    scene.moves("CT_1")
    crossing = scene.archive()
    crossing.bank.answer("ct1", Unavailable())
    assert crossing.since()[-1] == "caller rejected 2,3,1"


def test_a_c_echo_beside_it_goes_its_own_way(scene):
    scene.moves("CT_1")
    crossing = scene.crossing()
    offered = contexts_of({1: VERIFICATION, 3: CT_IMAGE_STORAGE})
    crossing.asks(associate(offered, calling="PACS"))
    answers(crossing, "archive")
    answers(crossing, "ct1")
    crossing.caller.says(encode({0x0002: VERIFICATION, 0x0100: 0x30, 0x0110: 1, 0x0800: 0x0101}))
    assert crossing.bank.wanted[0][0].asked.pool == "archive"


def test_what_is_no_sub_operation_is_for_nobody(scene):
    scene.moves("CT_1")
    crossing = scene.archive("ct1")
    crossing.caller.says(encode({0x0100: F.N_ACTION_RQ, 0x0110: 1, 0x0800: 0x0101}), on=3)
    assert statuses(crossing) == [0x0211]

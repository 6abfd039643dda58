"""Storage commitment that is asked for in another AE title's place."""

from __future__ import annotations

import struct

import attrs
import pytest

from relay.bridge.addressing import Registers
from relay.bridge.ports import ContextRefused, Negotiated, Requester, Terms, Unavailable
from relay.bridge.pressure import HELD_MAXIMUM
from relay.policy.affinity import by_association
from relay.policy.routing import Route
from relay.policy.showing import Showing
from relay.wire.bounds import Bounds
from relay.wire.command import CommandField as F
from relay.wire.pdu import ae_field
from relay.wire.reader import LAST
from relay.wire.user_information import RoleSelection, UserInformation
from tests.doubles import (
    COMMITMENT,
    ROOMY,
    Association,
    Crossing,
    accepting,
    associate,
    contexts_of,
    reply,
    request,
)
from tests.vectors import p_data, pdv

UID = "2.25.1234"
MASKED = Route("archive", "RELAY", showing=Showing("RELAY"), members=frozenset({"PACS"}))
TO_CT_1 = Route("ct1", "CT_1", members=frozenset({"CT_1"}))
REPORTER = UserInformation(16384, roles=(RoleSelection(COMMITMENT, False, True),))


def element(group, number, text):
    """An element in Implicit VR Little Endian."""
    value = text.encode() + b"\0" * (len(text) % 2)
    return struct.pack("<HHL", group, number, len(value)) + value


DATASET = element(8, 0x1195, UID) + element(8, 0x1199, "what is to be committed")


@attrs.define
class Table:
    """The transactions, in memory: answers when the test says so, unless it `answers` at once."""

    rows: dict = attrs.field(factory=dict)
    answers: bool = True
    keeps: bool = True
    _due: list = attrs.field(factory=list)

    def remember(self, uid, requester, done):
        def work():
            if self.keeps:
                self.rows[uid] = requester
            done(self.keeps)

        self._later(work)

    def find(self, uid, done):
        self._later(lambda: done(self.rows.get(uid)))

    def _later(self, work):
        self._due.append(work)
        if self.answers:
            self.answer()

    def answer(self):
        due, self._due = self._due, []
        for work in due:
            work()


@pytest.fixture
def table():
    return Table()


def crossing(table, routes=(MASKED, TO_CT_1)):
    return Crossing(routes, registers=Registers(transactions=table))


def modality(table, calling="CT_1", routes=(MASKED, TO_CT_1)):
    """A crossing of a modality that may ask for storage commitment."""
    its = crossing(table, routes)
    its.asks(associate(contexts_of({11: COMMITMENT}), calling=calling))
    asked, _ = its.bank.asked["archive"]
    its.bank.answer("archive", Negotiated("a", accepting(asked.offer), ROOMY))
    its.since()
    return its


def archive(table, information=REPORTER):
    """A crossing of the archive, which reports to whom it was shown."""
    its = crossing(table)
    its.asks(associate(contexts_of({11: COMMITMENT}), information, calling="PACS"))
    return its


ACTION = request(F.N_ACTION_RQ, 1, COMMITMENT)
REPORT = request(F.N_EVENT_REPORT_RQ, 5, COMMITMENT)


def text(dataset):
    return dataset.decode("latin-1")


def statuses(its):
    return [each.command.status for each in its.caller.got if each.command.is_response]


# the request


def test_a_request_leaves_once_it_is_written_down_whose_it_is(table):
    table.answers = False
    its = modality(table)
    its.caller.says(ACTION, DATASET, on=11)
    assert its.since() == []
    table.answer()
    assert table.rows == {UID: Requester("CT_1", "RELAY")}
    assert its.since() == ["lease archive"]
    a = its.lends("a", {11: COMMITMENT})
    assert a.got[0].dataset == DATASET
    a.says(reply(F.N_ACTION_RQ), on=11)
    assert statuses(its) == [0]


@pytest.mark.parametrize("keeps", [True, False])
def test_a_request_that_grows_too_large_while_it_is_written_down_is_answered_once(table, keeps):
    table.answers, table.keeps = False, keeps
    its = modality(table)
    its.session.party.assembler.bounds = Bounds(max_object=len(DATASET))
    its.caller.begins(ACTION, DATASET, on=11)
    its.caller.ends("more")
    assert its.since() == ["caller 11: N-ACTION-RSP 1 0213"]
    table.answer()
    assert its.since() == []
    its.release()
    assert its.outcome.failed == 1


def test_it_is_written_down_as_soon_as_the_uid_has_come(table):
    its = modality(table)
    its.caller.begins(ACTION, *(DATASET[at : at + 1] for at in range(17)), on=11)
    assert table.rows == {}
    its.caller.goes_on(DATASET[17:30])
    assert its.since() == ["lease archive"]
    its.caller.ends(DATASET[30:])
    assert its.lends("a", {11: COMMITMENT}).got[0].dataset == DATASET


def test_what_cannot_be_written_down_does_not_leave(table):
    table.keeps = False
    its = modality(table)
    its.caller.says(ACTION, DATASET, on=11)
    assert its.since() == ["caller 11: N-ACTION-RSP 1 0213"]
    its.release()
    assert list(its.outcome.notes) == [
        "a storage commitment request that could not be written down"
    ]


def test_a_modality_that_takes_any_status_for_final_is_aborted_instead(table):
    table.keeps = False
    its = crossing(table)
    its.bank.granted = Terms(by_association, aborts=True)
    its.asks(associate(contexts_of({11: COMMITMENT}), calling="CT_1"))
    asked, _ = its.bank.asked["archive"]
    its.bank.answer("archive", Negotiated("a", accepting(asked.offer), ROOMY))
    its.since()
    its.caller.says(ACTION, DATASET, on=11)
    assert its.since() == ["caller aborted 2,0"]


@pytest.mark.parametrize("dataset", [element(8, 0x1199, "nothing"), element(8, 0x1195, "")])
def test_a_request_without_a_transaction_uid_does_not_leave(table, dataset):
    its = modality(table)
    its.caller.says(ACTION, dataset, on=11)
    assert its.since() == ["caller 11: N-ACTION-RSP 1 0110"]


def test_a_request_without_a_dataset_does_not_leave(table):
    its = modality(table)
    its.caller.says(request(F.N_ACTION_RQ, 1, COMMITMENT, dataset=False), on=11)
    assert its.since() == ["caller 11: N-ACTION-RSP 1 0110"]


def test_a_uid_longer_than_any_is_none(table):
    its = modality(table)
    its.caller.says(ACTION, element(8, 0x1195, "1" * 66), on=11)
    assert statuses(its) == [0x0110]


def test_a_uid_that_hides_behind_more_headers_than_are_held_is_given_up(table):
    its = modality(table)
    its.caller.begins(ACTION, on=11)
    its.caller.feeds(p_data(pdv(11, 0, b"")) * (HELD_MAXIMUM // 12 + 1))
    its.caller.feeds(p_data(pdv(11, LAST, DATASET)))
    assert "caller paused" in its.since()
    assert statuses(its) == [0x0110]
    assert not its.caller.is_paused


def test_a_modality_that_has_gone_meanwhile_asks_for_nothing(table):
    table.answers = False
    its = modality(table)
    its.caller.says(ACTION, DATASET, on=11)
    its.lose()
    table.answer()
    assert its.since() == []


def test_a_modality_that_is_shown_itself_is_found_without_a_table(table):
    own = Route("archive", "RELAY")
    its = modality(table, routes=(own,))
    its.caller.says(ACTION, DATASET, on=11)
    assert (table.rows, its.since()) == ({}, ["lease archive"])


def test_who_is_shown_its_own_title_all_the_same_needs_none_either(table):
    its = modality(table, calling="RELAY")
    its.caller.says(ACTION, DATASET, on=11)
    assert (table.rows, its.since()) == ({}, ["lease archive"])


def test_a_modality_that_proposes_both_roles_asks(table):
    both = UserInformation(16384, roles=(RoleSelection(COMMITMENT, True, True),))
    its = crossing(table)
    its.asks(associate(contexts_of({11: COMMITMENT}), both, calling="CT_1"))
    assert its.since() == ["negotiate archive"]


# the report


def test_a_report_goes_to_whoever_asked_from_the_title_that_it_had_called(table):
    table.rows[UID] = Requester("CT_1", "RELAY")
    its = archive(table)
    assert its.since() == ["caller accepted"]
    assert its.caller.answer.user_information.roles == REPORTER.roles
    its.caller.says(REPORT, DATASET, on=11)
    wanted = its.bank.wanted[0][0]
    assert (wanted.asked.pool, wanted.asked.titles.calling) == ("ct1", ae_field("RELAY"))
    assert wanted.asked.offer.roles == REPORTER.roles
    assert wanted.context.roles == (False, True)
    ct = Association("ct", its.out, held={1: wanted.context})
    its.bank.grants(ct)
    assert (ct.got[0].command_set, ct.got[0].dataset) == (REPORT, DATASET)
    ct.says(reply(F.N_EVENT_REPORT_RQ, 5), on=1)
    assert its.since()[-1] == "caller 11: N-EVENT-REPORT-RSP 5 0000"


def test_a_report_of_nobodys_is_not_delivered(table):
    its = archive(table)
    its.caller.says(REPORT, DATASET, on=11)
    assert its.since()[-1] == "caller 11: N-EVENT-REPORT-RSP 5 0110"
    its.release()
    assert list(its.outcome.notes) == [
        "a report of a storage commitment that nobody is known to have asked for"
    ]


@pytest.mark.parametrize("result", [Unavailable(), ContextRefused()])
def test_a_report_to_a_modality_that_is_off_is_not_delivered(table, result):
    table.rows[UID] = Requester("CT_1", "RELAY")
    its = archive(table)
    its.caller.says(REPORT, DATASET, on=11)
    its.bank.grants(result)
    assert statuses(its) == [0x0110]


def test_a_report_to_who_has_no_route_any_more_is_not_delivered(table):
    table.rows[UID] = Requester("CT_9", "RELAY")
    its = archive(table)
    its.caller.says(REPORT, DATASET, on=11)
    assert statuses(its) == [0x0110]
    its.release()
    assert list(its.outcome.notes) == ["no way to 'CT_9'"]


def test_a_report_without_a_uid_or_without_a_table_is_not_delivered(table):
    its = archive(table)
    its.caller.says(REPORT, element(8, 0x1199, "nothing"), on=11)
    bare = archive(None)
    bare.caller.says(REPORT, DATASET, on=11)
    assert statuses(its) == statuses(bare) == [0x0110]


def test_an_archive_that_has_gone_meanwhile_reports_to_nobody(table):
    table.answers, table.rows[UID] = False, Requester("CT_1", "RELAY")
    its = archive(table)
    its.caller.says(REPORT, DATASET, on=11)
    its.since()
    its.abort()
    table.answer()
    assert its.since() == []


def test_without_a_table_nobody_asks_in_anothers_place():
    its = modality(None)
    its.caller.says(ACTION, DATASET, on=11)
    assert statuses(its) == [0x0110]


# a report on an association that was leased for a modality


def asked_for(table, calling="CT_1", uid=UID):
    """A modality's crossing, and the archive's association that its request went by."""
    its = modality(table, calling)
    its.caller.says(ACTION, element(8, 0x1195, uid), on=11)
    a = its.lends("a", {11: COMMITMENT})
    a.says(reply(F.N_ACTION_RQ), on=11)
    its.since()
    return its, a


def test_a_report_on_the_same_association_goes_back_on_it(table):
    its, a = asked_for(table)
    a.says(REPORT, DATASET, on=11)
    assert its.since() == ["caller 11: N-EVENT-REPORT-RQ 5 +", f"caller 11: {text(DATASET)}"]
    its.caller.says(reply(F.N_EVENT_REPORT_RQ, 5), on=11)
    assert its.since() == ["a 11: N-EVENT-REPORT-RSP 5 0000"]


@pytest.mark.parametrize("dataset", [DATASET, element(8, 0x1199, "nothing")])
def test_a_report_of_anothers_commitment_is_not_delivered_there(table, dataset):
    asked_for(table)
    its, a = asked_for(table, "CT_2", "2.25.5678")
    a.says(REPORT, dataset, on=11)
    assert its.since() == ["a 11: N-EVENT-REPORT-RSP 5 0110"]
    its.release()
    assert list(its.outcome.notes) == [
        "a report of a storage commitment that this caller has not asked for"
    ]


@pytest.mark.parametrize("end", ["release", "lose", "falls"])
def test_who_has_gone_before_it_is_known_whose_a_report_is_gets_nothing(table, end):
    its, a = asked_for(table)
    table.answers = False
    a.begins(REPORT, DATASET, on=11)
    getattr(a if end == "falls" else its, end)()
    its.since()
    table.answer()
    assert its.since() == []


def test_who_is_shown_itself_gets_what_its_archive_reports(table):
    its = modality(table, routes=(Route("archive", "RELAY"),))
    its.caller.says(ACTION, DATASET, on=11)
    a = its.lends("a", {11: COMMITMENT})
    a.says(reply(F.N_ACTION_RQ), on=11)
    its.since()
    a.says(REPORT, DATASET, on=11)
    assert its.since()[0] == "caller 11: N-EVENT-REPORT-RQ 5 +"

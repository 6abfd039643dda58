"""A canary through every field never comes out of the log: "PHI"."""

from __future__ import annotations

import gc
from typing import Any

from twisted.logger import eventAsText

from relay.wire.command import CommandField
from relay.wire.pdu import AssociateRJ
from tests.bad_inputs.case import BadInputs, is_the_relays, without
from tests.peers import (
    A_DATASET,
    ECHO,
    FIND,
    GET,
    MOVE,
    PATIENT_ROOT_FIND,
    STORE,
    associate_rq,
    command_of,
    context_item,
    element,
    identity,
    proposals,
    response_of,
    said,
    store,
    store_command,
)
from tests.vectors import CT_IMAGE_STORAGE, EXPLICIT_LITTLE_ENDIAN, item, p_data, pdu, pdv

CANARY = "CANARY"
"""Stands for a patient: it must not come out."""

SECRET = CANARY.encode()
SECRET_UID = "2.25.6765786582"
"""Stands for what identifies an object, of which only a keyed hash may ever be logged."""

PATIENT = element(0x0010, 0x0010, SECRET + b"^JANE") + element(0x0010, 0x0020, SECRET + b"42")
PRIVATE = element(0x0011, 0x0010, SECRET + b" PRIVATE") + element(0x0011, 0x1001, SECRET * 100)
RECORD = PATIENT + PRIVATE + element(0x0020, 0x000D, SECRET_UID.encode() + b"\0")


class Always:
    """Gives the same answer to everything."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer

    def __call__(self, what: object) -> bytes:
        return self.answer


class NoPatientInTheLog(BadInputs):
    """A canary through every field, at every level of the log."""

    def tearDown(self) -> None:
        super().tearDown()
        self.assertGreater(len(self.events), 0)
        for event in self.events:
            told = eventAsText(event, includeTraceback=True)
            told += "".join(map(repr, event.values()))
            self.assertNotIn(CANARY, told)
            self.assertNotIn(SECRET_UID, told)

    def request(self) -> bytes:
        """A request with a canary wherever one may stand."""
        role = len(SECRET_UID).to_bytes(2, "big") + SECRET_UID.encode()
        common = role + role + len(role).to_bytes(2, "big") + role
        return associate_rq(
            proposals() + context_item(99, SECRET_UID, EXPLICIT_LITTLE_ENDIAN, SECRET_UID),
            user_items=b"".join(
                (
                    item(0x52, SECRET_UID.encode()),
                    item(0x54, role + b"\1\1"),
                    item(0x55, SECRET),
                    item(0x56, role + SECRET),
                    item(0x57, common),
                    identity(SECRET, SECRET),
                    item(0x5F, SECRET),
                )
            ),
            more_items=item(0x77, SECRET),
        )

    def fields(self) -> dict[str, Any]:
        """Elements of a command set that may identify somebody."""
        return {"e1000": SECRET_UID, "e1001": SECRET_UID, "e0902": SECRET, "e0901": SECRET}

    def test_in_every_field_of_what_crosses(self):
        self.archive.script.answer = lambda message: said(
            message.context_id,
            response_of(message.command, 0xC123, A_DATASET, **self.fields()),
            RECORD,
        )
        caller = self.bed.associate(self.request())
        for context_id, field in (
            (ECHO, CommandField.C_ECHO_RQ),
            (STORE, CommandField.C_STORE_RQ),
            (FIND, CommandField.C_FIND_RQ),
            (MOVE, CommandField.C_MOVE_RQ),
            (GET, CommandField.C_GET_RQ),
            (11, CommandField.N_ACTION_RQ),
        ):
            sop_class = {STORE: CT_IMAGE_STORAGE}.get(context_id, PATIENT_ROOT_FIND)
            command = command_of(field, 1, A_DATASET, e0002=sop_class, **self.fields())
            self.bed.say(caller, said(context_id, command, RECORD))
            ((_, _, status),) = caller.messages()
            self.assertEqual(status, 0xC123)
        self.bed.release(caller)

    def test_in_what_is_refused(self):
        broken = without(store_command(**self.fields()), 0x0800)
        other = command_of(CommandField.C_STORE_RQ, 3, A_DATASET, e0002=SECRET_UID)
        unknown = command_of(0x0777, 4, A_DATASET, **self.fields())
        caller = self.bed.associate(self.request())
        self.bed.say(caller, said(STORE, broken, RECORD), said(STORE, other, RECORD))
        self.bed.say(caller, said(STORE, unknown, RECORD))
        self.assertEqual(len(caller.since()), 3)
        self.bed.release(caller)

    def test_in_what_is_aborted(self):
        for data in (
            SECRET,
            pdu(0x43, SECRET),
            said(97, SECRET),
            said(STORE, SECRET),
            p_data(pdv(STORE, 2, RECORD)),
            pdu(4, SECRET),
            said(STORE, element(0, 0x0100, SECRET)),
            self.request(),
        ):
            self.hurt(data)
        for data in (SECRET, b"\x01" + SECRET, pdu(1, SECRET * 20), associate_rq(SECRET * 10)):
            self.stranger(data)
        self.network.wait(30)

    def test_in_what_an_archive_says_wrong(self):
        for answer in (
            SECRET,
            said(STORE, SECRET),
            p_data(pdv(STORE, 2, RECORD)),
            said(97, SECRET),
            pdu(0x43, SECRET),
            said(STORE, element(0, 0x0900, SECRET)),
        ):
            self.archive.script.answer = Always(answer)
            caller = self.bed.associate(self.request())
            self.bed.say(caller, store(RECORD, instance=SECRET_UID))
            caller.transport.abortConnection()
            self.network.settle()

    def test_in_what_an_archive_says_to_nobody(self):
        report = command_of(CommandField.N_EVENT_REPORT_RQ, 7, A_DATASET, **self.fields())
        for data in (said(11, report, RECORD), said(11, SECRET), SECRET):
            self.bed.release(self.bed.associate())
            self.archive.open[0].say(data)
            self.network.settle()

    def test_in_how_an_archive_refuses(self):
        for answer in (SECRET, pdu(3, SECRET), pdu(2, SECRET * 20), AssociateRJ(2, 2, 1).encode()):
            self.archive.script.associate = Always(answer)
            self.assertIsInstance(self.answer_to(self.request()), AssociateRJ)

    def test_in_what_is_lost_half_way(self):
        begun = said(STORE, store_command(**self.fields()), RECORD)[:-10]
        for is_archives in (False, True):
            caller = self.bed.associate(self.request())
            self.bed.say(caller, begun)
            if is_archives:
                self.archive.open[0].transport.abortConnection()
                self.network.settle()
            caller.transport.abortConnection()
            self.network.settle()

    def test_in_the_repr_of_anything_that_is_alive(self):
        self.archive.script.answer = lambda message: None
        # Another word than elsewhere: what other tests left behind is theirs.
        name = b"JANE^DOE"
        record = RECORD.replace(SECRET, name[:6])
        caller = self.bed.associate(associate_rq(user_items=identity(name, name)))
        # One is on its way, one waits, one is half there, and so is a command set.
        self.bed.say(caller, store(record, 1, e0902=name))
        self.bed.say(caller, store(record, 2, e0902=name))
        self.bed.say(caller, said(STORE, store_command(3, e0902=name), record)[:-10])
        other = self.bed.associate()
        self.bed.say(other, p_data(pdv(STORE, 1, store_command(e0902=name, e1030=name))))
        half = self.bed.call(associate_rq(user_items=identity(name, name))[:-2])
        shown = [repr(each) for each in gc.get_objects() if is_the_relays(type(each))]
        self.assertGreater(len(shown), 50)
        for each in shown:
            self.assertNotIn("JANE", each)
        caller.transport.abortConnection()
        other.transport.abortConnection()
        half.transport.abortConnection()
        self.network.settle()


class NoPatientInAMoveDestination(NoPatientInTheLog):
    """The same where the relay reads Move Destination, and answers that there is none."""

    def configuration(self) -> str:
        rewriting = 'upstreams = ["pacs"]\nmove_destination = "rewrite"'
        return super().configuration().replace('upstreams = ["pacs"]', rewriting)

    def test_in_every_field_of_what_crosses(self):
        caller = self.bed.associate(self.request())
        move = command_of(
            CommandField.C_MOVE_RQ, 1, A_DATASET, e0002=PATIENT_ROOT_FIND, e0600=SECRET
        )
        self.bed.say(caller, said(MOVE, move, RECORD))
        self.assertEqual(caller.messages(), [("C_MOVE_RSP", 1, 0xA801)])
        self.bed.release(caller)

"""A canary through every field never comes out of the log: "PHI"."""

from __future__ import annotations

import gc

from twisted.logger import Logger

from relay.wire.command import CommandField
from relay.wire.pdu import Abort, AssociateRJ
from tests.bad_inputs.canary import (
    ELSEWHERE,
    RECORD,
    SECRET,
    SECRET_UID,
    SERVICES,
    Always,
    Answering,
    acceptance,
    asked,
    elements,
    forms_of,
    found_in,
    request,
)
from tests.bad_inputs.case import BadInputs, is_the_relays, without
from tests.bed import ARCHIVE_PORT
from tests.logs import LogCase
from tests.peers import (
    A_DATASET,
    COMMITMENT,
    PATIENT_ROOT_FIND,
    STORE,
    associate_rq,
    command_of,
    element,
    identity,
    said,
    store,
    store_command,
)
from tests.vectors import CT_IMAGE_STORAGE, item, p_data, pdu, pdv

FAILURES = (0xC123, 0xA700, 0x0110, 0xB000)
"""What an archive may say: it failed, it is full, it failed in another way, it warns."""


class Canary(LogCase):
    """What would be said of a canary that came out."""

    log = Logger()

    def test_it_is_found_in_whatever_form_it_has(self):
        for each in (SECRET, SECRET.decode(), [SECRET.hex()], {"who": SECRET}, ValueError(SECRET)):
            self.log.debug("said", what=each)
        self.log.debug("said {what}", what=SECRET_UID)
        try:
            raise ValueError(SECRET)
        except ValueError:
            self.log.failure("it failed")
        self.flushLoggedErrors(ValueError)
        self.assertEqual(len(self.events), 7)
        for event in self.events:
            self.assertTrue(any(map(found_in, forms_of(event))), event)


class NoPatient(BadInputs):
    """Whatever a test did, no canary is in the log, at any level and in any form of it."""

    def tearDown(self) -> None:
        super().tearDown()
        self.assertGreater(len(self.events), 0)
        for event in self.events:
            for form in forms_of(event):
                self.assertEqual(found_in(form), [], form)


class NoPatientInTheLog(NoPatient):
    """A canary through every field, from callers and archives that may be hostile."""

    def setUp(self) -> None:
        super().setUp()
        self.archive.script.associate = acceptance

    def test_in_every_field_of_what_crosses(self):
        for status in (0x0000, *FAILURES):
            self.archive.script.answer = Answering(status)
            caller = self.bed.associate(request())
            for message_id, field in enumerate(SERVICES, 1):
                self.bed.say(caller, asked(field, message_id))
                told = field.name.replace("RQ", "RSP"), message_id, status
                self.assertEqual(caller.messages(), [told])
            self.bed.release(caller)

    def test_in_answers_that_are_more_than_one_and_in_a_cancel(self):
        self.archive.script.answer = Answering(0xFF00)
        caller = self.bed.associate(request())
        self.bed.say(caller, asked(CommandField.C_FIND_RQ))
        self.assertEqual(caller.messages(), [("C_FIND_RSP", 1, 0xFF00)])
        cancel = command_of(CommandField.C_CANCEL_RQ, e0120=1, **elements(e0002=PATIENT_ROOT_FIND))
        self.bed.say(caller, said(5, cancel + ELSEWHERE))
        caller.transport.abortConnection()
        self.network.settle()

    def test_in_what_is_refused(self):
        broken = without(store_command(**elements(e0002=SECRET_UID)), 0x0800)
        other = command_of(CommandField.C_STORE_RQ, 3, A_DATASET, **elements())
        unknown = command_of(0x0777, 4, A_DATASET, **elements())
        caller = self.bed.associate(request())
        self.bed.say(caller, said(STORE, broken, RECORD), said(STORE, other, RECORD))
        self.bed.say(caller, said(STORE, unknown, RECORD))
        self.assertEqual(len(caller.since()), 3)
        self.bed.release(caller)

    def test_in_requests_that_are_rejected(self):
        for how in ({"called": b"NOBODY"}, {"calling": b"\x01"}, {"version": 2}, {"maximum": 4}):
            self.assertIsInstance(self.answer_to(request(**how)), AssociateRJ)
        self.assertIsInstance(self.answer_to(request(application_context=SECRET_UID)), AssociateRJ)

    def test_in_what_is_aborted(self):
        for data in (
            SECRET,
            pdu(0x43, SECRET),
            said(97, SECRET),
            said(STORE, SECRET),
            p_data(pdv(STORE, 2, RECORD)),
            pdu(4, SECRET),
            pdu(5, SECRET),
            pdu(7, SECRET),
            said(STORE, element(0, 0x0100, SECRET)),
            said(STORE, element(0, 0x0902, SECRET) * 9000),
            request(),
        ):
            caller = self.bed.associate(request())
            self.bed.say(caller, data)
            self.assertTrue(caller.is_closed)
        for data in (
            SECRET,
            b"\x01" + SECRET,
            pdu(1, SECRET * 20),
            associate_rq(SECRET * 10),
            associate_rq(item(0x20, SECRET)),
            associate_rq(user_items=item(0x58, SECRET)),
            associate_rq(user_items=item(0x54, b"\xff\xff" + SECRET)),
        ):
            self.stranger(data)
        self.network.wait(30)

    def test_in_what_a_caller_aborts(self):
        self.archive.script.answer = lambda message: None
        begun = said(STORE, store_command(**elements(e0002=CT_IMAGE_STORAGE)))
        for data in (begun, asked(CommandField.C_FIND_RQ), b""):
            for abort in (Abort(0, 0).encode(), pdu(7, SECRET[:4])):
                self.bed.say(self.bed.associate(request()), data, abort)
        self.assertEqual(len(self.lines()), 6)

    def test_in_what_an_archive_says_wrong(self):
        for answer in (
            SECRET,
            said(STORE, SECRET),
            p_data(pdv(STORE, 2, RECORD)),
            said(97, SECRET),
            pdu(0x43, SECRET),
            pdu(7, SECRET[:4]),
            said(STORE, element(0, 0x0900, SECRET)),
            asked(CommandField.C_STORE_RQ),
            request(),
        ):
            self.archive.script.answer = Always(answer)
            caller = self.bed.associate(request())
            self.bed.say(caller, asked(CommandField.C_STORE_RQ))
            caller.transport.abortConnection()
            self.network.settle()

    def test_in_what_an_archive_says_to_nobody(self):
        report = command_of(
            CommandField.N_EVENT_REPORT_RQ,
            7,
            A_DATASET,
            **elements(e0002="1.2.840.10008.1.20.1"),
        )
        for data in (said(COMMITMENT, report, RECORD), said(COMMITMENT, SECRET), SECRET):
            self.bed.release(self.bed.associate())
            self.archive.open[0].say(data)
            self.network.settle()

    def test_in_how_an_archive_refuses(self):
        for answer in (
            SECRET,
            pdu(3, SECRET),
            pdu(3, SECRET[:4]),
            pdu(2, SECRET * 20),
            pdu(7, SECRET[:4]),
            AssociateRJ(2, 2, 1).encode(),
        ):
            self.archive.script.associate = Always(answer)
            self.assertIsInstance(self.answer_to(request()), AssociateRJ)

    def test_in_what_is_lost_half_way(self):
        begun = asked(CommandField.C_STORE_RQ)[:-10]
        for is_archives in (False, True):
            caller = self.bed.associate(request())
            self.bed.say(caller, begun)
            if is_archives:
                self.archive.open[0].transport.abortConnection()
                self.network.settle()
            caller.transport.abortConnection()
            self.network.settle()

    def test_in_what_nobody_can_perform_any_more(self):
        caller = self.bed.associate(request())
        del self.network.listening[ARCHIVE_PORT]
        self.archive.open[0].transport.abortConnection()
        self.network.settle()
        for message_id, field in enumerate(SERVICES, 1):
            if field is not CommandField.C_ECHO_RQ:
                self.bed.say(caller, asked(field, message_id))
                self.network.wait(1)
        statuses = [status for _, _, status in caller.messages()]
        self.assertEqual(len(statuses), len(SERVICES) - 1)
        self.assertNotIn(0, statuses)
        caller.transport.abortConnection()
        self.network.settle()

    def test_in_what_takes_too_long(self):
        self.archive.script.answer = lambda message: None
        slow, deaf = self.bed.associate(request()), self.bed.associate(request())
        self.bed.say(slow, asked(CommandField.C_STORE_RQ)[:-10])
        self.bed.say(deaf, asked(CommandField.C_STORE_RQ))
        self.network.wait(400)
        self.assertTrue(slow.is_closed)
        self.assertEqual(deaf.messages(), [("C_STORE_RSP", 1, 0xA700)])
        self.bed.release(deaf)

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
        caller = self.bed.associate(request())
        self.bed.say(caller, asked(CommandField.C_MOVE_RQ))
        self.assertEqual(caller.messages(), [("C_MOVE_RSP", 1, 0xA801)])
        self.bed.release(caller)


class NoPatientInAFailover(NoPatient):
    """Two archives, of which one fails, again and again: what is sent again, and who is put out."""

    def configuration(self) -> str:
        both = (
            '[upstream.ris]\naddress = "RIS@ris.example.org:104"\n'
            '[pool.archive]\nupstreams = ["pacs", "ris"]'
        )
        of_one = '[pool.archive]\nupstreams = ["pacs"]'
        return super().configuration().replace(of_one, both)

    def setUp(self) -> None:
        super().setUp()
        self.archive.script.associate = acceptance

    def stores(self, data: bytes) -> list[str]:
        """What is logged of an object that the first archive that has it is lost over."""
        caller = self.bed.associate(request())
        self.bed.say(caller, data)
        for each in self.archive.open:
            each.transport.abortConnection()
        self.archive.script.answer = Answering(0x0000)
        self.network.settle()
        self.bed.say(caller, asked(CommandField.C_STORE_RQ)[len(data) :])
        self.network.wait(1)
        self.assertEqual(caller.messages(), [("C_STORE_RSP", 1, 0)])
        self.bed.release(caller)
        return self.lines()[-1:]

    def test_in_what_is_sent_again_after_half_of_it(self):
        (line,) = self.stores(asked(CommandField.C_STORE_RQ)[:-10])
        self.assertIn("1 sent again;", line)

    def test_in_what_is_sent_again_after_all_of_it(self):
        self.archive.script.answer = lambda message: None
        (line,) = self.stores(asked(CommandField.C_STORE_RQ))
        self.assertIn("1 sent again (1 perhaps performed)", line)

    def test_in_why_an_archive_is_put_out(self):
        self.archive.script.answer = Always(said(STORE, SECRET))
        for _ in range(6):
            caller = self.bed.associate(request())
            self.bed.say(caller, asked(CommandField.C_STORE_RQ))
            self.network.wait(1)
            caller.transport.abortConnection()
            self.network.settle()
        self.assertTrue([line for line in self.lines("warn") if " is out: " in line])

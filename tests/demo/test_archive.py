"""The embedded archive's end of an association: what it takes, and what it makes of the order."""

from __future__ import annotations

from twisted.internet.ssl import CertificateOptions

from relay.demo.dimse import request
from relay.wire.command import CommandField
from relay.wire.negotiation import Context
from tests.demo.door import ALL, ECHO, STORE, STUDIES, DoorTestCase
from tests.vectors import CT_IMAGE_STORAGE, EXPLICIT_LITTLE_ENDIAN

BIG_ENDIAN = "1.2.840.10008.1.2.2"
UNKNOWN_SYNTAX = "1.2.826.0.1.3680043.9.3811.99"
WORKLIST = "1.2.840.10008.5.1.4.31"


class Negotiation(DoorTestCase):
    def test_storage_is_taken_in_any_transfer_syntax(self) -> None:
        strange = Context(CT_IMAGE_STORAGE, UNKNOWN_SYNTAX)
        assert set(self.call(STORE, strange).contexts.values()) == {STORE, strange}

    def test_queries_and_echoes_are_taken_in_what_can_be_read_only(self) -> None:
        strange = (Context(each.abstract_syntax, BIG_ENDIAN) for each in (STUDIES, ECHO))
        assert set(self.call(*ALL, *strange).contexts.values()) == set(ALL)

    def test_what_is_not_served_is_refused(self) -> None:
        worklist = Context(WORKLIST, EXPLICIT_LITTLE_ENDIAN)
        assert set(self.call(ECHO, worklist).contexts.values()) == {ECHO}


class Operations(DoorTestCase):
    def test_c_echo_succeeds(self) -> None:
        modality = self.call()
        for _ in range(2):
            (response,) = self.ask(modality, ECHO, CommandField.C_ECHO_RQ)
            assert (response.status, response.dataset) == (0x0000, b"")

    def test_what_a_sop_class_does_not_know_is_not_recognised(self) -> None:
        modality = self.call()
        for context, field in (
            (STUDIES, CommandField.C_STORE_RQ),
            (STORE, CommandField.C_FIND_RQ),
            (ECHO, CommandField.N_GET_RQ),
        ):
            (response,) = self.ask(modality, context, field, "1.2.3", bytes(8))
            assert response.status == 0x0211
        assert self.names() == []

    def test_a_second_request_before_the_answer_ends_the_association(self) -> None:
        modality = self.call()
        ids = {context: each for each, context in modality.contexts.items()}
        field = CommandField.C_STORE_RQ
        modality.say(ids[STORE], request(field, 1, CT_IMAGE_STORAGE, "1.2", has_dataset=True))
        modality.say(ids[STORE], request(field, 2, CT_IMAGE_STORAGE, "1.2", has_dataset=True))
        self.network.settle()
        assert not modality.layer.established

    def test_a_message_on_a_context_that_was_refused_ends_the_association(self) -> None:
        modality = self.call(ECHO)
        echo = request(CommandField.C_ECHO_RQ, 1, ECHO.abstract_syntax, "", has_dataset=False)
        modality.say(99, echo)
        self.network.settle()
        assert not modality.layer.established

    def test_a_command_set_that_cannot_be_read_ends_the_association(self) -> None:
        modality = self.call(ECHO)
        modality.say(1, b"\0\0\0\1\xff\0\0\0")
        self.network.settle()
        assert not modality.layer.established


class Ends(DoorTestCase):
    def test_an_association_is_released(self) -> None:
        modality = self.call()
        self.settled(modality.release())
        assert not self.archive.connections
        assert not self.network.getDelayedCalls()

    def test_the_door_closes_with_all_that_came_in(self) -> None:
        modality = self.call()
        opened = self.archive.listen("127.0.0.1", CertificateOptions())
        self.settled(self.archive.stop())
        assert not modality.layer.established
        assert opened not in self.network.listening

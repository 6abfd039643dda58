"""The embedded modality: it asks, gathers what is answered, and is told when nothing can be."""

from __future__ import annotations

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint

from relay.demo.archive import ArchiveAssociation
from relay.demo.dimse import request, response
from relay.demo.modality import Modality, NotAnswered
from relay.wire.command import CommandField, decode
from relay.wire.negotiation import Context
from relay.wire.pdu import AssociateRJ, AssociateRQ
from tests.demo.door import ECHO, PORT, STORE, DoorTestCase
from tests.vectors import EXPLICIT_LITTLE_ENDIAN

MOST = [Context(f"1.2.840.10008.5.1.4.1.1.{n}", EXPLICIT_LITTLE_ENDIAN) for n in range(128)]
ECHO_RQ = CommandField.C_ECHO_RQ


class Asking(DoorTestCase):
    def test_an_association_has_room_for_128_contexts(self) -> None:
        assert list(self.call(*MOST).contexts.values()) == MOST

    def test_requests_follow_each_other_on_one_association(self) -> None:
        modality = self.call()
        for _ in range(3):
            assert [each.status for each in self.ask(modality, ECHO, ECHO_RQ)] == [0x0000]
        assert len(self.archive.connections) == 1

    def test_nothing_is_asked_on_a_context_that_was_refused(self) -> None:
        modality = self.call(ECHO)
        assert "refused" in self.not_answered(modality.ask(STORE, ECHO_RQ))
        assert modality.layer.established

    def test_nothing_is_asked_after_the_end(self) -> None:
        modality = self.call(ECHO)
        self.settled(modality.release())
        assert "ended" in self.not_answered(modality.ask(ECHO, ECHO_RQ))

    def test_a_response_to_nothing_ends_the_association(self) -> None:
        modality = self.call(ECHO)
        (theirs,) = self.archive.connections
        echo = decode(request(ECHO_RQ, 1, ECHO.abstract_syntax, "", has_dataset=False))
        theirs.say(1, response(echo, 0x0000, "", has_dataset=False))
        self.network.settle()
        assert not modality.layer.established


class NoAnswer(DoorTestCase):
    def calling(self, port: int = PORT) -> object:
        endpoint = TCP4ClientEndpoint(self.network, "127.0.0.1", port)
        return Modality.call(self.network, endpoint, "ANY", [ECHO])

    def test_nobody_is_there(self) -> None:
        assert "no connection" in self.not_answered(self.calling(PORT + 1))

    def test_the_association_is_rejected(self) -> None:
        def reject(association: ArchiveAssociation, _: AssociateRQ) -> None:
            association.layer.reject(AssociateRJ(1, 1, 7))

        self.patch(ArchiveAssociation, "associate_indication", reject)
        assert "(1,1,7)" in self.not_answered(self.calling())

    def test_the_association_is_lost_before_the_answer(self) -> None:
        modality = self.call(ECHO)
        (theirs,) = self.archive.connections
        theirs.pause()
        asking = Deferred.fromCoroutine(modality.ask(ECHO, ECHO_RQ))
        self.network.settle()
        self.assertNoResult(asking)
        theirs.drop()
        self.network.settle()
        self.failureResultOf(asking, NotAnswered)

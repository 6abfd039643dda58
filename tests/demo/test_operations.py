"""What the embedded archive does when asked: stores what is complete, finds, says how it went."""

from __future__ import annotations

from typing import Any
from unittest import mock

from pydicom.dataset import Dataset
from twisted.internet.defer import Deferred

from relay.demo import operations
from relay.demo.datasets import decoded, encoded
from relay.demo.dimse import request, whole
from relay.demo.modality import Modality, NotAnswered
from relay.demo.store import Incoming
from relay.wire.command import NO_DATASET, CommandField, encode
from tests.demo.door import (
    ECHO,
    GARBAGE,
    PATIENTS,
    STORE,
    STUDIES,
    DoorTestCase,
    dataset_in,
    identifier,
)
from tests.vectors import CT_IMAGE_STORAGE

DATASET = encoded(identifier(SOPInstanceUID="1.2.3", StudyInstanceUID="1.2"), STORE.transfer_syntax)
STORE_RQ, FIND_RQ = CommandField.C_STORE_RQ, CommandField.C_FIND_RQ
ECHO_RQ = CommandField.C_ECHO_RQ
FULL = OSError(28, "No space left on device")


class Impatient(Modality):
    """Cancels its request as soon as there is a response."""

    def ended(self) -> None:
        if self.layer.established and not self._responses:
            number = self._command.responding_to
            assert number is not None
            elements = {0x0100: CommandField.C_CANCEL_RQ, 0x0120: number, 0x0800: NO_DATASET}
            self.say(next(iter(self.contexts)), encode({**elements}))
        super().ended()


class Storing(DoorTestCase):
    def store_half(self) -> Modality:
        """Begin to store an object, and send half of it."""
        modality = self.call(STORE)
        command = request(STORE_RQ, 1, CT_IMAGE_STORAGE, "1.2.3", has_dataset=True)
        modality.command(1, command)
        half = whole(1, DATASET[: len(DATASET) // 2])
        half.control = 0
        modality.fragments(1, half)
        self.network.settle()
        return modality

    def stored(self, dataset: bytes = DATASET, instance: str = "1.2.3") -> int:
        (response,) = self.ask(self.call(), STORE, STORE_RQ, instance, dataset)
        return response.status

    def test_an_object_is_on_disk_byte_for_byte_when_success_is_said(self) -> None:
        assert self.stored() == 0x0000
        assert self.names() == ["000001.dcm"]
        assert dataset_in(self.folder / "000001.dcm") == DATASET

    def test_what_has_arrived_is_in_a_file_that_has_no_name_yet(self) -> None:
        self.store_half()
        assert self.names() == ["000001.part"]
        assert self.store.last("1.2.3") is None

    def test_an_object_that_is_never_complete_leaves_nothing_behind(self) -> None:
        modality = self.store_half()
        modality.drop()
        self.network.settle()
        assert self.names() == []

    def test_a_name_on_disk_never_comes_from_the_wire(self) -> None:
        hostile = ("../../x", "/etc/passwd", "1.2\0.3", "x" * 200, "\xe9\xff", "")
        for instance in hostile:
            assert self.stored(instance=instance) == 0x0000
        assert self.names() == [f"{each:06}.dcm" for each in range(1, len(hostile) + 1)]

    def test_what_is_no_dataset_is_not_understood_and_not_kept(self) -> None:
        assert self.stored(GARBAGE) == 0xC000
        assert self.names() == []

    def test_a_disk_that_fails_at_any_point_is_told_and_leaves_nothing_behind(self) -> None:
        for broken in ("write", "complete"):
            with mock.patch.object(Incoming, broken, side_effect=FULL):
                assert self.stored() == 0xA700
        with mock.patch.object(self.store.__class__, "begin", side_effect=FULL):
            assert self.stored() == 0xA700
        assert self.names() == []
        assert self.stored() == 0x0000

    def test_a_command_in_the_middle_of_an_object_is_the_end_of_both(self) -> None:
        modality = self.store_half()
        modality.say(1, encode({0x0100: CommandField.C_CANCEL_RQ, 0x0120: 1, 0x0800: NO_DATASET}))
        self.network.settle()
        assert not modality.layer.established
        assert self.names() == []


class Finding(DoorTestCase):
    def find(self, modality: Modality, **keys: object) -> Any:
        query = encoded(identifier(QueryRetrieveLevel="STUDY", **keys), STUDIES.transfer_syntax)
        return modality.ask(STUDIES, FIND_RQ, "", query)

    def put_studies(self, count: int) -> list[str]:
        uids = [f"1.2.{number}" for number in range(count)]
        for uid in uids:
            assert self.put(SOPInstanceUID=f"{uid}.1", StudyInstanceUID=uid) == 0x0000
        return uids

    def test_every_match_is_a_pending_response_and_success_is_the_last(self) -> None:
        uids = self.put_studies(3)
        *found, last = self.settled(self.find(self.call(), StudyInstanceUID=""))
        assert [each.status for each in found] == [0xFF00] * 3
        assert [_study(each.dataset) for each in found] == uids
        assert (last.status, last.dataset) == (0x0000, b"")

    def test_an_empty_archive_has_nothing_to_say_but_success(self) -> None:
        (only,) = self.settled(self.find(self.call(), StudyInstanceUID=""))
        assert only.status == 0x0000

    def test_c_cancel_between_responses_ends_them(self) -> None:
        self.put_studies(20)
        modality = self.call(STUDIES, kind=Impatient)
        with mock.patch.object(operations, "encoded", _long([])):
            responses = self.settled(self.find(modality, StudyInstanceUID=""))
        assert responses[-1].status == 0xFE00
        assert 1 <= len(responses) - 1 < 20

    def test_responses_wait_for_a_modality_that_does_not_read(self) -> None:
        self.put_studies(20)
        modality = self.call()
        sent: list[bytes] = []
        with mock.patch.object(operations, "encoded", _long(sent)):
            modality.pause()
            asking = Deferred.fromCoroutine(self.find(modality, StudyInstanceUID=""))
            self.network.settle()
            assert len(sent) < 20
            modality.resume()
            self.network.settle()
        assert len(self.successResultOf(asking)) == 21

    def test_a_modality_that_leaves_is_not_answered_any_more(self) -> None:
        self.put_studies(20)
        modality = self.call()
        with mock.patch.object(operations, "encoded", _long([])):
            modality.pause()
            asking = Deferred.fromCoroutine(self.find(modality, StudyInstanceUID=""))
            self.network.settle()
            modality.drop()
            self.network.settle()
        self.failureResultOf(asking, NotAnswered)
        assert not self.archive.connections

    def test_a_second_request_while_responses_are_due_ends_the_association(self) -> None:
        self.put_studies(20)
        modality = self.call()
        ids = {context: each for each, context in modality.contexts.items()}
        with mock.patch.object(operations, "encoded", _long([])):
            asking = Deferred.fromCoroutine(self.find(modality, StudyInstanceUID=""))
            echo = request(ECHO_RQ, 9, ECHO.abstract_syntax, "", has_dataset=False)
            modality.say(ids[ECHO], echo)
            self.network.settle()
        self.failureResultOf(asking, NotAnswered)

    def test_a_level_that_the_model_lacks_does_not_match_the_sop_class(self) -> None:
        query = encoded(identifier(QueryRetrieveLevel="PATIENT"), STUDIES.transfer_syntax)
        (only,) = self.ask(self.call(), STUDIES, FIND_RQ, "", query)
        assert only.status == 0xA900

    def test_an_identifier_that_is_no_dataset_is_not_understood(self) -> None:
        (only,) = self.ask(self.call(), PATIENTS, FIND_RQ, "", GARBAGE)
        assert only.status == 0xC000


def _study(dataset: bytes) -> str:
    return str(decoded(dataset, STUDIES.transfer_syntax).StudyInstanceUID)


def _long(sent: list[bytes]) -> Any:
    """An `encoded` whose datasets are long, and noted."""

    def encode_at_length(dataset: Dataset, transfer_syntax: str) -> bytes:
        sent.append(encoded(dataset, transfer_syntax) + bytes(32 * 1024))
        return sent[-1]

    return encode_at_length

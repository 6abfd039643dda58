"""How objects are shared out among associations, and what is told when one of these fails."""

from __future__ import annotations

from twisted.internet.endpoints import TCP4ClientEndpoint

from relay.demo.samples import FOLDER, Sample, Samples
from relay.demo.sending import Sender, batches
from relay.demo.show import Sent
from tests.demo.door import PORT, DoorTestCase

SAMPLES = Samples.bundled().objects


def numbers_of(count: int) -> list[int]:
    (sample, *_) = SAMPLES
    objects: list[Sample] = [sample] * count
    return [len(batch) for batch in batches(objects)]


def test_an_association_never_has_more_objects_than_contexts():
    assert numbers_of(0) == []
    assert numbers_of(3) == [1, 1, 1]
    assert numbers_of(71) == [18, 18, 18, 17]
    assert numbers_of(1000) == [128] * 7 + [104]


class Sending(DoorTestCase):
    def setUp(self) -> None:
        super().setUp()
        self.told: list[Sent] = []

    def send(self, *names: str, port: int = PORT) -> list[Sent]:
        endpoint = TCP4ClientEndpoint(self.network, "127.0.0.1", port)
        sender = Sender(self.network, endpoint, self.store, self.told.append)
        chosen = [each for each in SAMPLES if each.name in names]
        assert len(chosen) == len(names)
        sent = self.settled(sender.send(chosen))
        assert sent == self.told
        return sent

    def test_each_object_is_told_with_the_archive_that_has_it(self) -> None:
        sent = self.send("CT_small.dcm", "rtplan.dcm")
        assert [
            (each.name, each.status, each.archive, each.is_same, each.why) for each in sent
        ] == [(name, 0x0000, "archive-a", True, "") for name in ("CT_small.dcm", "rtplan.dcm")]
        assert not self.archive.connections

    def test_an_object_that_is_other_on_disk_than_it_was_is_not_the_same(self) -> None:
        self.patch(type(self.store), "last", lambda store, _: next(iter(store._objects.values())))
        first, second = self.send("CT_small.dcm", "rtplan.dcm")
        assert (first.is_same, second.is_same) == (True, False)

    def test_an_archive_that_cannot_be_reached_is_told_of_each_object(self) -> None:
        sent = self.send("CT_small.dcm", "rtplan.dcm", port=PORT + 1)
        assert [each.status for each in sent] == [None, None]
        assert all("no connection" in each.why for each in sent)

    def test_an_association_that_is_lost_is_told_of_the_rest_of_its_objects(self) -> None:
        self.patch(self.archive, "buildProtocol", self._dropping(self.archive.buildProtocol))
        many = [each.name for each in SAMPLES if each.path.parent == FOLDER][:6]
        sent = self.send(*many)
        assert [each.status for each in sent] == [0x0000, None] * 3

    def _dropping(self, build):
        """Connections that are dropped after their first response."""

        def building(addr):
            association = build(addr)
            answer = association.answer

            def answering(*args):
                answer(*args)
                self.network.callLater(0, association.close)

            association.answer = answering
            return association

        return building

"""Requests that ask for too much, or for nothing that makes sense: "Association"."""

from __future__ import annotations

import gc
import tracemalloc
from typing import Any, cast

import pytest
from twisted.logger import Logger

from relay import process
from relay.downstream.listener import Listener
from relay.downstream.scarcity import PERIOD
from relay.policy.entry import MOST_TOLD
from relay.wire.negotiation import LONGEST_USER_INFORMATION
from relay.wire.pdu import AssociateRJ
from tests.bad_inputs.case import (
    CALLED_UNKNOWN,
    CALLING_UNKNOWN,
    ECHOED,
    INVALID_PARAMETER,
    NO_ASSOCIATION,
    TOO_MANY,
    TRY_AGAIN,
    BadInputs,
    allocating_at_most,
    found,
    is_the_relays,
    nothing_touched,
    refusing,
)
from tests.peers import (
    ECHO,
    FIND,
    STORE,
    Caller,
    acceptance,
    associate_rq,
    context_item,
    echo,
    find,
    identity,
    proposals,
)
from tests.vectors import IMPLICIT_LITTLE_ENDIAN, VERIFICATION, item


class Requests(BadInputs):
    @pytest.mark.row(18)
    def test_a_sub_item_longer_than_its_parent(self):
        def longer(inner: bytes) -> bytes:
            return inner[:2] + (len(inner) + 100).to_bytes(2, "big") + inner[4:]

        context = context_item(1, VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
        syntax = item(0x30, VERIFICATION.encode()) + longer(item(0x40, b"1.2.840.10008.1.2"))
        for request in (
            associate_rq(longer(context)),
            associate_rq(item(0x20, bytes((1, 0, 0, 0)) + syntax)),
            associate_rq(user_items=longer(item(0x52, b"2.25.1"))),
            associate_rq(user_items=item(0x54, bytes((0xFF, 0xFF)) + b"1.2")),
            associate_rq(user_items=item(0x58, b"\x02\x00\xff\xffx")),
            associate_rq(more_items=longer(item(0x10, b"1.2"))),
        ):
            self.assertAnswered(self.stranger(request), NO_ASSOCIATION)

    @pytest.mark.row(19)
    def test_thousands_of_sub_items_that_each_declare_64_kib(self):
        request = associate_rq(user_items=bytes.fromhex("56 00 FFFF") * 16000)
        with allocating_at_most(4 * len(request)):
            caller = self.stranger(request)
        self.assertAnswered(caller, NO_ASSOCIATION)

    @pytest.mark.row(20)
    def test_items_that_nobody_knows(self):
        self.assertAccepted(
            more_items=item(0x77, b"CANARY"), user_items=item(0x5F, b"CANARY") + item(0xEE, b"")
        )
        request = self.archive.heard[0]
        self.assertNotIn(b"CANARY", request.encode())

    @pytest.mark.row(21)
    def test_a_protocol_version_without_bit_0(self):
        for version in (0, 2, 0x8000, 0xFFFE):
            self.assertEqual(self.asked(version=version), AssociateRJ(1, 2, 2))

    @pytest.mark.row(21)
    def test_a_protocol_version_with_bits_beside_bit_0(self):
        for version in (1, 3, 0x8001, 0xFFFF):
            self.assertAccepted(version=version)

    @pytest.mark.row(22)
    def test_a_wrong_application_context_name(self):
        for name in ("1.2.840.10008.3.1.1.2", "", "1.2.840.10008.3.1.1.1.1"):
            self.assertEqual(self.asked(application_context=name), AssociateRJ(1, 1, 2))

    @pytest.mark.row(23)
    def test_ae_titles_that_are_blank_or_hold_control_characters(self):
        for title in (
            b" ",
            b"\0" * 16,
            b"REL\0AY",
            b"REL\nAY",
            b"\rRELAY",
            b"RELAY\x7f",
            b"\x1b[2J",
        ):
            self.assertEqual(self.asked(called=title), CALLED_UNKNOWN)
            self.assertEqual(self.asked(calling=title), CALLING_UNKNOWN)

    @pytest.mark.row(23)
    def test_ae_titles_with_nuls_and_spaces_behind_them(self):
        for padding in (b"\0", b"\0" * 11, b" \0 \0", b" "):
            self.assertAccepted(called=b"RELAY" + padding, calling=b"MODALITY" + padding)

    @pytest.mark.row(24)
    def test_an_ae_title_that_looks_like_a_path(self):
        with nothing_touched(self):
            self.assertAccepted(calling=b"../x")
            self.assertEqual(self.asked(called=b"../x"), CALLED_UNKNOWN)
        self.assertEqual(self.archive.heard[0].calling, "../x")
        self.assertTrue(self.lines()[0].startswith("'../x' at 192.0.2.7 called 'RELAY'"))

    @pytest.mark.row(24)
    def test_what_a_peer_calls_itself_is_escaped_in_the_log(self):
        self.asked(calling=b"A\r\n2026-01-01 B")
        self.asked(called=b"\x1b[2JX")
        self.assertFalse(any(control in "".join(self.lines()) for control in "\r\n\x1b"))

    @pytest.mark.row(25)
    def test_a_called_title_that_nobody_has(self):
        self.assertEqual(self.asked(called=b"NOBODY"), CALLED_UNKNOWN)

    @pytest.mark.row(26)
    def test_a_context_id_that_is_even_or_0(self):
        for identifier in (0, 2, 254):
            contexts = context_item(identifier, VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
            self.assertAnswered(self.stranger(associate_rq(contexts)), NO_ASSOCIATION)

    @pytest.mark.row(27)
    def test_the_same_context_id_twice(self):
        contexts = proposals((ECHO,)) + proposals((STORE,)) + proposals((ECHO,))
        self.assertAnswered(self.stranger(associate_rq(contexts)), NO_ASSOCIATION)

    @pytest.mark.row(28)
    def test_the_same_transfer_syntax_twice(self):
        contexts = context_item(1, VERIFICATION, *[IMPLICIT_LITTLE_ENDIAN] * 3)
        answer = self.assertAccepted(contexts=contexts)
        self.assertEqual([(each.id, each.result) for each in answer.contexts], [(1, 0)])

    @pytest.mark.row(29)
    def test_contexts_that_the_archive_refuses(self):
        for result in (1, 2, 3, 4):
            self.archive.script.associate = refusing(result)
            answer = self.assertAccepted(calling=f"TRY{result}".encode())
            self.assertEqual({each.result for each in answer.contexts}, {result})

    @pytest.mark.row(65)
    def test_a_request_without_a_context(self):
        self.assertAnswered(self.stranger(associate_rq(b"")), NO_ASSOCIATION)

    @pytest.mark.row(30)
    def test_a_maximum_length_of_0(self):
        answer = self.assertAccepted(maximum=0)
        # The relay's own is never 0.
        self.assertEqual(answer.user_information.maximum_length, 16384)
        asked = self.archive.heard[0].user_information.maximum_length
        self.assertEqual(asked, 131072)

    @pytest.mark.row(30)
    def test_a_maximum_length_that_nothing_fits_in(self):
        for maximum in (1, 7, 127):
            self.assertEqual(self.asked(maximum=maximum), AssociateRJ(1, 2, 1))
        self.assertAccepted(maximum=128)

    @pytest.mark.row(30, 66)
    def test_no_maximum_length(self):
        # 16 KiB are assumed, so a longer PDU of the archive is cut.
        caller = self.bed.associate(associate_rq(maximum=None))
        lengths = self.longest_pdus(caller, 100_000)
        self.assertLessEqual(max(lengths), 16384)

    @pytest.mark.row(30)
    def test_a_maximum_length_that_is_kept_to(self):
        for maximum in (128, 1000, 4096):
            caller = self.bed.associate(associate_rq(maximum=maximum))
            lengths = self.longest_pdus(caller, 20_000)
            self.assertLessEqual(max(lengths), maximum)

    def longest_pdus(self, caller: Caller, size: int) -> list[int]:
        """The lengths of the P-DATA-TFs that bring an identifier of this size."""
        lengths: list[int] = []
        hear = caller._data

        def note(body: bytes) -> None:
            lengths.append(len(body))
            hear(body)

        caller._data = note  # type: ignore[method-assign]
        self.archive.script.answer = lambda message: found(message, bytes(size))
        self.bed.say(caller, find(b"identifier"))
        pending, done = caller.since()
        self.assertEqual(pending.dataset, bytes(size))
        self.assertEqual(done.told, ("C_FIND_RSP", 1, 0))
        self.bed.release(caller)
        return lengths

    def test_user_information_that_leaves_no_room_for_the_relays_own(self):
        def extended(length: int) -> bytes:
            return item(0x56, b"\x00\x031.2" + bytes(length - 9))

        # The maximum length takes 8 bytes.
        most = LONGEST_USER_INFORMATION - 8
        self.assertAccepted(user_items=extended(most))
        self.assertEqual(self.asked(user_items=extended(most + 1)), AssociateRJ(1, 2, 1))

    @pytest.mark.row(31)
    def test_a_user_identity_that_does_not_verify(self):
        self.archive.script.associate = lambda request: AssociateRJ(2, 2, 1).encode()
        self.assertEqual(self.asked(user_items=identity(b"user", b"wrong")), AssociateRJ(2, 2, 1))
        self.assertEqual(
            self.archive.heard[0].user_information.user_identity.secondary_field, b"wrong"
        )

    @pytest.mark.row(66)
    def test_neither_maximum_length_nor_implementation_class(self):
        # associate_rq names no implementation class at all.
        self.assertAccepted(maximum=None)

    @pytest.mark.row(33)
    def test_rounds_of_requests_and_rejections(self):
        def rounds(many: int) -> None:
            for _ in range(many):
                self.asked(called=b"NOBODY")
                self.asked(version=2)

        # What logs are kept by whom is not the relay's to say.
        self.patch(Listener, "log", Logger(observer=cast(Any, ignore)))
        rounds(20)
        before = alive()
        tracemalloc.start()
        self.addCleanup(tracemalloc.stop)
        rounds(20)
        first = allocated()
        rounds(400)
        self.assertLess(allocated() - first, 40_000)
        self.assertEqual(alive(), before)

    @pytest.mark.row(19)
    def test_a_request_of_more_items_than_any_has_a_use_for(self):
        request = associate_rq(more_items=item(0x77, b"") * 250_000)
        with allocating_at_most(4 * len(request)):
            caller = self.stranger(request)
        self.assertAnswered(caller, NO_ASSOCIATION)
        self.assertIn("more items and sub-items than max_items, 16384", self.lines()[0])

    @pytest.mark.row(19, 59)
    def test_an_answer_of_more_items_than_any_has_a_use_for(self):
        many = item(0x77, b"") * 20_000
        self.archive.script.associate = lambda request: acceptance(request, many)
        self.assertEqual(self.asked(), TRY_AGAIN)
        self.assertEqual(self.archive.heard[-1], INVALID_PARAMETER)
        self.assertTrue(any("max_items, 16384" in line for line in self.lines("warn")))


class Narrow(BadInputs):
    listener = "max_contexts = 6\nmax_items = 27"

    @pytest.mark.row(19)
    def test_a_request_of_one_context_more_than_may_be(self):
        contexts = proposals() + context_item(99, VERIFICATION, IMPLICIT_LITTLE_ENDIAN)
        self.assertAnswered(self.stranger(associate_rq(contexts)), NO_ASSOCIATION)
        why = "192.0.2.7: not an association: more presentation contexts than max_contexts, 6"
        self.assertEqual(self.lines(), [why])

    @pytest.mark.row(19)
    def test_a_request_of_one_item_more_than_may_be(self):
        self.assertAccepted()
        request = associate_rq(user_items=item(0x54, b"\x00\x031.2\x01\x01"))
        self.assertAnswered(self.stranger(request), NO_ASSOCIATION)
        why = "192.0.2.7: not an association: more items and sub-items than max_items, 27"
        self.assertEqual(self.lines()[1:], [why])


class OneRoom(BadInputs):
    relay = "max_associations = 1"

    @pytest.mark.row(32)
    def test_more_associations_than_allowed(self):
        caller = self.bed.associate()
        self.assertEqual(self.asked(), TOO_MANY)
        self.bed.release(caller)
        self.assertAccepted()


class RoomForEach(BadInputs):
    relay = "max_per_ae_title = 1"

    @pytest.mark.row(32)
    def test_more_associations_than_allowed_of_one_ae_title(self):
        caller = self.bed.associate()
        self.assertEqual(self.asked(), TOO_MANY)
        self.assertAccepted(calling=b"ANOTHER")
        self.bed.release(caller)
        self.assertAccepted()


class InAHurry(BadInputs):
    relay = "associations_per_second = 3"

    @pytest.mark.row(33)
    def test_more_associations_than_may_be_asked_for_in_a_second(self):
        for _ in range(2):
            for _ in range(3):
                self.assertAccepted()
            for _ in range(10):
                self.assertEqual(self.asked(), TRY_AGAIN)
            self.network.wait(1)


class ShortOfMemory(BadInputs):
    def setUp(self) -> None:
        self.size = 2**20
        self.patch(process, "resident", lambda: self.size)
        super().setUp()

    @pytest.mark.row(32)
    def test_past_its_memory_the_relay_goes_on_with_those_whom_it_has(self):
        caller = self.bed.associate()
        self.size = 2**31
        self.network.wait(PERIOD)
        self.assertEqual(self.asked(), TRY_AGAIN)
        self.bed.say(caller, echo())
        self.assertEqual(caller.messages(), [ECHOED])
        self.bed.release(caller)
        self.size = 2**20
        self.assertEqual(self.asked(), TRY_AGAIN)
        self.network.wait(PERIOD)
        self.assertAccepted()
        self.assertEqual(len(self.lines("warn")), 1)


class OneAddress(BadInputs):
    relay = "max_per_address = 1"

    @pytest.mark.row(32)
    def test_more_connections_than_allowed_from_one_address(self):
        silent = self.bed.call()
        self.assertEqual(self.asked(), TOO_MANY)
        silent.transport.loseConnection()
        self.network.settle()
        self.assertAccepted()

    @pytest.mark.row(32, 63)
    def test_a_flood_of_connections_from_one_address(self):
        flood = [self.bed.call() for _ in range(100)]
        self.assertEqual(sum(not each.is_closed for each in flood), 1 + MOST_TOLD)
        self.network.wait(30)
        self.assertTrue(all(each.is_closed for each in flood))


class NoRoute(BadInputs):
    def configuration(self) -> str:
        return super().configuration() + 'calling = "MOD*"\nservices = ["verification"]\n'

    @pytest.mark.row(29)
    def test_contexts_that_nobody_serves(self):
        answer = self.assertAccepted(contexts=proposals((STORE, FIND)))
        self.assertEqual([(each.id, each.result) for each in answer.contexts], [(3, 3), (5, 3)])
        self.assertEqual(self.archive.heard, [])

    @pytest.mark.row(25)
    def test_a_calling_title_that_nobody_knows(self):
        self.assertEqual(self.asked(calling=b"VISITOR"), CALLING_UNKNOWN)


def alive() -> dict[str, int]:
    """How many objects there are of each of the relay's classes."""
    gc.collect()
    counts: dict[str, int] = {}
    for each in gc.get_objects():
        kind = type(each)
        if is_the_relays(kind):
            counts[kind.__qualname__] = counts.get(kind.__qualname__, 0) + 1
    return counts


def ignore(event: object) -> None:
    """An observer of logs that keeps nothing."""


def allocated() -> int:
    """Bytes that are in use."""
    gc.collect()
    return tracemalloc.get_traced_memory()[0]

"""Messages and datasets that break the rules: "DIMSE and dataset"."""

from __future__ import annotations

from functools import partial

import pytest

from relay.bridge.pressure import HELD_MAXIMUM
from relay.wire.command import COMMAND_SET_MAXIMUM, CommandField, Status
from relay.wire.pdu import Abort
from tests.bad_inputs.case import (
    ECHOED,
    INVALID_PARAMETER,
    STORED,
    UNEXPECTED_PARAMETER,
    BadInputs,
    found,
    nothing_touched,
    refusing,
    without,
)
from tests.peers import (
    A_DATASET,
    FIND,
    NO_DATASET,
    STORAGE_COMMITMENT,
    STORE,
    Caller,
    Message,
    accept_all,
    associate_rq,
    command_of,
    context_item,
    echo,
    element,
    find,
    identity,
    last,
    proposals,
    response_of,
    said,
    store,
    store_command,
    succeed,
)
from tests.vectors import VERIFICATION, item, p_data, pdv


class Order(BadInputs):
    @pytest.mark.row(35)
    def test_a_context_that_was_never_proposed_or_not_accepted(self):
        self.assertAnswered(self.hurt(said(99, command_of(0x30))), UNEXPECTED_PARAMETER)
        self.archive.script.associate = refusing(3)
        caller = self.bed.call(associate_rq(calling=b"REFUSED"))
        caller.since()
        self.assertAnswered(self.bed.say(caller, echo()), UNEXPECTED_PARAMETER)

    @pytest.mark.row(36)
    def test_a_dataset_fragment_where_a_command_is_due(self):
        for data in (
            p_data(pdv(STORE, 2, b"pixels")),
            p_data(pdv(STORE, 0, b"pixels")),
            p_data(pdv(STORE, 1, store_command()[:20])) + p_data(pdv(STORE, 0, b"pixels")),
        ):
            self.assertAnswered(self.hurt(data), UNEXPECTED_PARAMETER)

    @pytest.mark.row(36)
    def test_a_command_fragment_where_a_dataset_is_due(self):
        begun = p_data(pdv(STORE, 3, store_command())) + p_data(pdv(STORE, 0, b"pixels"))
        self.assertAnswered(self.hurt(begun, echo()), UNEXPECTED_PARAMETER)
        self.assertEqual(self.archive.messages, [])

    @pytest.mark.row(36)
    def test_another_context_in_the_middle_of_a_message(self):
        command = store_command()
        for data in (
            p_data(pdv(STORE, 1, command[:20])) + p_data(pdv(FIND, 3, command[20:])),
            p_data(pdv(STORE, 3, command)) + p_data(pdv(FIND, 2, b"pixels")),
            p_data(pdv(STORE, 3, command), pdv(STORE, 0, b"pixels"), pdv(FIND, 2, b"pixels")),
        ):
            self.assertAnswered(self.hurt(data), UNEXPECTED_PARAMETER)
        self.assertEqual(self.archive.messages, [])

    @pytest.mark.row(36)
    def test_messages_that_are_interleaved(self):
        first, second = store_command(1), store_command(2)
        data = p_data(pdv(STORE, 3, first)) + p_data(pdv(STORE, 3, second))
        self.assertAnswered(self.hurt(data), UNEXPECTED_PARAMETER)

    @pytest.mark.row(37)
    def test_a_command_set_that_never_ends(self):
        caller = self.bed.associate()
        piece = p_data(pdv(STORE, 1, bytes(8192)))
        for _ in range(COMMAND_SET_MAXIMUM // 8192):
            self.bed.say(caller, piece)
            self.assertEqual(caller.since(), [])
        self.assertAnswered(self.bed.say(caller, p_data(pdv(STORE, 1, b"x"))), Abort(0, 0))

    @pytest.mark.row(37, 59)
    def test_a_command_set_of_an_archive_that_never_ends(self):
        self.archive.script.answer = lambda message: None
        caller = self.hurt(find(b"identifier"))
        (archive,) = self.archive.open
        archive.say(p_data(pdv(FIND, 1, bytes(8192))) * (COMMAND_SET_MAXIMUM // 8192 + 1))
        self.network.settle()
        self.assertEqual(archive.heard[-1], Abort(0, 0))
        answer = succeed(self.archive.messages[-1])
        assert answer is not None
        self.archive.open[0].say(answer)
        self.network.settle()
        self.assertTold(caller, ("C_FIND_RSP", 1, 0))
        self.bed.release(caller)

    @pytest.mark.row(70)
    def test_a_second_request_without_a_window_for_it(self):
        self.archive.script.answer = lambda message: None
        caller = self.hurt(echo(1), echo(2))
        self.assertEqual(len(self.archive.messages), 1)
        for message_id in (1, 2):
            answer = succeed(self.archive.messages[-1])
            assert answer is not None
            self.archive.open[0].say(answer)
            self.network.settle()
            self.assertTold(caller, ("C_ECHO_RSP", message_id, 0))
        self.bed.release(caller)

    @pytest.mark.row(70)
    def test_a_cancel_behind_a_second_request_is_read(self):
        self.archive.script.answer = lambda message: None
        cancel = command_of(CommandField.C_CANCEL_RQ, 0, e0120=1)
        caller = self.hurt(find(b"identifier", 1), find(b"identifier", 2), said(FIND, cancel))
        told = [each.command.field for each in self.archive.messages]
        self.assertEqual(told, [CommandField.C_FIND_RQ, CommandField.C_CANCEL_RQ])
        self.bed.say(caller, Abort().encode())

    @pytest.mark.row(70)
    def test_an_abort_behind_a_second_request_is_read(self):
        self.archive.script.answer = lambda message: None
        caller = self.hurt(echo(1), store(b"pixels", 2), Abort().encode())
        self.assertTrue(caller.is_closed)
        self.assertEqual(self.archive.open, [])

    @pytest.mark.row(70)
    def test_what_waits_is_bounded(self):
        self.archive.script.answer = lambda message: None
        caller = self.hurt(echo(1), p_data(pdv(STORE, 3, store_command(2))))
        for _ in range(200):
            caller.say(p_data(pdv(STORE, 0, bytes(4000))))
        self.network.settle()
        left = sum(map(len, caller.transport.unsent))
        self.assertGreater(left, 200 * 4000 - HELD_MAXIMUM - 3 * 4000)
        caller.transport.abortConnection()

    @pytest.mark.row(71)
    def test_a_response_before_the_dataset_has_ended(self):
        self.archive.script.answer = lambda message: None
        begun = p_data(pdv(STORE, 3, store_command())) + p_data(pdv(STORE, 0, b"pixe"))
        caller = self.hurt(begun)
        early = response_of(Message(STORE, store_command(), b"").command, Status.OUT_OF_RESOURCES)
        self.archive.open[0].say(said(STORE, early))
        self.network.settle()
        self.assertTold(caller, ("C_STORE_RSP", 1, 0xA700))
        keeper = self.bed.service.keepers["pacs"]
        self.network.wait(5)
        self.assertIn("1 leased", repr(keeper))
        self.bed.say(caller, last(STORE, b"ls"))
        self.assertEqual(self.archive.messages[0].dataset, b"pixels")
        self.bed.release(caller)
        self.assertIn("1 idle, 0 leased", repr(keeper))


class Brief(BadInputs):
    listener = "max_command = 1024"

    @pytest.mark.row(37)
    def test_a_command_set_that_is_longer_than_may_be(self):
        longest = store_command() + element(0x0008, 0x0058, bytes(1016 - len(store_command())))
        caller = self.hurt(said(STORE, longest, b"pixels"))
        self.assertTold(caller, STORED)
        self.bed.release(caller)
        begun = p_data(pdv(STORE, 1, longest)) + p_data(pdv(STORE, 3, b"x"))
        self.assertAnswered(self.hurt(begun), Abort(0, 0))
        self.assertIn("more bytes than max_command, 1024", self.lines()[-1])


class Commands(BadInputs):
    @pytest.mark.row(39)
    def test_elements_that_are_missing_or_malformed_where_the_message_id_is_known(self):
        command = store_command()
        group_length, body = command[:12], command[12:]
        for broken in (
            without(command, 0x0800),
            body.replace(bytes.fromhex("0000 0008 02000000"), bytes.fromhex("0000 0008 04000000")),
            command + bytes.fromhex("0000 0010 FFFFFFFF"),
            command + element(0, 0x0110, b"\x07\x00"),
            command + b"\x00\x00\x00",
            group_length + body + bytes.fromhex("0000 0210 10000000") + b"short",
        ):
            caller = self.hurt(said(STORE, broken))
            self.assertTold(caller, ("C_STORE_RSP", 1, Status.MISTYPED_ARGUMENT))
            self.bed.release(caller)
        self.assertEqual(self.archive.messages, [])

    @pytest.mark.row(39)
    def test_behind_a_malformed_command_its_dataset_may_follow_or_not(self):
        broken = without(store_command(), 0x0800)
        caller = self.hurt(said(STORE, broken, b"pixels"), said(STORE, broken), echo())
        refused = ("C_STORE_RSP", 1, Status.MISTYPED_ARGUMENT)
        self.assertTold(caller, refused, refused, ECHOED)
        self.bed.release(caller)

    @pytest.mark.row(39)
    def test_elements_that_are_missing_or_malformed_where_it_is_not(self):
        command = store_command()
        for broken in (
            b"",
            b"\x00",
            b"no command set at all",
            without(command, 0x0110),
            without(command, 0x0100),
            element(0, 0x0110, b"\x01") + without(command, 0x0110),
            b"\xff" * 1000,
        ):
            self.assertAnswered(self.hurt(said(STORE, broken)), Abort(0, 0))

    @pytest.mark.row(40)
    def test_an_unknown_command_field(self):
        for field in (0x0002, 0x0777, 0x7FFF, 0x0000):
            for dataset in (None, b"identifier"):
                what = NO_DATASET if dataset is None else A_DATASET
                caller = self.hurt(said(FIND, command_of(field, 5, what), dataset), echo())
                refused, echoed = caller.since()
                self.assertEqual(refused.command.field, field | 0x8000)
                self.assertEqual(refused.command.status, Status.UNRECOGNIZED_OPERATION)
                self.assertEqual(refused.command.responding_to, 5)
                self.assertEqual(echoed.told, ECHOED)
                self.bed.release(caller)

    @pytest.mark.row(41)
    def test_a_c_store_of_another_sop_class_than_its_contexts(self):
        caller = self.hurt(store(b"pixels", e0002=VERIFICATION), store(b"pixels", 2))
        refused = ("C_STORE_RSP", 1, Status.SOP_CLASS_NOT_SUPPORTED)
        self.assertTold(caller, refused, ("C_STORE_RSP", 2, 0))
        self.assertEqual(len(self.archive.messages), 1)
        self.bed.release(caller)

    @pytest.mark.row(41)
    def test_another_service_of_another_sop_class_than_its_contexts(self):
        request = command_of(CommandField.C_FIND_RQ, 1, A_DATASET, e0002=STORAGE_COMMITMENT)
        caller = self.hurt(said(FIND, request, b"identifier"))
        self.assertTold(caller, ("C_FIND_RSP", 1, 0))
        self.assertEqual(self.archive.messages[0].command_set, request)
        self.bed.release(caller)

    @pytest.mark.row(42)
    def test_a_message_id_that_is_in_flight(self):
        self.archive.script.answer = lambda message: None
        caller = self.hurt(store(b"pixels", 7), store(b"others", 7))
        self.assertTold(caller, ("C_STORE_RSP", 7, Status.DUPLICATE_INVOCATION))
        answer = succeed(self.archive.messages[0])
        assert answer is not None
        self.archive.script.answer = succeed
        self.archive.open[0].say(answer)
        self.network.settle()
        self.assertTold(caller, ("C_STORE_RSP", 7, 0))
        self.bed.say(caller, store(b"others", 7))
        self.assertTold(caller, ("C_STORE_RSP", 7, 0))
        self.bed.release(caller)

    def test_elements_of_other_groups(self):
        command = store_command() + element(0x0008, 0x0058, b"1.2.3\\1.2.4 ")
        caller = self.hurt(said(STORE, command, b"pixels"))
        self.assertTold(caller, STORED)
        self.assertEqual(self.archive.messages[0].command_set, command)
        self.bed.release(caller)

    @pytest.mark.row(67)
    def test_a_wrong_or_missing_group_length(self):
        command = store_command()
        for changed in (
            command[12:],
            bytes.fromhex("0000 0000 04000000 FFFFFFFF") + command[12:],
            bytes.fromhex("0000 0000 04000000 00000000") + command[12:],
            bytes.fromhex("0000 0000 02000000 0000") + command[12:],
        ):
            caller = self.hurt(said(STORE, changed, b"pixels"))
            self.assertTold(caller, STORED)
            self.assertEqual(self.archive.messages[-1].command_set, changed)
            self.bed.release(caller)

    @pytest.mark.row(68)
    def test_a_dataset_type_other_than_0101(self):
        for kind in (0x0000, 0x0001, 0x0102, 0xFEFE, 0xFFFF):
            command = store_command().replace(
                element(0, 0x0800, A_DATASET.to_bytes(2, "little")),
                element(0, 0x0800, kind.to_bytes(2, "little")),
            )
            caller = self.hurt(p_data(pdv(STORE, 3, command)))
            self.assertEqual(caller.since(), [])
            self.bed.say(caller, last(STORE, b"pixels"))
            self.assertTold(caller, STORED)
            self.bed.release(caller)

    @pytest.mark.row(69)
    def test_reserved_bits_of_the_message_control_header(self):
        for bits in (0x04, 0x80, 0xFC):
            command = p_data(pdv(STORE, 3 | bits, store_command()))
            parts = p_data(pdv(STORE, 0 | bits, b"pixe")) + p_data(pdv(STORE, 2 | bits, b"ls"))
            caller = self.hurt(command + parts)
            self.assertTold(caller, STORED)
            self.assertEqual(self.archive.messages[-1].dataset, b"pixels")
            self.bed.release(caller)


NESTED = element(0x0040, 0xA730, b"")[:8].replace(bytes(4), b"\xff" * 4) + bytes.fromhex(
    "FEFF 00E0 FFFFFFFF"
)

DATASETS = {
    "44": element(0x0008, 0x0018, b"9.9.9\0"),
    "45": element(0x0020, 0x000D, b".."),
    "47": NESTED * 1100,
    "48": element(0x0010, 0x0010, b"short").replace(b"\x05\0\0\0", b"\xff\xff\xff\x7f"),
    "49": bytes(50) + b"\x78\x9c" + b"\xec\xc1\x01" * 500,
    "50": bytes.fromhex("1000 1000") + b"ZZ" + bytes(4) + b"PN" + b"\x00" * 10,
    "52": element(0x7FE0, 0x0010, b"\xff\xd8\xff\xe0" + b"\xff" * 3000),
    "53": element(0x0010, 0x0010, b"*'; DROP TABLE patients; --\\*?[") + b"\0",
}
"""What is wrong inside a dataset, by row."""


class Datasets(BadInputs):
    @pytest.mark.row(44, 45, 47, 48, 49, 50, 52, 53)
    def test_what_is_wrong_inside_a_dataset_is_passed_on_untouched(self):
        for row, dataset in DATASETS.items():
            for request in (store(dataset), find(dataset)):
                caller = self.hurt(request)
                self.assertEqual([status for _, _, status in caller.messages()], [0], row)
                self.assertEqual(self.archive.messages[-1].dataset, dataset, row)
                self.bed.release(caller)

    @pytest.mark.row(43)
    def test_a_sop_instance_that_looks_like_a_path_or_is_no_uid(self):
        for instance in (b"../../etc/x ", b"/etc/passwd ", b"1.2\x003", b"1" * 66, b"1.2.3\0", b""):
            with nothing_touched(self):
                caller = self.hurt(store(b"pixels", instance=instance))
            self.assertTold(caller, STORED)
            self.assertEqual(
                self.archive.messages[-1].command_set, store_command(instance=instance)
            )
            self.bed.release(caller)

    @pytest.mark.row(46)
    def test_shell_metacharacters_in_any_field(self):
        evil = b"$(touch x)`x`;|&x"
        with nothing_touched(self):
            caller = self.bed.associate(
                associate_rq(
                    calling=evil[:16],
                    contexts=proposals() + context_item(99, "$(touch x)", "`touch x`"),
                    user_items=item(0x55, evil[:16]) + identity(evil, evil),
                )
            )
            self.bed.say(caller, store(evil + b" ", instance=evil + b" ", e1030=evil[:16]))
            self.bed.say(caller, find(evil + b" ", 2))
            self.assertTold(caller, STORED, ("C_FIND_RSP", 2, 0))
            self.bed.release(caller)

    @pytest.mark.row(38)
    def test_a_fragment_of_odd_length_with_more_to_follow(self):
        pieces = (b"odd", b"", b"x", b"even", b"oddly")
        data = b"".join(p_data(pdv(STORE, 0, each)) for each in pieces)
        lengths: list[int] = []
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())))
        archive = self.archive.open[0]
        archive.hears_fragment = lambda is_command, fragment: lengths.append(len(fragment))  # type: ignore[method-assign]
        self.bed.say(caller, data, p_data(pdv(STORE, 2, b"z")))
        self.assertTold(caller, STORED)
        self.assertEqual(self.archive.messages[0].dataset, b"".join((*pieces, b"z")))
        self.assertEqual([each for each in lengths if each % 2], [])
        self.bed.release(caller)

    @pytest.mark.row(38)
    def test_a_dataset_of_odd_length(self):
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())), p_data(pdv(STORE, 2, b"odd")))
        self.assertTold(caller, STORED)
        self.assertEqual(self.archive.messages[0].dataset, b"odd")
        self.bed.release(caller)
        (outcome,) = (each["outcome"] for each in self.events if "outcome" in each)
        self.assertEqual(outcome.odd, 1)

    @pytest.mark.row(37)
    def test_a_dataset_of_any_length_unless_a_bound_is_set(self):
        self.assertEqual(self.bed.service.doors[0].listener.rules.bounds.max_object, 0)

    @pytest.mark.row(51)
    def test_an_object_of_more_than_4_gib(self):
        self.archive.script.associate = partial(accept_all, maximum=0)
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())))
        archive, count = self.archive.open[0], 0
        listen = archive.dataReceived

        def weigh(data: bytes) -> None:
            nonlocal count
            count += len(data)

        archive.dataReceived = weigh  # type: ignore[method-assign]
        piece = p_data(pdv(STORE, 0, bytes(131072 - 6)))
        pieces = 2**32 // (131072 - 6) + 1
        for _ in range(pieces):
            caller.transport.other.protocol.dataReceived(piece)
            archive.transport.other.unsent.clear()
            count += len(piece)
        archive.dataReceived = listen  # type: ignore[method-assign]
        self.bed.say(caller, last(STORE, b"the end."))
        self.assertTold(caller, STORED)
        self.bed.release(caller)
        (outcome,) = (each["outcome"] for each in self.events if "outcome" in each)
        self.assertEqual(outcome.bytes_up, pieces * (131072 - 6) + 8)
        self.assertGreater(outcome.bytes_up, 2**32)


class Small(BadInputs):
    listener = "max_object = 5000"

    def assertRefused(self, caller: Caller) -> None:
        """The caller was told so, and the archive has not got the object, not even in part."""
        self.assertTold(caller, ("C_STORE_RSP", 1, Status.OUT_OF_RESOURCES))
        self.assertEqual(self.archive.messages, [])
        self.assertEqual(self.archive.open, [])

    @pytest.mark.row(37)
    def test_an_object_that_is_too_large(self):
        caller = self.hurt(store(bytes(6000)))
        self.assertRefused(caller)
        self.assertEqual(self.archive.heard[-1], Abort(0, 0))
        self.bed.say(caller, store(bytes(5000), 2))
        self.assertTold(caller, ("C_STORE_RSP", 2, 0))
        self.bed.release(caller)
        (line,) = self.lines()
        self.assertIn("1 failed (an object was larger than max_object)", line)
        self.assertEqual(self.lines("warn"), [])

    @pytest.mark.row(37)
    def test_an_object_that_is_too_large_and_comes_bit_by_bit(self):
        caller = self.hurt(p_data(pdv(STORE, 3, store_command())))
        for _ in range(9):
            self.bed.say(caller, p_data(pdv(STORE, 0, bytes(1000))))
            self.assertEqual(caller.since(), [])
        self.bed.say(caller, last(STORE, b""))
        self.assertRefused(caller)
        self.bed.release(caller)

    @pytest.mark.row(37)
    def test_objects_that_are_too_large_put_no_archive_out(self):
        caller = self.bed.associate()
        for number in range(1, 11):
            self.bed.say(caller, store(bytes(6000), number))
            self.assertTold(caller, ("C_STORE_RSP", number, Status.OUT_OF_RESOURCES))
        self.bed.say(caller, echo(11))
        self.assertTold(caller, ("C_ECHO_RSP", 11, 0))
        self.bed.release(caller)

    @pytest.mark.row(37)
    def test_what_an_archive_sends_is_as_long_as_it_is(self):
        self.archive.script.answer = lambda message: found(message, bytes(6000))
        caller = self.hurt(find(b"identifier"))
        pending, done = caller.since()
        self.assertEqual((len(pending.dataset), done.told), (6000, ("C_FIND_RSP", 1, 0)))
        self.bed.release(caller)


class Strict(BadInputs):
    listener = "strict = true"

    @pytest.mark.row(38)
    def test_a_dataset_of_odd_length(self):
        for data in (
            store(b"odd"),
            p_data(pdv(STORE, 3, store_command()))
            + p_data(pdv(STORE, 0, b"od"))
            + last(STORE, b"d"),
        ):
            self.assertAnswered(self.hurt(data), INVALID_PARAMETER)
            self.assertEqual(self.archive.messages, [])
            self.assertEqual(self.archive.open, [])

    @pytest.mark.row(38)
    def test_fragments_of_odd_length_that_make_an_even_dataset(self):
        data = p_data(pdv(STORE, 3, store_command())) + p_data(pdv(STORE, 0, b"odd"))
        caller = self.hurt(data, last(STORE, b"i"))
        self.assertTold(caller, STORED)
        self.assertEqual(self.archive.messages[0].dataset, b"oddi")
        self.bed.release(caller)

    @pytest.mark.row(38)
    def test_a_command_set_of_odd_length(self):
        odd = store_command() + element(0x0008, 0x0058, b"odd")
        self.assertAnswered(self.hurt(said(STORE, odd)), INVALID_PARAMETER)

    @pytest.mark.row(38)
    def test_what_an_archive_sends_may_be_odd(self):
        self.archive.script.answer = lambda message: found(message, b"odd")
        caller = self.hurt(find(b"identifier"))
        pending, _ = caller.since()
        self.assertEqual(pending.dataset, b"odd")
        self.bed.release(caller)


class Unsolicited(BadInputs):
    report = command_of(CommandField.N_EVENT_REPORT_RQ, 7, A_DATASET, e0002=STORAGE_COMMITMENT)

    @pytest.mark.row(72)
    def test_a_report_while_nobody_leases_the_association(self):
        self.bed.release(self.bed.associate())
        self.archive.open[0].say(said(11, self.report, b"it was committed"))
        self.network.settle()
        (answer,) = self.archive.messages
        self.assertEqual(answer.told, ("N_EVENT_REPORT_RSP", 7, Status.PROCESSING_FAILURE))
        self.assertEqual(len(self.archive.open), 1)

    @pytest.mark.row(72)
    def test_a_report_that_is_half_said_when_the_association_is_wanted(self):
        caller = self.bed.associate()
        self.archive.open[0].say(p_data(pdv(11, 3, self.report)))
        self.network.settle()
        self.bed.say(caller, echo())
        self.assertTold(caller, ECHOED)
        self.bed.release(caller)

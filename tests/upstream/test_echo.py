"""A C-ECHO of the relay's own tells who is there, and keeps nobody waiting."""

from __future__ import annotations

from collections.abc import Callable

import attrs
from hypothesis import given
from hypothesis import strategies as st

from relay.bridge.ports import Fault
from relay.upstream.echo import (
    IMPLICIT_LITTLE_ENDIAN,
    MOST_CONTEXTS,
    VERIFICATION,
    echo,
    echo_context,
    verification,
)
from relay.upstream.protocol import UpstreamAssociation
from relay.wire.command import CommandField
from relay.wire.items import PresentationContextRQ
from relay.wire.negotiation import Offer
from relay.wire.pdu import Abort
from relay.wire.user_information import RoleSelection
from tests.peers import Message, accept_all, response_of, said, succeed
from tests.upstream.rig import OFFER, KeeperCase
from tests.vectors import CT_IMAGE_STORAGE, item, p_data, pdu, pdv

ids = st.lists(st.integers(0, 127).map(lambda each: 2 * each + 1), unique=True)


def offering(*contexts: int) -> Offer:
    """An offer of CT under these ids."""
    return Offer(
        tuple(
            PresentationContextRQ(each, CT_IMAGE_STORAGE, (IMPLICIT_LITTLE_ENDIAN,))
            for each in contexts
        )
    )


# where it is proposed


@given(ids)
def test_verification_is_proposed_wherever_there_is_room(used):
    own = verification(offering(*used))
    if len(used) == MOST_CONTEXTS:
        assert own is None
    else:
        assert own is not None
        assert own.id % 2 == 1
        assert 1 <= own.id <= 255
        assert own.id not in used
        assert (own.abstract_syntax, own.transfer_syntaxes) == (
            VERIFICATION,
            (IMPLICIT_LITTLE_ENDIAN,),
        )


@given(ids.filter(lambda used: 255 not in used))
def test_it_is_proposed_behind_the_others_where_there_is_room_behind_them(used):
    own = verification(offering(*used))
    assert own is not None
    assert own.id == max(used, default=-1) + 2


def test_it_is_not_proposed_twice():
    assert verification(OFFER) is None


# what comes of it

ANSWERS: dict[str, Callable[[Message], bytes]] = {
    "a failure": lambda message: said(message.context_id, response_of(message.command, 0x0122)),
    "a pending status": lambda message: said(
        message.context_id, response_of(message.command, 0xFF00)
    ),
    "a dataset": lambda message: said(
        message.context_id, response_of(message.command, 0, dataset=1)
    ),
    "another answer": lambda message: said(
        message.context_id, response_of(message.command, 0, e0100=CommandField.C_STORE_RSP)
    ),
    "an answer to another": lambda message: said(
        message.context_id, response_of(message.command, 0, e0120=9)
    ),
    "a question": lambda message: said(message.context_id, message.command_set),
    "no command set": lambda message: said(message.context_id, b"nonsense"),
    "a dataset of nothing": lambda message: p_data(pdv(message.context_id, 2, b"what for")),
    "a broken PDU": lambda message: pdu(0x44, b""),
    "an abort": lambda message: Abort().encode(),
}


class Asking(KeeperCase):
    def ask(self, association: UpstreamAssociation) -> list[bool]:
        told: list[bool] = []
        context_id = echo_context(association)
        assert context_id is not None
        echo(association, context_id, self.network, 2.0).addCallback(told.append)
        self.network.settle()
        return told

    def test_an_answer_of_success_is_an_answer(self):
        association = self.rig.lease()
        self.assertEqual(self.ask(association), [True])
        self.assertTrue(association.layer.established)
        self.assertEqual(self.network.getDelayedCalls(), [])
        self.assertFalse(association.is_used, "it was no operation of anybody's")

    def test_it_may_come_in_pieces(self):
        self.archive.script.answer = lambda message: None
        association = self.rig.lease()
        told = self.ask(association)
        answer = succeed(self.archive.messages[0])
        assert answer is not None
        for each in answer:
            self.assertEqual(told, [])
            self.archive.associations[0].say(bytes((each,)))
            self.network.settle()
        self.assertEqual(told, [True])

    def test_anything_else_is_none_and_ends_the_association(self):
        for what, answer in ANSWERS.items():
            with self.subTest(what):
                self.archive.script.answer = answer
                association = self.rig.lease()
                self.assertEqual(self.ask(association), [False])
                self.network.settle()
                self.assertFalse(association.layer.established)
                self.assertEqual(self.archive.open, [])

    def test_silence_is_none_when_the_time_is_up(self):
        self.archive.script.answer = lambda message: None
        association = self.rig.lease()
        told = self.ask(association)
        self.network.wait(1.9)
        self.assertEqual(told, [])
        self.network.wait(0.1)
        self.assertEqual(told, [False])
        self.assertIn(Abort(), self.archive.heard)

    def test_silence_of_a_new_association_is_a_fault_of_its_upstream(self):
        self.archive.script.answer = lambda message: None
        self.ask(self.rig.lease())
        self.network.wait(2)
        why = "association aborted: C-ECHO was not answered in 2 s"
        self.assertEqual(self.lines("warn"), [f"upstream pacs: {why}"])
        self.assertFalse(self.keeper.is_reachable)

    def test_silence_of_one_that_has_rested_is_not(self):
        association = self.rig.lease()
        association.lend()
        self.archive.script.answer = lambda message: None
        self.ask(association)
        self.network.wait(2)
        self.assertTrue(self.keeper.is_reachable)

    def test_who_takes_nothing_more_is_only_waited_for(self):
        association = self.rig.lease()
        told = self.ask(association)
        association.pauseProducing()
        association.resumeProducing()
        self.assertEqual(told, [True])
        association.abort("it was enough", Fault.ELSEWHERE)


class Contexts(KeeperCase):
    def test_a_context_of_the_relays_own_is_used_where_there_is_one(self):
        association = self.rig.lease(offer=OFFER.only({3}))
        self.assertEqual(echo_context(association), 5)

    def test_else_the_one_that_was_offered(self):
        self.assertEqual(echo_context(self.rig.lease()), 1)

    def test_not_one_on_which_it_is_the_archive_that_asks(self):
        role = RoleSelection(VERIFICATION, scu=False, scp=True)
        self.archive.script.associate = lambda request: accept_all(
            request, user_items=item(0x54, role.encode()[4:])
        )
        offer = attrs.evolve(OFFER, roles=(role,))
        self.assertIsNone(echo_context(self.rig.lease(offer=offer)))

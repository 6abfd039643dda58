"""A party: one association's messages both ways, and its contexts."""

from __future__ import annotations

import pytest

from relay.bridge.delivery import Delivery
from relay.bridge.messages import Expect
from relay.bridge.party import Party
from relay.wire.command import CommandField as F
from relay.wire.errors import AbortReason, ProtocolError
from relay.wire.negotiation import Context
from relay.wire.reader import COMMAND, LAST
from tests.doubles import Peer, read, request
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    p_data,
    pdv,
)

CT = Context(CT_IMAGE_STORAGE, IMPLICIT_LITTLE_ENDIAN)
CT_EXPLICIT = Context(CT_IMAGE_STORAGE, EXPLICIT_LITTLE_ENDIAN)
STORE = request(F.C_STORE_RQ)


def fragments(control, body, on=1):
    (only,) = read(p_data(pdv(on, control, body)))
    return only


@pytest.fixture
def out():
    """The transcript."""
    return []


@pytest.fixture
def party(out):
    peer = Peer("peer", out)
    return Party.of(peer, peer, {1: CT, 3: CT_EXPLICIT, 5: CT})


def test_a_command_is_given_when_it_is_complete(party):
    assert party.command(fragments(COMMAND, STORE[:10])) is None
    assert party.command(fragments(COMMAND | LAST, STORE[10:])) == STORE


@pytest.mark.row(35)
def test_a_context_that_was_not_accepted_is_refused():
    party = Party.of(Peer("peer", []), Peer("peer", []), {1: CT})
    with pytest.raises(ProtocolError) as raised:
        party.command(fragments(COMMAND | LAST, STORE, on=7))
    assert raised.value.reason is AbortReason.UNEXPECTED_PARAMETER


def test_a_dataset_goes_where_its_message_goes(party, out):
    party.command(fragments(COMMAND | LAST, STORE))
    party.assembler.expect = Expect.DATASET
    party.incoming = Delivery(STORE, ended=False)
    there = Peer("there", out)
    Party.of(there, there, {}).lane.enter(party.incoming, 9)
    party.dataset(fragments(LAST, b"PIXELS"))
    assert out == ["there 9: C-STORE-RQ 1 +", "there 9: PIXELS"]


def test_a_dataset_that_belongs_to_nothing_is_read_and_forgotten(party):
    party.command(fragments(COMMAND | LAST, STORE))
    party.assembler.expect = Expect.EITHER
    party.dataset(fragments(LAST, b"PIXELS"))
    assert party.is_clean


def test_a_party_is_idle_between_messages_both_ways(party):
    assert party.is_idle
    party.command(fragments(COMMAND, b"COM"))
    assert not party.is_idle
    party.command(fragments(COMMAND | LAST, b"MAND"))
    assert party.is_idle
    party.lane.enter(Delivery(STORE, ended=False), 1)
    assert not party.is_idle


def test_a_party_of_whom_a_dataset_may_follow_is_not_clean(party):
    assert party.is_clean
    party.command(fragments(COMMAND | LAST, b"?"))
    party.assembler.expect = Expect.EITHER
    assert party.is_idle
    assert not party.is_clean


def test_retiring_leaves_nobody_stopped(out):
    caller, upstream = Peer("caller", out), Peer("upstream", out)
    there = Party.of(caller, caller, {})
    here = Party.of(upstream, upstream, {})
    here.lane.enter(Delivery(STORE, ended=False, valve=there.valve), 1)
    here.lane.full()
    here.valve.close("a full caller")
    assert caller.is_paused
    assert upstream.is_paused
    here.retire()
    assert not caller.is_paused
    assert not upstream.is_paused


def test_a_context_is_found_under_the_same_id_where_that_holds_it(party):
    assert party.id_of(CT, 5) == 5
    assert party.id_of(CT, 1) == 1


def test_a_context_is_found_under_another_id_where_it_has_one(party):
    assert party.id_of(CT_EXPLICIT, 1) == 3
    assert party.id_of(CT, 99) == 1


def test_a_context_that_does_not_hold_has_no_id(party):
    assert party.id_of(Context("1.2.3", IMPLICIT_LITTLE_ENDIAN), 1) is None

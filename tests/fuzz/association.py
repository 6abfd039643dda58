"""A-ASSOCIATE-RQ, -AC and -RJ: read as the plain way reads them, written again, and negotiated.

The input is a PDU as it stands on the wire, and maybe the answer to it behind it.
"""

from __future__ import annotations

from typing import Any

import attrs

from relay.config.secret_files import LONGEST_PASSCODE
from relay.config.values import LONGEST_USERNAME
from relay.policy.admission import TOO_MANY, judge
from relay.wire.bounds import Bounds, Extent
from relay.wire.errors import ProtocolError
from relay.wire.items import ContextResult
from relay.wire.negotiation import (
    LONGEST_USER_INFORMATION,
    Answer,
    Offer,
    acceptance,
    merged,
    window,
)
from relay.wire.pdu import DECODERS, AssociateAC, AssociateRJ, AssociateRQ
from relay.wire.requests import Requests
from relay.wire.user_information import UserIdentityRQ
from tests import vectors
from tests.fuzz import plain

MAXIMUM = 16384
LONGEST_USER = UserIdentityRQ(2, False, bytes(4 * LONGEST_USERNAME), bytes(LONGEST_PASSCODE))
"""That an upstream may be shown in the place of a caller's own."""

LONGEST_TEXT = 120
"""Characters that an error says: it tells of structure, and quotes nothing."""

WORDS = (
    *(bytes((kind, 0)) for kind in (0x10, 0x20, 0x21, 0x30, 0x40, *range(0x50, 0x5A))),
    *(bytes((kind, 0, 0, 0)) for kind in (1, 2, 3)),
    vectors.APPLICATION_CONTEXT,
    vectors.VERIFICATION.encode(),
    vectors.CT_IMAGE_STORAGE.encode(),
    vectors.IMPLICIT_LITTLE_ENDIAN.encode(),
    vectors.EXPLICIT_LITTLE_ENDIAN.encode(),
    b"\xff\xff",
    b"\xff\xff\xff\xff",
)


def check(data: bytes) -> None:
    """AssertionError where something does not hold."""
    kind, body, behind = _pdu(data)
    if kind in {1, 2}:
        told = _associate(kind, body)
        if isinstance(told, AssociateRQ):
            _request(told, body)
            kind, body, _ = _pdu(behind)
            answer = _associate(2, body) if kind == 2 else None
            if isinstance(answer, AssociateAC):
                _negotiated(told, answer)
    elif kind in DECODERS:
        _four_bytes(kind, body)


def _pdu(data: bytes) -> tuple[int, bytes, bytes]:
    """Type and body of a PDU, as long as it says or as there is, and what is behind it."""
    end = 6 + int.from_bytes(data[2:6], "big")
    return (data[0] if data else 0), data[6:end], data[end:]


def _decoded(kind: int, body: bytes) -> Any:
    """The PDU; None where the relay refuses it, in few words."""
    try:
        return DECODERS[kind].decode(body)
    except ProtocolError as error:
        assert len(str(error)) <= LONGEST_TEXT and str(error).isprintable()
        return None


def _associate(kind: int, body: bytes) -> AssociateRQ | AssociateAC | None:
    """The PDU, which is what the plain way reads, and survives being written."""
    told = _decoded(kind, body)
    _measured(body)
    try:
        expected = plain.associate(kind, body)
    except plain.Broken:
        assert told is None, "what is broken was read"
        return None
    assert told is not None, "what is sound was refused"
    assert _plainly(attrs.astuple(told)) == _plainly(expected)
    raw = told.encode()
    assert raw[0] == kind and int.from_bytes(raw[2:6], "big") == len(raw) - 6
    assert DECODERS[kind].decode(raw[6:]) == told
    # An item that was not there may be written as an empty one, but nothing grows beyond that.
    assert len(raw) <= len(body) + 6 + 4 * (2 + len(told.contexts))
    return told


def _measured(body: bytes) -> None:
    """How much is in it is told before it is read, and bounded."""
    contexts, items = plain.extent(body)
    for bounds in (Bounds(), Bounds(contexts, items)):
        assert bounds.measure(body) == Extent(contexts, items)
    for less in (Bounds(contexts - 1, items), Bounds(contexts, items - 1)):
        try:
            less.measure(body)
        except ProtocolError:
            continue
        raise AssertionError("more than may be is taken")


def _plainly(value: Any) -> Any:
    """The same with lists for tuples, all the way down."""
    return [_plainly(each) for each in value] if isinstance(value, list | tuple) else value


def _four_bytes(kind: int, body: bytes) -> None:
    told = _decoded(kind, body)
    assert (told is None) == (len(body) != 4)
    if told is not None:
        assert DECODERS[kind].decode(told.encode()[6:]) == told


def _request(request: AssociateRQ, body: bytes) -> None:
    """It is judged, remembered, and proposed to others."""
    known = Requests(len(body))
    assert known.decode(body) == request
    is_private = request.user_information.user_identity is not None
    assert (known.decode(body) is known.decode(body)) != is_private
    assert Requests(len(body) - 1).decode(body) == request
    secrets = request.user_information.user_identity
    if secrets is not None and len(secrets.primary_field) > 8:
        assert repr(secrets.primary_field) not in repr(request)
    verdict = judge(request, None)
    assert verdict is None or isinstance(verdict, AssociateRJ)
    assert judge(request, TOO_MANY) is (verdict or TOO_MANY)
    if verdict is None:
        _proposed(request)


def _proposed(request: AssociateRQ) -> None:
    """What an admitted request proposes can be taken apart, put together and sent on."""
    offer = Offer.of(request)
    ids = {each.id for each in offer.contexts}
    assert offer.only(ids).contexts == offer.contexts
    normal = offer.normalised()
    assert normal.normalised() == normal
    assert [each.id for each in normal.contexts] == [*range(1, 2 * len(ids), 2)]
    sent = offer.request(request.calling_field, request.called_field, MAXIMUM)
    assert Offer.of(AssociateRQ.decode(sent.encode()[6:])) == offer
    shown = attrs.evolve(offer, user_identity=LONGEST_USER)
    raw = shown.request(request.calling_field, request.called_field, MAXIMUM).encode()
    assert Offer.of(AssociateRQ.decode(raw[6:])) == shown
    for answer in (
        Answer.accepting(offer),
        Answer.refusing(offer, ContextResult.NO_REASON),
        merged(offer, []),
    ):
        _accepted(request, answer)


def _negotiated(request: AssociateRQ, said: AssociateAC) -> None:
    """An answer is held to its offer, whether it was asked for whole or in two parts."""
    offer = Offer.of(request)
    answer = Answer.of(offer, said)
    assert [each.id for each in answer.contexts] == [each.id for each in offer.contexts]
    proposed = {each.id: each for each in offer.contexts}
    for context_id, syntax in answer.accepted.items():
        assert syntax in proposed[context_id].transfer_syntaxes
    in_force = answer.in_force(offer)
    assert in_force.keys() == answer.accepted.keys()
    assert all(
        proposed[each].abstract_syntax == its.abstract_syntax for each, its in in_force.items()
    )
    narrow = offer.narrowed(answer)
    assert {each.id: each.transfer_syntaxes for each in narrow.contexts} == {
        each: (syntax,) for each, syntax in answer.accepted.items()
    }
    _in_parts(offer, said, answer)
    _renumbered(offer, answer)
    if judge(request, None) is None:
        _accepted(request, answer)


def _in_parts(offer: Offer, said: AssociateAC, whole: Answer) -> None:
    """Halves of an offer that are answered alike add up to the same answer."""
    halves = [offer.only({each.id for each in offer.contexts[half::2]}) for half in (0, 1)]
    answers = [Answer.of(half, said) for half in halves if half.contexts]
    together = merged(offer, answers)
    assert together.contexts == whole.contexts
    assert together.maximum == whole.maximum


def _renumbered(offer: Offer, answer: Answer) -> None:
    """An answer that was remembered under other ids is the same when it comes back."""
    normal = answer.renumbered(offer.normalised())
    assert normal.renumbered(offer) == answer
    assert list(normal.in_force(offer.normalised()).values()) == list(
        answer.in_force(offer).values()
    )


def _accepted(request: AssociateRQ, answer: Answer) -> None:
    """The caller can be told so, unless there is no room for it."""
    accepting = acceptance(request, answer, MAXIMUM, window(request, 4))
    if accepting.user_information.length <= LONGEST_USER_INFORMATION:
        assert AssociateAC.decode(accepting.encode()[6:]) == accepting

"""Hypothesis strategies for PDUs, their items, and P-DATA as a stream of fragments."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import attrs
from hypothesis import strategies as st

from relay.wire.items import ContextResult, PresentationContextAC, PresentationContextRQ
from relay.wire.pdu import PDU, Abort, AssociateAC, AssociateRJ, AssociateRQ, ReleaseRP, ReleaseRQ
from relay.wire.reader import COMMAND, LAST
from relay.wire.user_information import (
    AsynchronousOperationsWindow,
    RoleSelection,
    SOPClassCommonExtendedNegotiation,
    SOPClassExtendedNegotiation,
    UserIdentityAC,
    UserIdentityRQ,
    UserInformation,
)
from tests import vectors

octet = st.integers(0, 255)
ids = st.integers(0, 127).map(lambda n: 2 * n + 1)

names = st.text(st.characters(codec="latin-1"), max_size=12).map(lambda s: s.rstrip("\0 "))
"""Any text that can stand where a UID does: the wire does not judge."""

uids = st.lists(st.integers(0, 99_999), min_size=2, max_size=7).map(
    lambda parts: ".".join(["1", *map(str, parts)])
)
"""UIDs as they ought to be (PS3.5 9.1)."""

titles = st.text("ABCXYZ_019-", min_size=1, max_size=16).map(lambda s: s.ljust(16).encode())
"""AE titles as they ought to be, as fields."""


def few(strategy, least=0):
    """A tuple of up to three of them."""
    return st.lists(strategy, min_size=least, max_size=3).map(tuple)


def context_proposals(uid=names, identifiers=ids):
    """Presentation contexts of a request."""
    return st.builds(PresentationContextRQ, identifiers, uid, few(uid, 1))


def context_answers(uid=names, identifiers=ids):
    """Presentation contexts of an answer."""
    results = st.sampled_from([int(each) for each in ContextResult])
    return st.builds(PresentationContextAC, identifiers, results, uid)


roles = st.booleans()
windows = st.builds(AsynchronousOperationsWindow, st.integers(0, 65535), st.integers(0, 65535))
identity_answers = st.builds(UserIdentityAC, st.binary(max_size=40))


def role_selections(uid=names):
    """SCP/SCU role selections."""
    return st.builds(RoleSelection, uid, roles, roles)


def extended(uid=names):
    """SOP class extended negotiations."""
    return st.builds(SOPClassExtendedNegotiation, uid, st.binary(max_size=9))


def common_extended(uid=names):
    """SOP class common extended negotiations."""
    return st.builds(SOPClassCommonExtendedNegotiation, uid, uid, few(uid))


def identities(kinds=octet):
    """User identities; a secondary field where there is a passcode."""
    field = st.binary(min_size=1, max_size=40)
    return kinds.flatmap(
        lambda kind: st.builds(
            UserIdentityRQ,
            st.just(kind),
            st.booleans(),
            field,
            field if kind == 2 else st.just(b""),
        )
    )


def user_information(uid=names, kinds=octet, version=names, answers=True, requests=True):
    """User information: as an answer has it, as a request has it, or both at once."""
    none = st.none()
    return st.builds(
        UserInformation,
        none | st.integers(0, 2**32 - 1),
        none | uid,
        none | version,
        none | windows,
        few(role_selections(uid)),
        few(extended(uid)),
        few(common_extended(uid)) if requests else st.just(()),
        none | identities(kinds) if requests else none,
        none | identity_answers if answers else none,
    )


def distinct(contexts, least):
    """Some contexts, each with an id of its own."""
    found = st.lists(contexts, min_size=least, max_size=4, unique_by=lambda each: each.id)
    return found.map(tuple)


field = st.binary(min_size=16, max_size=16)
reserved = st.binary(min_size=32, max_size=32)
version = st.integers(0, 65535)

requests = st.builds(
    AssociateRQ, field, field, user_information(), names, version, reserved,
    distinct(context_proposals(), 1),
)  # fmt: skip
acceptances = st.builds(
    AssociateAC, field, field, user_information(), names, version, reserved,
    distinct(context_answers(), 0),
)  # fmt: skip
rejections = st.builds(AssociateRJ, octet, octet, octet)
aborts = st.builds(Abort, octet, octet)
control_pdus: st.SearchStrategy[PDU] = st.one_of(
    requests, acceptances, rejections, aborts, st.just(ReleaseRQ()), st.just(ReleaseRP())
)

# P-DATA: messages, as parts, as fragments, as PDUs, as bytes, as reads


@attrs.frozen
class Part:
    """A command set or a dataset, and the fragments that it is sent in."""

    context_id: int
    is_command: bool
    fragments: tuple[bytes, ...]

    @property
    def whole(self) -> tuple[int, bool, bytes]:
        """What the peer meant to say."""
        return self.context_id, self.is_command, b"".join(self.fragments)

    def pdvs(self, reserved_bits: int = 0) -> Iterator[bytes]:
        """Its fragments with their headers."""
        for number, body in enumerate(self.fragments, 1):
            last = LAST if number == len(self.fragments) else 0
            control = (COMMAND if self.is_command else 0) | last | reserved_bits
            yield vectors.pdv(self.context_id, control, body)


bodies = st.binary(max_size=40) | st.integers(0, 300).map(bytes)
even_bodies = bodies.map(lambda body: body + body[: len(body) & 1] or b"\0\0")


two_ids = st.sampled_from([1, 3])


def parts(identifiers=two_ids, body=bodies):
    """One part of a message."""
    fragments = st.lists(body, min_size=1, max_size=5).map(tuple)
    return st.builds(Part, identifiers, st.booleans(), fragments)


any_parts = parts()


@attrs.frozen
class Stream:
    """Parts, and the bytes of P-DATA-TF PDUs that they are sent in."""

    parts: tuple[Part, ...]
    raw: bytes


@st.composite
def streams(draw, part=any_parts, packed=True, reserved_bits=False):
    """Streams of up to four parts; `packed`: a PDU may hold several fragments."""
    found = draw(st.lists(part, min_size=1, max_size=4))
    bits = draw(st.sampled_from([0, 4, 0xFC])) if reserved_bits else 0
    pdvs = [pdv for each in found for pdv in each.pdvs(bits)]
    raw = b""
    while pdvs:
        many = draw(st.sampled_from([1, 1, 1, 2, 3])) if packed else 1
        raw += vectors.p_data(*pdvs[:many])
        del pdvs[:many]
    return Stream(tuple(found), raw)


cuts = st.lists(st.integers(0, 2**16), max_size=12) | st.just(range(2**16))
"""Where to cut bytes into reads, modulo their length; or everywhere."""


def reads(raw: bytes, where: Sequence[int]) -> list[bytes]:
    """The same bytes, cut."""
    places = sorted({at % (len(raw) + 1) for at in where[: len(raw)]} | {0, len(raw)})
    return [raw[start:stop] for start, stop in pairwise(places)]

"""The PDUs: by hand, round and round, broken, and as pynetdicom sees them."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pynetdicom import pdu as theirs

from relay.wire.errors import ProtocolError
from relay.wire.items import PresentationContextAC, PresentationContextRQ
from relay.wire.pdu import (
    APPLICATION_CONTEXT,
    ASSOCIATE_MAXIMUM,
    BODY_MAXIMUM,
    DECODERS,
    DEFAULT_MAXIMUM_LENGTH,
    LARGEST_MAXIMUM_LENGTH,
    PDU_HEADER_LENGTH,
    PDV_HEADER_LENGTH,
    SMALLEST_MAXIMUM_LENGTH,
    Abort,
    AssociateAC,
    AssociateRJ,
    AssociateRQ,
    PDUType,
    ReleaseRP,
    ReleaseRQ,
    ae_field,
    ae_title,
)
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
from tests.vectors import (
    CT_IMAGE_STORAGE,
    EXPLICIT_LITTLE_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    JPEG_LOSSLESS,
    STORAGE_SERVICE,
    VERIFICATION,
    octets,
)
from tests.wire import strategies

REQUEST = AssociateRQ(
    called_field=b"ARCHIVE         ",
    calling_field=b"MODALITY        ",
    user_information=UserInformation(
        maximum_length=16384,
        implementation_class_uid="2.25.1",
        implementation_version_name="RELAY_01",
        asynchronous_operations_window=AsynchronousOperationsWindow(1, 1),
        roles=(RoleSelection(CT_IMAGE_STORAGE, scu=False, scp=True),),
        extended=(SOPClassExtendedNegotiation(CT_IMAGE_STORAGE, b"\x01\x01\x00"),),
        common_extended=(
            SOPClassCommonExtendedNegotiation(
                CT_IMAGE_STORAGE, STORAGE_SERVICE, ("1.2.3", "1.2.34")
            ),
        ),
        user_identity=UserIdentityRQ(2, True, b"someone", b"secret"),
    ),
    application_context=APPLICATION_CONTEXT,
    protocol_version=1,
    reserved=bytes(32),
    contexts=(
        PresentationContextRQ(1, VERIFICATION, (IMPLICIT_LITTLE_ENDIAN,)),
        PresentationContextRQ(3, CT_IMAGE_STORAGE, (EXPLICIT_LITTLE_ENDIAN, JPEG_LOSSLESS)),
    ),
)

ACCEPTANCE = AssociateAC(
    called_field=REQUEST.called_field,
    calling_field=REQUEST.calling_field,
    user_information=UserInformation(
        maximum_length=32768,
        implementation_class_uid="2.25.1",
        implementation_version_name="RELAY_01",
        asynchronous_operations_window=AsynchronousOperationsWindow(1, 1),
        roles=(RoleSelection(CT_IMAGE_STORAGE, scu=False, scp=True),),
        extended=(SOPClassExtendedNegotiation(CT_IMAGE_STORAGE, b"\x01\x00\x00"),),
        user_identity_response=UserIdentityAC(b"ticket"),
    ),
    application_context=APPLICATION_CONTEXT,
    protocol_version=1,
    reserved=bytes(32),
    contexts=(
        PresentationContextAC(1, 0, IMPLICIT_LITTLE_ENDIAN),
        PresentationContextAC(3, 3, ""),
    ),
)

BY_HAND = [
    (REQUEST, vectors.ASSOCIATE_RQ),
    (ACCEPTANCE, vectors.ASSOCIATE_AC),
    (AssociateRJ(2, 3, 1), vectors.ASSOCIATE_RJ),
    (ReleaseRQ(), vectors.RELEASE_RQ),
    (ReleaseRP(), vectors.RELEASE_RP),
    (Abort(2, 6), vectors.ABORT),
]


def body(raw):
    """A PDU without its header."""
    return raw[PDU_HEADER_LENGTH:]


def decoded(raw: bytes) -> Any:
    """What a PDU is read as."""
    return DECODERS[raw[0]].decode(body(raw))


@pytest.mark.parametrize(("value", "raw"), BY_HAND)
def test_a_pdu_is_read_and_written_as_the_standard_says(value, raw):
    assert value.encode() == raw
    assert decoded(raw) == value


@given(strategies.control_pdus)
def test_a_pdu_survives_encoding(value):
    raw = value.encode()
    assert raw[1:6] == b"\0" + len(body(raw)).to_bytes(4)
    assert decoded(raw) == value
    assert len(body(raw)) <= BODY_MAXIMUM[raw[0]]


def test_every_pdu_but_p_data_has_a_decoder_and_a_bound():
    assert set(DECODERS) == set(BODY_MAXIMUM) == set(PDUType) - {PDUType.P_DATA_TF}


def test_types_and_bounds_are_what_they_are_said_to_be():
    assert [int(kind) for kind in PDUType] == [1, 2, 3, 4, 5, 6, 7]
    assert (PDU_HEADER_LENGTH, PDV_HEADER_LENGTH) == (6, 6)
    assert BODY_MAXIMUM == {1: 1_048_576, 2: 1_048_576, 3: 4, 5: 4, 6: 4, 7: 4}
    assert (SMALLEST_MAXIMUM_LENGTH, DEFAULT_MAXIMUM_LENGTH) == (128, 16_384)
    assert LARGEST_MAXIMUM_LENGTH == 0xFFFFFFFF


def test_the_bound_of_an_association_request_has_room_for_the_largest_reasonable_one():
    syntaxes = tuple(f"1.2.840.10008.1.2.4.{n:060}"[:64] for n in range(60))
    contexts = tuple(PresentationContextRQ(2 * n + 1, "1" * 64, syntaxes) for n in range(128))
    raw = attrs.evolve(REQUEST, contexts=contexts).encode()
    assert len(raw) < ASSOCIATE_MAXIMUM
    assert AssociateRQ.decode(body(raw)).contexts == contexts


@pytest.mark.parametrize("raw", [vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC])
def test_an_associate_pdu_that_is_cut_off_is_refused_unless_between_two_items(raw):
    read: list[Any] = []
    for length in range(len(body(raw))):
        try:
            read.append(decoded(raw[: 6 + length]))
        except ProtocolError:
            continue
    # Behind the fixed fields and the application context (not in a request: it needs a context),
    # behind the first context, behind the second.
    assert len(read) == (2 if raw[0] == PDUType.ASSOCIATE_RQ else 4)
    assert all(value.user_information == UserInformation() for value in read)


@pytest.mark.parametrize("raw", [vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC])
def test_an_associate_pdu_shorter_than_its_fixed_fields_is_refused(raw):
    with pytest.raises(ProtocolError, match="shorter than its fixed fields"):
        DECODERS[raw[0]].decode(body(raw)[:67])


@pytest.mark.parametrize("raw", [vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC])
def test_trailing_data_that_is_no_item_is_refused(raw):
    with pytest.raises(ProtocolError, match="item header is cut off"):
        DECODERS[raw[0]].decode(body(raw) + b"\0")


@pytest.mark.parametrize("raw", [vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC])
def test_an_unknown_item_is_skipped_wherever_it_stands(raw):
    decode, whole, unknown = DECODERS[raw[0]].decode, body(raw), octets("7F 00 0002 FFFF")
    assert decode(whole[:68] + unknown + whole[68:] + unknown) == decode(whole)


@pytest.mark.parametrize("raw", [vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC])
def test_a_context_item_of_the_other_direction_is_skipped(raw):
    decode, whole = DECODERS[raw[0]].decode, body(raw)
    foreign = vectors.item({1: 0x21, 2: 0x20}[raw[0]], b"\0\0\0\0")
    assert decode(whole + foreign) == decode(whole)


@pytest.mark.parametrize("raw", [vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC])
def test_an_item_longer_than_its_pdu_is_refused(raw):
    with pytest.raises(ProtocolError, match="item 50H is longer than its parent"):
        DECODERS[raw[0]].decode(body(raw)[:-1])


@pytest.mark.parametrize("raw", [vectors.ASSOCIATE_RQ, vectors.ASSOCIATE_AC])
def test_fields_that_are_reserved_are_not_tested(raw):
    odd = bytearray(raw)
    odd[8:10] = b"\xff\xff"
    odd[42:74] = bytes(range(32))
    assert decoded(bytes(odd)) == attrs.evolve(decoded(raw), reserved=bytes(range(32)))


def test_a_request_without_a_context_is_refused():
    fixed = body(vectors.ASSOCIATE_RQ)[:68]
    with pytest.raises(ProtocolError, match="without a presentation context"):
        AssociateRQ.decode(fixed + vectors.APPLICATION_CONTEXT)


def test_an_acceptance_without_a_context_is_read():
    assert AssociateAC.decode(body(vectors.ASSOCIATE_AC)[:68]).contexts == ()


def test_a_request_without_application_context_or_user_information_is_read():
    only = attrs.evolve(REQUEST, contexts=REQUEST.contexts[:1]).encode()
    context = vectors.item(0x20, octets("01000000 30 00 0003 '1.2' 40 00 0003 '1.2'"))
    request = AssociateRQ.decode(body(only)[:68] + context)
    assert request.application_context == ""
    assert request.user_information == UserInformation()


@pytest.mark.parametrize("value", [REQUEST, ACCEPTANCE])
def test_a_context_id_that_is_used_twice_is_refused(value):
    twice = attrs.evolve(value, contexts=(value.contexts[0],) * 2)
    with pytest.raises(ProtocolError, match="id is used twice"):
        type(value).decode(body(twice.encode()))


@pytest.mark.parametrize("identifier", [0, 2, 254])
@pytest.mark.parametrize("value", [REQUEST, ACCEPTANCE])
def test_a_context_id_that_is_not_odd_is_refused(value, identifier):
    even = attrs.evolve(value, contexts=(attrs.evolve(value.contexts[0], id=identifier),))
    with pytest.raises(ProtocolError, match="is not odd"):
        type(value).decode(body(even.encode()))


@pytest.mark.parametrize("kind", [AssociateRJ, ReleaseRQ, ReleaseRP, Abort])
@pytest.mark.parametrize("length", [0, 1, 3, 5, 8])
def test_a_short_pdu_whose_length_is_not_four_is_refused(kind, length):
    with pytest.raises(ProtocolError, match=f"of {length} bytes where 4 are due"):
        kind.decode(bytes(length))


def test_the_reserved_bytes_of_short_pdus_are_not_tested():
    assert AssociateRJ.decode(b"\xff\x01\x02\x03") == AssociateRJ(1, 2, 3)
    assert ReleaseRQ.decode(b"\xff" * 4) == ReleaseRQ()
    assert ReleaseRP.decode(b"\xff" * 4) == ReleaseRP()
    assert Abort.decode(b"\xff\xff\x02\x06") == Abort(2, 6)


def test_values_that_the_standard_does_not_know_are_passed_on_as_numbers():
    assert AssociateRJ.decode(bytes((0, 9, 8, 7))).encode() == octets("03 00 00000004 00 09 08 07")
    assert Abort.decode(bytes((0, 0, 1, 3))).encode() == octets("07 00 00000004 0000 01 03")


@pytest.mark.parametrize(
    ("field", "title"),
    [
        (b"ARCHIVE         ", "ARCHIVE"),
        (b"  ARCHIVE       ", "ARCHIVE"),
        (b"ARCHIVE\0\0\0\0\0\0\0\0\0", "ARCHIVE"),
        (b"ARCHIVE \0 \0       ", "ARCHIVE"),
        (b"TWO WORDS       ", "TWO WORDS"),
        (b"../x            ", "../x"),
        (b"EMBEDDED\0NUL    ", "EMBEDDED\0NUL"),
        (b"                ", ""),
        (bytes(16), ""),
        ("ÄRCHIV".encode("latin-1").ljust(16), "ÄRCHIV"),
    ],
)
def test_an_ae_title_is_what_is_significant_of_its_field(field, title):
    assert ae_title(field) == title
    assert attrs.evolve(REQUEST, called_field=field).called == title
    assert attrs.evolve(ACCEPTANCE, calling_field=field).calling == title


def test_an_ae_title_fills_its_field():
    assert ae_field("ARCHIVE") == b"ARCHIVE         "
    assert ae_field("SIXTEEN_LETTERS_") == b"SIXTEEN_LETTERS_"
    assert ae_field("MORE_THAN_SIXTEEN") == b"MORE_THAN_SIXTEE"


@given(st.binary(max_size=300))
def test_a_pdu_of_any_bytes_is_read_or_refused_with_a_protocol_error(raw):
    for kind in DECODERS.values():
        try:
            value = kind.decode(raw)
        except ProtocolError:
            continue
        assert kind.decode(body(value.encode())) == value


@given(st.sampled_from([REQUEST, ACCEPTANCE]), st.data())
def test_a_damaged_associate_pdu_is_read_or_refused_with_a_protocol_error(value, data):
    raw = bytearray(body(value.encode()))
    for _ in range(data.draw(st.integers(1, 4))):
        raw[data.draw(st.integers(0, len(raw) - 1))] = data.draw(strategies.octet)
    try:
        type(value).decode(bytes(raw))
    except ProtocolError as error:
        assert "secret" not in str(error)


# as pynetdicom sees them

VERSION = st.text("RELAY_019.", min_size=1, max_size=16)
KINDS = st.integers(1, 5)
PROPOSALS = strategies.distinct(strategies.context_proposals(strategies.uids), 1)
ANSWERS = strategies.distinct(strategies.context_answers(strategies.uids), 1)
PROPER_REQUESTS = st.builds(
    AssociateRQ, strategies.titles, strategies.titles,
    strategies.user_information(strategies.uids, KINDS, VERSION, answers=False),
    strategies.uids, st.just(1), st.just(bytes(32)), PROPOSALS,
)  # fmt: skip
PROPER_ACCEPTANCES = st.builds(
    AssociateAC, strategies.titles, strategies.titles,
    strategies.user_information(strategies.uids, KINDS, VERSION, requests=False),
    strategies.uids, st.just(1), st.just(bytes(32)), ANSWERS,
)  # fmt: skip


def read_by_pynetdicom(kind, ours):
    """Their PDU, once it is certain that they write the same bytes, and that we read those."""
    found = kind()
    found.decode(ours.encode())
    raw = found.encode()
    assert raw == ours.encode()
    assert decoded(raw) == ours
    return found


def same_user_information(found, ours):
    assert found.maximum_length == ours.maximum_length
    assert found.implementation_class_uid == ours.implementation_class_uid
    assert found.implementation_version_name == ours.implementation_version_name
    window, our_window = found.async_ops_window, ours.asynchronous_operations_window
    assert (window is None) == (our_window is None)
    if window is not None:
        assert (window.max_operations_invoked, window.max_operations_performed) == attrs.astuple(
            our_window
        )
    assert {
        uid: (bool(role.scu), bool(role.scp)) for uid, role in found.role_selection.items()
    } == {role.sop_class_uid: (role.scu, role.scp) for role in ours.roles}
    assert [(each.uid, each.app_info) for each in found.ext_neg] == [
        (each.sop_class_uid, each.information) for each in ours.extended
    ]
    assert [
        (each.sop_class_uid, each.service_class_uid,
         tuple(each.related_general_sop_class_identification))
        for each in found.common_ext_neg
    ] == [attrs.astuple(each) for each in ours.common_extended]  # fmt: skip


@given(PROPER_REQUESTS)
def test_pynetdicom_reads_our_requests_and_writes_them_alike(ours):
    found = read_by_pynetdicom(theirs.A_ASSOCIATE_RQ, ours)
    assert (found.called_ae_title, found.calling_ae_title) == (ours.called, ours.calling)
    assert found.application_context_name == ours.application_context
    assert [
        (each.context_id, each.abstract_syntax, tuple(each.transfer_syntax))
        for each in found.presentation_context
    ] == [attrs.astuple(each, recurse=False) for each in ours.contexts]
    same_user_information(found.user_information, ours.user_information)
    identity, our_identity = (
        found.user_information.user_identity,
        ours.user_information.user_identity,
    )
    assert (identity is None) == (our_identity is None)
    if our_identity is not None:
        assert (identity.id_type, identity.response_requested, identity.primary) == (
            our_identity.identity_type,
            our_identity.positive_response_requested,
            our_identity.primary_field,
        )
        assert (identity.secondary or b"") == our_identity.secondary_field


@given(PROPER_ACCEPTANCES)
def test_pynetdicom_reads_our_acceptances_and_writes_them_alike(ours):
    found = read_by_pynetdicom(theirs.A_ASSOCIATE_AC, ours)
    assert [
        (each.context_id, each.result, each.transfer_syntax) for each in found.presentation_context
    ] == [attrs.astuple(each) for each in ours.contexts]
    same_user_information(found.user_information, ours.user_information)
    answer, our_answer = (
        found.user_information.user_identity,
        ours.user_information.user_identity_response,
    )
    assert (None if answer is None else answer.response) == (
        None if our_answer is None else our_answer.server_response
    )


@given(st.sampled_from([1, 2]), st.sampled_from([1, 2, 3]), strategies.octet)
def test_pynetdicom_reads_our_rejections_and_writes_them_alike(result, source, reason):
    found = read_by_pynetdicom(theirs.A_ASSOCIATE_RJ, AssociateRJ(result, source, reason))
    assert (found.result, found.source, found.reason_diagnostic) == (result, source, reason)


@given(st.sampled_from([0, 2]), strategies.octet)
def test_pynetdicom_reads_our_aborts_and_writes_them_alike(source, reason):
    found = read_by_pynetdicom(theirs.A_ABORT_RQ, Abort(source, reason))
    assert (found.source, found.reason_diagnostic) == (source, reason)


def test_pynetdicom_reads_our_releases_and_writes_them_alike():
    read_by_pynetdicom(theirs.A_RELEASE_RQ, ReleaseRQ())
    read_by_pynetdicom(theirs.A_RELEASE_RP, ReleaseRP())


# Their primitives need a transfer syntax in every answer, in one that refuses as well.
NAMED_ACCEPTANCE = attrs.evolve(
    ACCEPTANCE,
    contexts=tuple(attrs.evolve(each, transfer_syntax="1.2.3") for each in ACCEPTANCE.contexts),
)


@pytest.mark.parametrize(
    ("kind", "ours"),
    [
        (theirs.A_ASSOCIATE_RQ, REQUEST),
        (theirs.A_ASSOCIATE_AC, NAMED_ACCEPTANCE),
        (theirs.A_ASSOCIATE_RJ, AssociateRJ(2, 3, 1)),
        (theirs.A_RELEASE_RQ, ReleaseRQ()),
        (theirs.A_RELEASE_RP, ReleaseRP()),
        (theirs.A_ABORT_RQ, Abort(2, 6)),
    ],
)
def test_we_read_what_pynetdicom_makes_of_its_own_primitives(kind, ours):
    found = kind()
    found.decode(ours.encode())
    raw = kind(found.to_primitive()).encode()
    assert decoded(raw) == ours

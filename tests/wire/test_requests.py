"""Requests that came before are not decoded again, and nothing is remembered that should not be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.wire.errors import ProtocolError
from relay.wire.items import PresentationContextRQ
from relay.wire.pdu import APPLICATION_CONTEXT, AssociateRQ, ae_field
from relay.wire.reader import Reader
from relay.wire.requests import Requests
from relay.wire.user_information import UserIdentityRQ, UserInformation
from tests.wire import strategies

CONTEXT = PresentationContextRQ(1, "1.2.840.10008.1.1", ("1.2.840.10008.1.2",))
IDENTITY = UserIdentityRQ(2, False, b"someone", b"secret")


def request(calling="MODALITY", **information):
    return AssociateRQ(
        ae_field("RELAY"),
        ae_field(calling),
        UserInformation(**information),
        APPLICATION_CONTEXT,
        1,
        bytes(32),
        (CONTEXT,),
    )


def body(request):
    return request.encode()[6:]


def test_the_same_bytes_are_decoded_once():
    requests = Requests()
    first = requests.decode(body(request()))
    assert first == request()
    assert requests.decode(body(request())) is first


def test_requests_that_differ_are_told_apart():
    requests = Requests()
    for calling in ("CT", "MR", "CT"):
        assert requests.decode(body(request(calling))) == request(calling)


def test_a_request_with_a_user_identity_is_not_remembered():
    requests = Requests()
    secret = body(request(user_identity=IDENTITY))
    first = requests.decode(secret)
    assert first.user_information.user_identity == IDENTITY
    assert requests.decode(secret) is not first


def test_no_bytes_of_a_request_are_remembered_that_were_not_decoded():
    requests = Requests()
    identity = UserInformation(user_identity=IDENTITY).encode()
    fixed, items = body(request())[:68], body(request())[68:]
    decoded = requests.decode(fixed + identity + items)  # the last user information counts
    assert decoded.user_information.user_identity is None
    assert requests.decode(fixed + identity + items) is decoded
    assert not any(b"secret" in digest for digest in requests._known)


def test_a_broken_request_is_broken_each_time():
    requests = Requests()
    for _ in range(2):
        with pytest.raises(ProtocolError):
            requests.decode(body(request())[:-1])


def test_those_that_came_last_are_remembered_up_to_a_bound():
    one, two, three = (body(request(calling)) for calling in ("ONE", "TWO", "THREE"))
    requests = Requests(most=2 * len(one))
    first, second = requests.decode(one), requests.decode(two)
    requests.decode(one)
    requests.decode(three)
    assert requests.decode(one) is first
    assert requests.decode(two) is not second


def test_one_that_is_longer_than_the_bound_is_not_remembered():
    requests = Requests(most=len(body(request())) - 1)
    assert requests.decode(body(request())) is not requests.decode(body(request()))


@given(st.lists(st.integers(0, 9)))
def test_never_more_is_remembered_than_the_bound(callers):
    bodies = [body(request(f"CALLER{number}")) for number in range(10)]
    requests = Requests(most=3 * len(bodies[0]))
    for number in callers:
        requests.decode(bodies[number])
        sizes = [each.size for each in requests._known.values()]
        assert sum(sizes) == requests._size <= requests.most


@given(strategies.requests)
def test_what_is_remembered_is_what_would_be_decoded(proposed):
    came = body(proposed)
    requests = Requests()
    requests.decode(came)
    assert requests.decode(came) == AssociateRQ.decode(came)


def test_a_reader_decodes_no_request_twice():
    def read():
        reader = Reader(maximum=16384)
        reader.feed(request("READ").encode())
        return reader.next_event()

    assert read() is read()


def test_no_bytes_show_in_a_repr():
    requests = Requests()
    requests.decode(body(request()))
    assert "MODALITY" not in repr(requests)

"""What stands in the log for what identifies somebody."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.journal.identities import (
    LONGEST_IDENTITY,
    LONGEST_KEY,
    Identities,
    Shown,
    key_of,
)

KEY = b"0123456789abcdef"
UID = b"1.2.840.113619.2.55.3"

hashed = Identities(Shown.HASHED, KEY)
plain = Identities(Shown.PLAIN, KEY)


def test_a_hash_is_that_which_the_manual_says():
    digest = hashlib.blake2b(UID, key=KEY, digest_size=8).hexdigest()
    assert hashed(UID) == digest
    assert len(digest) == 16


@pytest.mark.parametrize("padded", [UID + b"\0", UID + b" ", b" " + UID])
def test_the_same_object_has_the_same_hash_however_it_is_padded(padded):
    assert hashed(padded) == hashed(UID)
    assert plain(padded) == UID.decode()


@given(st.binary(max_size=300), st.binary(min_size=16, max_size=64))
def test_a_hash_says_nothing_of_what_it_stands_for_and_is_another_by_another_key(identity, key):
    one, other = (
        Identities(Shown.HASHED, key)(identity),
        Identities(Shown.HASHED, key[:-1])(identity),
    )
    assert one is not None and len(one) == 16
    assert one != other


@given(st.binary(max_size=300))
def test_in_plain_it_is_one_printable_line_of_bounded_length(identity):
    shown = plain(identity)
    assert shown is not None and shown.isprintable()
    assert len(shown) <= LONGEST_IDENTITY + len("...")


def test_none_is_none():
    assert Identities(Shown.NONE, KEY)(UID) is None


def test_the_key_does_not_show():
    assert "0123" not in repr(hashed)


@given(st.binary(max_size=200))
def test_a_secret_of_any_length_makes_a_key(secret):
    assert len(key_of(secret)) <= LONGEST_KEY
    assert key_of(secret + b"\n") == key_of(secret)


def test_a_long_secret_counts_to_its_end():
    assert key_of(b"x" * 100) != key_of(b"x" * 99)
    assert key_of(b"x" * LONGEST_KEY) == b"x" * LONGEST_KEY

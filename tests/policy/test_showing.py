"""Which AE titles an upstream is shown."""

from __future__ import annotations

from relay.policy.showing import ShowCalled, Showing, Titles
from relay.wire.pdu import ae_field

CALLED = ae_field("RELAY")
# as some devices pad it
FIELD = b" CT_1\0\0\0".ljust(16, b"\0")


def titles(**showing):
    return Showing(**showing).titles("CT_1", FIELD, CALLED)


def test_by_default_the_callers_own_byte_for_byte_and_the_upstreams_own():
    assert titles() == Titles(FIELD, None)


def test_a_fixed_title_is_shown_for_everybody():
    assert titles(calling="RELAY") == Titles(ae_field("RELAY"))


def test_a_table_is_by_the_callers_own_title():
    assert titles(calling={"CT_1": "ALIAS"}) == Titles(ae_field("ALIAS"))
    assert titles(calling={"CT_2": "ALIAS"}) == Titles(FIELD)


def test_the_called_title_may_be_the_one_that_the_caller_used():
    assert titles(called=ShowCalled.CALLER) == Titles(FIELD, CALLED)


def test_what_is_shown_in_the_place_of_others_is_known():
    assert Showing().masks == frozenset()
    assert Showing("RELAY").masks == {"RELAY"}
    assert Showing({"CT_1": "A", "CT_2": "B"}).masks == {"A", "B"}

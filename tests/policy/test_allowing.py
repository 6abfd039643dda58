"""Allow lists: who is in all that there are may come in (bad-inputs 25)."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.policy.admission import CALLED_NOT_RECOGNIZED, CALLING_NOT_RECOGNIZED
from relay.policy.allowing import Allow, refusal
from relay.policy.routing import Caller, Criterion, Origin
from relay.wire.pdu import ae_field


def caller(calling="CT1", called="RELAY", address="10.1.2.3", names=()):
    origin = Origin(address, certificate_names=names)
    return Caller(calling, called, ae_field(calling), ae_field(called), origin)


def told(allow, **who):
    """The reason of the rejection; 0: there is none."""
    rejection = refusal(allow.obstacle(caller(**who)))
    return 0 if rejection is None else rejection.reason


HERE = Allow(networks=(ip_network("10.1.0.0/16"), ip_network("2001:db8::/32")))


TEXTS = st.text(st.characters(max_codepoint=255))


@given(TEXTS, TEXTS, st.text(), st.lists(st.text()).map(tuple))
def test_without_lists_anybody_may_come_in(calling, called, address, names):
    assert Allow().lets_connect(address)
    assert Allow().obstacle(caller(calling, called, address, names)) is None


@pytest.mark.parametrize(("calling", "reason"), [("CT9", 0), ("MR1", 0), ("MR2", 3), ("ct9", 3)])
def test_who_is_not_listed_is_not_recognised(calling, reason):
    assert told(Allow(calling=("CT*", "MR1")), calling=calling) == reason


@pytest.mark.parametrize(("called", "reason"), [("RELAY", 0), ("PACS", 7), ("RELAY2", 7)])
def test_who_calls_what_is_not_listed_is_told_so(called, reason):
    assert told(Allow(called=("RELAY", "CT?")), called=called) == reason


@pytest.mark.parametrize("title", ["../x", "$(x)", "%s", "a b", "-v"])
def test_an_odd_title_is_judged_by_the_list_alone(title):  # 24
    assert told(Allow(calling=(title,)), calling=title) == 0
    assert told(Allow(calling=("CT*",)), calling=title) == 3


@pytest.mark.parametrize("address", ["10.1.255.255", "2001:db8::7", "::ffff:10.1.0.1"])
def test_who_is_from_a_listed_network_may_connect(address):
    assert HERE.lets_connect(address)
    assert HERE.obstacle(caller(address=address)) is None


@pytest.mark.parametrize("address", ["10.2.0.1", "2001:db9::7", "", "local"])
def test_who_is_from_elsewhere_may_not(address):
    assert not HERE.lets_connect(address)
    assert told(HERE, address=address) == 3


# certificates that belong to AE titles

BOUND = Allow(certificates={"CT1": ("ct1.example.org",), "MR*": ("*.mr.example.org", "10.1.7.9")})


@pytest.mark.parametrize(
    ("calling", "names"),
    [
        ("CT1", ("ct1.example.org",)),
        ("CT1", ("other.example.org", "ct1.example.org")),
        ("MR1", ("1.mr.example.org",)),
        ("MR2", ("10.1.7.9",)),
    ],
)
def test_who_shows_a_certificate_of_its_own_may_come_in(calling, names):
    assert told(BOUND, calling=calling, names=names) == 0


@pytest.mark.parametrize(
    ("calling", "names"),
    [
        ("CT1", ()),
        ("CT1", ("1.mr.example.org",)),
        ("CT1", ("ct1.example.org.evil.example",)),
        ("MR1", ("ct1.example.org",)),
        ("CT2", ("ct1.example.org",)),
        ("CT2", ()),
    ],
)
def test_whose_certificate_belongs_to_somebody_else_may_not(calling, names):
    assert BOUND.obstacle(caller(calling, names=names)) is Criterion.CERTIFICATES
    assert told(BOUND, calling=calling, names=names) == 3


def test_all_demands_on_an_ae_title_have_to_be_met():
    both = Allow(certificates={"*": ("*.example.org",), "CT1": ("ct1.*",)})
    assert both.demands("CT1") == both.certificates
    assert list(both.demands("CT2")) == ["*"]
    assert told(both, calling="CT1", names=("ct1.example.org",)) == 0
    assert told(both, calling="CT1", names=("ct1.example.com", "ct2.example.org")) == 0
    assert told(both, calling="CT1", names=("ct2.example.org",)) == 3
    assert told(both, calling="CT1", names=("ct1.example.com",)) == 3
    assert told(both, calling="CT2", names=("ct2.example.org",)) == 0


titles = st.sampled_from(["CT1", "CT2", "MR1"])
patterns = st.sampled_from(["CT1", "CT*", "*", "MR?"])
names_ = st.sampled_from(["a", "b", "c"])
tables = st.dictionaries(patterns, st.lists(names_, min_size=1).map(tuple), min_size=1)


@given(titles, st.lists(names_).map(tuple), tables, tables)
def test_a_further_demand_never_lets_in_who_had_one_already(calling, names, table, more):
    before, after = Allow(certificates=table), Allow(certificates={**more, **table})
    who = caller(calling, names=names)
    if before.demands(calling) and after.obstacle(who) is None:
        assert before.obstacle(who) is None


# several lists


def test_the_first_list_that_somebody_is_not_in_is_told():
    allow = Allow(("CT1",), ("RELAY",), HERE.networks, {"CT1": ("ct1",)})
    assert Allow().demands("CT1") == {}
    who = {"calling": "X", "called": "X", "address": "x", "names": ()}
    found = [allow.obstacle(caller(**who))]
    for right in ({"address": "10.1.2.3"}, {"called": "RELAY"}, {"calling": "CT1"}):
        who |= right
        found.append(allow.obstacle(caller(**who)))
    assert found == [
        Criterion.NETWORKS,
        Criterion.CALLED,
        Criterion.CALLING,
        Criterion.CERTIFICATES,
    ]
    assert allow.obstacle(caller(names=("ct1",))) is None


def test_rejections_are_those_of_the_standard():
    assert refusal(None) is None
    assert refusal(Criterion.CALLED) is CALLED_NOT_RECOGNIZED
    for each in (Criterion.NETWORKS, Criterion.CALLING, Criterion.CERTIFICATES):
        assert refusal(each) is CALLING_NOT_RECOGNIZED

"""The classes of a configuration, made by hand."""

from __future__ import annotations

from pathlib import Path

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.config import (
    Address,
    Allow,
    AssociationPolicy,
    Commitment,
    Failover,
    Listener,
    Pool,
    RelaySection,
    Route,
    Upstream,
)
from relay.config.mistakes import Unexpected

PACS = Address("PACS", "pacs.example.org", 104)


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("PACS@pacs.example.org:104", PACS),
        ("PACS@192.0.2.5:104", Address("PACS", "192.0.2.5", 104)),
        ("PACS@[::1]:104", Address("PACS", "::1", 104)),
        ("PACS A@[fe80::1%eth0]:104", Address("PACS A", "fe80::1%eth0", 104)),
        ("A@B@localhost:65535", Address("A@B", "localhost", 65535)),
    ],
)
def test_an_address_is_read_and_written(text, address):
    assert Address.parse(text) == address
    assert str(address) == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "PACS", "PACS@", "@pacs:104", "pacs:104", "PACS@pacs", "PACS@pacs:", "PACS@:104"),
        *("PACS@::1:104", "PACS@[::1]", "PACS@[pacs]:104", "PACS@[]:104", "PACS@pa:cs:104"),
        *("PACS@pacs:dicom", "PACS@pacs:-1", "PACS@pacs:0", "PACS@pacs:65536", "PACS@pacs:111111"),
        *("PACS@pa cs:104", "PACS@[:]:104", " PACS@pacs:104", "PACS@pacs:104\n", "PACS@pacs:١٠٤"),
    ],
)
def test_what_is_no_address_is_refused(text):
    with pytest.raises(Unexpected):
        Address.parse(text)


ae_titles = st.from_regex(r"[!-[\]-~]([ -[\]-~]{0,14}[!-[\]-~])?", fullmatch=True)
hosts = st.from_regex(r"[a-z0-9_]([a-z0-9.-]{0,30}[a-z0-9])?", fullmatch=True)


@given(
    st.builds(
        Address,
        ae_titles,
        hosts | st.ip_addresses().map(str),
        st.integers(min_value=1, max_value=65535),
    )
)
def test_any_address_is_read_as_it_was_written(address):
    assert Address.parse(str(address)) == address


@given(st.text())
def test_any_text_is_an_address_or_refused(text):
    try:
        address = Address.parse(text)
    except Unexpected:
        return
    assert str(address) == text or int(text.rpartition(":")[2]) == address.port


def test_idle_associations_are_four_or_as_many_as_there_may_be():
    assert Upstream(PACS).max_idle == 4
    assert Upstream(PACS, max_associations=16).max_idle == 4
    assert Upstream(PACS, max_associations=2).max_idle == 2
    assert Upstream(PACS, max_associations=16, max_idle=9).max_idle == 9


def test_what_is_kept_warm_may_be_idle():
    assert Upstream(PACS, max_associations=16, warm=3).max_idle == 4
    assert Upstream(PACS, max_associations=16, warm=9).max_idle == 9


def test_the_longest_ejection_is_never_below_the_shortest():
    assert Upstream(PACS).eject_longest == 30.0
    assert Upstream(PACS, eject_shortest=60.0).eject_longest == 60.0


def test_the_window_is_never_larger_than_the_memory():
    assert Failover().window == 16_777_216
    assert Failover(memory=4096).window == 4096
    assert Failover(memory=4096, window=0).window == 0


def test_the_weight_of_an_upstream_is_one_unless_it_is_named():
    assert Pool(("a",)).weight_of("a") == 1
    pool = Pool(("a", "b"), "round-robin", weights={"b": 7})
    assert [pool.weight_of(name) for name in "ab"] == [1, 7]


def test_without_tiers_each_upstream_is_one_in_the_order_of_the_list():
    pool = Pool(("c", "a", "b"), "primary-backup")
    assert [pool.tier_of(name) for name in "cab"] == [0, 1, 2]


def test_with_tiers_the_first_is_that_of_whoever_is_not_named():
    pool = Pool(("c", "a", "b"), "primary-backup", tiers={"a": 5})
    assert [pool.tier_of(name) for name in "cab"] == [0, 5, 0]
    assert Pool(("c", "a"), "primary-backup", tiers={}).tier_of("a") == 0


def test_a_failure_is_told_by_a_status_unless_abort_is_wanted():
    assert not Pool(("a",)).aborts
    assert Pool(("a",), on_failure="abort").aborts


@pytest.mark.parametrize(
    "make",
    [
        lambda: RelaySection(""),
        lambda: RelaySection("RELAY", max_associations=0),
        lambda: Listener("tcp:port=104", max_pdu=0),
        lambda: Listener("tcp:port=104", artim=0.0),
        lambda: Listener("tcp:port=104", max_contexts=129),
        lambda: Listener("tcp:port=104", max_items=0),
        lambda: Listener("tcp:port=104", max_object=-1),
        lambda: Listener("tcp:port=104", max_command=65_537),
        lambda: Upstream(PACS, connect_timeout=-1.0),
        lambda: Upstream(PACS, eject_rate=0.0),
        lambda: Pool(("a",), "leastloaded"),
        lambda: Pool(("a",), affinity="study"),
        lambda: Pool(("a",), on_failure="ignore"),
        lambda: Pool(("a",), move_destination="forward"),
        lambda: Pool(("a",), move_destination={}),
        lambda: Failover(window=-1),
        lambda: Listener("tcp:port=104", name=""),
        lambda: Route("archive", show_called="relay"),
        lambda: Route("archive", show_calling="X" * 17),
        lambda: AssociationPolicy(calling=""),
        lambda: Commitment(Path("commitment.sqlite"), lifetime=0.0),
        lambda: Route("archive", called=""),
        lambda: attrs.evolve(PACS, port=0),
    ],
)
def test_an_instance_made_by_hand_is_checked_too(make):
    with pytest.raises(Unexpected):
        make()


def test_arrays_made_by_hand_are_checked_too():
    with pytest.raises(ExceptionGroup):
        Pool(("a", "a"))
    with pytest.raises(ExceptionGroup):
        Route("archive", services=("Storage",))
    with pytest.raises(ExceptionGroup):
        Route("archive", networks=("10.1.2.3/16",))
    with pytest.raises(ExceptionGroup):
        Route("archive", show_calling={"CT1": ""})
    with pytest.raises(ExceptionGroup):
        AssociationPolicy(transfer_syntaxes=("implicit",))
    with pytest.raises(ExceptionGroup):
        Pool(("a",), "hash", weights={"a": 0})


def test_allow_lists_made_by_hand_are_checked_too():
    for wrong in (
        {"calling": ("",)},
        {"called": ("A", "A")},
        {"networks": ("10.1.2.3/16",)},
        {"certificates": {"CT1": ()}},
        {"certificates": {"CT1": "ct1"}},
        {"certificates": {"A\\B": ("ct1",)}},
    ):
        with pytest.raises(ExceptionGroup):
            Allow(**wrong)
    with pytest.raises(Unexpected):
        Allow(certificates={})


def test_a_configuration_does_not_change():
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        PACS.port = 105  # type: ignore[misc]

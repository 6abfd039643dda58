"""What is doubtful in a configuration that can be used."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from relay.checking import doubts
from relay.config import parse
from tests.config import pki

ROOT = Path(__file__).resolve().parents[1]

BEFORE = """
[relay]
ae_title = "RELAY"
[[listener]]
endpoint = "tcp:port=11112"
[upstream.pacs]
address = "PACS@pacs.example.org:104"
[pool.archive]
upstreams = ["pacs"]
"""
CT1 = """
[upstream.ct1]
address = "CT1@ct1.example.org:104"
reuse = "never"
[pool.ct1]
upstreams = ["ct1"]
"""


def told(text, folder=ROOT):
    return [str(each) for each in doubts(parse(text, folder))]


def routes(*lines):
    return "".join(f'\n[[route]]\npool = "archive"\n{line}' for line in lines)


def test_there_is_nothing_doubtful_about_the_least_configuration():
    assert told(BEFORE + routes("")) == []


def test_identities_as_they_are_make_the_log_a_matter_of_patients():
    (found,) = told(BEFORE + routes("") + '[log]\nidentities = "plain"')
    assert found.startswith("log.identities: UIDs and user names are in the log as they are")
    assert told(BEFORE + routes("") + '[log]\nidentities = "none"') == []


def test_all_that_is_doubtful_is_told_in_order():
    text = """
    [relay]
    ae_title = "RELAY"
    [[listener]]
    endpoint = "tcp:port=11112"
    [upstream]
    pacs-a = { address = "PACS_A@pacs-a.example.org:104" }
    pacs-b = { address = "PACS_B@pacs-b.example.org:104" }
    pacs-c = { address = "PACS_C@pacs-c.example.org:104" }
    ct1 = { address = "CT1@ct1.example.org:104" }
    [pool]
    archive = { upstreams = ["pacs-a", "pacs-b", "pacs-c"], move_destination = "rewrite" }
    ct1 = { upstreams = ["ct1"] }
    [[route]]
    pool = "archive"
    show_calling = "PACS_A"
    [[route]]
    pool = "archive"
    calling = "CT1"
    [[route]]
    pool = "ct1"
    called = "CT1"
    calling = "CT1"
    [[association_policy]]
    [[association_policy]]
    calling = "CT1"
    [commitment]
    database = "commitment.sqlite"
    """
    assert told(text) == [
        'upstream.ct1: is called "CT1" through the relay; if it is a modality, it wants '
        'reuse = "never", or it sees idle associations',
        "pool.archive: are pacs-a, pacs-b and pacs-c doors of one archive? If not, "
        'balance = "least-loaded" scatters studies: "primary-backup" or "hash" do not',
        "pool.archive.move_destination: every C-MOVE is answered A801 (move destination unknown): "
        "no route takes objects from PACS_A, PACS_B and PACS_C to another AE title than the "
        "relay's",
        'route[0].show_calling: an upstream of pool archive is shown its own AE title, "PACS_A"',
        "route[1]: is never reached: route[0] takes all that it would take",
        'route[2].calling: "CT1" is an upstream of pool ct1 itself: all but Verification is '
        "refused, so that nobody gets back what it sends",
        "association_policy[1]: never decides: association_policy[0] is for all that it is for",
    ]


# routes


def is_reached(*lines):
    return told(BEFORE + routes(*lines)) == []


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ("", ""),
        ('called = "*"', ""),
        ('called = "RE*"', 'services = ["storage"]'),
        ('calling = "CT?"', 'calling = "CT1"'),
        ('calling = "CT*"', 'calling = "CT*"\nlisteners = ["ward"]'),
        ('services = ["storage", "mpps"]', 'services = ["storage"]'),
        ('services = ["storage"]', 'services = ["1.2.840.10008.5.1.4.1.1.2"]'),
        ('networks = ["10.1.0.0/16", "::1"]', 'networks = ["10.1.0.0/16"]'),
        ("", 'networks = ["10.1.0.0/16"]'),
    ],
)
def test_a_route_behind_one_that_takes_all_of_it_is_never_reached(earlier, later):
    text = BEFORE.replace("[[listener]]", '[[listener]]\nname = "ward"') + routes(earlier, later)
    assert told(text) == ["route[1]: is never reached: route[0] takes all that it would take"]


@pytest.mark.parametrize(
    ("earlier", "later"),
    [
        ('called = "RELAY_2"', ""),
        ("", 'called = "*"'),
        ("", 'called = "R*"'),
        ('calling = "CT1"', 'calling = "CT?"'),
        ('services = ["storage"]', ""),
        ('services = ["storage"]', 'services = ["storage", "mpps"]'),
        ('services = ["1.2.840.10008.5.1.4.1.1.2"]', 'services = ["storage"]'),
        ('networks = ["10.1.0.0/16"]', ""),
        ('networks = ["10.1.0.0/16"]', 'networks = ["10.2.0.0/16"]'),
    ],
)
def test_a_route_behind_one_that_leaves_it_something_is_reached(earlier, later):
    assert is_reached(earlier, later)


def test_who_may_only_echo_itself_is_no_circle():
    assert is_reached('calling = "PACS"\nservices = ["verification"]')


# allow lists


WITHOUT = '[[listener]]\nname = "ward"\nendpoint = "tcp:port=104"'


def listening(lists, route, other=""):
    """What is told of a listener with these lists, and one route."""
    listener = f"[[listener]]\nallow = {{ {lists} }}"
    return told(BEFORE.replace("[[listener]]", listener) + other + routes(route))


@pytest.mark.parametrize(
    ("lists", "route"),
    [
        ('called = ["RELAY"]', ""),
        ('called = ["R*", "XA"]', 'called = "[RX]*"'),
        ('calling = ["CT1", "MR*"]', ""),
        ('calling = ["CT1"]', 'calling = "CT*"'),
        ('networks = ["10.1.0.0/16"]', 'networks = ["10.0.0.0/8"]'),
        ('networks = ["10.1.0.0/16"]', ""),
    ],
)
def test_an_allow_list_all_of_which_routes_are_for_is_not_doubtful(lists, route):
    assert listening(lists, route) == []


@pytest.mark.parametrize(
    ("lists", "route", "doubt"),
    [
        ('called = ["RELAY", "PACS"]', "", 'called: no route is for who calls "PACS"'),
        ('calling = ["CT1", "MR1"]', 'calling = "CT*"', 'calling: no route is for "MR1"'),
        (
            'networks = ["10.1.0.0/16", "192.0.2.5"]',
            'networks = ["10.0.0.0/8"]',
            "networks: no route is for callers from 192.0.2.5/32",
        ),
    ],
)
def test_what_an_allow_list_lets_in_has_a_route(lists, route, doubt):
    assert listening(lists, route) == [f"listener[0].allow.{doubt}"]


def test_a_route_for_another_listener_is_for_nobody_who_comes_in_by_this_one():
    text = BEFORE.replace("[[listener]]", WITHOUT + '\n[[listener]]\nname = "theatre"')
    text = text.replace('name = "ward"', 'name = "ward"\nallow = { calling = ["CT1"] }')
    found = told(text + routes('listeners = ["theatre"]'))
    assert found == ['listener[0].allow.calling: no route is for "CT1"']


def test_who_reports_to_a_title_that_is_shown_needs_no_route_for_it():
    shown = 'show_calling = "SHOWN"\nservices = ["storage"]'
    assert listening('called = ["RELAY", "SHOWN"]', shown) == []


@pytest.mark.parametrize(
    ("lists", "route"),
    [
        ('called = ["PACS"]', ""),
        ('calling = ["CT1"]', 'calling = "MR*"'),
        ('networks = ["10.1.0.0/16"]', 'networks = ["10.2.0.0/16"]'),
    ],
)
def test_a_route_all_of_whose_callers_are_kept_out_is_never_reached(lists, route):
    doubts_ = listening(lists, route)
    assert doubts_[1:] == ["route[0]: is never reached: no listener lets any of its callers in"]
    # By a listener without such lists they come in.
    assert listening(lists, route, WITHOUT)[1:] == []


def test_a_route_that_only_moves_and_reports_take_is_not_kept_out():
    text = BEFORE + 'move_destination = "rewrite"' + CT1 + routes("")
    text += '\n[[route]]\npool = "ct1"\ncalled = "CT1"'
    listener = '[[listener]]\nallow = { called = ["RELAY"] }'
    assert told(text.replace("[[listener]]", listener)) == []


def test_who_may_come_in_has_certificates_and_the_other_way_round(tmp_path):
    bound = '{ CT1 = ["ct1"], "MR*" = ["mr"], US1 = ["us1"] }'
    tls = '{ certificate = "relay.pem", key = "relay.key", client_ca = "ca.pem" }'
    lists = f'calling = ["CT1", "CT2", "MR7"], certificates = {bound}'
    text = f"[[listener]]\ntls = {tls}\nallow = {{ {lists} }}"
    text = BEFORE.replace("[[listener]]", text) + routes("")
    pki.issue_all(text, tmp_path)
    assert [each.removeprefix("listener[0].allow.") for each in told(text, tmp_path)] == [
        'calling: "CT2" stays outside: certificates has no pattern for it',
        "certificates.US1: never decides: calling lets nobody of that AE title in",
    ]


# modalities


@pytest.mark.parametrize(
    ("called", "reuse", "expected"),
    [
        ("CT1", "always", True),
        ("*CT1", "always", True),
        ("CT1", "caller", False),
        ("CT1", "never", False),
        ("*", "always", False),
        ("RELAY_CT1", "always", False),
    ],
)
def test_what_is_called_by_its_own_title_may_be_a_modality(called, reuse, expected):
    ct1 = CT1.replace("never", reuse)
    route = f'\n[[route]]\npool = "ct1"\ncalling = "PACS"\ncalled = "{called}"'
    found = told(BEFORE + ct1 + routes("") + route)
    assert [each.partition(":")[0] for each in found] == ["upstream.ct1"] * expected


def test_an_archive_behind_a_relay_of_its_own_name_is_no_modality():
    assert told(BEFORE.replace('"RELAY"', '"PACS"') + routes("")) == []


# pools


@pytest.mark.parametrize(
    ("address", "balance", "expected"),
    [
        ("PACS_B@pacs-b.example.org:104", "round-robin", True),
        ("PACS_B@pacs-b.example.org:104", "hash", False),
        ("PACS_B@pacs.example.org:105", "round-robin", False),
        ("PACS@pacs-b.example.org:104", "round-robin", False),
    ],
)
def test_upstreams_that_share_nothing_may_be_several_archives(address, balance, expected):
    pool = f'upstreams = ["pacs", "pacs-b"]\nbalance = "{balance}"'
    text = f'{BEFORE}\n[upstream.pacs-b]\naddress = "{address}"' + routes("")
    found = told(text.replace('upstreams = ["pacs"]', pool))
    assert [each.partition(":")[0] for each in found] == ["pool.archive"] * expected


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ('called = "CT[12]"', False),
        ('called = "*"\nservices = ["storage"]', False),
        ('called = "CT1"\nservices = ["storage-commitment"]', True),
        ('called = "CT1"\ncalling = "PACS_B"', True),
    ],
)
def test_moves_that_come_to_the_relay_have_to_go_on_from_there(route, expected):
    text = BEFORE + 'move_destination = "rewrite"' + CT1 + routes("")
    found = told(f'{text}\n[[route]]\npool = "ct1"\n{route}')
    assert [each.partition(":")[0] for each in found] == [
        "pool.archive.move_destination"
    ] * expected


# what the relay itself shows


@pytest.mark.parametrize(
    ("name", "keys"),
    [("conf/minimal.toml", []), ("conf/relay.toml", ["pool.archive"])],
)
def test_conf_has_nothing_that_is_never_reached(tmp_path, name, keys):
    text = (ROOT / name).read_text("utf-8")
    pki.issue_all(text, tmp_path)
    assert [each.partition(":")[0] for each in told(text, tmp_path)] == keys


def test_every_doubt_is_in_the_manual():
    manual = re.sub(r"\s+", " ", (ROOT / "docs/configuration.md").read_text("utf-8"))
    for each in ("never reached", "never decides", "A801", "doors of one archive", "its own AE"):
        assert each in manual


@pytest.mark.parametrize(
    ("relay", "failover", "is_doubtful"),
    [
        ("", "", False),
        ("max_memory = 0", "", False),
        ("max_memory = 134217728", "", True),
        ("max_memory = 134217728\nworkers = 64", "", True),
        ("max_memory = 402653184", "", False),
        ("max_memory = 268435456\nworkers = 2", "", False),
        ("max_memory = 134217728", "[failover]\nmemory = 0", False),
        ("", "[failover]\nmemory = 1073741824", True),
    ],
)
def test_memory_that_does_not_suffice_for_what_is_kept_of_objects(relay, failover, is_doubtful):
    text = BEFORE.replace('"RELAY"', f'"RELAY"\n{relay}', 1) + routes("") + "\n" + failover
    assert [each.partition(":")[0] for each in told(text)] == ["relay.max_memory"] * is_doubtful

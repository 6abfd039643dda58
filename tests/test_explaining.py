"""What would become of an association, as it is told."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.bindings import directory
from relay.config import parse
from relay.explaining import Case, Question, explain
from relay.policy.services import SERVICES, example_of
from relay.wire.pdu import AssociateRJ
from tests.config import pki

HOSPITAL = """
[relay]
ae_title = "RELAY"

[[listener]]
endpoint = "tcp:port=104"

[[listener]]
name = "ward"
endpoint = "tcp:port=2762"
tls = { certificate = "relay.pem", key = "relay.key", client_ca = "modalities.pem" }

[[listener]]
endpoint = "unix:/run/relay"

[upstream]
pacs-a = { address = "PACS_A@pacs-a.example.org:104" }
pacs-b = { address = "PACS_B@[2001:db8::5]:11112", drain = true }
ris = { address = "RIS@ris.example.org:104" }
ct1 = { address = "CT1@ct1.example.org:104", reuse = "never" }

[pool]
archive = { upstreams = ["pacs-a", "pacs-b"], move_destination = "rewrite" }
ris = { upstreams = ["ris"], move_destination = { CT1 = "R_CT1", MR1 = "R_MR1" } }
ct1 = { upstreams = ["ct1"] }

[[route]]
pool = "archive"
calling = "CT*"
services = ["storage", "query-retrieve", "storage-commitment"]
show_calling = { CT1 = "RELAY_CT1" }

[[route]]
pool = "ris"
services = ["worklist", "mpps", "1.2.840.10008.5.1.4.1.1.2"]
networks = ["10.1.0.0/16"]

[[route]]
pool = "ris"
services = ["query-retrieve", "worklist"]
certificates = ["*.example.org"]

[[route]]
pool = "ct1"
called = "CT1"
listeners = ["ward"]
show_called = "caller"

[[route]]
pool = "ris"
called = "R_*"

[[association_policy]]
calling = "MR*"
services = ["storage", "worklist"]
transfer_syntaxes = ["1.2.840.10008.1.2.1"]

[[association_policy]]
calling = "US*"
called = "RELAY"

[commitment]
database = "commitment.sqlite"
"""


@pytest.fixture(scope="module")
def hospital(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hospital")
    pki.issue_all(HOSPITAL, folder)
    return parse(HOSPITAL, folder)


def told(configuration, calling, called="RELAY", listeners=(0, 1, 2), **more):
    lines = explain(configuration, Question(calling, called, listeners, **more))
    return "\n".join(lines)


def text(written):
    return dedent(written).strip("\n")


def test_all_that_happens_to_an_association_is_told_once_for_listeners_alike(hospital):
    assert told(hospital, "CT1", address="10.1.2.3") == text("""
    calling      CT1
    called       RELAY
    from         10.1.2.3
    certificate  not said (--certificate): without names
    policy       none for these AE titles: all may be proposed

    listener[0]  tcp:port=104
    listener[1]  "ward", tcp:port=2762, TLS, certificate signed by modalities.pem
      verification, storage, query-retrieve, storage-commitment,
          1.2.840.10008.5.1.4.1.1.2 (storage)
        route     route[0]
        pool      archive, least-loaded
        upstream  pacs-a  PACS_A@pacs-a.example.org:104  shown RELAY_CT1 calling PACS_A
        upstream  pacs-b  PACS_B@[2001:db8::5]:11112     shown RELAY_CT1 calling PACS_B; drain
        C-MOVE    to RELAY, from where objects go on to the destination of their move
        C-MOVE    a destination without a route is answered A801 (move destination unknown)
      worklist, mpps
        route     route[1]
        pool      ris, least-loaded
        upstream  ris  RIS@ris.example.org:104  shown CT1 calling RIS
      any other service
        refused  result 3 (abstract syntax not supported): no route takes it
      routes
        route[0]  takes: storage, query-retrieve, storage-commitment,
                      1.2.840.10008.5.1.4.1.1.2 (storage)
                  takes, as the first that fits: verification
                  not its services: worklist, mpps, any other service
        route[1]  takes: worklist, mpps
                  served by route[0], which is earlier: 1.2.840.10008.5.1.4.1.1.2 (storage)
                  not its services: verification, storage, query-retrieve, storage-commitment,
                      any other service
        route[2]  not for this caller: certificates = ["*.example.org"]
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"

    listener[2]  unix:/run/relay
      verification, storage, query-retrieve, storage-commitment,
          1.2.840.10008.5.1.4.1.1.2 (storage)
        route     route[0]
        pool      archive, least-loaded
        upstream  pacs-a  PACS_A@pacs-a.example.org:104  shown RELAY_CT1 calling PACS_A
        upstream  pacs-b  PACS_B@[2001:db8::5]:11112     shown RELAY_CT1 calling PACS_B; drain
        C-MOVE    to RELAY, from where objects go on to the destination of their move
        C-MOVE    a destination without a route is answered A801 (move destination unknown)
      worklist, mpps, any other service
        refused  result 3 (abstract syntax not supported): no route takes it
      routes
        route[0]  takes: storage, query-retrieve, storage-commitment,
                      1.2.840.10008.5.1.4.1.1.2 (storage)
                  takes, as the first that fits: verification
                  not its services: worklist, mpps, any other service
        route[1]  not for this caller: networks = ["10.1.0.0/16"]
        route[2]  not for this caller: certificates = ["*.example.org"]
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"
    """)


def test_a_policy_and_a_certificate_have_their_say(hospital):
    names = ("mr1.example.org", "192.0.2.7")
    assert told(hospital, "MR1", listeners=[1], certificates=names) == text("""
    calling      MR1
    called       RELAY
    from         not said (--from): in no network
    certificate  mr1.example.org, 192.0.2.7
    policy       association_policy[0], where calling = "MR*", called = "*"
                 services = ["storage", "worklist"]
                 transfer_syntaxes = ["1.2.840.10008.1.2.1"]

    listener[1]  "ward", tcp:port=2762, TLS, certificate signed by modalities.pem
      verification, query-retrieve, storage-commitment, mpps, any other service
        refused  result 3 (abstract syntax not supported): the association policy leaves it out
      storage, 1.2.840.10008.5.1.4.1.1.2 (storage)
        refused  result 3 (abstract syntax not supported): no route takes it
      worklist
        route     route[2]
        pool      ris, least-loaded
        upstream  ris  RIS@ris.example.org:104  shown MR1 calling RIS
      routes
        route[0]  not for this caller: calling = "CT*"
        route[1]  not for this caller: networks = ["10.1.0.0/16"]
        route[2]  takes: worklist
                  not its services: storage, 1.2.840.10008.5.1.4.1.1.2 (storage)
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"
    """)


def test_what_is_asked_about_is_told_alone(hospital):
    services = ("query-retrieve", "1.2.840.10008.5.1.4.1.1.2", "verification")
    assert told(hospital, "US1", listeners=[0], address="10.1.9.9", services=services) == text("""
    calling      US1
    called       RELAY
    from         10.1.9.9
    certificate  not said (--certificate): without names
    policy       association_policy[1], where calling = "US*", called = "RELAY"

    listener[0]  tcp:port=104
      query-retrieve
        refused  result 3 (abstract syntax not supported): no route takes it
      1.2.840.10008.5.1.4.1.1.2 (storage), verification
        route     route[1]
        pool      ris, least-loaded
        upstream  ris  RIS@ris.example.org:104  shown US1 calling RIS
      routes
        route[0]  not for this caller: calling = "CT*"
        route[1]  takes: 1.2.840.10008.5.1.4.1.1.2 (storage)
                  takes, as the first that fits: verification
                  not its services: query-retrieve
        route[2]  not for this caller: certificates = ["*.example.org"]
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"
    """)


def test_nobody_is_called_that(hospital):
    assert told(hospital, "CT1", "NOBODY", [0]) == text("""
    calling      CT1
    called       NOBODY
    from         not said (--from): in no network
    certificate  not said (--certificate): without names
    policy       none for these AE titles: all may be proposed

    listener[0]  tcp:port=104
      rejected (1,1,7): called AE title not recognised
      routes
        route[0]  not for this caller: called = "RELAY"
        route[1]  not for this caller: called = "RELAY"
        route[2]  not for this caller: called = "RELAY"
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"
    """)


def test_an_archive_gets_nothing_back_but_its_moves_go_on(hospital):
    asked = {"services": ("storage", "query-retrieve")}
    archive = HOSPITAL.replace('calling = "CT*"\n', "")
    folder = hospital.listeners[1].tls.certificate.parent
    assert told(parse(archive, folder), "PACS_A", listeners=[0], **asked) == text("""
    calling      PACS_A
    called       RELAY
    from         not said (--from): in no network
    certificate  not said (--certificate): without names
    policy       none for these AE titles: all may be proposed

    listener[0]  tcp:port=104
      rejected (1,1,3): calling AE title not recognised
      routes
        route[0]  refused, since PACS_A is in pool archive itself: storage, query-retrieve
        route[1]  not for this caller: networks = ["10.1.0.0/16"]
        route[2]  not for this caller: certificates = ["*.example.org"]
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"
      beside that
        objects of a C-MOVE that pool archive was asked for: to its destination
    """)


def test_reports_of_storage_commitment_find_whoever_asked(hospital):
    asked = {"services": ("storage", "storage-commitment")}
    assert told(hospital, "PACS_A", "RELAY_CT1", listeners=[0], **asked) == text("""
    calling      PACS_A
    called       RELAY_CT1
    from         not said (--from): in no network
    certificate  not said (--certificate): without names
    policy       none for these AE titles: all may be proposed

    listener[0]  tcp:port=104
      storage
        refused  result 3 (abstract syntax not supported): no route takes it
      storage-commitment
        reports  to whoever asked for the commitment, by its Transaction UID
      routes
        route[0]  not for this caller: called = "RELAY"
        route[1]  not for this caller: called = "RELAY"
        route[2]  not for this caller: called = "RELAY"
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"
    """)


def test_an_archive_calls_back_by_the_listener_of_its_route(hospital):
    assert told(hospital, "PACS_A", "CT1", services=("storage",)) == text("""
    calling      PACS_A
    called       CT1
    from         not said (--from): in no network
    certificate  not said (--certificate): without names
    policy       none for these AE titles: all may be proposed

    listener[0]  tcp:port=104
    listener[2]  unix:/run/relay
      rejected (1,1,3): calling AE title not recognised
      routes
        route[0]  not for this caller: called = "RELAY"
        route[1]  not for this caller: called = "RELAY"
        route[2]  not for this caller: called = "RELAY"
        route[3]  not for this caller: listeners = ["ward"]
        route[4]  not for this caller: called = "R_*"

    listener[1]  "ward", tcp:port=2762, TLS, certificate signed by modalities.pem
      storage
        route     route[3]
        pool      ct1, least-loaded
        upstream  ct1  CT1@ct1.example.org:104  shown PACS_A calling CT1
      routes
        route[0]  not for this caller: called = "RELAY"
        route[1]  not for this caller: called = "RELAY"
        route[2]  not for this caller: called = "RELAY"
        route[3]  takes: storage
        route[4]  not for this caller: called = "R_*"
    """)


def test_aliases_of_destinations_are_told(hospital):
    asked = {"services": ("query-retrieve",)}
    assert told(hospital, "WS", "R_CT1", [0], **asked) == text("""
    calling      WS
    called       R_CT1
    from         not said (--from): in no network
    certificate  not said (--certificate): without names
    policy       none for these AE titles: all may be proposed

    listener[0]  tcp:port=104
      query-retrieve
        route     route[4]
        pool      ris, least-loaded
        upstream  ris  RIS@ris.example.org:104  shown WS calling RIS
        C-MOVE    to R_CT1 instead of CT1
        C-MOVE    to R_MR1 instead of MR1
        C-MOVE    any other destination is answered A801 (move destination unknown)
      routes
        route[0]  not for this caller: called = "RELAY"
        route[1]  not for this caller: called = "RELAY"
        route[2]  not for this caller: called = "RELAY"
        route[3]  not for this caller: called = "CT1"
        route[4]  takes: query-retrieve
    """)


def test_who_has_no_route_may_still_be_moving(hospital):
    assert told(hospital, "PACS_A", "RELAY", [0], services=("storage",)) == text("""
    calling      PACS_A
    called       RELAY
    from         not said (--from): in no network
    certificate  not said (--certificate): without names
    policy       none for these AE titles: all may be proposed

    listener[0]  tcp:port=104
      rejected (1,1,3): calling AE title not recognised
      routes
        route[0]  not for this caller: calling = "CT*"
        route[1]  not for this caller: networks = ["10.1.0.0/16"]
        route[2]  not for this caller: certificates = ["*.example.org"]
        route[3]  not for this caller: called = "CT1"
        route[4]  not for this caller: called = "R_*"
      beside that
        objects of a C-MOVE that pool archive was asked for: to its destination
    """)


LEAST = """
relay.ae_title = "RELAY"
listener = [{{ endpoint = "tcp:port=104"{listener} }}]
upstream.pacs.address = "PACS@pacs.example.org:104"
pool.archive.upstreams = ["pacs"]
commitment.database = "commitment.sqlite"
[[route]]
pool = "archive"
{route}
"""


def least(listener="", folder=Path(__file__).parent, **route):
    """A configuration with one route, with these keys of it and of the listener."""
    lines = "\n".join(f"{key} = {value}" for key, value in route.items())
    return parse(LEAST.format(listener=listener, route=lines), folder)


def test_where_no_modality_has_a_route_a_report_could_be_for_nobody():
    asked = {"services": ("storage-commitment",), "listeners": [0]}
    lines = told(least(show_calling='"RELAY"'), "PACS", **asked).splitlines()
    assert (
        lines[-1]
        == "    route[0]  refused, since PACS is in pool archive itself: storage-commitment"
    )


def test_a_called_title_that_is_left_out_is_the_relays_own():
    assert 'route[0]  not for this caller: called = "RELAY"' in told(least(), "A", "B", [0])


def test_if_policy_leaves_nothing_routes_have_nothing_to_take(hospital):
    lines = told(hospital, "MR1", "R_1", [0], services=("mpps",)).splitlines()
    assert lines[-1] == "    route[4]  takes nothing: nothing is left for routes"


HERE = {"listeners": [0], "address": "10.1.2.3"}


def test_who_is_not_in_an_allow_list_is_told_which_it_is_and_nothing_of_routes():
    lists = 'calling = ["CT*", "US1"], called = ["RELAY"], networks = ["10.1.0.0/16"]'
    allowing = least(f", allow = {{ {lists} }}")
    assert "allow" not in told(allowing, "CT1", **HERE)
    answers = {
        told(allowing, "MR1", **HERE): """
              rejected (1,1,3): calling AE title not recognised
              allow
                not for this caller: calling = ["CT*", "US1"]
            """,
        told(allowing, "CT1", "PACS", **HERE): """
              rejected (1,1,7): called AE title not recognised
              allow
                not for this caller: called = ["RELAY"]
            """,
        told(allowing, "CT1", listeners=[0]): """
              closed when it is accepted, before anything is read
              allow
                not for this caller: networks = ["10.1.0.0/16"]
            """,
    }
    for found, expected in answers.items():
        assert dedent(found.partition("tcp:port=104\n")[2]) == text(expected)


def test_who_shows_no_certificate_of_its_own_is_told_what_it_has_to_show(tmp_path):
    lists = 'CT1 = ["ct1.*", "10.1.2.3"], "CT*" = ["*.example.org"], MR1 = ["mr1"]'
    tls = 'tls = { certificate = "relay.pem", key = "relay.key", client_ca = "ca.pem" }'
    keys = f", {tls}, allow = {{ certificates = {{ {lists} }} }}"
    pki.issue_all(LEAST.format(listener=keys, route=""), tmp_path)
    allowing = least(keys, folder=tmp_path)
    for calling, names, unmet in (
        ("CT1", (), '= { "CT1" = ["ct1.*", "10.1.2.3"], "CT*" = ["*.example.org"] }'),
        ("MR1", ("ct1.example.org",), '= { "MR1" = ["mr1"] }'),
        ("US1", ("ct1.example.org",), 'has no pattern for "US1"'),
    ):
        lines = told(allowing, calling, certificates=names, **HERE).splitlines()
        assert lines[-3:] == [
            "  rejected (1,1,3): calling AE title not recognised",
            "  allow",
            f"    not for this caller: certificates {unmet}",
        ]
    assert "rejected" not in told(allowing, "CT1", certificates=("ct1.example.org",), **HERE)


def test_with_all_services_named_there_is_no_other():
    services = ", ".join(f'"{each}"' for each in SERVICES)
    assert "any other" in told(least(services='["other"]'), "A", listeners=[0])
    assert "any other" not in told(least(services=f"[{services}]"), "A", listeners=[0])


titles = st.sampled_from(["CT1", "MR1", "US1", "PACS_A", "RIS", "RELAY", "R_CT1", "RELAY_CT1", "X"])


@given(titles, titles, st.sampled_from([0, 1, 2]), st.sampled_from(["", "10.1.2.3", "::1"]))
def test_what_is_told_is_what_is_planned(hospital, calling, called, listener, address):
    question = Question(calling, called, [listener], address, ("x.example.org",))
    caller, its = question.asked_at(hospital.listeners[listener]), directory(hospital)
    asked = {each: example_of(each) for each in sorted(SERVICES)}
    case = Case.of(hospital, its, caller, asked)
    plan = its.plan(caller, case.contexts)
    first = next(case.lines())
    if isinstance(plan, AssociateRJ):
        assert first.startswith(f"rejected ({plan.result},{plan.source},{plan.reason}): ")
        return
    assert not first.startswith("rejected")
    for context in case.contexts:
        pools = [way.pool for way in plan.ways_of(context.id) or ()]
        fate = {row[0]: row[1] for row in case.fate(context, plan)}
        assert [fate["pool"].partition(",")[0]] == pools if pools else "refused" in fate


@pytest.mark.parametrize(
    ("asked", "said", "is_known"),
    [
        ("required", "TLS, certificate signed by modalities.pem", True),
        ("wanted", "TLS, certificate, if any, signed by modalities.pem", True),
        ("none", "TLS", False),
    ],
)
def test_a_certificate_counts_where_it_is_asked_for(hospital, asked, said, is_known):
    ward = hospital.listeners[1]
    assert ward.tls is not None
    tls = attrs.evolve(ward.tls, client_certificates=asked)
    routes = (attrs.evolve(hospital.routes[0], certificates=("ct1.example.org",)),)
    changed = attrs.evolve(
        hospital, listeners=(attrs.evolve(ward, tls=tls),), routes=routes, association_policies=()
    )
    lines = told(
        changed, "CT1", listeners=(0,), address="10.1.2.3", certificates=("ct1.example.org",)
    )
    assert f'listener[0]  "ward", tcp:port=2762, {said}\n' in lines
    assert ("rejected" not in lines) is is_known

"""When files of TLS expire, and what there is to say of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from relay.config import parse
from relay.config.expiry import SOON, Lifetime, Urgency, lifetimes
from relay.config.model import Outside
from tests.config import pki
from tests.config.toml import least, written

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)
FILE = Path("/etc/relay/relay.pem")


def said(kind: Outside, starts: timedelta, ends: timedelta) -> tuple[Urgency, str] | None:
    """Of a file that starts and ends so long after NOON."""
    return Lifetime(FILE, kind, (NOON + starts, NOON + ends)).doubt(NOON)


KINDS = pytest.mark.parametrize(
    ("kind", "what"),
    [
        (Outside.CERTIFICATE, "the certificate in"),
        (Outside.AUTHORITIES, "an authority in"),
        (Outside.REVOCATIONS, "the revocation list in"),
    ],
)


@KINDS
def test_from_thirty_days_before_the_end_it_is_to_be_renewed(kind, what):
    assert said(kind, -DAY, SOON + MOMENT) is None
    assert said(kind, -DAY, SOON) == (
        Urgency.SOON,
        f"{what} {FILE} expires in 30 days, on 2026-07-01 12:00 UTC: "
        "renew it, and send SIGHUP to a relay that runs",
    )
    found = said(kind, -DAY, 2 * DAY - MOMENT)
    assert found is not None
    urgency, line = found
    assert urgency is Urgency.SOON
    assert "expires in 47 hours, on 2026-06-03 11:59 UTC" in line


@KINDS
def test_at_the_end_it_is_urgent_and_there_is_a_cure(kind, what):
    found = said(kind, -DAY, timedelta(0))
    assert found is not None
    urgency, line = found
    assert urgency is Urgency.NOW
    assert line.startswith(f"{what} {FILE} has expired on 2026-06-01 12:00 UTC: ")
    assert "SIGHUP" in line
    assert "renew" in line


@KINDS
def test_before_its_time_it_may_be_the_clock(kind, what):
    assert said(kind, timedelta(0), 2 * SOON) is None
    assert said(kind, DAY, 2 * SOON) == (
        Urgency.NOW,
        f"{what} {FILE} is not valid before 2026-06-02 12:00 UTC: compare the clock, or wait",
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    pki.issue(tmp_path, "relay.pem", "relay.key")
    pki.authority().cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    lists = [
        pki.revocations(pki.authority(), starts=-3 * DAY, ends=3 * DAY),
        pki.revocations(pki.authority(), starts=-2 * DAY, ends=9 * DAY),
    ]
    (tmp_path / "ca.crl").write_bytes(b"".join(lists))
    return tmp_path


def test_each_file_counts_once_and_as_the_first_of_what_it_holds_that_expires(folder):
    document = least()
    document["listener"][0]["tls"] = {
        "certificate": "relay.pem",
        "key": "relay.key",
        "client_ca": "ca.pem",
        "crl": ["ca.crl"],
    }
    document["upstream"]["pacs"]["tls"] = {
        "certificate": "relay.pem",
        "key": "relay.key",
        "ca": "ca.pem",
        "crl": ["ca.crl"],
    }
    found = lifetimes(parse(written(document), folder))
    assert [(each.path.name, each.kind) for each in found] == [
        ("relay.pem", Outside.CERTIFICATE),
        ("ca.pem", Outside.AUTHORITIES),
        ("ca.crl", Outside.REVOCATIONS),
    ]
    starts, ends = found[-1].span
    now = datetime.now(UTC)
    assert now - 2 * DAY - DAY / 2 < starts < now - DAY
    assert now + 2 * DAY < ends < now + 4 * DAY


def test_without_tls_there_is_nothing_to_expire(folder):
    assert lifetimes(parse(written(least()), folder)) == []

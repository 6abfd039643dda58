"""Storage commitment that archives take the relay to ask for: reports find whoever it was."""

from __future__ import annotations

import queue
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest
from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.uid import UID
from pynetdicom import evt

from tests.interop.archive import PATIENCE_S, Archive, Script
from tests.interop.behind import PACS, Behind
from tests.interop.caller import associated, encoded
from tests.interop.commitment import (
    ALL_STORED,
    INSTANCE,
    MODEL,
    REQUEST,
    SOME_FAILED,
    ask,
    report,
    transaction,
)
from tests.interop.doors import Door
from tests.interop.objects import bundled_path
from tests.interop.pki import Pki
from tests.interop.relay_process import AE_TITLE, Relay, Route, Upstream, modality, table
from tests.interop.server import held_port
from tests.interop.site import OFF

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

UNKNOWN = "1 failed (a report of a storage commitment that nobody is known to have asked for)"


def of_the_library() -> UID:
    """The SOP Instance UID of an object that archives hold."""
    return UID(dcmread(bundled_path("CT_small.dcm"), stop_before_pixels=True).SOPInstanceUID)


def told(who: Archive, about: Dataset, calling: str) -> int:
    """Assert that a modality is told of its own transaction, by `calling`; return the event."""
    heard = who.told.get(timeout=PATIENCE_S)
    assert (heard.calling, heard.called) == (calling, who.ae_title)
    assert str(about.TransactionUID).encode() in heard.dataset
    assert not who.told.qsize()
    return int(heard.fields["EventTypeID"])


@pytest.mark.shows("N-ACTION", "modality to archive", "pynetdicom", "Orthanc")
@pytest.mark.shows("N-EVENT-REPORT", "archive to modality", "Orthanc", "pynetdicom")
def test_orthanc_reports_to_the_relay_and_each_modality_is_told_of_its_own(behind: Behind):
    stored, lost = transaction([of_the_library()]), transaction()
    with behind.relay.tells_of("ORTHANC", AE_TITLE):
        assert ask(behind.inward("ORTHANC"), stored, "CONSOLE") == 0x0000
        assert ask(behind.inward(PACS), lost, "SCANNER") == 0x0000
        assert told(behind.ward.console, stored, "ORTHANC") == ALL_STORED
        assert told(behind.ward.scanner, lost, PACS) == SOME_FAILED


@pytest.mark.shows("N-EVENT-REPORT", "archive to modality", "pynetdicom", "pynetdicom")
@pytest.mark.parametrize("status", [0x0000, 0x0110])
def test_reports_find_the_modality_whatever_their_order(behind: Behind, status: int):
    archive = behind.archives.archive
    archive.script = Script(reports=False)
    asked = []
    for who in (behind.ward.console, behind.ward.scanner, behind.ward.console):
        who.script = Script(status=status)
        asked.append((who, transaction()))
        assert ask(behind.inward("ARCHIVE"), asked[-1][1], who.ae_title) == 0x0000
    assert {each.calling for each in archive.heard} == {AE_TITLE}
    assert [each.dataset for each in archive.heard] == [
        encoded(about, implicit=True) for _, about in asked
    ]
    for who, about in reversed(asked):
        assert report(behind.outward(), about, "ARCHIVE") == status
        told(who, about, "ARCHIVE")


def test_an_archive_reports_on_the_association_of_the_request(behind: Behind):
    archive, about = behind.archives.archive, transaction()
    archive.script = Script(answer=about)
    came: queue.Queue[Dataset] = queue.Queue()

    def on_report(event: Any) -> tuple[int, None]:
        came.put(event.event_information)
        return 0x0000, None

    handlers = [(evt.EVT_N_EVENT_REPORT, on_report)]
    door = behind.inward("ARCHIVE")
    with associated(door, [MODEL], handlers=handlers, calling="CONSOLE") as association:
        assert association.send_n_action(about, REQUEST, *INSTANCE)[0].Status == 0x0000
        assert came.get(timeout=PATIENCE_S) == about
        assert archive.reports.get(timeout=PATIENCE_S)[0].Status == 0x0000


def test_a_report_of_an_unknown_transaction_fails_and_is_logged_once(behind: Behind):
    with behind.relay.tells_of("ARCHIVE", AE_TITLE) as crossings:
        assert report(behind.outward(), transaction(), "ARCHIVE") == 0x0110
    (crossing,) = crossings
    assert UNKNOWN in crossing
    assert not behind.ward.console.heard


def test_a_report_to_a_modality_that_is_switched_off_fails_and_is_logged_once(behind: Behind):
    behind.archives.archive.script = Script(reports=False)
    about = transaction()
    assert ask(behind.inward("ARCHIVE"), about, OFF) == 0x0000
    with behind.relay.tells_of("ARCHIVE", AE_TITLE) as crossings:
        assert report(behind.outward(), about, "ARCHIVE") == 0x0110
    (crossing,) = crossings
    assert "1 failed" in crossing


def test_a_report_may_come_again(behind: Behind):
    archive, about = behind.archives.archive, transaction()
    archive.script = Script(reports=False)
    assert ask(behind.inward("ARCHIVE"), about, "CONSOLE") == 0x0000
    for _ in range(2):
        assert report(behind.outward(), about, "ARCHIVE") == 0x0000
        told(behind.ward.console, about, "ARCHIVE")


@attrs.frozen
class Restarted:
    """An archive, a modality, and a relay between them that is stopped and started again."""

    relay: Relay
    archive: Archive
    console: Archive


@pytest.fixture(scope="module")
def restarted(bed: Path, pki: Pki) -> Iterator[Restarted]:
    tables = "\n".join(table("[commitment]", {"database": "commitment.sqlite"}))
    with held_port() as secure, Archive(pki) as archive, Archive(ae_title="CONSOLE") as console:
        routes = [
            Route(Upstream("ARCHIVE", archive.port), "ARCHIVE", keys={"show_calling": AE_TITLE}),
            Route(modality("CONSOLE", console.port), "CONSOLE"),
        ]
        with Relay(bed / "restarted", pki, routes, secure=secure, tables=tables) as relay:
            yield Restarted(relay, archive, console)


@pytest.mark.parametrize("end", [Relay.stop, Relay.kill], ids=["stopped", "killed"])
def test_a_relay_that_is_started_again_knows_who_asked(restarted: Restarted, pki: Pki, end: Any):
    relay, about = restarted.relay, transaction()
    restarted.archive.script = Script(reports=False)
    assert ask(Door(relay.port, "ARCHIVE"), about, "CONSOLE") == 0x0000
    end(relay)
    relay.restart()
    outward = Door(relay.secure, AE_TITLE, pki.client_context())
    assert report(outward, about, "ARCHIVE") == 0x0000
    told(restarted.console, about, "ARCHIVE")

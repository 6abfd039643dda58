"""The modality worklist: C-FIND with pending responses, and C-CANCEL, of wlmscpfs and Orthanc."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.doors import Door, Doors, run_tool, run_tool_into
from tests.interop.peers import Stunnel
from tests.interop.pki import Pki
from tests.interop.relay_process import Relay, Route, Upstream
from tests.interop.site import ITEMS, Site
from tests.interop.worklist import WlmScpFs

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

STEP = "ScheduledProcedureStepSequence[0]"
KEYS = ("-k", "PatientName", "-k", "PatientID", "-k", "StudyInstanceUID", "-k", f"{STEP}.Modality")
QUERIES = {
    "all": (*KEYS, ITEMS),
    "of a modality": (*KEYS, "-k", f"{STEP}.Modality=CT", ITEMS // 2),
    "nobody": (*KEYS, "-k", "PatientName=NOBODY^OF^THAT^NAME", 0),
}
"""Keys of a query, and how many items it finds."""


@pytest.fixture(params=["WORKLIST", "ORTHANC"])
def doors(request: pytest.FixtureRequest, bed: Path, pki: Pki, site: Site) -> Iterator[Doors]:
    """Each server in turn; Orthanc, which speaks TLS alone, straight by stunnel."""
    through = site.inward(request.param)
    if request.param == "WORKLIST":
        yield Doors(Door(site.archives.worklist.port, "WORKLIST"), through)
        return
    port = site.archives.orthanc.port
    with Stunnel(bed / "worklist-tunnel", pki, port, "ORTHANC", client=True) as tunnel:
        yield Doors(Door(tunnel.port, "ORTHANC"), through)


@pytest.mark.shows("C-FIND", "modality to archive", "DCMTK", "DCMTK")
@pytest.mark.shows("C-FIND", "modality to archive", "DCMTK", "Orthanc")
@pytest.mark.parametrize("name", QUERIES)
def test_findscu_finds_the_worklist_that_it_finds_without_the_relay(
    doors: Doors, tmp_path: Path, name: str
):
    *keys, count = QUERIES[name]
    found = doors.same(lambda door: run_tool_into(tmp_path, door, "findscu", "-W", "-X", *keys))
    assert found.status == 0
    assert len(found.files) == count


def test_a_worklist_query_is_cancelled(bed: Path, pki: Pki):
    """wlmscpfs looks for a C-CANCEL between two responses, and here it takes its time for each."""
    with (
        WlmScpFs(bed / "slow-worklist", "SLOW", items=20, hesitation=1) as slow,
        Stunnel(bed / "slow-front", pki, slow.port, "SLOW") as front,
        Relay(bed / "slow-relay", pki, [Route(Upstream("SLOW", front.port))]) as relay,
    ):
        found = run_tool(Door(relay.port, "RELAY"), "findscu", "-W", "--cancel", 1, *KEYS)
    assert found.status == 0
    assert "Received Final Find Response (Cancel" in found.said
    assert 1 <= found.said.count("(Pending)") < 20

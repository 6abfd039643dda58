"""Every service each way, with pynetdicom on both banks: what is asked arrives, and the answer."""

from __future__ import annotations

import attrs
import pytest
from pydicom.tag import Tag
from pydicom.uid import CTImageStorage, generate_uid
from pynetdicom import build_context, build_role, evt
from pynetdicom.sop_class import (  # type: ignore[attr-defined]
    BasicFilmSession,
    BasicGrayscalePrintManagementMeta,
    ModalityPerformedProcedureStep,
    ModalityWorklistInformationFind,
    Printer,
    PrinterInstance,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from tests.interop.archive import PATIENCE_S, Archive, Script
from tests.interop.caller import (
    QUERY,
    associated,
    ct_image,
    encoded,
    explicit,
    identifier,
    statuses,
    studies,
)
from tests.interop.commitment import ask, report, transaction
from tests.interop.doors import Door
from tests.interop.matrix import EACH_WAY, Way
from tests.interop.site import Site

pytestmark = pytest.mark.peers("dcmtk", "orthanc", "stunnel")

BOTH = ("pynetdicom", "pynetdicom")
GET = StudyRootQueryRetrieveInformationModelGet
META = BasicGrayscalePrintManagementMeta


@attrs.frozen
class Crossing:
    """A caller's AE title, the door at which it calls, and who answers behind the relay."""

    calling: str
    door: Door
    peer: Archive


@pytest.fixture(params=list(Way), ids=lambda way: way.value)
def crossing(request: pytest.FixtureRequest, site: Site) -> Crossing:
    """Each way in turn."""
    if request.param is Way.TO_ARCHIVE:
        return Crossing("CONSOLE", site.inward("ARCHIVE"), site.archives.archive)
    return Crossing("ARCHIVE", site.outward("CONSOLE"), site.ward.console)


def heard(crossing: Crossing) -> list[str]:
    """Return the services that were asked for, all of them by the caller itself."""
    assert {each.calling for each in crossing.peer.heard} == {crossing.calling}
    return [each.service for each in crossing.peer.heard]


@pytest.mark.shows("C-ECHO", EACH_WAY, *BOTH)
def test_c_echo(crossing: Crossing):
    with associated(crossing.door, [Verification], calling=crossing.calling) as association:
        assert association.send_c_echo().Status == 0x0000
    assert heard(crossing) == ["C-ECHO"]


@pytest.mark.shows("C-STORE", EACH_WAY, *BOTH)
def test_c_store(crossing: Crossing):
    image, contexts = ct_image(200_000), [explicit(CTImageStorage)]
    with associated(crossing.door, contexts=contexts, calling=crossing.calling) as association:
        assert association.send_c_store(image).Status == 0x0000
    assert heard(crossing) == ["C-STORE"]
    assert crossing.peer.heard[0].dataset == encoded(image)


@pytest.mark.shows("C-FIND", EACH_WAY, *BOTH)
def test_c_find_and_its_cancel(crossing: Crossing):
    find = ModalityWorklistInformationFind
    crossing.peer.script = Script(holdings=studies(3), waits_for_cancel=True)
    with associated(crossing.door, [find], calling=crossing.calling) as association:
        responses = association.send_c_find(QUERY, find, msg_id=7)
        first = [next(responses) for _ in range(3)]
        association.send_c_cancel(7, query_model=find)
        assert statuses([*first, *responses]) == [0xFF00] * 3 + [0xFE00]
    assert heard(crossing) == ["C-FIND"]


@pytest.mark.shows("C-GET", EACH_WAY, *BOTH)
def test_c_get(crossing: Crossing):
    images = [ct_image(20_000) for _ in range(3)]
    crossing.peer.script = Script(holdings=images)
    got: list[bytes] = []

    def on_store(event) -> int:
        got.append(event.encoded_dataset(include_meta=False))
        return 0x0000

    with associated(
        crossing.door,
        contexts=[build_context(GET), explicit(CTImageStorage)],
        items=[build_role(CTImageStorage, scp_role=True)],
        handlers=[(evt.EVT_C_STORE, on_store)],
        calling=crossing.calling,
    ) as association:
        assert statuses(association.send_c_get(QUERY, GET)) == [0xFF00] * 3 + [0x0000]
    assert got == list(map(encoded, images))
    assert heard(crossing) == ["C-GET"]


@pytest.mark.shows("N-CREATE", EACH_WAY, *BOTH)
@pytest.mark.shows("N-SET", EACH_WAY, *BOTH)
def test_a_procedure_step_is_created_and_completed_on_different_associations(crossing: Crossing):
    mpps, uid = ModalityPerformedProcedureStep, generate_uid()
    begun = identifier(PerformedProcedureStepStatus="IN PROGRESS")
    ended = identifier(PerformedProcedureStepStatus="COMPLETED")
    with associated(crossing.door, [mpps], calling=crossing.calling) as association:
        assert association.send_n_create(begun, mpps, uid)[0].Status == 0x0000
    with associated(crossing.door, [mpps], calling=crossing.calling) as association:
        assert association.send_n_set(ended, mpps, uid)[0].Status == 0x0000
    assert heard(crossing) == ["N-CREATE", "N-SET"]
    created, completed = crossing.peer.heard
    assert created.fields["AffectedSOPInstanceUID"] == uid
    assert completed.fields["RequestedSOPInstanceUID"] == uid
    assert created.dataset == encoded(begun, implicit=True)
    assert completed.dataset == encoded(ended, implicit=True)


@pytest.mark.shows("N-GET", EACH_WAY, *BOTH)
@pytest.mark.shows("N-DELETE", EACH_WAY, *BOTH)
def test_a_printer_is_asked_and_a_film_session_deleted(crossing: Crossing):
    crossing.peer.script = Script(answer=identifier(PrinterStatus="NORMAL"))
    session = (BasicFilmSession, generate_uid())
    with associated(crossing.door, [META], calling=crossing.calling) as association:
        of_printer = ([Tag("PrinterStatus")], Printer, PrinterInstance)
        status, answer = association.send_n_get(*of_printer, meta_uid=META)
        assert (status.Status, answer) == (0x0000, crossing.peer.script.answer)
        assert association.send_n_delete(*session, meta_uid=META).Status == 0x0000
    assert heard(crossing) == ["N-GET", "N-DELETE"]


@pytest.mark.shows("N-ACTION", EACH_WAY, *BOTH)
@pytest.mark.shows("N-EVENT-REPORT", EACH_WAY, *BOTH)
def test_commitment_is_asked_for_and_reported_on(crossing: Crossing):
    crossing.peer.script = Script(reports=False)
    about = transaction()
    assert ask(crossing.door, about, crossing.calling) == 0x0000
    assert report(crossing.door, about, crossing.calling) == 0x0000
    assert crossing.peer.told.get(timeout=PATIENCE_S).dataset == encoded(about, implicit=True)
    assert heard(crossing) == ["N-ACTION", "N-EVENT-REPORT"]

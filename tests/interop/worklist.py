"""Worklists: their items as files, and DCMTK's wlmscpfs, which serves them; without TLS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian, generate_uid

from tests.interop.relay_process import CANARY
from tests.interop.server import Server, answers_echo, program


def write_worklist(folder: Path, count: int) -> None:
    """Write `count` items of a worklist to `folder`, of which every other one is a CT's."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        item = _item(number, "MR" if number % 2 else "CT")
        item.save_as(folder / f"item-{number}.wl", enforce_file_format=True)


def _item(number: int, modality: str) -> Dataset:
    item = Dataset()
    item.file_meta = FileMetaDataset()
    item.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    item.file_meta.MediaStorageSOPClassUID = UID("1.2.276.0.7230010.3.1.0.1")
    item.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    item.SpecificCharacterSet = "ISO_IR 100"
    item.AccessionNumber = f"A{number}"
    item.PatientName = f"Interop^{number}"
    item.PatientID = f"{CANARY}-{number}"
    item.PatientBirthDate = "19700101"
    item.PatientSex = "O"
    item.StudyInstanceUID = generate_uid(entropy_srcs=["interop", str(number)])
    item.RequestedProcedureDescription = "HEAD"
    item.RequestedProcedureID = f"R{number}"
    item.ReferencedStudySequence = item.ReferencedPatientSequence = []
    item.ScheduledProcedureStepSequence = [_step(number, modality)]
    return item


def _step(number: int, modality: str) -> Dataset:
    step = Dataset()
    step.Modality = modality
    step.ScheduledStationAETitle = "MODALITY"
    step.ScheduledProcedureStepStartDate = "20260101"
    step.ScheduledProcedureStepStartTime = "080000"
    step.ScheduledProcedureStepDescription = "HEAD"
    step.ScheduledProcedureStepID = f"S{number}"
    return step


@attrs.define
class WlmScpFs(Server):
    """DCMTK's wlmscpfs: it serves a worklist of so many items, and lets callers wait if told."""

    name: ClassVar[str] = "wlmscpfs"
    ae_title: str = "WORKLIST"
    items: int = 10
    hesitation: int = 0
    """Seconds before each response to a C-FIND."""

    def command(self) -> Sequence[str]:
        options = ["-dfp", str(self.folder), "--sleep-during", str(self.hesitation)]
        return [program("wlmscpfs"), "-v", *options, str(self.port)]

    def prepare(self) -> None:
        write_worklist(self.folder / self.ae_title, self.items)
        (self.folder / self.ae_title / "lockfile").touch()

    def serves(self) -> bool:
        return answers_echo(self.port, self.ae_title)

"""Orthanc as a router: it stores what comes, sends it on, and deletes it, by a Lua script."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import attrs

from benchmarks.processes import Door
from benchmarks.sender import Address
from benchmarks.ways.way import ARCHIVE, Stage, Way
from tests.interop.orthanc import Orthanc
from tests.interop.server import find_program

SCRIPT = f"""\
function OnStableStudy(study, tags, metadata)
    if RestApiPost('/modalities/{ARCHIVE}/store', study) then
        RestApiDelete('/studies/' .. study)
    end
end
"""
"""By study: with a job for each instance it takes several times the CPU."""

MAXIMUM = 131072


class ByOrthanc:
    """Orthanc to the archive by TLS. It answers when it has stored, not when the archive has."""

    def missing(self) -> str | None:
        return None if find_program("Orthanc") else "orthanc"

    @contextmanager
    def open(self, stage: Stage) -> Iterator[Way]:
        archive = {ARCHIVE: stage.archive[Door.TLS]}
        with _Process(stage.folder, stage.pki, tls=False, secure=archive) as orthanc:
            yield Way(Address(orthanc.port, orthanc.ae_title), orthanc.process.pid, early=True)


@attrs.define
class _Process(Orthanc):
    def prepare(self) -> None:
        (self.folder / "route.lua").write_text(SCRIPT)
        Orthanc.prepare(self)

    def _settings(self) -> dict[str, object]:
        return {
            **Orthanc._settings(self),
            "LuaScripts": [str(self.folder / "route.lua")],
            "MaximumPduLength": MAXIMUM,
            # In seconds: so long after its last object a study is believed to be complete.
            "StableAge": 2,
        }

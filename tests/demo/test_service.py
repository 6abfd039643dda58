"""The whole demonstration, with real sockets and TLS: what it shows, leaves behind, and closes."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from contextlib import closing
from io import StringIO
from pathlib import Path
from typing import Any, cast

import attrs
import pytest
from pydicom import dcmread
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import TCP4ClientEndpoint, wrapClientTLS
from twisted.logger import ILogObserver, eventAsText, globalLogPublisher
from twisted.trial.unittest import TestCase

from relay import config
from relay.demo import demo_service
from relay.demo.datasets import decoded, encoded
from relay.demo.modality import Modality, NotAnswered
from relay.demo.samples import FOLDER
from relay.transport.in_memory import InMemory
from relay.transport.tls import client_security
from relay.wire.command import CommandField
from tests.demo.door import ECHO, STUDIES, dataset_in, identifier

LINE = re.compile(
    r"(?P<name>\S+\.dcm) +(?P<size>[\d,]+)  (?P<archive>\S+) +[\d.]+ ms  (?P<rest>.*)"
)
NOT_SENT = 8


class Demonstration(TestCase):
    """Starts the demonstration, and stops it if the test does not."""

    def setUp(self) -> None:
        self.out = StringIO()
        self.logged: list[str] = []
        self.patch(tempfile, "tempdir", self.enterContext(tempfile.TemporaryDirectory()))
        observe = cast(ILogObserver, lambda event: self.logged.append(eventAsText(event)))
        globalLogPublisher.addObserver(observe)
        self.addCleanup(globalLogPublisher.removeObserver, observe)
        self.service = demo_service(reactor, 0, self.out)
        self.service.privilegedStartService()
        self.service.startService()
        self.addCleanup(self.stop)

    async def stop(self) -> None:
        if self.service.running:
            await self.service.stopService()

    async def shown(self) -> list[re.Match[str]]:
        """The lines of the objects, when all has been shown."""
        await self.service.shown
        return list(filter(None, map(LINE.fullmatch, self.out.getvalue().splitlines())))

    async def ask(self, *request: Any) -> list[Any]:
        """What the relay answers to a modality."""
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", self.service.port)
        modality = await Modality.call(reactor, endpoint, "RELAY", [ECHO, STUDIES])
        responses = await modality.ask(*request)
        await modality.release()
        return responses


class Shown(Demonstration):
    async def test_every_object_has_a_line_that_says_success(self) -> None:
        lines = await self.shown()
        assert {line["rest"] for line in lines} == {"0000"}
        assert len(lines) == len(list(FOLDER.rglob("*.dcm"))) - NOT_SENT
        names = [line["name"] for line in lines]
        assert names == sorted(names)
        assert "CT_small.dcm" in names

    async def test_both_archives_have_some(self) -> None:
        counts = Counter(line["archive"] for line in await self.shown())
        assert counts.keys() == {"archive-a", "archive-b"}
        shares = ", ".join(f"{count} by {name}" for name, count in sorted(counts.items()))
        total = counts.total()
        assert f"{total} of {total} objects stored in " in self.out.getvalue()
        assert f": {shares}.\n{total} of them, " in self.out.getvalue()

    async def test_the_datasets_on_disk_are_those_of_the_originals(self) -> None:
        lines = await self.shown()
        stored = (self.service.scene.folder / "objects").iterdir()
        originals = [FOLDER / line["name"] for line in lines]
        assert sorted(map(_described, stored)) == sorted(map(_described, originals))

    async def test_the_folder_is_named_and_has_the_configuration_that_the_relay_runs_with(self):
        await self.shown()
        folder = self.service.scene.folder
        assert f"{folder} stays" in self.out.getvalue()
        configuration = config.load(folder / "relay.toml")
        assert list(configuration.upstreams) == ["archive-a", "archive-b"]
        assert all(each.tls is not None for each in configuration.upstreams.values())

    async def test_the_log_names_no_patient_no_file_and_no_failure(self) -> None:
        lines = await self.shown()
        await self.stop()
        log = "\n".join(self.logged)
        assert "'MODALITY' at 127.0.0.1 called 'RELAY': released" in log
        originals = [dcmread(FOLDER / line["name"], stop_before_pixels=True) for line in lines]
        keywords = ("PatientName", "PatientID", "StudyInstanceUID", "SOPInstanceUID")
        said = {str(each.get(keyword, "")) for each in originals for keyword in keywords}
        canaries = {each for each in said if len(each) > 3}
        assert "CompressedSamples^CT1" in canaries
        for word in (*canaries, ".dcm", "Traceback", "Unhandled"):
            assert word not in log


class Serving(Demonstration):
    async def test_it_goes_on_serving(self) -> None:
        await self.shown()
        (response,) = await self.ask(ECHO, CommandField.C_ECHO_RQ)
        assert response.status == 0x0000

    async def test_a_query_finds_what_came_by_either_archive(self) -> None:
        lines = await self.shown()
        originals = [dcmread(FOLDER / line["name"], stop_before_pixels=True) for line in lines]
        studies = {str(each.StudyInstanceUID) for each in originals if "StudyInstanceUID" in each}
        query = identifier(QueryRetrieveLevel="STUDY", StudyInstanceUID="", PatientName="")
        for _ in range(2):
            *found, last = await self.ask(STUDIES, CommandField.C_FIND_RQ, "", _encoded(query))
            uids = [
                decoded(each.dataset, STUDIES.transfer_syntax).StudyInstanceUID for each in found
            ]
            assert sorted(uids) == sorted(studies)
            assert last.status == 0x0000

    async def test_an_archive_lets_nobody_in_but_the_relay(self) -> None:
        upstream = config.load(self.service.scene.configuration).upstreams["archive-a"]
        assert upstream.tls is not None
        stranger = attrs.evolve(upstream.tls, certificate=None, key=None)
        for tls, is_let_in in ((upstream.tls, True), (stranger, False)):
            endpoint = wrapClientTLS(
                InMemory(client_security(tls, upstream.address.host)),
                TCP4ClientEndpoint(reactor, upstream.address.host, upstream.address.port),
            )
            try:
                modality = await Modality.call(reactor, endpoint, "ARCHIVE_A", [ECHO])
            except NotAnswered:
                assert not is_let_in
            else:
                assert is_let_in
                await modality.release()


class Stopping(Demonstration):
    async def test_a_stop_closes_every_port_and_leaves_the_folder(self) -> None:
        await self.shown()
        folder = self.service.scene.folder
        upstreams = config.load(folder / "relay.toml").upstreams.values()
        ports = [self.service.port, *(each.address.port for each in upstreams)]
        await self.stop()
        assert not any(map(_answers, ports))
        assert (folder / "objects" / "000001.dcm").exists()

    async def test_a_stop_in_the_middle_ends_it_without_a_word(self) -> None:
        middle: Deferred[None] = Deferred()
        self.patch(self.service.show, "out", _Noticing(self.out, "CT_small.dcm", middle))
        await middle
        await self.stop()
        assert "objects stored" not in self.out.getvalue()
        assert "Traceback" not in "\n".join(self.logged)
        assert not list(self.service.scene.folder.rglob("*.part"))

    async def test_a_stop_before_anything_was_sent_is_one_too(self) -> None:
        await self.stop()
        assert "objects stored" not in self.out.getvalue()


def test_a_port_that_is_taken_is_told_in_one_line():
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SystemExit, match=rf"^relay --demo: [^\n]*:{port} \(Address already"):
            demo_service(reactor, port)


@pytest.mark.parametrize("package", ["pydicom", "trustme"])
def test_a_package_that_is_missing_is_told_in_one_line(package):
    program = (
        f"import sys; sys.modules[{package!r}] = None; import relay.demo as d; d.demo_service(0)"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    hint = "pip install 'dicom-relay[demo]'"
    assert done.returncode == 1
    assert done.stderr == f"relay --demo: {package} is not installed: {hint}\n"


@attrs.define
class _Noticing:
    """Passes on what is printed; soon after a word of it `noticed` fires."""

    out: StringIO
    word: str
    noticed: Deferred[None]

    def write(self, text: str) -> None:
        self.out.write(text)
        if self.word in text:
            reactor.callLater(0, self.noticed.callback, None)

    def flush(self) -> None:
        self.out.flush()


def _described(path: Path) -> tuple[list[str], bytes]:
    """What a file says that it holds, and what it holds."""
    meta = dcmread(path, specific_tags=[]).file_meta
    uids = (meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID, meta.TransferSyntaxUID)
    return [str(each) for each in uids], dataset_in(path)


def _encoded(query: Any) -> bytes:
    return encoded(query, STUDIES.transfer_syntax)


def _answers(port: int) -> bool:
    with socket.socket() as caller:
        return caller.connect_ex(("127.0.0.1", port)) == 0

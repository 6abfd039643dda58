"""Real objects cross in their own transfer syntax and arrive with identical dataset bytes.

All objects beside the checkout, where they are, and pydicom's own test files, each sent straight
and through the relay to DCMTK's storescp, which writes what it reads, and to pynetdicom.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs
import pytest
from pydicom.uid import HTJ2KLossless, RawDataStorage
from pynetdicom import _config, build_context
from pynetdicom.association import Association

from tests.interop.archive import Archive
from tests.interop.caller import associate
from tests.interop.doors import Door
from tests.interop.objects import Part10, bundled, bundled_path, fingerprint, shared
from tests.interop.peers import StoreScp
from tests.interop.pki import Pki
from tests.interop.relay_process import Relay, Route, Upstream

OBJECTS = (*shared(), *bundled())
UNKNOWN_TO_DCMTK = {HTJ2KLossless}
"""Transfer syntaxes that Debian's storescp refuses."""


@attrs.frozen
class Bank:
    """An archive, as this module needs it: where it is, and how what was stored is taken out."""

    ae_title: str
    port: int
    take: Callable[[], list[bytes]]
    refuses: frozenset[str] = frozenset()
    even_only: bool = False


@attrs.define
class Sender:
    """Sends objects as their bytes are in their files, all on one association.

    pynetdicom reads a file's dataset as bytes when told to send it in chunks; DCMTK's tools
    would encode it anew.
    """

    door: Door
    contexts: Sequence[Any]
    association: Association | None = None

    def send(self, part10: Part10) -> int:
        """Send an object and return the status of its response."""
        return int(self._held().send_c_store(part10.path).Status)

    def accepts(self, part10: Part10) -> bool:
        """Tell whether the object's own transfer syntax was accepted for its SOP class."""
        wanted = (part10.sop_class, [part10.transfer_syntax])
        accepted = self._held().accepted_contexts
        return wanted in [(cx.abstract_syntax, cx.transfer_syntax) for cx in accepted]

    def close(self) -> None:
        """Release the association, if one is held."""
        if self.association:
            self.association.release()

    def _held(self) -> Association:
        if self.association is None or not self.association.is_established:
            self.association = associate(self.door, contexts=self.contexts)
            assert self.association.is_established
        return self.association


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the few objects that can't be sent as they are."""
    return tmp_path_factory.mktemp("copies")


@pytest.fixture(params=OBJECTS, ids=lambda file: f"{file.path.parent.name}-{file.path.name}")
def sent(request: pytest.FixtureRequest, copies: Path, bank: Bank) -> Part10:
    """Each object: itself, but for those without a SOP class, or too odd for the archive."""
    classed = request.param.classed(copies)
    return classed.even(copies) if bank.even_only else classed


@pytest.fixture(scope="module")
def storescp(bed: Path, pki: Pki) -> Iterator[Bank]:
    with StoreScp(bed / "storescp-objects", "STORESCP", pki) as peer:
        refuses = frozenset(UNKNOWN_TO_DCMTK)
        yield Bank("STORESCP", peer.port, lambda: list(peer.take().values()), refuses, True)


@pytest.fixture(scope="module")
def pynetdicom(pki: Pki) -> Iterator[Bank]:
    with Archive(pki, "PYNETDICOM") as archive:

        def take() -> list[bytes]:
            stored = [request.dataset for request in archive.heard]
            archive.heard.clear()
            return stored

        yield Bank("PYNETDICOM", archive.port, take)


@pytest.fixture(
    scope="module",
    params=[pytest.param("storescp", marks=pytest.mark.peers("dcmtk")), "pynetdicom"],
)
def bank(request: pytest.FixtureRequest) -> Bank:
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def storescp_relay(bed: Path, pki: Pki, storescp: Bank) -> Iterator[Relay]:
    with relay_to(storescp, bed, pki) as running:
        yield running


@pytest.fixture(scope="module")
def pynetdicom_relay(bed: Path, pki: Pki, pynetdicom: Bank) -> Iterator[Relay]:
    with relay_to(pynetdicom, bed, pki) as running:
        yield running


def relay_to(bank: Bank, bed: Path, pki: Pki) -> Relay:
    route = Route(Upstream(bank.ae_title, bank.port), called=bank.ae_title)
    return Relay(bed / f"relay-to-{bank.ae_title.lower()}", pki, [route])


@pytest.fixture(scope="module", params=["direct", "relay"])
def sender(request: pytest.FixtureRequest, bank: Bank, pki: Pki) -> Iterator[Sender]:
    if request.param == "direct":
        door = Door(bank.port, bank.ae_title, pki.client_context())
    else:
        relay = request.getfixturevalue(f"{bank.ae_title.lower()}_relay")
        door = Door(relay.port, bank.ae_title)
    pairs = {(file.sop_class or RawDataStorage, file.transfer_syntax) for file in OBJECTS}
    sender = Sender(door, [build_context(*pair) for pair in sorted(pairs)])
    yield sender
    sender.close()


@pytest.fixture(autouse=True)
def bytes_as_in_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_config, "STORE_SEND_CHUNKED_DATASET", True)


def test_an_object_arrives_with_identical_dataset_bytes(sent: Part10, sender: Sender, bank: Bank):
    if sent.transfer_syntax in bank.refuses:
        assert not sender.accepts(sent)
        return
    bank.take()
    assert sender.send(sent) == 0x0000
    assert list(map(fingerprint, bank.take())) == [fingerprint(sent.dataset)]


@pytest.mark.parametrize("name", ["image_dfl.dcm", "rtplan_truncated.dcm"])
@pytest.mark.peers("dcmtk")
def test_an_odd_dataset_that_storescp_refuses_never_succeeds(
    name: str, storescp: Bank, storescp_relay: Relay
):
    """No relay can mend an odd total: it is passed on, and storescp aborts."""
    file = Part10.read(bundled_path(name))
    assert file
    assert len(file.dataset) % 2 == 1
    contexts = [build_context(file.sop_class, file.transfer_syntax)]
    association = associate(Door(storescp_relay.port, "STORESCP"), contexts=contexts)
    status = association.send_c_store(file.path)
    association.abort()
    assert status.get("Status") != 0x0000
    assert storescp.take() == []

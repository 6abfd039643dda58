"""A relay that asks of callers who and where they are, what they may propose, and what they show.

Behind it are two archives of pynetdicom, by TLS, so that it shows which of them was reached and
what it saw.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import attrs
import bcrypt
from pydicom.uid import ExplicitVRLittleEndian

from tests.interop.archive import Archive
from tests.interop.doors import Door
from tests.interop.pki import CLIENTS, Pki
from tests.interop.relay_process import (
    AE_TITLE,
    CANARY,
    UNASKED,
    Relay,
    Route,
    Upstream,
    table,
)
from tests.interop.server import LOOPBACK, held_port

ELSEWHERE = "192.0.2.0/24"
HERE = "127.0.0.0/8"

USER, PASSCODE = f"{CANARY}-USER", f"{CANARY}-PASSCODE"
"""Whom the listener with credentials lets in."""

RELAYS_USER, RELAYS_PASSCODE = f"{CANARY}-RELAY", f"{CANARY}-RELAYS-PASSCODE"
"""Whom the second archive is shown."""

LISTENERS = ("ward", "attic", "cards", "users")


@attrs.frozen
class Gate:
    """The relay, and the archives. `ports` are those of LISTENERS, by name."""

    pki: Pki
    relay: Relay
    archive: Archive
    ris: Archive
    ports: dict[str, int]

    def door(self, called: str, listener: str | None = None, shown: str | None = None) -> Door:
        """Where callers call, maybe at one of LISTENERS; by TLS at "cards", with a certificate."""
        port = self.relay.port if listener is None else self.ports[listener]
        tls = self.pki.client_context(shown) if listener == "cards" else None
        return Door(port, called, tls)


@contextmanager
def running_gate(folder: Path, pki: Pki) -> Iterator[Gate]:
    """Run the relay and the archives, with everything that they write in `folder`."""
    with ExitStack() as stack:
        archive = stack.enter_context(Archive(pki))
        ris = stack.enter_context(Archive(pki, "RIS"))
        ports = {name: stack.enter_context(held_port()) for name in LISTENERS}
        tables = [*_listeners(folder, pki, ports), *_policies()]
        routes = list(_routes(folder, archive, ris))
        relay = Relay(folder, pki, routes, tables="\n".join(tables))
        yield Gate(pki, stack.enter_context(relay), archive, ris, ports)


def _routes(folder: Path, archive: Archive, ris: Archive) -> Iterator[Route]:
    """Where a second one has the same `called` it is for those whom the first does not want."""
    folder.mkdir(parents=True, exist_ok=True)
    passcode = folder / "passcode"
    passcode.write_text(f"{RELAYS_PASSCODE}\n")
    identity = {"identity": {"username": RELAYS_USER, "passcode_file": str(passcode)}}
    first = Upstream("ARCHIVE", archive.port, keys=UNASKED)
    second = Upstream("RIS", ris.port, keys={**UNASKED, **identity})
    yield Route(first)
    yield Route(first, "MAPPED", keys={"show_calling": {"CT1": "RELAY_CT1", "CT2": "RELAY_CT2"}})
    yield Route(first, "FIXED", keys={"show_calling": AE_TITLE})
    yield Route(first, "DEPT_*", keys={"show_called": "caller"})
    yield Route(first, "STRICT")
    yield Route(second, "NEAR", keys={"networks": [ELSEWHERE, "2001:db8::/32"]})
    yield Route(first, "NEAR", keys={"networks": [HERE]})
    yield Route(first, "FAR", keys={"networks": [ELSEWHERE]})
    yield Route(first, "LISTENED", keys={"listeners": ["ward"]})
    yield Route(second, "LISTENED", keys={"listeners": ["attic", "cards"]})
    yield Route(first, "CARDED", keys={"certificates": ["*.ward.example.org"]})
    yield Route(second, "CARDED", keys={"certificates": [CLIENTS[1]], "calling": "CT2"})
    yield Route(second, "NAMED")


def _listeners(folder: Path, pki: Pki, ports: dict[str, int]) -> Iterable[str]:
    users = folder / "users"
    folder.mkdir(parents=True, exist_ok=True)
    # Four rounds are as few as there may be: nothing is worth guessing here.
    hashed = bcrypt.hashpw(PASSCODE.encode(), bcrypt.gensalt(4)).decode()
    users.write_text(f"{USER}:{hashed}\n")
    tls = {"certificate": str(pki.certificate), "key": str(pki.key), "client_ca": str(pki.ca)}
    keys: dict[str, dict[str, object]] = {
        "cards": {"tls": tls},
        "users": {"credentials": str(users)},
    }
    for name, port in ports.items():
        endpoint = {"endpoint": f"tcp:port={port}:interface={LOOPBACK}", "name": name}
        yield from table("[[listener]]", {**endpoint, **keys.get(name, {})})
    yield from table("[commitment]", {"database": "commitment.sqlite"})


def _policies() -> Iterable[str]:
    allowed = {
        "services": ["verification", "storage"],
        "transfer_syntaxes": [ExplicitVRLittleEndian],
    }
    whose = {"calling": "CT*", "called": "STRICT"}
    yield from table("[[association_policy]]", {**whose, **allowed})
    others = {"called": "STRICT", "services": ["verification"]}
    yield from table("[[association_policy]]", others)

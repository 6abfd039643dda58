"""Child processes that answer on a port: started, waited for, ended; what they said is kept."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self

import attrs
from pynetdicom import AE
from pynetdicom.sop_class import Verification  # type: ignore[attr-defined]

LOOPBACK = "127.0.0.1"
PATIENCE_S = 30.0
"""How long a peer may take to serve, or to end; reached only when something is broken."""

POLL_S = 0.02
ENVIRONMENT = {**os.environ, "TCP_NODELAY": "1"}
"""DCMTK leaves Nagle's algorithm on, which with delayed ACKs costs 40 ms a message, unless told."""

STARTS = 3
"""A free port may be taken before its owner binds it, so a program is started this often."""


class PeerFailed(Exception):
    """A peer did not come to serve, or did not end when asked to."""


def find_program(*names: str) -> str | None:
    """Return the path of the first of `names` that is installed (Debian's Orthanc is in sbin).

    pynetdicom brings Python scripts named like DCMTK's programs, and tox puts them first in PATH:
    scripts are passed over.
    """
    path = os.environ.get("PATH", os.defpath) + ":/usr/local/sbin:/usr/sbin:/sbin"
    found = (shutil.which(name, path=place) for name in names for place in path.split(os.pathsep))
    return next((path for path in found if path and not _is_script(path)), None)


def _is_script(path: str) -> bool:
    with open(path, "rb") as file:
        return file.read(2) == b"#!"


def program(*names: str) -> str:
    """Return the path of the first of `names`; raises PeerFailed where there is none."""
    path = find_program(*names)
    if path is None:
        raise PeerFailed(f"not installed: {' or '.join(names)}")
    return path


def free_port() -> int:
    """Return a TCP port of loopback on which nobody listens."""
    with closing(socket.create_server((LOOPBACK, 0))) as server:
        return int(server.getsockname()[1])


@contextmanager
def held_port() -> Iterator[int]:
    """Hold a free port of loopback for a server that others have to know before it runs.

    As nobody listens on it, a server may still bind it, and nothing else is given it.
    """
    with closing(socket.socket()) as holder:
        holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        holder.bind((LOOPBACK, 0))
        yield int(holder.getsockname()[1])


def answers(port: int) -> bool:
    """Tell whether something accepts connections on `port` of loopback."""
    with suppress(OSError), closing(socket.create_connection((LOOPBACK, port), PATIENCE_S)):
        return True
    return False


def answers_echo(port: int, called: str, tls: ssl.SSLContext | None = None) -> bool:
    """Tell whether a C-ECHO to `called` on `port` of loopback succeeds, by TLS where given."""
    caller = AE("PROBE")
    caller.add_requested_context(Verification)
    secure = (tls, "localhost") if tls else None
    association = caller.associate(LOOPBACK, port, ae_title=called, tls_args=secure)
    if not association.is_established:
        return False
    status = association.send_c_echo()
    association.release()
    return status.get("Status") == 0x0000


@attrs.define
class Server:
    """A program that listens on loopback for as long as its context lasts.

    Sub-classes say what is run, which files it reads and how to tell that it serves. What it
    prints is appended to `log`. A peer that forks does so in a process group of its own, and the
    whole group is ended: a child may outlive its parent while somebody holds an association.
    """

    name: ClassVar[str] = "server"
    folder: Path
    held: int = attrs.field(kw_only=True, default=0)
    """The port to listen on, where others know it already; 0: any free one."""
    port: int = attrs.field(init=False, default=0)
    process: subprocess.Popen[bytes] = attrs.field(init=False, repr=False)

    def command(self) -> Sequence[str]:
        """Return the program and its arguments, for `port`."""
        raise NotImplementedError

    def prepare(self) -> None:
        """Write the files that the program reads, for `port`."""

    def serves(self) -> bool:
        """Tell whether the program answers as it should."""
        return answers(self.port)

    @property
    def log(self) -> Path:
        """Where the program's output goes."""
        return self.folder / f"{self.name}.log"

    def __enter__(self) -> Self:
        self.folder.mkdir(parents=True, exist_ok=True)
        if not any(self._start() for _ in range(STARTS)):
            raise PeerFailed(f"{self.name} ended before it served; it said: {self._last_words()}")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End the program and its children; raises PeerFailed when it had to be killed."""
        self._signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            raise PeerFailed(f"{self.name} did not end: {self._last_words()}") from None
        finally:
            self.kill()

    def kill(self) -> None:
        """End the program and its children without asking."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def restart(self) -> None:
        """Run the program again, on the port that it had; raises PeerFailed where it ends."""
        if not any(self._run() for _ in range(STARTS)):
            raise PeerFailed(f"{self.name} did not come back; it said: {self._last_words()}")

    def ends_within(self, seconds: float) -> bool:
        """Tell whether the program has ended, or does so within `seconds`."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode is not None

    def _start(self) -> bool:
        self.port = self.held or free_port()
        return self._run()

    def _run(self) -> bool:
        self.prepare()
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command(),
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env=ENVIRONMENT,
                process_group=0,
            )
        return self._comes_to_serve()

    def _comes_to_serve(self) -> bool:
        deadline = time.monotonic() + PATIENCE_S
        while not self.serves():
            if self.ends_within(POLL_S):
                return False
            if time.monotonic() > deadline:
                self.stop()
                raise PeerFailed(f"{self.name} does not serve; it said: {self._last_words()}")
        return not self.ends_within(0)

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, number)

    def _last_words(self) -> str:
        return self.log.read_text("latin-1")[-2000:]

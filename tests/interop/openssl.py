"""OpenSSL's own client and server as peers, of one version and one suite at a time."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import attrs

from tests.interop.server import ENVIRONMENT, LOOPBACK, Server, answers, program

PATIENCE_S = 30
ANY_KEY = "@SECLEVEL=0"
"""So that what is refused is not refused by OpenSSL's own care."""


@attrs.frozen
class Speech:
    """What a peer speaks: the option for a version of TLS, and the suites of it. Without a version
    it is all that OpenSSL speaks by itself."""

    version: str | None = None
    suites: str = f"ALL:COMPLEMENTOFALL:{ANY_KEY}"

    def options(self) -> list[str]:
        """What `openssl s_client` and `openssl s_server` are told."""
        if self.version is None:
            return []
        kind = "-ciphersuites" if self.version == "-tls1_3" else "-cipher"
        return [self.version, kind, self.suites]

    @classmethod
    def of(cls, suite: str) -> Speech:
        """One suite, and the version that it is of."""
        if suite.startswith("TLS_"):
            return cls("-tls1_3", suite)
        return cls("-tls1_2", f"{suite}:{ANY_KEY}")


@attrs.define
class OpenSSLServer(Server):
    """`openssl s_server` with a certificate; `group` is a file with one for DHE."""

    name: ClassVar[str] = "s_server"
    certificate: Path
    key: Path
    speech: Speech
    group: Path | None = None

    def command(self) -> Sequence[str]:
        own = ["-cert", str(self.certificate), "-key", str(self.key)]
        group = [] if self.group is None else ["-dhparam", str(self.group)]
        where = ["-accept", f"{LOOPBACK}:{self.port}", "-www"]
        return [program("openssl"), "s_server", *where, *own, *group, *self.speech.options()]

    def serves(self) -> bool:
        return answers(self.port)


@attrs.frozen
class Met:
    """What came of a handshake: the suite, None where there was none; and all that was said."""

    suite: str | None
    said: str


def meet(port: int, speech: Speech, *options: object) -> Met:
    """Have `openssl s_client` shake hands with whoever is at a port of loopback, and leave."""
    where = ["-connect", f"{LOOPBACK}:{port}", "-servername", "localhost"]
    command = [program("openssl"), "s_client", *where, *speech.options(), *map(str, options)]
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env=ENVIRONMENT,
        timeout=PATIENCE_S,
        check=False,
    )
    said = done.stdout.decode("latin-1")
    suite = said.partition("Cipher is ")[2].partition("\n")[0].strip()
    return Met(None if suite in ("", "(NONE)") or done.returncode else suite, said)


def suites() -> list[str]:
    """All suites of TLS 1.2 that this OpenSSL has, fit or not."""
    everything = f"ALL:COMPLEMENTOFALL:{ANY_KEY}"
    done = subprocess.run(
        [program("openssl"), "ciphers", "-s", "-tls1_2", everything],
        capture_output=True,
        check=True,
    )
    return [each for each in done.stdout.decode().strip().split(":") if "TLS_" not in each]

"""On what the figures were taken: without that they say nothing."""

from __future__ import annotations

import ctypes
import os
import platform
import re
import ssl
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from OpenSSL import SSL

from tests.interop.server import find_program

UNKNOWN = "unknown"


def versions() -> Iterator[str]:
    """A line for the machine, and one for each program that is measured, with its OpenSSL."""
    yield _machine()
    python = f"Python {platform.python_version()}"
    library = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()
    yield f"relay {version('dicom-relay')}: {python}, Twisted {version('twisted')}, {library}"
    if said := _said("-vv", "haproxy"):
        library = _found("Running on OpenSSL version : (.*)", said)
        yield f"HAProxy {_found('version ([^ ]+)', said)}: {library}"
    if said := _said("-version", "stunnel4", "stunnel"):
        library = _found("Running +with (OpenSSL.*)", said)
        yield f"stunnel {_found('stunnel ([^ ]+)', said)}: {library}"
    if find_spec("pynetdicom"):
        yield f"pynetdicom {version('pynetdicom')}: {python}, {ssl.OPENSSL_VERSION}"
    if said := _said("--version", "Orthanc"):
        yield f"Orthanc {_found('Orthanc (.+)', said)}: {_system_openssl()}"


def _machine() -> str:
    system = f"{platform.system()} {platform.release()}"
    memory = int(_found(r"MemTotal: *(\d+)", Path("/proc/meminfo").read_text())) / 2**20
    names = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    processor = names[1] if names else platform.machine()
    # On a machine that is at work for others, too, figures are anybody's.
    load = f"load {os.getloadavg()[0]:.1f} before the first round"
    return f"{processor}, {os.cpu_count()} cores, {memory:.0f} GiB, {system}, {load}"


def _said(option: str, *names: str) -> str | None:
    """What a program says of itself, wherever; None where it is not installed."""
    path = find_program(*names)
    if path is None:
        return None
    done = subprocess.run([path, option], capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


def _found(pattern: str, said: str) -> str:
    found = re.search(pattern, said)
    return found[1] if found else UNKNOWN


def _system_openssl() -> str:
    """The library that Debian's programs load."""
    try:
        library = ctypes.CDLL("libcrypto.so.3")
    except OSError:
        return UNKNOWN
    library.OpenSSL_version.restype = ctypes.c_char_p
    said: bytes = library.OpenSSL_version(0)
    return said.decode()

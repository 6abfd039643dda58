"""On what the figures were taken: without that they say nothing."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

from OpenSSL import SSL

from tests.interop.server import find_program


def versions() -> Iterator[str]:
    """A line for the machine, and one for each program that is measured."""
    system = f"{platform.system()} {platform.release()}"
    # On a machine that is at work for others, too, figures are anybody's.
    load = f"load {os.getloadavg()[0]:.1f} before the first round"
    yield f"{_processor()}, {os.cpu_count()} cores, {system}, {load}"
    library = SSL.OpenSSL_version(SSL.OPENSSL_VERSION).decode()
    yield f"relay: Python {platform.python_version()}, Twisted {version('twisted')}, {library}"
    haproxy = find_program("haproxy")
    if haproxy:
        said = subprocess.run([haproxy, "-vv"], capture_output=True, text=True, check=True).stdout
        number = re.search(r"version (\S+)", said)
        library_line = re.search(r"Running on OpenSSL version : (.*)", said)
        found = (each[1] if each else "unknown" for each in (number, library_line))
        yield f"HAProxy {', '.join(found)}"


def _processor() -> str:
    names = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return names[1] if names else platform.machine()

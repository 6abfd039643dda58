"""The relay at work, for whoever sees it for the first time: `twistd relay --demo`.

Two archives behind TLS and a modality, all embedded, with the real relay between them. Nothing here
serves anyone else, and nothing but relay/tap.py may know of it. What the demonstration needs beyond
the relay itself (pydicom, trustme) is imported when it is asked for.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from relay.demo.service import DemoService

HOST = "127.0.0.1"
PORT = 11112
EXTRAS = frozenset({"pydicom", "trustme"})


def demo_service(reactor: Any, port: int = PORT, out: TextIO | None = None) -> DemoService:
    """The demonstration, to be started; it prints to `out`, or to the standard output.

    `port` is where its relay listens, 0 for any that is free. SystemExit, with one line that says
    what to do, where the port is taken or a package is missing.
    """
    try:
        from relay.demo.service import DemoService
        from relay.demo.show import Show
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in EXTRAS:
            raise
        hint = "pip install 'dicom-relay[demo]'"
        raise SystemExit(f"relay --demo: {error.name} is not installed: {hint}") from None
    _refuse_taken(port)
    # Not sys.stdout: twistd takes that for its log, and a log names no files.
    return DemoService(reactor, port, Show(out or sys.__stdout__ or sys.stdout))


def _refuse_taken(port: int) -> None:
    try:
        socket.create_server((HOST, port)).close()
    except OSError as error:
        where = f"cannot listen on {HOST}:{port} ({os.strerror(error.errno or 0)})"
        hint = "something else does; end it and start again"
        raise SystemExit(f"relay --demo: {where}: {hint}") from None

"""One address that calls as fast as it can: what becomes of its associations, and of its TLS."""

from __future__ import annotations

import ssl
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self

import attrs

from tests.interop.flood import call, heard
from tests.peers import associate_rq

ELSEWHERE = "127.0.1.1"
"""Where it calls from."""

SERVED, TOLD, BEGUN, CLOSED = "served", "told to come again", "with TLS", "closed before TLS"

_CONGESTION = bytes((0, 2, 3, 1))
"""The body of A-ASSOCIATE-RJ: transient, by the provider, temporary congestion."""


@attrs.define(eq=False)
class Hurry:
    """Asks `port` for associations and `secure` for TLS, by turns, while its context lasts."""

    port: int
    secure: int
    answers: Counter[str] = attrs.field(init=False, factory=Counter)
    began: float = attrs.field(init=False, factory=time.monotonic)
    _stopping: threading.Event = attrs.field(init=False, factory=threading.Event)
    _thread: threading.Thread = attrs.field(init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._hurry)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        self._thread.join()

    def _hurry(self) -> None:
        while not self._stopping.is_set():
            self.answers[self._ask()] += 1
            self.answers[self._shake()] += 1

    def _ask(self) -> str:
        with call(self.port, ELSEWHERE) as caller:
            caller.sendall(associate_rq())
            kind, body = heard(caller)
        return TOLD if (kind, body) == (3, _CONGESTION) else SERVED

    def _shake(self) -> str:
        with call(self.secure, ELSEWHERE) as caller:
            try:
                _ANYBODY.wrap_socket(caller).close()
            except OSError:  # what ssl raises is one, too
                return CLOSED
        return BEGUN


def _anybody() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


_ANYBODY = _anybody()
"""TLS with whoever it is."""

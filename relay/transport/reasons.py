"""Why a connection failed, in one line that an operator can act on."""

from __future__ import annotations

from OpenSSL import SSL
from twisted.internet.error import (
    ConnectError,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    TimeoutError,
)
from twisted.python.failure import Failure

_REASONS: list[tuple[type[BaseException], str]] = [
    (ConnectionRefusedError, "connection refused"),
    (TimeoutError, "no connection in time"),
    (DNSLookupError, "host name not found"),
    (ConnectionDone, "connection closed"),
    (ConnectionLost, "connection lost"),
]


def describe(reason: Failure) -> str:
    """One line for `reason`; never what a peer sent."""
    for kind, text in _REASONS:
        if reason.check(kind):
            return text
    error = reason.value
    if isinstance(error, SSL.Error):
        return f"TLS: {_ssl_reasons(error)}"
    if isinstance(error, ConnectError):
        return f"connection failed: {error.osError or type(error).__name__}"
    return type(error).__name__


def _ssl_reasons(error: BaseException) -> str:
    """OpenSSL's own words; an error without any is a connection cut in the handshake."""
    queue = error.args[0] if error.args and isinstance(error.args[0], list) else []
    return "; ".join(entry[-1] for entry in queue) or "the connection was cut"

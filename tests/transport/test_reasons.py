"""Why a connection failed: one line, for whoever has to do something about it."""

from __future__ import annotations

import pytest
from OpenSSL import SSL
from twisted.internet.error import (
    ConnectBindError,
    ConnectError,
    ConnectionAborted,
    ConnectionDone,
    ConnectionLost,
    ConnectionRefusedError,
    DNSLookupError,
    NoRouteError,
    TCPTimedOutError,
    TimeoutError,
)
from twisted.python.failure import Failure

from relay.transport.judging import OTHER_HOST, Refused
from relay.transport.reasons import describe

QUEUE = [("SSL routines", "", "tlsv1 alert unknown ca"), ("SSL routines", "", "shutting down")]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConnectionRefusedError(), "connection refused"),
        (TimeoutError(), "no connection in time"),
        (
            TCPTimedOutError(osError="Connection timed out"),
            "connection failed: Connection timed out",
        ),
        (DNSLookupError("CANARY"), "host name not found"),
        (Refused(OTHER_HOST), "TLS: the certificate is for another host name"),
        (ConnectionDone(), "connection closed"),
        (ConnectionLost(), "connection lost"),
        (ConnectionAborted(), "connection lost"),
        (NoRouteError(osError="No route to host"), "connection failed: No route to host"),
        (ConnectError(), "connection failed: ConnectError"),
        (ConnectBindError(), "connection failed: ConnectBindError"),
        (SSL.Error(QUEUE), "TLS: tlsv1 alert unknown ca; shutting down"),
        (SSL.Error([]), "TLS: the connection was cut"),
        (SSL.SysCallError(-1, "Unexpected EOF"), "TLS: the connection was cut"),
        (SSL.Error(), "TLS: the connection was cut"),
        (ValueError("CANARY"), "ValueError"),
    ],
    ids=lambda each: type(each).__name__ if isinstance(each, Exception) else "",
)
def test_each_reason_has_its_line_and_quotes_no_peer(error, line):
    assert describe(Failure(error)) == line

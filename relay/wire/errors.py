"""What went wrong on the wire, with the answer that it deserves.

The values of A-ABORT and A-ASSOCIATE-RJ are those of PS3.8 9.3.8 and 9.3.4. An error raised by a
reader carries the reason; whether it leaves as A-ABORT (0,0) or (2,reason) is the business of the
state table, because it depends on whether there is an association (PS3.8 9.2.2: AA-1, AA-8).
"""

from __future__ import annotations

from enum import IntEnum


class AbortSource(IntEnum):
    """Who aborts (PS3.8 table 9-26, byte 9)."""

    SERVICE_USER = 0
    SERVICE_PROVIDER = 2


class AbortReason(IntEnum):
    """Why the service provider aborts (PS3.8 table 9-26, byte 10)."""

    NOT_SPECIFIED = 0
    UNRECOGNIZED_PDU = 1
    UNEXPECTED_PDU = 2
    UNRECOGNIZED_PARAMETER = 4
    UNEXPECTED_PARAMETER = 5
    INVALID_PARAMETER = 6


class RejectResult(IntEnum):
    """Whether trying again can help (PS3.8 table 9-21, byte 8)."""

    PERMANENT = 1
    TRANSIENT = 2


class RejectSource(IntEnum):
    """Who rejects (PS3.8 table 9-21, byte 9)."""

    SERVICE_USER = 1
    SERVICE_PROVIDER_ACSE = 2
    SERVICE_PROVIDER_PRESENTATION = 3


class UserRejectReason(IntEnum):
    """Reasons of the service user (PS3.8 table 9-21, byte 10, source 1)."""

    NO_REASON = 1
    APPLICATION_CONTEXT_NOT_SUPPORTED = 2
    CALLING_AE_TITLE_NOT_RECOGNIZED = 3
    CALLED_AE_TITLE_NOT_RECOGNIZED = 7


class ACSERejectReason(IntEnum):
    """Reasons of the service provider, ACSE (PS3.8 table 9-21, byte 10, source 2)."""

    NO_REASON = 1
    PROTOCOL_VERSION_NOT_SUPPORTED = 2


class PresentationRejectReason(IntEnum):
    """Reasons of the service provider, presentation (PS3.8 table 9-21, byte 10, source 3)."""

    TEMPORARY_CONGESTION = 1
    LOCAL_LIMIT_EXCEEDED = 2


class ProtocolError(Exception):
    """The peer broke the protocol; the association cannot go on.

    `source` and `reason` are what an A-ABORT says of it in an established association. The text
    describes structure only (lengths, types, identifiers of contexts), never content.
    """

    def __init__(
        self,
        what: str,
        reason: AbortReason = AbortReason.INVALID_PARAMETER,
        source: AbortSource = AbortSource.SERVICE_PROVIDER,
    ) -> None:
        super().__init__(what)
        self.reason = reason
        self.source = source

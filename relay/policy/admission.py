"""Whether a request for an association may go on to routing: facts in, a rejection or None out.

The order is the standard's own: what the provider cannot understand comes before what it does not
wish (PS3.8 9.3.2 and 9.3.4).
"""

from __future__ import annotations

import re

from relay.wire.errors import (
    ACSERejectReason,
    PresentationRejectReason,
    RejectResult,
    RejectSource,
    UserRejectReason,
)
from relay.wire.negotiation import LONGEST_USER_INFORMATION
from relay.wire.pdu import (
    APPLICATION_CONTEXT,
    SMALLEST_MAXIMUM_LENGTH,
    AssociateRJ,
    AssociateRQ,
)
from relay.wire.upperlayer import peer_maximum

LONGEST_TITLE = 16
"""Characters of an AE title."""

VERSION_REJECTED = AssociateRJ(
    RejectResult.PERMANENT,
    RejectSource.SERVICE_PROVIDER_ACSE,
    ACSERejectReason.PROTOCOL_VERSION_NOT_SUPPORTED,
)
UNFIT = AssociateRJ(
    RejectResult.PERMANENT, RejectSource.SERVICE_PROVIDER_ACSE, ACSERejectReason.NO_REASON
)
"""A maximum length that is too small, or user information too long to be passed on."""
TOO_MANY = AssociateRJ(
    RejectResult.TRANSIENT,
    RejectSource.SERVICE_PROVIDER_PRESENTATION,
    PresentationRejectReason.LOCAL_LIMIT_EXCEEDED,
)
IDENTITY_REFUSED = AssociateRJ(
    RejectResult.TRANSIENT, RejectSource.SERVICE_PROVIDER_ACSE, ACSERejectReason.NO_REASON
)
"""A user identity that does not verify, or none where one is asked for."""
UNAVAILABLE = AssociateRJ(
    RejectResult.TRANSIENT,
    RejectSource.SERVICE_PROVIDER_PRESENTATION,
    PresentationRejectReason.TEMPORARY_CONGESTION,
)


_CONTROL = re.compile(r"[\x00-\x1f\x7f]").search


def _refusal(reason: UserRejectReason) -> AssociateRJ:
    return AssociateRJ(RejectResult.PERMANENT, RejectSource.SERVICE_USER, reason)


CONTEXT_NOT_SUPPORTED = _refusal(UserRejectReason.APPLICATION_CONTEXT_NOT_SUPPORTED)
CALLING_NOT_RECOGNIZED = _refusal(UserRejectReason.CALLING_AE_TITLE_NOT_RECOGNIZED)
CALLED_NOT_RECOGNIZED = _refusal(UserRejectReason.CALLED_AE_TITLE_NOT_RECOGNIZED)


def judge(request: AssociateRQ, refusal: AssociateRJ | None) -> AssociateRJ | None:
    """The rejection that `request` deserves before routing, or None.

    `refusal`: what it is told where an allow list keeps it out, or where the limits leave no room
    for one association more.
    """
    if not request.protocol_version & 1:
        return VERSION_REJECTED
    if request.application_context != APPLICATION_CONTEXT:
        return CONTEXT_NOT_SUPPORTED
    if not is_ae_title(request.called):
        return CALLED_NOT_RECOGNIZED
    if not is_ae_title(request.calling):
        return CALLING_NOT_RECOGNIZED
    information = request.user_information
    if peer_maximum(information) < SMALLEST_MAXIMUM_LENGTH:
        return UNFIT
    if information.length > LONGEST_USER_INFORMATION:
        return UNFIT
    return refusal


def is_ae_title(title: str) -> bool:
    """Not blank, of 16 characters at most, and none of control (PS3.5 table 6.2-1, AE)."""
    return 0 < len(title) <= LONGEST_TITLE and _CONTROL(title) is None

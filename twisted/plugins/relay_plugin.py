"""Makes ``relay`` a command of twistd; relay.tap is imported only when it is asked for."""

from __future__ import annotations

from twisted.application.service import ServiceMaker

relay = ServiceMaker(
    "relay",
    "relay.tap",
    "Relays DICOM between modalities and archives, as it arrives.",
    "relay",
)

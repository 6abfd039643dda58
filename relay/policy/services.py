"""Which service an abstract syntax belongs to, by the names that a route's `services` may use.

A route speaks of services and not of SOP classes, so that a modality's new image class goes where
its other images go. The table is literal and holds roots of the UID tree: the longest root that a
UID is, or is below of, decides. A class that DICOM adds under a known root is therefore known too.
The UIDs are those of PS3.6 table A-1, the service classes those of PS3.4.
"""

from __future__ import annotations

from collections.abc import Container

OTHER = "other"

_DICOM = "1.2.840.10008"

# A root for anybody's UIDs (PS3.5 B.2).
_PRIVATE = "2.25"

_ROOTS = {
    # PS3.4 A
    f"{_DICOM}.1.1": "verification",
    # PS3.4 B; retired storage classes and those of DICOS and DICONDE are below the same root
    f"{_DICOM}.5.1.4.1.1": "storage",
    f"{_DICOM}.1.3.10": "storage",  # media storage directory: on media by right, sent all the same
    f"{_DICOM}.5.1.1.27": "storage",  # stored print, retired: a C-STORE among the print classes
    f"{_DICOM}.5.1.1.29": "storage",  # hardcopy images, retired, likewise
    f"{_DICOM}.5.1.1.30": "storage",
    f"{_DICOM}.5.1.4.34.1": "storage",  # RT delivery instructions live among the procedure steps
    f"{_DICOM}.5.1.4.34.7": "storage",
    f"{_DICOM}.5.1.4.34.10": "storage",
    # PS3.4 C, Y, Z; HH, JJ and KK ask for what storage holds, so they go where its queries go
    f"{_DICOM}.5.1.4.1.2": "query-retrieve",
    f"{_DICOM}.5.1.4.20": "query-retrieve",  # defined procedure protocols
    f"{_DICOM}.5.1.4.1.1.201.2": "query-retrieve",  # inventories, also to make one
    f"{_DICOM}.5.1.4.1.1.201.3": "query-retrieve",
    f"{_DICOM}.5.1.4.1.1.201.4": "query-retrieve",
    f"{_DICOM}.5.1.4.1.1.201.5": "query-retrieve",
    f"{_DICOM}.5.1.4.1.1.201.6": "query-retrieve",
    # PS3.4 J; the pull model is retired
    f"{_DICOM}.1.20": "storage-commitment",
    # PS3.4 K; the general purpose worklist and its steps are retired
    f"{_DICOM}.5.1.4.31": "worklist",
    f"{_DICOM}.5.1.4.32": "worklist",
    # PS3.4 F
    f"{_DICOM}.3.1.2.3.3": "mpps",
    f"{_DICOM}.3.1.2.3.4": "mpps",
    f"{_DICOM}.3.1.2.3.5": "mpps",
    # PS3.4 H
    f"{_DICOM}.5.1.1": "print",
    # PS3.4 S
    f"{_DICOM}.5.1.1.33": "media-creation",
    # PS3.4 EE
    f"{_DICOM}.5.1.1.40": "display-system",
    # PS3.4 CC; the trial classes are retired
    f"{_DICOM}.5.1.4.34.4": "ups",
    f"{_DICOM}.5.1.4.34.6": "ups",
    # PS3.4 DD; the trial classes are retired
    f"{_DICOM}.5.1.4.34.2": "rt-machine-verification",
    f"{_DICOM}.5.1.4.34.3": "rt-machine-verification",
    f"{_DICOM}.5.1.4.34.8": "rt-machine-verification",
    f"{_DICOM}.5.1.4.34.9": "rt-machine-verification",
    # PS3.4 R
    f"{_DICOM}.5.1.4.33": "instance-availability",
    # PS3.4 Q
    f"{_DICOM}.5.1.4.37": "relevant-patient",
    # PS3.4 U
    f"{_DICOM}.5.1.4.38": "hanging-protocol",
    # PS3.4 X
    f"{_DICOM}.5.1.4.39": "color-palette",
    # PS3.4 BB
    f"{_DICOM}.5.1.4.43": "implant-template",
    f"{_DICOM}.5.1.4.44": "implant-template",
    f"{_DICOM}.5.1.4.45": "implant-template",
    # PS3.4 V; of the event logs of P the one of what was given
    f"{_DICOM}.5.1.4.41": "substance",
    f"{_DICOM}.5.1.4.42": "substance",
    f"{_DICOM}.1.42": "substance",
    # PS3.4 II
    f"{_DICOM}.5.1.4.1.1.200.3": "protocol-approval",
    f"{_DICOM}.5.1.4.1.1.200.4": "protocol-approval",
    f"{_DICOM}.5.1.4.1.1.200.5": "protocol-approval",
    f"{_DICOM}.5.1.4.1.1.200.6": "protocol-approval",
}

SERVICES = frozenset({*_ROOTS.values(), OTHER})
"""All names that `service_of` returns, and that a route may list."""


def service_of(abstract_syntax: str) -> str:
    """The service of an abstract syntax, a UID without padding; "other" where none is known.

    Private classes are "other", and so are DICOM's that fit no name: the retired management
    classes, study content notification and procedural event logging.
    """
    root = abstract_syntax
    while root:
        if root in _ROOTS:
            return _ROOTS[root]
        root = root.rpartition(".")[0]
    return OTHER


def example_of(service: str) -> str:
    """An abstract syntax of this service, one of `SERVICES`, for who asks about the service as
    such."""
    return next((root for root, name in _ROOTS.items() if name == service), _PRIVATE)


def is_among(abstract_syntax: str, services: Container[str] | None) -> bool:
    """Whether `services`, names and UIDs of abstract syntaxes, have this one; None has all."""
    return (
        services is None or service_of(abstract_syntax) in services or abstract_syntax in services
    )
